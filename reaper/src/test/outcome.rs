//! What a test returned, taken note of where it is a failure.
//!
//! The expansion has a reference to the value and its type as it is written, which may be an alias or hidden. So which of
//! the judgements applies is found out by which method there is for it. Silence is a failure: of what only the harness can
//! judge, because it takes the value for it, nothing is known. Rejected: asking the value for its exit code in the place of
//! the harness, for the test would have to return another type then.

use std::convert::Infallible;
use std::ops::Deref;
use std::process::{ExitCode, Termination};

use crate::guard::failed;

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

/// What a test returned. Of the methods `note` the first that applies is found, each behind the one before: by `Deref`, and
/// with no trait that the test would have to import, since some lints forbid an import that is not used.
#[derive(Debug)]
pub struct Outcome<'a, T>(Own<'a, T>);

impl<'a, T> Outcome<'a, T> {
    /// Of this value.
    #[must_use]
    pub fn of(value: &'a T) -> Self {
        Self(Own(Foreign(value)))
    }
}

impl<T: Verdict> Outcome<'_, T> {
    /// Takes note of a failure.
    pub fn note(&self) {
        let Self(Own(Foreign(value))) = self;
        note(value.is_success());
    }
}

impl<'a, T> Deref for Outcome<'a, T> {
    type Target = Own<'a, T>;

    fn deref(&self) -> &Own<'a, T> {
        &self.0
    }
}

/// A type of the test's own, which tells the harness alone.
#[derive(Debug)]
pub struct Own<'a, T>(Foreign<'a, T>);

impl<T: Termination> Own<'_, T> {
    /// Takes note of not knowing.
    #[expect(clippy::unused_self, reason = "a method, to be found behind those before it")]
    pub fn note(&self) {
        note(false);
    }
}

impl<'a, T> Deref for Own<'a, T> {
    type Target = Foreign<'a, T>;

    fn deref(&self) -> &Foreign<'a, T> {
        &self.0
    }
}

/// For another harness than the usual.
#[derive(Debug)]
pub struct Foreign<'a, T>(&'a T);

impl<T, E> Foreign<'_, Result<T, E>> {
    /// Takes note of an error.
    pub fn note(&self) {
        note(self.0.is_ok());
    }
}

impl<T> Deref for Foreign<'_, T> {
    type Target = Unknown;

    fn deref(&self) -> &Unknown {
        &Unknown
    }
}

/// A type that nobody knows.
#[derive(Debug)]
pub struct Unknown;

impl Unknown {
    /// Takes note of not knowing.
    #[expect(clippy::unused_self, reason = "a method, to be found behind those before it")]
    pub fn note(&self) {
        note(false);
    }
}

fn note(success: bool) {
    if !success {
        failed();
    }
}
