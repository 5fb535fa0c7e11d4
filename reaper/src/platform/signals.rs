//! Signals, together with whether a process sent them: what has to be known by who passes them on.
//!
//! A Ctrl-C reaches every process of the terminal's foreground group, so whoever passes it on delivers it twice;
//! a `kill` reaches one process, and has to be passed on. Only the siginfo that a handler is given tells them
//! apart. Rejected: a process group of the child's own, for it would be in the terminal's background, and out
//! of reach of a `kill -9` of the group it was started in.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, IntoRawFd as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{c_int, c_void, siginfo_t};
use rustix::process::Signal;

/// Where the handler writes: open from the first watch to the end of the process.
static NOTES: AtomicI32 = AtomicI32::new(-1);

/// What a shell, a terminal or an operator ends a command with.
const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Has the signals that end a process told, rather than end it, until it is dropped.
pub(crate) struct Watch {
    notes: UnixStream,
    before: Vec<(Signal, libc::sigaction)>,
}

impl Watch {
    /// Begins to watch; one at a time. A signal that this process ignores stays ignored, as `nohup` wants it.
    pub(crate) fn begin() -> io::Result<Self> {
        let (notes, written) = UnixStream::pair()?;
        written.set_nonblocking(true)?;
        NOTES.store(written.into_raw_fd(), Ordering::Release);
        let mut watch = Self { notes, before: Vec::new() };
        for signal in ENDING {
            let before = action(signal, None)?;
            if before.sa_sigaction != libc::SIG_IGN {
                watch.before.push((signal, action(signal, Some(&noting()))?));
            }
        }
        Ok(watch)
    }

    /// What [`Watch::next`] reads from, to end it from elsewhere.
    pub(crate) fn stop(&self) -> io::Result<Stop> {
        self.notes.try_clone().map(Stop)
    }

    /// Waits for a signal; gives it with whether a process sent it. None once it was stopped.
    pub(crate) fn next(&self) -> Option<(Signal, bool)> {
        let mut note = [0; 2];
        (&self.notes).read_exact(&mut note).ok()?;
        let signal = ENDING.into_iter().find(|signal| signal.as_raw() == i32::from(note[0]))?;
        Some((signal, note[1] == 1))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // It was accepted before.
            let _ = action(*signal, Some(before));
        }
    }
}

/// Ends the waiting for signals.
pub(crate) struct Stop(UnixStream);

impl Stop {
    pub(crate) fn now(&self) {
        // Fails only where it was stopped before.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn noting() -> libc::sigaction {
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = note;
    // SAFETY: a C structure of numbers, for which all zeros is the documented empty value.
    #[expect(unsafe_code, reason = "its fields differ between platforms")]
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    action
}

/// Sets a signal's action, if there is one to set, and gives the one before.
#[expect(unsafe_code, reason = "no safe call sets a handler that is told who sent a signal")]
fn action(signal: Signal, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both are valid for the call; the handler does nothing that a signal may not interrupt.
    match unsafe { libc::sigaction(signal.as_raw(), new, &raw mut before) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The handler: two bytes into the socket, which takes thousands before it is full.
#[expect(unsafe_code, reason = "a handler is given pointers")]
extern "C" fn note(number: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes a valid one to a handler that was set with SA_SIGINFO.
    let sent = sent_by_process(unsafe { &*info });
    // SAFETY: it was opened before the handler was set and is never closed.
    let notes = unsafe { BorrowedFd::borrow_raw(NOTES.load(Ordering::Acquire)) };
    // The four numbers fit a byte. There is nobody to tell that it failed.
    let _ = rustix::io::write(notes, &[u8::try_from(number).unwrap_or_default(), u8::from(sent)]);
}

/// Linux's own rule: codes above zero are the kernel's.
#[cfg(target_os = "linux")]
fn sent_by_process(info: &siginfo_t) -> bool {
    info.si_code <= 0
}

#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "which of its fields are set depends on the signal")]
fn sent_by_process(info: &siginfo_t) -> bool {
    // SAFETY: set for every signal that a process sent, and zero for a terminal's.
    unsafe { info.si_pid() != 0 }
}
