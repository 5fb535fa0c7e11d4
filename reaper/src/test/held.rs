//! What a helper calls that no test hands a guard: one line in it, and every test that goes through it is guarded.

use std::panic::Location;

use super::guarded::{acquire_in, describe};
use crate::guard::Reaper;
use crate::session::Labels;
use crate::settings::Scope;

/// The labels for everything that is created, from anywhere: acquires once per process, and holds until that ends.
///
/// For the one helper through which a project's tests start what they need, for a library, a `static`, a constructor; sync
/// or async. No test of theirs has to know:
///
/// ```no_run
/// use testcontainers::{ContainerAsync, GenericImage, ImageExt, core::error::TestcontainersError, runners::AsyncRunner};
///
/// async fn start_redis() -> Result<ContainerAsync<GenericImage>, TestcontainersError> {
///     GenericImage::new("redis", "7").with_labels(reaper::labels()).start().await
/// }
/// ```
///
/// What carries them goes when the last process of the session has ended, as with a guard that a test holds. In a test with
/// a scope of its own (`#[with_reaper(scope = "test")]`) they are that test's, and what carries them goes with it; with
/// `REAPER_SCOPE=test` and no such test, with the process. The first
/// call of a process blocks until the reaper has acknowledged, see [`Reaper::acquire`]; later ones look into a map.
/// Tests that need no engine do not ask for one.
///
/// With `REAPER_KEEP=on-failure` what a process created is kept unless it exits with status 0. Only glibc on Linux tells
/// the status: elsewhere all of it is kept.
///
/// # Panics
///
/// At the place of the call, with what was tried, where no reaper can be had; or where it was lost and cannot be had again.
/// In a test with `#[should_panic]` that is a panic like any other: put `#[with_reaper]` on it.
#[must_use]
#[track_caller]
pub fn labels() -> &'static Labels {
    match Reaper::labels_here() {
        Some(labels) => labels,
        None => hold().labels(),
    }
}

/// The guard itself, from anywhere: acquired once per process, and held until that ends. See [`labels`].
///
/// For all that a guard can do, from where no test hands one in:
///
/// ```no_run
/// use reaper::Filter;
///
/// fn compose_up(project: &str) -> reaper::Result<()> {
///     reaper::hold().also(Filter::label("com.docker.compose.project", project)?)
/// }
/// ```
///
/// Unlike [`current`](crate::current) it asks for a guard where nobody holds one.
///
/// # Panics
///
/// As [`labels`] does.
#[must_use]
#[track_caller]
pub fn hold() -> &'static Reaper {
    let place = Location::caller();
    // Its scope, where the settings want one, is the process's.
    match acquire_in(Some(Scope::Session)).hold() {
        Ok(reaper) => reaper,
        Err(error) => panic!("{}", describe(&error, place)),
    }
}
