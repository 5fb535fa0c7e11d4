//! What a test returned, taken note of where it is a failure.
//!
//! The expansion has a reference to the value and its type as it is written, which may be an alias or hidden. So which of
//! the judgements applies is found out by which method there is for it. Silence is a failure: of what only the harness can
//! judge, because it takes the value for it, nothing is known. Rejected: asking the value for its exit code in the place of
//! the harness, for the test would have to return another type then.

use std::convert::Infallible;
use std::process::{ExitCode, Termination};

use crate::guard::failed;

/// What a test returned. The expansion calls `(&&&&Outcome(&value)).note()`: of the methods of this name there is the first
/// that applies, with as many references as it stands behind.
#[derive(Debug)]
pub struct Outcome<'a, T>(pub &'a T);

/// What can be told from a reference whether it is a success.
pub trait Verdict {
    /// Whether it is.
    fn is_success(&self) -> bool;
}

impl Verdict for () {
    fn is_success(&self) -> bool {
        true
    }
}

impl Verdict for Infallible {
    fn is_success(&self) -> bool {
        match *self {}
    }
}

impl Verdict for ExitCode {
    fn is_success(&self) -> bool {
        *self == Self::SUCCESS
    }
}

impl<T: Verdict, E> Verdict for Result<T, E> {
    fn is_success(&self) -> bool {
        self.as_ref().is_ok_and(Verdict::is_success)
    }
}

/// Takes note of a failure, or of not knowing.
pub trait AnyOutcome {
    /// Takes note.
    fn note(&self);
}

impl<T: Verdict> AnyOutcome for &&&Outcome<'_, T> {
    fn note(&self) {
        note(self.0.is_success());
    }
}

/// A type of the test's own, which tells the harness alone.
impl<T: Termination> AnyOutcome for &&Outcome<'_, T> {
    fn note(&self) {
        note(false);
    }
}

/// For another harness than the usual.
impl<T, E> AnyOutcome for &Outcome<'_, Result<T, E>> {
    fn note(&self) {
        note(self.0.is_ok());
    }
}

impl<T> AnyOutcome for Outcome<'_, T> {
    fn note(&self) {
        note(false);
    }
}

fn note(success: bool) {
    if !success {
        failed();
    }
}
