//! From settings and session to the reaper container: pure, so that every promise about the container
//! can be read off a value in a test.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::engine::ContainerSpec;
use crate::engine::discover::Endpoint;
use crate::image::Image;
use crate::labels::Labels;
use crate::session::SessionId;

/// The network that every Docker Engine has.
const USUAL_NETWORK: &str = "bridge";
/// The one that is made where the engine has no `bridge` (Podman).
pub(crate) const OWN_NETWORK: &str = "reaper_default";

/// All that decides what the session's reaper container looks like.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) session: SessionId,
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
}

impl Plan {
    /// The reaper container's name: one per session, which is what makes the engine the judge of races.
    pub(crate) fn name(&self) -> String {
        format!("reaper_{}", self.session)
    }

    /// The reaper container, on the engine's usual network or on our own.
    pub(crate) fn container(&self, image: &Image, own_network: bool) -> ContainerSpec {
        let publish_on = if self.endpoint.local { "127.0.0.1" } else { "" };
        ContainerSpec {
            name: self.name(),
            image: image.reference().to_owned(),
            labels: owned(&Labels::of_reaper(&self.session)),
            environment: self.config.ryuk.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            socket: self.endpoint.socket.clone(),
            network: if own_network { OWN_NETWORK } else { USUAL_NETWORK }.to_owned(),
            further_networks: self.config.network.iter().cloned().collect(),
            publish_on: publish_on.to_owned(),
            privileged: self.config.privileged,
            hardened: image.is_embedded() && !self.config.privileged,
        }
    }

    /// The labels of our own network: it belongs to the session like everything else.
    pub(crate) fn network_labels(&self) -> BTreeMap<String, String> {
        owned(&Labels::new(&self.session))
    }
}

fn owned(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
