//! How a removal is told to end early, by who decides.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Held by who decides, watched by who removes.
#[derive(Default)]
pub(crate) struct Brake {
    pulled: Mutex<Option<Stop>>,
    changed: Condvar,
}

/// When a pass is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// When all that is listed was tried.
    AfterRound,
    /// When what the engine is asked already was answered.
    Now,
}

impl Brake {
    pub(crate) fn pull(&self, stop: Stop) {
        let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        *pulled = (*pulled).max(Some(stop));
        self.changed.notify_all();
    }

    pub(crate) fn is_pulled(&self, stop: Stop) -> bool {
        *self.pulled.lock().unwrap_or_else(PoisonError::into_inner) >= Some(stop)
    }

    /// Waits, unless it is pulled.
    pub(crate) fn rest(&self, time: Duration) {
        let pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(pulled, time, |pulled| pulled.is_none());
    }
}
