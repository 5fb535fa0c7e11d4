//! What the standard library cannot ask of Linux: signals as readable bytes, waiting for many sockets at
//! once, keepalive, and the limit of descriptors. The server's only `unsafe`.
#![expect(unsafe_code, reason = "system calls the standard library does not wrap")]

use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd as _};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const POLLIN: i16 = 1;
const POLLOUT: i16 = 4;
const SOL_SOCKET: i32 = 1;
const SO_SNDBUF: i32 = 7;
const SO_KEEPALIVE: i32 = 9;
/// For what somebody has not read yet: some hundred lines of what was removed.
const MOST_UNREAD: i32 = 256 << 10;
const IPPROTO_TCP: i32 = 6;
/// `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`: ask after 10 s of silence, give up after three more. And
/// `TCP_USER_TIMEOUT`, in milliseconds: as soon, while an answer is under way, which would be repeated for a quarter of an hour.
const KEEPALIVE: [(i32, i32); 4] = [(4, 10), (5, 5), (6, 3), (18, 25_000)];

const RLIMIT_NOFILE: i32 = 7;
/// Of this process, and of the system.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

#[repr(C)]
struct Limit {
    soft: u64,
    hard: u64,
}

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn write(fd: i32, buffer: *const u8, count: usize) -> isize;
    fn poll(fds: *mut PollFd, count: std::ffi::c_ulong, timeout: i32) -> i32;
    fn getrlimit(resource: i32, limit: *mut Limit) -> i32;
    fn setrlimit(resource: i32, limit: *const Limit) -> i32;
    fn setsockopt(fd: i32, level: i32, name: i32, value: *const i32, length: u32) -> i32;
}

static SIGNALLED: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(_number: i32) {
    // SAFETY: write(2) may be called in a signal handler; the pipe's end is never closed.
    unsafe { write(SIGNALLED.load(Ordering::Relaxed), b"x".as_ptr(), 1) };
}

/// Becomes readable with the first SIGTERM or SIGINT. As process 1 the default would be to ignore them.
pub(crate) fn signals() -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    SIGNALLED.store(writer.into_raw_fd(), Ordering::Relaxed);
    for number in [SIGINT, SIGTERM] {
        // SAFETY: the handler only writes to the pipe stored above.
        if unsafe { signal(number, on_signal) } == usize::MAX {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(reader)
}

/// What is waited for at a descriptor. Its end and its failure count in any case.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// Waits until one of these can be read, or the time is over; says of each whether it can be read.
pub(crate) fn readable(fds: &[BorrowedFd<'_>], wait: Option<Duration>) -> io::Result<Vec<bool>> {
    let wished: Vec<_> = fds.iter().map(|fd| (*fd, Wish { read: true, write: false })).collect();
    ready(&wished, wait)
}

/// Waits until something can be done at one of these, or the time is over; says of each whether it can.
pub(crate) fn ready(fds: &[(BorrowedFd<'_>, Wish)], wait: Option<Duration>) -> io::Result<Vec<bool>> {
    let events = |wish: &Wish| if wish.read { POLLIN } else { 0 } | if wish.write { POLLOUT } else { 0 };
    let mut polled: Vec<_> = fds
        .iter()
        .map(|(fd, wish)| PollFd { fd: fd.as_raw_fd(), events: events(wish), revents: 0 })
        .collect();
    // Rounded up: waking a moment early would mean going around the loop for nothing.
    let timeout = wait.map_or(-1, |wait| i32::try_from(wait.as_millis() + 1).unwrap_or(i32::MAX));
    // SAFETY: pointer and length are those of a vector that lives through the call.
    if unsafe { poll(polled.as_mut_ptr(), polled.len() as std::ffi::c_ulong, timeout) } < 0 {
        let error = io::Error::last_os_error();
        // The signal itself interrupts; its byte is seen in the next round.
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(polled.iter().map(|fd| fd.revents != 0).collect())
}

/// Bounds what the kernel keeps for a peer that does not read; by itself it would keep megabytes.
pub(crate) fn bound_sending(socket: &impl AsRawFd) -> io::Result<()> {
    set(socket, SOL_SOCKET, SO_SNDBUF, MOST_UNREAD)
}

/// Lets the kernel notice a peer that vanished without a word.
pub(crate) fn keep_alive(socket: &impl AsRawFd) -> io::Result<()> {
    let options = [(SOL_SOCKET, SO_KEEPALIVE, 1)].into_iter();
    for (level, name, value) in options.chain(KEEPALIVE.map(|(name, value)| (IPPROTO_TCP, name, value))) {
        set(socket, level, name, value)?;
    }
    Ok(())
}

fn set(socket: &impl AsRawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the value is an int that lives through the call, and its size is given.
    if unsafe { setsockopt(socket.as_raw_fd(), level, name, &raw const value, 4) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Allows this process as many descriptors, or as many as it may have; gives how many those are.
pub(crate) fn raise_descriptors(wanted: u64) -> io::Result<u64> {
    let mut limit = Limit { soft: 0, hard: 0 };
    // SAFETY: the pointer is to two numbers that live through the call.
    if unsafe { getrlimit(RLIMIT_NOFILE, &raw mut limit) } < 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.soft < wanted {
        let raised = Limit { soft: wanted.min(limit.hard), hard: limit.hard };
        // SAFETY: as above. Where it is not granted, it stays as it was.
        if unsafe { setrlimit(RLIMIT_NOFILE, &raw const raised) } == 0 {
            limit.soft = raised.soft;
        }
    }
    Ok(limit.soft)
}

pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}
