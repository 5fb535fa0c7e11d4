//! Containers that somebody else's code starts: any library of any release, or a command.
//!
//! All that is asked of it is an id. So what it started can be looked at, whoever asks next, but not compared with what
//! another caller would have started.

use std::error::Error as StdError;
use std::future::Future;
use std::io;

use serde_json::json;

use super::shared_container::{LOG_LINES, SharedContainer, look_at, share};
use crate::engine::{ApiEngine, Endpoint, Engine as _, wait, work};
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::shared::values::Failure;

impl Reaper {
    /// A container that the whole session shares, started however `start` likes, which gives its id.
    ///
    /// The first process that asks runs `start`; all others wait, and get the same container, with the host and the
    /// ports at which it is reached. It is looked at each time, by one request, and `start` is run again where it does
    /// not run any more. `start` gives it the labels of [`Reaper::labels`], by which it goes with the session, and
    /// returns when it is ready.
    ///
    /// What the library of `start` removes when its handle is dropped must not be dropped. For testcontainers, of any
    /// release:
    ///
    /// ```no_run
    /// use reaper::{Reaper, with_reaper};
    /// use testcontainers::{GenericImage, ImageExt, core::error::TestcontainersError, runners::AsyncRunner};
    ///
    /// async fn start_redis(reaper: &Reaper) -> Result<String, TestcontainersError> {
    ///     let redis = GenericImage::new("redis", "7").with_labels(reaper.labels()).start().await?;
    ///     let id = redis.id().to_owned();
    ///     // It is the session's from here on.
    ///     std::mem::forget(redis);
    ///     Ok(id)
    /// }
    ///
    /// #[with_reaper]
    /// async fn orders_are_cached(reaper: Reaper) -> reaper::Result<()> {
    ///     let redis = reaper.shared_by_id("redis", || start_redis(&reaper)).await?;
    ///     let address = redis.address(6379)?;
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// A name or the beginning of an id will do as well. Containers and values have their keys in common: see
    /// [`Reaper::shared`], for the waiting, too.
    ///
    /// # Errors
    ///
    /// [`Error::SharedInit`] with what `start` returned; [`Error::SharedGone`] if the reaper's engine has no such
    /// container when `start` has returned, and [`Error::ContainerNotReady`] with its last log lines if it has ended by
    /// then; [`Error::SharedSpec`] if it was described, and not started by its id, elsewhere; and as for
    /// [`Reaper::shared`].
    pub async fn shared_by_id<S, E, I, F>(&self, key: &str, start: I) -> Result<SharedContainer>
    where
        S: Into<String>,
        E: Into<Box<dyn StdError + Send + Sync>>,
        I: FnOnce() -> F,
        F: Future<Output = Result<S, E>>,
    {
        let make = async || {
            let id = start().await.map_err(|error| Failure::Init(error).named(key))?.into();
            // As a command prints it, with the end of its line.
            let id = id.trim().to_owned();
            // An engine would take it for another path.
            if !is_id_or_name(&id) {
                let problem = format!("it gave {id:?}, which is no id or name of a container");
                return Err(Failure::Init(io::Error::other(problem)).named(key));
            }
            let (engine, key) = (self.engine()?, key.to_owned());
            work(async move || found(&engine, key, id).await).await
        };
        share(self, key, json!({ "started by": "a closure that gives its id" }), make).await
    }

    /// The same as [`Reaper::shared_by_id`] for a caller who can wait; `start` is run on the caller's thread.
    ///
    /// ```no_run
    /// use std::process::Command;
    ///
    /// # fn main() -> reaper::Result<()> {
    /// let reaper = reaper::hold();
    /// let redis = reaper.shared_by_id_blocking("redis", || {
    ///     let labels = reaper.labels().iter().map(|(key, value)| format!("--label={key}={value}"));
    ///     let output = Command::new("docker").args(["run", "--detach", "-P"]).args(labels).arg("redis:7").output()?;
    ///     let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ///     if output.status.success() { Ok(id) } else { Err(std::io::Error::other("docker run failed")) }
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Reaper::shared_by_id`].
    pub fn shared_by_id_blocking<S, E, I>(&self, key: &str, start: I) -> Result<SharedContainer>
    where
        S: Into<String>,
        E: Into<Box<dyn StdError + Send + Sync>>,
        I: FnOnce() -> Result<S, E>,
    {
        wait(self.shared_by_id(key, || std::future::ready(start())))
    }
}

/// As Docker's names are: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
fn is_id_or_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// The container that was started, or why there is none to share.
async fn found(place: &Endpoint, key: String, id: String) -> Result<SharedContainer> {
    if let Some(container) = look_at(place, &id).await? {
        return Ok(container);
    }
    // Of a container that is there, whatever its state, there is a log.
    match ApiEngine::new(place).log(&id, LOG_LINES).await {
        Ok(log) => {
            let problem = "it has ended when its maker returns".to_owned();
            Err(Error::ContainerNotReady { key, id, problem, log })
        }
        Err(error) => {
            tracing::debug!(key, id, error = error.report(), "no log of a container that is to be shared");
            Err(Error::SharedGone { key, id, endpoint: place.place.to_string() })
        }
    }
}
