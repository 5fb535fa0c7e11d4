//! What living scopes name, and may not be removed for another that has ended.
//!
//! Shared with the thread that removes, and asked right before each removal. Whoever begins a scope takes the same lock
//! before its `ACK`, and a request is written to the engine under it. So nothing that an acknowledged scope names is asked to be
//! removed from then on; what the engine was asked before the `ACK` may still go. A list in the order alone was rejected:
//! a round lasts as long as its slowest removal, and scopes begin meanwhile. To hold the `ACK` back until the round is over was
//! rejected, too: every test would wait for what others have left.
//!
//! The lock is held for no answer. A request is shorter than the buffer of a connection that was just made, so writing it waits
//! for nobody.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::filter::Filter;

#[derive(Debug, Default)]
pub(crate) struct Living(Mutex<BTreeSet<Filter>>);

/// While it is held, no scope begins.
pub(crate) struct Permit<'a>(
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'a, BTreeSet<Filter>>,
);

impl Living {
    pub(crate) fn add(&self, filter: Filter) {
        self.filters().insert(filter);
    }

    pub(crate) fn remove(&self, filter: &Filter) {
        self.filters().remove(filter);
    }

    pub(crate) fn clear(&self) {
        self.filters().clear();
    }

    /// Whether one of them means a thing with these labels.
    pub(crate) fn name(&self, labels: &[(String, String)]) -> bool {
        self.permit(labels).is_none()
    }

    /// To ask the engine to remove a thing with these labels; none where one of them means it.
    pub(crate) fn permit(&self, labels: &[(String, String)]) -> Option<Permit<'_>> {
        let filters = self.filters();
        let is_free = !filters.iter().any(|filter| filter.matches(labels));
        is_free.then_some(Permit(filters))
    }

    fn filters(&self) -> MutexGuard<'_, BTreeSet<Filter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
