//! Whether the tests of this process passed, as far as it can be told from within.
//!
//! Asked when `REAPER_KEEP=on-failure` has to decide. A test that was killed cannot say anything, so what is
//! kept is kept unless somebody says that all went well: silence is a failure. A look at the exit code was
//! rejected: it is known to the parent alone.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

static FAILED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The panic that unwinds this thread is the one its test was expected to end with.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// A test of this process failed.
pub(super) fn failed() {
    FAILED.store(true, Ordering::Relaxed);
}

/// Whether none has failed so far, the one that ends now on this thread included.
pub(super) fn all_passed() -> bool {
    !is_failing() && !FAILED.load(Ordering::Relaxed)
}

/// Whether the test that ends on this thread fails.
pub(super) fn is_failing() -> bool {
    std::thread::panicking() && !EXPECTED.get()
}

/// Lets go of the guard of a test, whose drop may ask: the panic that unwinds this thread then is one that its test passes
/// with, or a failure.
pub(super) fn expecting(passed: bool, let_go: impl FnOnce()) {
    EXPECTED.set(passed);
    let_go();
    EXPECTED.set(false);
}
