//! What only the operating system knows: which processes stand above this one.
//!
//! One small file per platform behind one interface. Linux reads `/proc`, since a hook that runs before
//! `main` must not start a process; other Unixes ask `ps`, which needs no `unsafe` and is everywhere.
//! A crate such as `sysinfo` would read all processes to answer for three.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(all(unix, not(target_os = "linux")), path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod imp;

#[cfg(unix)]
pub(crate) mod detach;
mod keepalive;
#[cfg(all(unix, feature = "cli"))]
pub(crate) mod signals;

pub(crate) use self::keepalive::keep_alive;
pub(crate) use imp::{KEEPS_VARIABLES, boot, host, look_for, parent_id, variables_at_start};

/// A process, told apart from every other that ever had its pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: Option<u32>,
    /// The executable's name without its folder; Linux cuts it to 15 bytes.
    pub(crate) name: String,
    /// When it was started, in the platform's own notation: only ever compared for equality.
    pub(crate) started: String,
}

impl Process {
    /// This process, for the platform that cannot tell its parent.
    pub(crate) fn this() -> Self {
        let id = std::process::id();
        process(id).unwrap_or(Self { id, parent: None, name: String::new(), started: String::new() })
    }
}

/// The process with this pid, if there is one that can be seen.
pub(crate) fn process(id: u32) -> Option<Process> {
    look_for(id).ok().flatten()
}

/// Whether the kernel knows of no process with this pid, whoever it may belong to.
#[cfg(unix)]
fn nobody_has(id: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    id.is_none_or(|id| test_kill_process(id) == Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_told_from_its_parent() {
        let this = Process::this();
        let parent = process(parent_id()).expect("a test has a parent");
        assert_eq!(this.parent, Some(parent.id));
        assert!(!this.started.is_empty() && !parent.name.is_empty());
        assert!(!boot().is_empty() && host().is_some_and(|host| !host.contains(char::is_whitespace)));
    }

    #[test]
    fn a_variable_is_as_it_was_at_the_start() {
        // Whatever it says, every process of a test run has one.
        assert_eq!(variables_at_start(["PATH", "PAT"]), [std::env::var("PATH").ok(), None]);
    }

    #[test]
    fn a_pid_that_nobody_has_is_no_process() {
        assert_eq!(process(u32::MAX - 1), None);
    }
}
