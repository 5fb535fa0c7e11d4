//! This process, and others by their pid.

use super::imp::look_for;
use super::process::Process;

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

#[cfg(test)]
mod tests {
    use super::super::imp::{boot, host, parent_id, variables_at_start};
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
