//! What makes something for the whole session: labels are the session's meanwhile, whoever holds which guard.
//!
//! A mark on the thread, since closures capture the guard of the test that they stand in.

use std::cell::Cell;
use std::future::poll_fn;

thread_local! {
    /// How deep this thread is in the makers of shared values.
    static MAKING: Cell<usize> = const { Cell::new(0) };
}

/// Whether what this thread creates is for the whole session, whoever holds which guard.
pub(super) fn is_making() -> bool {
    MAKING.get() > 0
}

/// Held while this thread makes something for the whole session.
struct Making;

impl Making {
    fn begin() -> Self {
        MAKING.set(MAKING.get() + 1);
        Self
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        MAKING.set(MAKING.get() - 1);
    }
}

/// Runs what makes something for the whole session: labels are the session's meanwhile.
pub(crate) fn making<T>(make: impl FnOnce() -> T) -> T {
    let _making = Making::begin();
    make()
}

/// The same for what a future makes, as often as that is polled. On the heap: it would make the caller's future as large
/// as itself, twice.
pub(crate) async fn making_async<F: Future>(make: impl FnOnce() -> F) -> F::Output {
    let mut make = Box::pin(making(make));
    poll_fn(|context| making(|| make.as_mut().poll(context))).await
}
