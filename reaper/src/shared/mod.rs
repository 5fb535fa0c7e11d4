//! What is made once for the session and used by all its processes: values, networks, containers. Sits on the guard.

mod claim;
#[cfg(feature = "testcontainers")]
mod client;
mod container;
mod dropped;
mod entry;
mod joined;
mod kind;
mod network;
#[cfg(feature = "testcontainers")]
pub mod testcontainers;
mod values;

#[cfg(feature = "bollard")]
pub use self::container::ContainerSpec;
pub use self::container::SharedContainer;
pub use self::network::Network;
pub(crate) use self::values::{Failure, once, once_blocking};
