//! Whether testcontainers creates on the engine that the reaper guards.
//!
//! testcontainers finds its engine by `DOCKER_HOST` and the usual sockets, the reaper by contexts and its builder, too. Where the
//! two may differ the engines are asked who they are, once in a process; what testcontainers created on another would stay.

use std::sync::{Arc, OnceLock};

use testcontainers::core::client::docker_client_instance;

use crate::engine::{Identity, identity, wait, work};
use crate::error::{Error, Result};
use crate::guard::Reaper;

/// For a caller who can wait.
pub(super) fn check_blocking(reaper: &Reaper) -> Result<()> {
    if !reaper.is_elsewhere() {
        return Ok(());
    }
    let reaper = reaper.clone();
    wait(work(async move || check(&reaper).await))
}

/// An error where the two engines are known to differ. Where either says nothing, what is created next says more.
pub(super) async fn check(reaper: &Reaper) -> Result<()> {
    static THEIRS: OnceLock<Identity> = OnceLock::new();
    if !reaper.is_elsewhere() {
        return Ok(());
    }
    let Some(engine) = reaper.own_engine() else { return Ok(()) };
    let ask_ours = async || {
        let ours = identity(&engine.place).await;
        let operation = || "ask the engine who it is".to_owned();
        ours.map_err(|error| Error::Engine { operation: operation(), source: Arc::new(error) })
    };
    let ours = ask_ours().await?;
    let theirs = match THEIRS.get() {
        Some(theirs) => Some(theirs.clone()),
        None => ask().await.map(|theirs| THEIRS.get_or_init(|| theirs).clone()),
    };
    let Some(theirs) = theirs.filter(|theirs| theirs.id != ours.id && !ours.id.is_empty()) else {
        return Ok(());
    };
    // What is another each time says nothing.
    if ask_ours().await? != ours {
        return Ok(());
    }
    Err(Error::OtherEngine {
        client: "testcontainers",
        theirs: theirs.name,
        ours: ours.name,
        endpoint: engine.to_string(),
        origin: engine.origin.clone(),
    })
}

/// testcontainers' own engine, by its own client.
async fn ask() -> Option<Identity> {
    let info = docker_client_instance().await.ok()?.info().await.ok()?;
    Some(Identity { id: info.id?, name: info.name.unwrap_or_default() })
}
