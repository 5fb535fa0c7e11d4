//! A platform that tells nothing about other processes without `unsafe`: sessions come from nextest's
//! run id or from `TESTCONTAINERS_SESSION_ID`; without either, each process is a session of its own.

use std::io;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::process::Process;

/// The process with this pid, if it is this one; of others nothing can be told.
pub(crate) fn look_for(id: u32) -> io::Result<Option<Process>> {
    static STARTED: OnceLock<String> = OnceLock::new();
    let started = STARTED.get_or_init(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map(|age| age.as_nanos().to_string()).unwrap_or_default()
    });
    let this = Process { id, parent: None, name: String::new(), started: started.clone() };
    if id == std::process::id() { Ok(Some(this)) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// The pid of the process that started this one: not known here, and no process has this one.
pub(crate) fn parent_id() -> u32 {
    0
}

/// Within what a pid means one process: not known here, so no process is ever known to have ended.
pub(crate) fn host() -> Option<String> {
    None
}

/// What a process was started with is known only until it changes its own variables.
pub(crate) const KEEPS_VARIABLES: bool = false;

/// Variables as they were when this process was started, if they are asked for in time.
pub(crate) fn variables_at_start<const N: usize>(names: [&str; N]) -> [Option<String>; N] {
    names.map(|name| std::env::var(name).ok())
}

/// A variable that another process was started with: not to be seen here.
pub(crate) fn variable_at_start_of(_id: u32, _name: &str) -> io::Result<Option<String>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Names the current boot: not known here.
pub(crate) fn boot() -> String {
    String::new()
}
