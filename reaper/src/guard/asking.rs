//! Turns on the connection's stream: the thread asks and waits for its answer, and drops say which scopes have ended.

use std::sync::{Arc, Mutex};

use super::connection::{Line, lock};

/// While the thread is not to be interrupted; at the end it says what it was left to say.
pub(super) struct Asking(Arc<Mutex<Line>>);

impl Asking {
    /// None where answers are owed that would be taken for others.
    pub(super) fn begin(line: &Arc<Mutex<Line>>) -> Option<Self> {
        lock(line).begin_asking().then(|| Self(Arc::clone(line)))
    }

    /// Over the next connection, on which nobody has said anything.
    pub(super) fn begin_with(line: &Arc<Mutex<Line>>, mut next: Line) -> Self {
        let mut last = lock(line);
        next.released = last.released;
        next.scopes = std::mem::take(&mut last.scopes);
        next.scopes.begin_again();
        next.begin_asking();
        *last = next;
        Self(Arc::clone(line))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.0).end_asking();
    }
}
