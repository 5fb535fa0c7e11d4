//! Ends the wait of a claim's thread when whoever asked goes away.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one thread waits for, and another may end.
#[derive(Default)]
pub(super) struct Cancel(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Going,
    Waiting(Box<dyn FnOnce() + Send>),
    Cancelled,
}

/// While it lives, the wait can be ended.
pub(super) struct Wait<'a>(&'a Cancel);

impl Cancel {
    /// Says how the wait that follows is ended; an error where nobody wants it any more.
    pub(super) fn wait(&self, end: impl FnOnce() + Send + 'static) -> io::Result<Wait<'_>> {
        let mut state = self.state();
        if matches!(*state, State::Cancelled) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        *state = State::Waiting(Box::new(end));
        Ok(Wait(self))
    }

    pub(super) fn is_cancelled(&self) -> bool {
        matches!(*self.state(), State::Cancelled)
    }

    pub(super) fn cancel(&self) {
        let state = std::mem::replace(&mut *self.state(), State::Cancelled);
        if let State::Waiting(end) = state {
            end();
        }
    }

    /// A panic elsewhere leaves it whole: it is replaced in one piece.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(*state, State::Waiting(_)) {
            *state = State::Going;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{TryRecvError, channel};

    use super::*;

    #[test]
    fn a_wait_is_ended_once_and_only_while_it_lasts() {
        let (ended, has_ended) = channel();
        let cancel = Cancel::default();
        let said = ended.clone();
        drop(cancel.wait(move || said.send(1).unwrap()).unwrap());
        let wait = cancel.wait(move || ended.send(2).unwrap()).unwrap();
        assert_eq!(has_ended.try_recv(), Err(TryRecvError::Empty));
        cancel.cancel();
        assert_eq!((has_ended.try_recv(), has_ended.try_recv()), (Ok(2), Err(TryRecvError::Disconnected)));
        drop(wait);
        assert!(cancel.is_cancelled() && cancel.wait(|| ()).is_err());
    }
}
