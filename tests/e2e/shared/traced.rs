//! One thread of another process, stopped and let go at will.

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A thread that stands still. Its process stays, even killed, until the tracer has seen the thread's end.
pub(super) struct Traced {
    thread: Pid,
    /// What it still has to be told.
    signal: Option<Signal>,
}

impl Traced {
    pub(super) fn stop(thread: &str) -> Self {
        let thread = Pid::from_raw(thread.parse().unwrap());
        ptrace::seize(thread, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
        ptrace::interrupt(thread).unwrap();
        let mut traced = Self { thread, signal: None };
        traced.wait();
        traced
    }

    /// Goes on to where the next system call begins or ends.
    pub(super) fn step(&mut self) {
        ptrace::syscall(self.thread, self.signal.take()).unwrap();
        self.wait();
    }

    pub(super) fn let_go(self) {
        ptrace::detach(self.thread, self.signal).unwrap();
    }

    /// Waits for the end of a thread whose process was killed.
    pub(super) fn until_it_has_ended(self) {
        while !matches!(self.status(), WaitStatus::Signaled(..) | WaitStatus::Exited(..)) {}
    }

    fn wait(&mut self) {
        match self.status() {
            WaitStatus::Stopped(_, signal) => self.signal = Some(signal),
            WaitStatus::PtraceSyscall(_) | WaitStatus::PtraceEvent(..) => {}
            over => panic!("{over:?}, and not yet where it should be"),
        }
    }

    fn status(&self) -> WaitStatus {
        waitpid(self.thread, Some(WaitPidFlag::__WALL)).unwrap()
    }
}
