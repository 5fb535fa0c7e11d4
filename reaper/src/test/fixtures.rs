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
//! # `scoped`
//!
//! The same guard with a scope of its own: what it creates goes with the test, and not with the run.
//!
//! # `labels`, `docker`
//!
//! The session's labels as a map; and, with the feature `bollard` beside `rstest`, a bollard client for the engine on which
//! the session's reaper runs. Both want a guard to be held: the fixture `reaper` in a parameter before them, or
//! `#[with_reaper]`.
//!
#![cfg_attr(feature = "bollard", doc = "```")]
#![cfg_attr(not(feature = "bollard"), doc = "```ignore")]
//! use std::collections::HashMap;
//!
//! use reaper::fixtures::bollard::Docker;
//! use reaper::fixtures::{docker, labels};
//! use reaper::with_reaper;
//! use rstest::rstest;
//!
//! #[with_reaper]
//! #[rstest]
//! #[tokio::test]
//! async fn is_asked_for_its_version(docker: Docker, labels: HashMap<String, String>) {
//!     docker.version().await.expect("the engine answers");
//! }
//! ```
//!
//! The client is of the bollard that this crate was built with, which is re-exported as `fixtures::bollard`: a test that
//! depends on another release has a type of the same name that is not the same.
//!
//! Rejected: `#[fixture] pub fn reaper()`. It makes a type `reaper`, and where that is imported the name no
//! longer means the crate: `use reaper::Reaper` beside it fails to compile.

#[cfg(feature = "bollard")]
pub use ::bollard;

#[cfg(feature = "bollard")]
use crate::engine::Place;
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
    crate::test::acquire()
}

/// A guard with a scope of its own: what is created with its labels goes when the test that asked for it is over.
///
/// ```
/// use reaper::Reaper;
/// use reaper::fixtures::scoped;
/// use rstest::rstest;
///
/// #[rstest]
/// fn has_a_database_of_its_own(scoped: Reaper) {
///     assert_ne!(scoped.labels(), scoped.session_labels());
/// }
/// ```
///
/// # Panics
///
/// When no reaper can be had; the message says what was tried.
#[must_use]
#[track_caller]
pub fn scoped() -> Reaper {
    crate::test::acquire_in(Some(crate::Scope::Test))
}

#[doc(hidden)]
pub mod scoped {
    //! The fixture as rstest calls it.

    use crate::guard::Reaper;

    /// A guard with a scope of its own.
    #[must_use]
    #[track_caller]
    pub fn default() -> Reaper {
        super::scoped()
    }
}

/// The labels of the test, or of the session, as the map that bollard and testcontainers take.
///
/// # Panics
///
/// When no guard is held: labels without a guard that outlives their use protect nothing.
#[must_use]
#[track_caller]
pub fn labels() -> std::collections::HashMap<String, String> {
    crate::test::current().labels().into()
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

/// For one request of the client's.
#[cfg(feature = "bollard")]
const REQUEST_TIMEOUT_SECONDS: u64 = 60;

/// A bollard client for the engine on which the session's reaper runs (feature `bollard`).
///
/// # Panics
///
/// When no guard is held, or the reaper is switched off: then it is not known which engine is meant.
#[cfg(feature = "bollard")]
#[must_use]
#[track_caller]
pub fn docker() -> ::bollard::Docker {
    let reaper = crate::test::current();
    let Some(engine) = reaper.own_engine() else {
        panic!("the reaper is switched off, so no engine was chosen: connect a client by hand")
    };
    match client_at(&engine.place) {
        Ok(docker) => docker,
        Err(error) => panic!("failed to prepare a client for the engine at {engine}: {error}"),
    }
}

/// A client for an engine. It asks unversioned paths, so nothing is negotiated.
#[cfg(feature = "bollard")]
fn client_at(place: &Place) -> Result<::bollard::Docker, Box<dyn std::error::Error>> {
    use ::bollard::{API_DEFAULT_VERSION as VERSION, Docker};
    match place {
        #[cfg(unix)]
        Place::Socket(path) => {
            Ok(Docker::connect_with_unix(&path.to_string_lossy(), REQUEST_TIMEOUT_SECONDS, VERSION)?)
        }
        #[cfg(windows)]
        Place::Pipe(path) => Ok(Docker::connect_with_named_pipe(path, REQUEST_TIMEOUT_SECONDS, VERSION)?),
        Place::Tcp(address) => Ok(Docker::connect_with_http(address, REQUEST_TIMEOUT_SECONDS, VERSION)?),
        _ => Err("bollard has features of its own for TLS and ssh: connect by hand, with what `reaper::endpoint` says".into()),
    }
}

#[cfg(feature = "bollard")]
#[doc(hidden)]
pub mod docker {
    //! The fixture as rstest calls it.

    /// A client for the session's engine.
    #[must_use]
    #[track_caller]
    pub fn default() -> ::bollard::Docker {
        super::docker()
    }
}
