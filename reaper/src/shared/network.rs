//! A network of the session's, for what puts containers on a network and none of our labels on that: testcontainers.
//!
//! A name on the engine is no lock: engines before Docker 25 make several networks of one name when asked by several
//! at once, and connect to none of them then. So the network is a shared value, made under its key's lock, and its
//! name on the engine is the session's alone. Rejected: the name as it was given, which two runs at once would share,
//! and the first to end would take away from the other.

use std::future::Future;
use std::io;
use std::sync::Arc;

use hmac_sha256::Hash;
use serde::{Deserialize, Serialize};

use super::values::attached;
use crate::engine::{
    ApiEngine, Endpoint, Engine as _, Inventory as _, Kind, Sought, has_network, wait, work,
};
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::session::{Filter, NETWORK, SessionId};

/// A network on the engine, that is removed with the session; from [`Reaper::network`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    id: String,
    name: String,
}

impl Network {
    /// The engine's id of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the engine calls it: the name by which it was asked for, and something of the session's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Reaper {
    /// A network with the session's labels, the same for all of its processes; created by the first who asks.
    ///
    /// For testcontainers, whose own networks carry no labels and so stay when a test is killed. It takes the network's
    /// [name](Network::name):
    ///
    /// ```no_run
    /// # use testcontainers::{GenericImage, ImageExt, runners::AsyncRunner};
    /// # async fn example(reaper: reaper::Reaper) -> Result<(), Box<dyn std::error::Error>> {
    /// let network = reaper.network("orders").await?;
    /// let redis = GenericImage::new("redis", "7").with_labels(reaper.labels()).with_network(network.name());
    /// let redis = redis.start().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It is looked for on the engine each time, and created again where somebody has removed it. Counts as the
    /// shared value `network <name>`.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if the engine will not create it, for want of addresses for example; and as for
    /// [`Reaper::shared`].
    pub fn network(&self, name: &str) -> impl Future<Output = Result<Network>> + Send {
        network(self.clone(), name.to_owned())
    }

    /// The same as [`Reaper::network`] for a caller who can wait.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::network`].
    pub fn network_blocking(&self, name: &str) -> Result<Network> {
        wait(self.network(name))
    }
}

async fn network(reaper: Reaper, name: String) -> Result<Network> {
    let engine = reaper.engine()?;
    let find = |network: Network| {
        let place = engine.place.clone();
        work(async move || {
            let found = has_network(&place, &network.id).await.map_err(|error| failed("look for", error))?;
            Ok(found.then_some(network))
        })
    };
    let create = || {
        let (reaper, engine, name) = (reaper.clone(), engine.clone(), name.clone());
        work(async move || {
            let network = find_or_create(&reaper, &engine, &name).await?;
            Ok((network.clone(), network))
        })
    };
    attached(&reaper, &format!("network {name}"), find, create).await
}

/// Where the session had another reaper before, the network of that time may be there.
async fn find_or_create(reaper: &Reaper, engine: &Endpoint, asked: &str) -> Result<Network> {
    let session = reaper.session();
    let name = name(session, asked);
    let ours = [Filter::of_session(session.as_str(), NETWORK, asked)];
    let found = engine
        .place
        .list(Kind::Network, Sought::AnyOf(&ours))
        .await
        .map_err(|error| failed("look for", error))?;
    if let Some(found) = found.into_iter().next() {
        return Ok(Network { id: found.id, name });
    }
    let labels = reaper.session_labels().iter().chain([(NETWORK, asked)]);
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let id = ApiEngine::new(engine).create_network(&name, &labels).await?;
    tracing::info!(%session, network = name, "network created");
    Ok(Network { id, name })
}

/// Nobody else's, also where two runs on one engine ask for the same.
fn name(session: &SessionId, asked: &str) -> String {
    let digest = Hash::hash(session.as_str().as_bytes());
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{asked}_{short}")
}

fn failed(verb: &str, error: io::Error) -> Error {
    Error::Engine { operation: format!("{verb} a network of the session"), source: Arc::new(error) }
}
