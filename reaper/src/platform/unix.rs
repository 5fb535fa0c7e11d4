//! Unix without `/proc`: ps(1) and sysctl(8).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Process, nobody_has};

/// The process with this pid, none if there provably is none, or why that cannot be told. What has ended and was
/// not waited for yet is none.
pub(crate) fn look_for(id: u32) -> io::Result<Option<Process>> {
    // `lstart` is five words: weekday, month, day, time, year.
    match output(Command::new("ps").args(["-o", "state=,ppid=,lstart=,comm=", "-p", &id.to_string()])) {
        Some(line) => Ok(parse(id, &line)),
        None if nobody_has(id) => Ok(None),
        None => Err(io::Error::other("ps does not tell")),
    }
}

fn parse(id: u32, line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    if words.next()?.starts_with('Z') {
        return None;
    }
    let parent = words.next()?.parse().ok();
    let started = words.by_ref().take(5).collect::<Vec<_>>().join(" ");
    let command = words.collect::<Vec<_>>().join(" ");
    let name = Path::new(&command).file_name()?.to_string_lossy().into_owned();
    Some(Process { id, parent, name, started })
}

pub(crate) use std::os::unix::process::parent_id;

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

/// The arguments of this process; none where they are not known before `main`.
pub(crate) fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// What to execute to run this program once more; whose code is at the address is not known here.
pub(crate) fn program_with(_address: usize) -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Names the current boot, within which pids and start times mean something.
pub(crate) fn boot() -> String {
    output(Command::new("sysctl").args(["-n", "kern.boottime"])).unwrap_or_default()
}

/// Within what a pid and a start time mean one process: the boot, which begins at a time that no other does.
pub(crate) fn host() -> Option<String> {
    let boot: String = boot().chars().filter(char::is_ascii_digit).collect();
    (!boot.is_empty()).then_some(boot)
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.env("LC_ALL", "C").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}
