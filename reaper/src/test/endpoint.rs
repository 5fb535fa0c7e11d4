//! Which engine it is, for clients that a test makes itself.

use crate::engine::{Endpoint, discover};
use crate::error::Result;
use crate::settings::Config;

/// The engine on which the reaper of this process runs, or would: for handing on to another client.
///
/// The reaper finds an engine as the docker command does, and by `~/.testcontainers.properties`. Clients such as bollard know
/// `DOCKER_HOST` and the usual socket alone, so they would create on one engine what is guarded on another. No reaper is made
/// for it, and no guard is held by it.
///
/// ```no_run
/// # use std::process::Command;
/// # fn main() -> reaper::Result<()> {
/// let engine = reaper::endpoint()?;
/// println!("tests run on {engine}, which was named by {}", engine.origin());
/// # Ok(())
/// # }
/// ```
///
/// Where a guard has settings of its own ([`Builder::with_docker_host`](crate::Builder::with_docker_host)), it is
/// [`Reaper::endpoint`](crate::Reaper::endpoint) that tells its engine.
///
/// # Errors
///
/// [`Error::Setting`](crate::Error::Setting) for a setting that is wrong, [`Error::NoEngine`](crate::Error::NoEngine) where none
/// could be reached.
pub fn endpoint() -> Result<Endpoint> {
    discover(&Config::load()?)
}
