//! Containers that a whole session shares: made once, looked at on every attach, made again when they are gone.

#[cfg(feature = "bollard")]
mod body;
mod by_id;
mod difference;
#[cfg(feature = "bollard")]
mod ready;
#[cfg(feature = "bollard")]
mod served;
mod shared_container;

#[cfg(feature = "bollard")]
pub use self::body::ContainerSpec;
pub use self::shared_container::SharedContainer;
#[cfg(feature = "testcontainers")]
pub(super) use self::shared_container::{look_at, share};
