//! What the expansion of `#[with_reaper]` calls.
//!
//! The expansion names these few functions and nothing else, so the behaviour of a guarded test is ordinary
//! code, here, and can change without a test being compiled differently. Rejected: writing the behaviour
//! into the expansion, where it would be compiled once per test and could not be tested but by expanding.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use crate::error::{Error, Result};
use crate::guard::{Reaper, end_of_test};
use crate::settings::running_test;

/// The marker that `#[with_reaper]` leaves for when the other attributes of the test have been expanded.
pub use reaper_macros::guard;

pub use super::outcome::{Outcome, Verdict};
pub use crate::settings::Scope;

/// Held around a test's whole body: while one is alive, [`current`] has a guard to give.
#[must_use]
#[derive(Debug)]
pub struct TestGuard {
    number: u64,
    expects_panic: bool,
    /// It panicked as it was expected to.
    panicked_as_expected: AtomicBool,
}

/// The guards of the tests that run in this process. Usually all are the same one; after a loss the tests that began before it
/// hold a dead one, and those after it a new one. With scopes each is its test's own.
struct Held {
    entered: u64,
    guards: Vec<Entered>,
}

struct Entered {
    number: u64,
    reaper: Reaper,
    thread: ThreadId,
}

static HELD: Mutex<Held> = Mutex::new(Held { entered: 0, guards: Vec::new() });

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
    acquire_in(None)
}

/// The same for a guard whose things go with the session, or with itself; none says that the settings decide it.
#[track_caller]
pub(crate) fn acquire_in(scope: Option<Scope>) -> Reaper {
    let place = Location::caller();
    // Not `unwrap_or_else`: the panic would be the closure's, and so would be the place it reports.
    match ask(scope) {
        Ok(reaper) => reaper,
        Err(error) => panic!("{}", describe(&error, place)),
    }
}

fn ask(scope: Option<Scope>) -> Result<Reaper> {
    let builder = Reaper::builder();
    match scope {
        Some(scope) => builder.with_scope(scope).acquire(),
        None => builder.acquire(),
    }
}

/// Acquires the guard of a test and makes it the current one until the returned value is dropped.
#[track_caller]
pub fn enter() -> TestGuard {
    hold(acquire(), false)
}

/// The same for a test that says with what its things go.
#[track_caller]
pub fn enter_in(scope: Scope) -> TestGuard {
    hold(acquire_in(Some(scope)), false)
}

/// The same as [`enter`] for a test that is expected to panic: a failure is printed, and the test returns
/// without a panic and so fails.
#[must_use]
#[track_caller]
pub fn enter_or_report() -> Option<TestGuard> {
    report_in(None)
}

/// The same for a test that says with what its things go.
#[must_use]
#[track_caller]
pub fn enter_or_report_in(scope: Scope) -> Option<TestGuard> {
    report_in(Some(scope))
}

#[track_caller]
fn report_in(scope: Option<Scope>) -> Option<TestGuard> {
    let place = Location::caller();
    match ask(scope) {
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

/// The guard of the test that runs here, where tests have scopes of their own; else of the one that began last: after a loss
/// it is the one that is alive. The lock is let go before this returns.
pub(super) fn held() -> Option<Reaper> {
    let held = lock();
    let last = held.guards.last()?;
    let here = thread::current().id();
    let own = || held.guards.iter().rev().find(|entered| entered.thread == here);
    let found = if !held.guards.iter().any(|entered| entered.reaper.is_scoped()) {
        last.reaper.clone()
    } else if let Some(own) = own() {
        own.reaper.clone()
    } else if running_test().is_some() {
        last.reaper.clone()
    } else {
        // A thread of nobody knows which test's: what it creates must not go with another's.
        last.reaper.for_session()
    };
    drop(held);
    Some(found.here())
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

impl TestGuard {
    /// Runs the body of a test that is expected to panic, with this text where one was named, and takes note of whether
    /// it does.
    ///
    /// # Panics
    ///
    /// As the body does.
    pub fn expecting<T>(&self, text: Option<&str>, body: impl FnOnce() -> T) -> T {
        // Nothing of the body is used any more when it has panicked.
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| self.note_panic(text, panic))
    }

    /// The same for a body that is a future.
    ///
    /// # Panics
    ///
    /// As the body does.
    pub async fn expecting_async<T>(&self, text: Option<&str>, body: impl AsyncFnOnce() -> T) -> T {
        let mut body = pin!(body());
        let outcome =
            poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => std::task::Poll::Ready(Err(panic)),
            });
        outcome.await.unwrap_or_else(|panic| self.note_panic(text, panic))
    }

    fn note_panic(&self, text: Option<&str>, panic: Box<dyn Any + Send>) -> ! {
        if text.is_none_or(|text| message(&*panic).is_some_and(|message| message.contains(text))) {
            self.panicked_as_expected.store(true, Ordering::Relaxed);
        }
        resume_unwind(panic)
    }
}

/// What a panic says, as the harness reads it.
fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&'static str>().copied())
}

impl Drop for TestGuard {
    fn drop(&mut self) {
        let own = {
            let guards = &mut lock().guards;
            let own = guards.iter().position(|entered| entered.number == self.number);
            own.map(|own| guards.remove(own))
        };
        let passed =
            if self.expects_panic { *self.panicked_as_expected.get_mut() } else { !std::thread::panicking() };
        // Outside the lock: closing the connection takes one of its own.
        end_of_test(passed, || drop(own));
    }
}

fn hold(reaper: Reaper, expects_panic: bool) -> TestGuard {
    let mut held = lock();
    held.entered += 1;
    let number = held.entered;
    held.guards.push(Entered { number, reaper, thread: thread::current().id() });
    TestGuard { number, expects_panic, panicked_as_expected: AtomicBool::new(false) }
}

fn lock() -> std::sync::MutexGuard<'static, Held> {
    // Nothing in here panics half-way, so a poisoned lock guards sound data.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error with its causes: at full length the first time, later by reference.
pub(super) fn describe(error: &Error, place: &'static Location<'static>) -> String {
    let text = format!("no reaper for this test: {}", error.report());
    let (first, first_place) = FIRST_FAILURE.get_or_init(|| (text.clone(), place));
    if *first == text && !std::ptr::eq(*first_place, place) {
        return format!("no reaper for this test, for the reason given in full by the test at {first_place}");
    }
    text
}
