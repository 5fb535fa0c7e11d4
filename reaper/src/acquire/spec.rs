//! From settings and session to the reaper container: pure, so that every promise about the container
//! can be read off a value in a test.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::image::Image;
use super::{hello, key_words};
use crate::engine::{Concessions, Endpoint, ReaperSpec};
use crate::platform::{Process, own_container, random};
use crate::session::folder::Memory;
use crate::session::{self, Filter, Labels, Owner, REAPER, SessionId};
use crate::settings::{Config, Keep, Transport};

const CONNECTION_TIMEOUT: &str = "RYUK_CONNECTION_TIMEOUT";
#[cfg(any(unix, test, feature = "cli"))]
const RECONNECTION_TIMEOUT: &str = "RYUK_RECONNECTION_TIMEOUT";

/// How long a reaper waits for its first client: whoever created it connects at once, or has ended, and holds the session's
/// name for as long as that. The server's own minute is for clients that bring no reaper of their own.
const FIRST_CLIENT_WITHIN: &str = "12s";

/// How long a reaper waits for another client when the run is over.
#[cfg(any(unix, test, feature = "cli"))]
const WAIT_AFTER_RUN: &str = "1s";

/// The network that every Docker Engine has.
const USUAL_NETWORK: &str = "bridge";

/// What every engine takes for none at all.
const NO_NETWORK: &str = "none";

/// All that decides what the session's reaper container looks like.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) session: SessionId,
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
    /// What the session's processes leave for each other.
    pub(crate) memory: Memory,
    /// Looked for when it is needed: see [`Plan::own_container`].
    pub(crate) own_container: OnceCell<Option<String>>,
    /// Looked for when it is needed: see [`Plan::runner`].
    pub(crate) runner: OnceCell<Option<Process>>,
}

impl Plan {
    /// The container that this process runs in, if published ports are not known to be reached from there.
    pub(super) fn own_container(&self) -> Option<&str> {
        // Whoever says where they are reached has seen to it, and a remote engine does not have this container.
        let Config { host, transport, .. } = &self.config;
        let is_unsure = host.is_none() && self.endpoint.local && *transport != Transport::Exec;
        self.own_container.get_or_init(|| is_unsure.then(own_container).flatten()).as_deref()
    }

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
    pub(crate) fn container(&self, image: &Image, own_network: Option<&str>) -> ReaperSpec {
        let is_joined = self.config.transport == Transport::Exec;
        let asked_for = self.config.network.as_ref();
        let (network, further) = match (own_network, asked_for) {
            // Nobody has to reach it over a network.
            (None, asked_for) if is_joined => (asked_for.map_or(NO_NETWORK, String::as_str), None),
            (own, asked_for) => (own.unwrap_or(USUAL_NETWORK), asked_for),
        };
        ReaperSpec {
            name: self.name(),
            image: image.reference().to_owned(),
            labels: owned(&Labels::of_reaper(&self.session, Owner::of(&self.session, &self.config))),
            environment: self.environment(),
            socket: self.endpoint.socket.clone(),
            socket_is_given: self.config.socket.is_some(),
            network: network.to_owned(),
            further_networks: further.into_iter().cloned().collect(),
            publish_on: (!is_joined).then(|| self.endpoint.publish_on().to_owned()),
            privileged: self.config.privileged,
            hardened: self.hardens(image),
            concessions: Concessions::default(),
        }
    }

    /// Whether a reaper of this image gets no more than it needs.
    pub(crate) fn hardens(&self, image: &Image) -> bool {
        image.is_embedded() && !self.config.privileged
    }

    /// The time to wait for another client is the server's usual one: nobody knows yet whether a keeper will be there. What
    /// ends it sooner is said at the end of the run: [`Plan::wait_after_run`].
    fn environment(&self) -> Vec<String> {
        let mut ryuk = self.config.ryuk.clone();
        ryuk.entry(CONNECTION_TIMEOUT).or_insert_with(|| FIRST_CLIENT_WITHIN.to_owned());
        // Others for each container, so that what answers can be told from all others, and tells values to nobody else.
        let words = [hello::SECRET, key_words::TOKEN].map(|name| (name, random()));
        let variables = ryuk.into_iter().chain(words);
        variables.map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Who says where the engine's own host has its socket.
    pub(super) fn origin_of_socket(&self) -> String {
        match &self.config.socket {
            Some(found) => found.to_string(),
            None => "guessed from where this process reaches the engine".to_owned(),
        }
    }

    /// How long the reaper has to wait for another client once whoever saw the end of the run has said so; none where
    /// a setting says how long to wait in any case.
    #[cfg(any(unix, test, feature = "cli"))]
    pub(crate) fn wait_after_run(&self) -> Option<&'static str> {
        (!self.config.ryuk.contains_key(RECONNECTION_TIMEOUT)).then_some(WAIT_AFTER_RUN)
    }

    /// How long the reaper waits for another client while the run goes on.
    #[cfg(unix)]
    pub(crate) fn wait_during_run(&self) -> &str {
        self.config.ryuk.get(RECONNECTION_TIMEOUT).map_or("10s", String::as_str)
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

fn owned(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
