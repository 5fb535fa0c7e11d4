//! Fixtures for rstest.
//!
//! rstest resolves a parameter `name` by calling `name::default()`. That is all these fixtures are: they
//! are written by hand, so they need no rstest of any release, and report the place of the test.
//!
//! # `reaper`
//!
//! ```
//! use reaper::Reaper;
//! use reaper::fixtures::reaper;
//! use rstest::rstest;
//!
//! #[rstest]
//! fn has_labels(reaper: Reaper) {
//!     assert!(reaper.labels().iter().count() > 0);
//! }
//! ```
//!
//! rstest builds fixtures in the order of the parameters and drops them in reverse. A fixture that owns a
//! container should keep the guard too, in a field *after* the container's (fields are dropped in the order
//! in which they are declared), or the test should stand under `#[with_reaper]`, whose guard is there before
//! any fixture and goes after all of them.
//!
//! A test with `#[should_panic]` belongs under `#[with_reaper]`: when no engine can be reached, a fixture
//! has no way to fail but to panic.
//!
//! Rejected: `#[fixture] pub fn reaper()`. It makes a type `reaper`, and where that is imported the name no
//! longer means the crate: `use reaper::Reaper` beside it fails to compile. Rejected, too: a fixture for a
//! `bollard::Docker`. This crate works with two minor releases of bollard and cannot know which of them a
//! test uses; `Docker::connect_with_*` with [`Reaper::endpoint`] is one line.

use crate::guard::Reaper;

/// The fixture `reaper` is the crate itself, with a hidden function `default` at its root.
pub extern crate self as reaper;

/// A guard: the same connection however many tests and fixtures of a process ask.
///
/// # Panics
///
/// When no reaper can be had; the message says what was tried.
#[must_use]
#[track_caller]
pub fn reaper() -> Reaper {
    crate::runtime::acquire()
}

/// The labels of the session as the map that bollard and testcontainers take.
///
/// # Panics
///
/// When no guard is held: labels without a guard that outlives their use protect nothing.
#[must_use]
#[track_caller]
pub fn labels() -> std::collections::HashMap<String, String> {
    crate::runtime::current().labels().into()
}

#[doc(hidden)]
pub mod labels {
    //! The fixture as rstest calls it.

    /// The labels of the session.
    #[must_use]
    #[track_caller]
    pub fn default() -> std::collections::HashMap<String, String> {
        super::labels()
    }
}
