//! What an engine keeps, and where it is listed and removed.
//!
//! Shared with the library, so that both remove in one order and with no more force than is right.

use std::fmt::{self, Display, Formatter};

/// A kind of thing that an engine keeps, in the order in which one lets go of the next.
#[allow(unreachable_pub, reason = "public in the library; the server has no public")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A container, whether it runs or not.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// An image.
    Image,
}

impl Kind {
    /// All kinds, in order.
    pub(crate) const ALL: [Self; 4] = [Self::Container, Self::Network, Self::Volume, Self::Image];

    /// The path of its list; the engine's `filters`, encoded, may follow.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Self::Container => "/containers/json?all=1&filters=",
            Self::Network => "/networks?filters=",
            Self::Volume => "/volumes?filters=",
            Self::Image => "/images/json?filters=",
        }
    }

    /// The path that removes one, by its percent-encoded id.
    ///
    /// A container by force and with the anonymous volumes that are its own. Of a volume, force means that one that
    /// is gone already is no error. Never an image: by force Docker takes the tags of others and the image under a
    /// container that does not run, and Podman takes the containers, too.
    pub(crate) fn removal(self, id: &str) -> String {
        match self {
            Self::Container => format!("/containers/{id}?force=1&v=1"),
            Self::Network => format!("/networks/{id}"),
            Self::Volume => format!("/volumes/{id}?force=1"),
            Self::Image => format!("/images/{id}"),
        }
    }
}

impl Display for Kind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Image => "image",
        })
    }
}
