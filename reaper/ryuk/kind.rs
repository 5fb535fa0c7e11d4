//! What an engine keeps, and where it is listed and removed.
//!
//! Shared with the library, so that both remove in one order and with no more force than is right.

use std::fmt::{self, Display, Formatter};

/// The label of a task's container that names its service, by that one's id.
pub(crate) const TASK_OF: &str = "com.docker.swarm.service.id";

/// A kind of thing that an engine keeps, in the order in which one lets go of the next.
#[allow(unreachable_pub, reason = "public in the library; the server has no public")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A service of a swarm, whose tasks come back while it is there.
    Service,
    /// A container, whether it runs or not.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// An image.
    Image,
    /// A config of a swarm, which its services have to let go of.
    Config,
    /// A secret of a swarm, likewise.
    Secret,
}

impl Kind {
    /// All kinds, in order.
    pub(crate) const ALL: [Self; 7] = [
        Self::Service,
        Self::Container,
        Self::Network,
        Self::Volume,
        Self::Image,
        Self::Config,
        Self::Secret,
    ];

    /// Whether only the manager of a swarm keeps such. Services come first: where there are none to be had, asking for the
    /// others is in vain.
    pub(crate) fn is_of_swarm(self) -> bool {
        matches!(self, Self::Service | Self::Config | Self::Secret)
    }

    /// Whether an answer to the list of such says that the engine keeps none: Docker's to who is no manager of a swarm, or
    /// of one that is locked, Podman's, and that of a proxy which lets nobody at them. Who could not create any has none.
    pub(crate) fn is_not_kept(self, status: u16) -> bool {
        self.is_of_swarm() && matches!(status, 403 | 404 | 501 | 503)
    }

    /// The path of its list; the engine's `filters`, encoded, may follow.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Self::Service => "/services?filters=",
            Self::Container => "/containers/json?all=1&filters=",
            Self::Network => "/networks?filters=",
            Self::Volume => "/volumes?filters=",
            Self::Image => "/images/json?filters=",
            Self::Config => "/configs?filters=",
            Self::Secret => "/secrets?filters=",
        }
    }

    /// The path that removes one, by its percent-encoded id.
    ///
    /// A container by force and with the anonymous volumes that are its own. Of a volume, force means that one that
    /// is gone already is no error. Never an image: by force Docker takes the tags of others and the image under a
    /// container that does not run, and Podman takes the containers, too.
    pub(crate) fn removal(self, id: &str) -> String {
        match self {
            Self::Service => format!("/services/{id}"),
            Self::Container => format!("/containers/{id}?force=1&v=1"),
            Self::Network => format!("/networks/{id}"),
            Self::Volume => format!("/volumes/{id}?force=1"),
            Self::Image => format!("/images/{id}"),
            Self::Config => format!("/configs/{id}"),
            Self::Secret => format!("/secrets/{id}"),
        }
    }
}

impl Display for Kind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Service => "service",
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Image => "image",
            Self::Config => "config",
            Self::Secret => "secret",
        })
    }
}
