//! What tells a process from every other.

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

/// Whether the kernel knows of no process with this pid, whoever it may belong to.
#[cfg(unix)]
pub(super) fn nobody_has(id: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    id.is_none_or(|id| test_kill_process(id) == Err(rustix::io::Errno::SRCH))
}
