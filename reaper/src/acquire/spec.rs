//! From settings and session to the reaper container: pure, so that every promise about the container
//! can be read off a value in a test.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use super::hello;
use super::image::Image;
use crate::engine::ContainerSpec;
use crate::engine::Endpoint;
use crate::platform::Process;
use crate::session::{self, SessionId};
use crate::session::{Filter, Labels, REAPER};
use crate::session::{Owner, owner_is_gone};
use crate::settings::{Config, Keep};

const RECONNECTION_TIMEOUT: &str = "RYUK_RECONNECTION_TIMEOUT";

/// The network that every Docker Engine has.
const USUAL_NETWORK: &str = "bridge";

/// All that decides what the session's reaper container looks like.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) session: SessionId,
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
    /// Looked for when it is needed: see [`Plan::runner`].
    pub(crate) runner: OnceCell<Option<Process>>,
}

impl Plan {
    /// Whom a keeper would watch; none where there is to be no keeper.
    pub(crate) fn runner(&self) -> Option<&Process> {
        let found = || session::known_runner(&self.config).filter(|_| cfg!(unix) && self.config.keeper);
        self.runner.get_or_init(found).as_ref()
    }

    /// What the reaper removes once nobody is connected. Where something is to stay, only what is the reaper's
    /// own; what goes all the same is registered when it is known.
    pub(crate) fn filter(&self) -> Filter {
        match self.config.keep {
            Keep::Nothing => Filter::session(&self.session),
            Keep::Always | Keep::OnFailure => Filter::of_session(self.session.as_str(), REAPER, "true"),
        }
    }

    /// The reaper container's name: one per session, which is what makes the engine the judge of races.
    pub(crate) fn name(&self) -> String {
        format!("reaper_{}", self.session)
    }

    /// The reaper container, on the engine's usual network or on one of the session's own.
    pub(crate) fn container(&self, image: &Image, own_network: Option<&str>) -> ContainerSpec {
        ContainerSpec {
            name: self.name(),
            image: image.reference().to_owned(),
            labels: owned(&Labels::of_reaper(&self.session, Owner::of(&self.session, &self.config))),
            environment: self.environment(),
            socket: self.endpoint.socket.clone(),
            socket_is_given: self.config.socket.is_some(),
            network: own_network.unwrap_or(USUAL_NETWORK).to_owned(),
            further_networks: self.config.network.iter().cloned().collect(),
            publish_on: self.endpoint.publish_on().to_owned(),
            privileged: self.config.privileged,
            hardened: image.is_embedded() && !self.config.privileged,
        }
    }

    /// With a keeper, or a `reaper run`, nobody has to wait for the next test process: what is left can go at once.
    fn environment(&self) -> Vec<String> {
        let mut ryuk = self.config.ryuk.clone();
        let run = self.config.run.as_ref().filter(|run| run.session == self.session.as_str());
        if self.runner().is_some() || run.is_some_and(|run| !owner_is_gone(&run.runner)) {
            ryuk.entry(RECONNECTION_TIMEOUT).or_insert_with(|| "1s".to_owned());
        }
        let secret = (hello::SECRET, fresh_secret());
        let variables = ryuk.into_iter().chain([secret]);
        variables.map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Who says where the engine's own host has its socket.
    pub(super) fn origin_of_socket(&self) -> String {
        match &self.config.socket {
            Some(found) => format!("{} from {}", found.name, found.origin),
            None => "guessed from where this process reaches the engine".to_owned(),
        }
    }

    /// A name for a network of this process's making: engines before Docker 25 let several processes make
    /// networks of one name, and refuse to connect a container to any of them then.
    pub(crate) fn network_name(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}_{}_{:x}", self.name(), std::process::id(), now.as_nanos())
    }

    /// The labels of the session's own network, which belongs to it like everything else.
    ///
    /// One for all sessions was rejected: it would have the label of one, and be in use by others when that ends.
    pub(crate) fn network_labels(&self) -> BTreeMap<String, String> {
        owned(&Labels::of_reapers_own(&self.session, Owner::of(&self.session, &self.config)))
    }
}

/// Another for each container, so that what answers can be told from all others.
fn fresh_secret() -> String {
    // The standard library's hash has keys that the operating system draws, and nobody can compute it without them.
    let word = |number: u8| RandomState::new().hash_one(number);
    format!("{:016x}{:016x}", word(1), word(2))
}

fn owned(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
