//! Becoming a process that belongs to nobody, and waiting for another to end.

use std::ffi::CStr;
use std::net::TcpStream;
use std::os::fd::AsFd as _;

use super::imp::look_for;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where the kernel cannot say when a process ends, it is looked for this often.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Leaves the terminal, the process group and the inherited files behind. What does not work out leaves
/// the process as it was, which is no reason not to go on.
pub(crate) fn detach(name: &CStr) {
    // Fails for the leader of a group, which has its own already.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::thread::set_name(name);
        close_inherited();
    }
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// Closes everything but the standard three.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only the number of an inherited descriptor is known")]
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let listed: Vec<i32> = names.filter(|descriptor| *descriptor > 2).collect();
    // The folder was one of them, and is closed.
    let is_open = |descriptor: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok();
    for descriptor in listed.into_iter().filter(is_open) {
        // SAFETY: called in the hook at load of a process that never gets to `main`, with one thread and no
        // file opened yet by this code; nobody uses a descriptor again that whoever started it left open.
        unsafe { rustix::io::close(descriptor) };
    }
}

/// Waits until the process that had this pid and start time is gone, or the stream has ended; gives whether it was
/// the process.
pub(crate) fn until_either_ends(id: u32, started: &str, stream: &TcpStream) -> bool {
    // What cannot be told is no end: a session without its keeper may be over too early.
    let runs = || look_for(id).map_or(true, |found| found.is_some_and(|process| process.started == started));
    let ending = ending(id);
    // Only now: a descriptor that was opened before is not that of a later process with the same pid.
    while runs() {
        let mut waited = vec![PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN)];
        if let Some(ending) = &ending {
            waited.push(PollFd::from_borrowed_fd(ending.as_fd(), PollFlags::IN));
        }
        let timeout = if ending.is_some() { None } else { Some(&LOOK_AGAIN) };
        match poll(&mut waited, timeout) {
            // Nobody asks the reaper anything any more, so on the stream this is its end.
            Ok(1..) => return waited[1..].iter().any(|ending| !ending.revents().is_empty()) || !runs(),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// The end of a process, to be waited for.
#[cfg(feature = "cli")]
pub(crate) struct Ending(Option<std::os::fd::OwnedFd>);

#[cfg(feature = "cli")]
impl Ending {
    /// That of the process that has this pid now.
    pub(crate) fn of(id: u32) -> Self {
        Self(ending(id))
    }

    /// Waits for it, or for a moment, after which one has to look.
    pub(crate) fn wait(&self) {
        let ending = self.0.as_ref().map(|ending| PollFd::from_borrowed_fd(ending.as_fd(), PollFlags::IN));
        let timeout = if ending.is_some() { None } else { Some(&LOOK_AGAIN) };
        // A signal ends the wait, too.
        let _ = poll(&mut ending.into_iter().collect::<Vec<_>>(), timeout);
    }
}

/// Leaves the terminal and the process group.
#[cfg(feature = "cli")]
pub(crate) fn leave_terminal() {
    // Fails for the leader of a group, which has its own already.
    let _ = rustix::process::setsid();
}

/// Lets whoever reads this process's output see the end of it.
pub(crate) fn let_go_of_output() -> std::io::Result<()> {
    rustix::stdio::dup2_stdout(std::fs::File::options().write(true).open("/dev/null")?)?;
    Ok(())
}

/// Becomes readable when the process ends.
#[cfg(target_os = "linux")]
fn ending(id: u32) -> Option<std::os::fd::OwnedFd> {
    let id = rustix::process::Pid::from_raw(i32::try_from(id).ok()?)?;
    rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn ending(_id: u32) -> Option<std::os::fd::OwnedFd> {
    None
}
