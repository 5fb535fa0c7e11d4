//! What makes something for the whole session: labels are the session's meanwhile, whoever holds which guard.
//!
//! A mark on the thread, since closures capture the guard of the test that they stand in. A making can be watched: the labels
//! that are handed out in it have one more, by which what it created is told from all else. To compare what the engine has
//! before and after was rejected: other tests of the process create and remove things meanwhile, with the same labels.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crate::platform;

thread_local! {
    /// The makers that this thread is in, the innermost last, each with its mark where it is watched.
    static MAKING: RefCell<Vec<Option<Arc<Mark>>>> = const { RefCell::new(Vec::new()) };
}

/// One making.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The label's value.
    pub(crate) name: String,
    pub(crate) since: SystemTime,
    was_handed_out: AtomicBool,
}

impl Mark {
    pub(crate) fn new() -> Arc<Self> {
        let (name, since) = (platform::random(), SystemTime::now());
        Arc::new(Self { name, since, was_handed_out: AtomicBool::new(false) })
    }

    /// Whether something may have been created with it.
    pub(crate) fn was_handed_out(&self) -> bool {
        self.was_handed_out.load(Ordering::Relaxed)
    }
}

/// Whether what this thread creates is for the whole session, whoever holds which guard.
pub(super) fn is_making() -> bool {
    MAKING.with_borrow(|making| !making.is_empty())
}

/// The mark of the making for which labels are asked for here, if that is watched.
pub(super) fn mark() -> Option<Arc<Mark>> {
    let mark = MAKING.with_borrow(|making| making.last().cloned().flatten())?;
    mark.was_handed_out.store(true, Ordering::Relaxed);
    Some(mark)
}

/// Held while this thread makes something for the whole session.
struct Making;

impl Making {
    fn begin(mark: Option<&Arc<Mark>>) -> Self {
        MAKING.with_borrow_mut(|making| making.push(mark.cloned()));
        Self
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        MAKING.with_borrow_mut(|making| drop(making.pop()));
    }
}

/// Runs what makes something for the whole session: labels are the session's meanwhile, and have the mark, if there is one.
pub(crate) fn making<T>(mark: Option<&Arc<Mark>>, make: impl FnOnce() -> T) -> T {
    let _making = Making::begin(mark);
    make()
}

/// The same for what a future makes, as often as that is polled. On the heap: it would make the caller's future as large
/// as itself, twice.
pub(crate) async fn making_async<F: Future>(mark: Option<&Arc<Mark>>, make: impl FnOnce() -> F) -> F::Output {
    let mut make = Box::pin(making(mark, make));
    poll_fn(|context| making(mark, || make.as_mut().poll(context))).await
}
