//! What is made once for the session and used by all its processes: values, networks, containers. Sits on the guard.

mod at_reaper;
mod cancel;
mod claim;
mod claimant;
#[cfg(feature = "testcontainers")]
mod client;
mod container;
mod dropped;
mod entry;
mod in_folder;
mod joined;
mod kind;
mod made;
mod network;
#[cfg(feature = "testcontainers")]
pub mod testcontainers;
mod values;

#[cfg(feature = "bollard")]
pub use self::container::ContainerSpec;
pub use self::container::SharedContainer;
pub use self::network::Network;
pub(crate) use self::values::{Failure, once, once_blocking};
