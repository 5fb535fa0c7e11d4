//! Containers that a whole session shares: made once, looked at on every attach, made again when they are gone.
//!
//! What the processes hand each other is an id and what it was made of, never an address: the engine may publish a
//! port elsewhere after a restart, so each asks it where, in the request that tells whether the container runs at
//! all. `body` is what a container is made of, `ready` the waiting for it, `difference` what two callers do not agree
//! upon. Rejected: a name on the engine in place of the id. It would find a container that somebody else made, and
//! engines tell a name that is taken from one that is free only when it is too late.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::difference::differences;
use crate::engine::{Endpoint, Ports, published, work};
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::shared::values::attached;

/// What of a container's log an error shows.
pub(super) const LOG_LINES: usize = 20;

/// A container that all processes of a session use, as it was found on the engine when it was asked for.
///
/// It is there until the session ends: dropping this does nothing to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedContainer {
    id: String,
    host: String,
    ports: BTreeMap<String, u16>,
}

impl SharedContainer {
    /// The engine's id of it. Another one whenever it had to be made again, so it tells what depends on it: a key
    /// like `migrated <id>` is a shared value that is made once for each.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The host on which its ports are reached.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the host under which one of its TCP ports is reached.
    ///
    /// # Errors
    ///
    /// [`Error::NotPublished`], which says what is.
    pub fn port(&self, container_port: u16) -> Result<u16> {
        self.ports.get(&format!("{container_port}/tcp")).copied().ok_or_else(|| Error::NotPublished {
            id: self.id.clone(),
            port: container_port,
            published: self.ports.keys().cloned().collect(),
        })
    }

    /// Host and port under which one of its TCP ports is reached, like `127.0.0.1:32768`.
    ///
    /// # Errors
    ///
    /// As for [`SharedContainer::port`].
    pub fn address(&self, container_port: u16) -> Result<String> {
        let port = self.port(container_port)?;
        Ok(if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        })
    }

    /// All of its ports that are published, as the engine writes them (`53/udp`), and where they are reached.
    #[must_use]
    pub fn ports(&self) -> &BTreeMap<String, u16> {
        &self.ports
    }
}

/// What the processes of a session hand each other of a container.
#[derive(Debug, Serialize, Deserialize)]
struct Shared {
    id: String,
    spec: Value,
}

/// The session's container of a key, made by `make` if there is none that runs.
pub(crate) async fn share<F>(
    reaper: &Reaper,
    key: &str,
    spec: Value,
    make: impl FnOnce() -> F,
) -> Result<SharedContainer>
where
    F: Future<Output = Result<SharedContainer>>,
{
    let engine = reaper.engine()?;
    let attach = |made: Shared| {
        let differences = differences(&made.spec, &spec);
        let engine = engine.clone();
        let key = key.to_owned();
        async move {
            if !differences.is_empty() {
                return Err(Error::SharedSpec { key, differences });
            }
            work(async move || look_at(&engine, &made.id).await).await
        }
    };
    let make = || async {
        let container = make().await?;
        tracing::info!(key, container = container.id, "shared container made");
        Ok((Shared { id: container.id.clone(), spec: spec.clone() }, container))
    };
    attached(reaper, key, attach, make).await
}

/// The container as it is now, if it runs.
pub(crate) async fn look_at(engine: &Endpoint, id: &str) -> Result<Option<SharedContainer>> {
    let found = published(&engine.place, id).await.map_err(|error| Error::Engine {
        operation: "look at a shared container".into(),
        source: Arc::new(error),
    })?;
    let Some((id, found)) = found else { return Ok(None) };
    let mut host = engine.host.clone();
    if found.values().any(|ports| ports.differ()) {
        // Then a name that has addresses of both families leads to one port or the other.
        host = resolved(&host).await.map_or(host, |address| address.to_string());
    }
    let address = host.parse::<IpAddr>().ok();
    let port = |ports: Ports| address.and_then(|address| ports.at(address)).or(ports.any());
    let ports = found.into_iter().filter_map(|(name, ports)| Some((name, port(ports)?))).collect();
    Ok(Some(SharedContainer { id, host, ports }))
}

async fn resolved(host: &str) -> Option<IpAddr> {
    tokio::net::lookup_host((host, 0)).await.ok()?.next().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_published_is_an_error_that_names_those_that_are() {
        let ports = BTreeMap::from([("53/udp".to_owned(), 1), ("80/tcp".to_owned(), 32768)]);
        let mut container = SharedContainer { id: "abc".into(), host: "127.0.0.1".into(), ports };
        assert_eq!(container.address(80).unwrap(), "127.0.0.1:32768");
        container.host = "::1".into();
        assert_eq!(container.address(80).unwrap(), "[::1]:32768");
        let text = container.port(53).unwrap_err().to_string();
        assert!(text.contains("53/tcp") && text.contains("53/udp, 80/tcp"), "{text}");
    }
}
