//! What the expansion of `#[with_reaper]` calls.
//!
//! The expansion names these few functions and nothing else, so the behaviour of a guarded test is ordinary
//! code, here, and can change without a test being compiled differently. Rejected: writing the behaviour
//! into the expansion, where it would be compiled once per test and could not be tested but by expanding.

use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Error;
use crate::guard::Reaper;
use crate::guard::{end_of_test, failed};

/// The marker that `#[with_reaper]` leaves for when the other attributes of the test have been expanded.
pub use reaper_macros::guard;

/// Held around a test's whole body: while one is alive, [`current`] has a guard to give.
#[must_use]
#[derive(Debug)]
pub struct TestGuard {
    expects_panic: bool,
}

/// The guard that the running tests of this process share, and how many of them hold it.
struct Current {
    holders: usize,
    reaper: Option<Reaper>,
}

static CURRENT: Mutex<Current> = Mutex::new(Current { holders: 0, reaper: None });

/// The first failure of the process, so that a hundred tests do not say the same at full length.
static FIRST_FAILURE: OnceLock<(String, &'static Location<'static>)> = OnceLock::new();

/// Acquires a guard.
///
/// # Panics
///
/// With what was tried, at the place of the test, where no reaper can be had.
#[must_use]
#[track_caller]
pub fn acquire() -> Reaper {
    let place = Location::caller();
    // Not `unwrap_or_else`: the panic would be the closure's, and so would be the place it reports.
    match Reaper::acquire() {
        Ok(reaper) => reaper,
        Err(error) => panic!("{}", describe(&error, place)),
    }
}

/// Acquires the guard of a test and makes it the current one until the returned value is dropped.
#[track_caller]
pub fn enter() -> TestGuard {
    hold(acquire(), false)
}

/// The same as [`enter`] for a test that is expected to panic: a failure is printed, and the test returns
/// without a panic and so fails.
#[must_use]
#[track_caller]
pub fn enter_or_report() -> Option<TestGuard> {
    let place = Location::caller();
    match Reaper::acquire() {
        Ok(reaper) => Some(hold(reaper, true)),
        Err(error) => {
            eprintln!("{place}: {}", describe(&error, place));
            None
        }
    }
}

/// Another handle on the guard that this process holds.
///
/// For helpers that a test calls and for tests without a `reaper: Reaper` parameter.
///
/// # Panics
///
/// When no guard is held, neither by `#[with_reaper]` nor by hand: nothing would be cleaned up.
#[must_use]
#[track_caller]
pub fn current() -> Reaper {
    match held().or_else(Reaper::current) {
        Some(reaper) => reaper,
        None => panic!(
            "no guard is held in this process: put `#[with_reaper]` on the test, or call `Reaper::acquire()` first"
        ),
    }
}

/// The guard that the running tests share; the lock is let go before this returns.
pub(super) fn held() -> Option<Reaper> {
    lock().reaper.clone()
}

/// What a test's guard parameter is filled with, by the type that was written for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the guard that `#[with_reaper]` fills a parameter with",
    label = "expected `reaper::Reaper` or a reference to it"
)]
pub trait Parameter {
    /// A handle on the guard of the running test.
    fn of_current_test() -> Self;
}

impl Parameter for Reaper {
    #[track_caller]
    fn of_current_test() -> Self {
        current()
    }
}

/// Fills a guard parameter.
#[must_use]
#[track_caller]
pub fn parameter<P: Parameter>() -> P {
    P::of_current_test()
}

/// Runs the body of an async test that names no runtime of its own: on this thread, on a runtime for itself.
///
/// # Panics
///
/// Where the operating system refuses what a runtime needs.
#[cfg(feature = "tokio")]
pub fn block_on<F: AsyncFnOnce() -> T, T>(test: F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("failed to build a tokio runtime for the test: {error}"));
    runtime.block_on(test())
}

/// What a test returned.
#[derive(Debug)]
pub struct Outcome<'a, T>(pub &'a T);

impl<T, E> Outcome<'_, std::result::Result<T, E>> {
    /// Takes note of an error.
    pub fn note(&self) {
        if self.0.is_err() {
            failed();
        }
    }
}

/// What a test returned that is no result, and so no failure; a type's own method goes before a trait's.
pub trait AnyOutcome {
    /// There is nothing to note.
    fn note(&self) {}
}

impl<T> AnyOutcome for Outcome<'_, T> {}

impl Drop for TestGuard {
    fn drop(&mut self) {
        let last = {
            let mut current = lock();
            current.holders -= 1;
            if current.holders == 0 { current.reaper.take() } else { None }
        };
        // Outside the lock: closing the connection takes one of its own.
        end_of_test(self.expects_panic, || drop(last));
    }
}

fn hold(reaper: Reaper, expects_panic: bool) -> TestGuard {
    let mut current = lock();
    current.holders += 1;
    current.reaper.get_or_insert(reaper);
    TestGuard { expects_panic }
}

fn lock() -> std::sync::MutexGuard<'static, Current> {
    // Nothing in here panics half-way, so a poisoned lock guards sound data.
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error with its causes: at full length the first time, later by reference.
fn describe(error: &Error, place: &'static Location<'static>) -> String {
    let text = format!("no reaper for this test: {}", error.report());
    let (first, first_place) = FIRST_FAILURE.get_or_init(|| (text.clone(), place));
    if *first == text && !std::ptr::eq(*first_place, place) {
        return format!("no reaper for this test, for the reason given in full by the test at {first_place}");
    }
    text
}
