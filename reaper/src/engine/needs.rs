//! What the reaper needs of a container engine, and nothing more.
//!
//! A trait, because the state machine in `acquire` has to be tested against races that a real engine
//! shows once in a thousand runs: `fake` scripts them. Its futures need not be `Send`: whoever talks to an
//! engine does so on the connection's own thread. Resources are removed by id, never by name, so that
//! nobody removes what another process has put in the place meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::attend::Said;
use crate::error::{Cause, Error, Result};

/// A Docker-compatible engine, as far as acquiring a reaper goes.
pub(crate) trait Engine {
    /// A connection to a published port.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Looks a container up by its exact name.
    async fn inspect(&self, name: &str) -> Result<Option<Container>>;
    /// Creates a container and gives its id.
    async fn create(&self, spec: &ReaperSpec) -> Result<String, Refusal>;
    /// Starts a container; one that already runs is started.
    async fn start(&self, id: &str) -> Result<(), Refusal>;
    /// Removes a container that does not run; one that is gone, or being removed, is removed. One that runs
    /// stays: somebody has started it meanwhile, and others may be connected to it already.
    async fn remove(&self, id: &str) -> Result<()>;
    /// Removes by force a reaper that runs and guards nothing: on no network, or without its engine.
    async fn remove_by_force(&self, id: &str) -> Result<()>;
    /// Listens to a container that was not started yet, to its end; none where that cannot be.
    async fn attend(&self, _id: &str) -> Option<Said> {
        None
    }
    /// The last lines that a container wrote.
    async fn log(&self, id: &str, lines: usize) -> Result<Vec<String>>;
    /// Creates a network with these labels, and gives its id.
    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<String>;
    /// Operating system and architecture, in the engine's words: `linux`, `amd64`.
    async fn platform(&self) -> Result<(String, String)>;
    /// Brings an image to the engine from an archive as `docker save` writes it.
    async fn load(&self, archive: Vec<u8>) -> Result<()>;
    /// Brings an image to the engine from its registry.
    async fn pull(&self, image: &str) -> Result<()>;
    /// Connects to the port of the reaper in this container. Where it can be proved who answers, also by ways that may
    /// lead to somebody else.
    async fn dial(&self, reaper: &Published, is_provable: bool) -> io::Result<Self::Stream>;
    /// Connects to the reaper in a container through the engine, by running its program at this path there.
    async fn join(&self, _container: &str, _program: &str) -> io::Result<Self::Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A container as the engine describes it.
///
/// [`Container::read`] makes one of what the Engine API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub(crate) id: String,
    pub(crate) image: String,
    pub(crate) state: State,
    pub(crate) labels: HashMap<String, String>,
    /// Its variables, as `NAME=value`.
    pub(crate) environment: Vec<String>,
    /// On any network at all; only of meaning while it runs.
    pub(crate) connected: bool,
    /// The networks that it is on, by their names; only of meaning while it runs.
    pub(crate) networks: Vec<String>,
    /// Whether its creator has asked for the reaper's port to be published.
    pub(crate) publishes: bool,
    /// Where the reaper's port is reached, while it is published.
    pub(crate) published: Option<Published>,
}

impl Container {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &HashMap<String, String> {
        &self.labels
    }
}

/// The ways to a container's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) ports: Ports,
    /// The container's own address, where it has one: the way that is left when the process that serves
    /// the published port is gone.
    pub(crate) address: Option<IpAddr>,
}

/// The ports of the engine's host under which one of a container is published. They may differ, and under the one of
/// one family somebody else's container may be published in the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) v4: Option<u16>,
    pub(crate) v6: Option<u16>,
}

impl Ports {
    /// The port at an address of the engine's host.
    pub(crate) fn at(self, address: IpAddr) -> Option<u16> {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// One of them, for people, and for where they are the same.
    pub(crate) fn any(self) -> Option<u16> {
        self.v4.or(self.v6)
    }

    /// Whether the port depends on the family of the address.
    pub(crate) fn differ(self) -> bool {
        self.v4.is_some() && self.v6.is_some() && self.v4 != self.v6
    }
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Created, or being started.
    Created,
    Running,
    Paused,
    /// Told to end: its processes are there still, and hold their connections. Podman's; Docker calls it running.
    Stopping,
    /// Exited, dead, or being removed.
    Ended,
}

/// Why the engine did not create or start a container.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another container has the name.
    NameTaken,
    /// The image is not on the engine.
    NoImage,
    /// The network is not on the engine.
    NoNetwork(Error),
    /// The engine's socket is not where its host is said to have it.
    NoSocket(Cause),
    /// Trying again may help.
    Passing(Error),
    /// Nobody knows. Asked again, it shows: what is said in the same words again and again stays.
    Unclear(Error),
    /// Trying again will not help.
    Final(Error),
}

/// The reaper's container, as an engine is asked for it.
///
/// What is public may be changed on the way to the engine; [`ReaperSpec::body`] has all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaperSpec {
    /// Unique on the engine: by it processes find each other's reaper.
    pub name: String,
    /// With its tag.
    pub image: String,
    /// Those that the reaper needs, which must stay, and any besides.
    pub labels: BTreeMap<String, String>,
    /// Its variables, as `NAME=value`.
    pub environment: Vec<String>,
    /// Whether a setting asks for all privileges.
    pub privileged: bool,
    /// The engine's socket as its own host sees it.
    pub(crate) socket: String,
    /// Whether somebody has said so, rather than that it is a guess.
    pub(crate) socket_is_given: bool,
    pub(crate) network: String,
    /// Networks to join besides.
    pub(crate) further_networks: Vec<String>,
    /// The address of the host on which the port is published; empty for all, none where it is not published.
    pub(crate) publish_on: Option<String>,
    /// Read-only root, no capabilities, no new privileges, small memory and process limits.
    pub(crate) hardened: bool,
    /// What of that this engine does not let work.
    pub(crate) concessions: Concessions,
}

/// What is left out of the hardening, since a reaper would not work with it here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Concessions {
    /// The socket belongs to a user, whom a root without capabilities is not.
    pub(crate) any_owner: bool,
    /// The engine's own confinement ends the first program of a container that may get no new privileges.
    pub(crate) new_privileges: bool,
}

/// The port on which every Ryuk listens.
pub(crate) const RYUK_PORT: u16 = 8080;
/// The same as the engine writes it.
pub(crate) const RYUK_PORT_NAME: &str = "8080/tcp";
