//! The session: which test run this is, who made what in it, and where its processes keep what they share on this
//! machine. Knows the platform and the settings.

pub(crate) mod folder;
mod id;
pub mod label_keys;
mod labels;
mod owner;

#[cfg(feature = "cli")]
pub(crate) use self::id::GIVEN;
pub use self::id::SessionId;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::id::nextest;
pub(crate) use self::id::{known_runner, remember, resolve};
#[cfg(any(feature = "bollard", feature = "testcontainers"))]
pub(crate) use self::label_keys::is_ours;
#[cfg(feature = "cli")]
pub(crate) use self::label_keys::{ADOPTED, LANGUAGE};
pub(crate) use self::label_keys::{
    KEEP, MAKING, NETWORK, PROCESS, REAPER, RUNNER, RYUK, SCOPE, SESSION, TEST,
};
pub use self::labels::{Filter, Labels, LabelsIter};
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::owner::until_owner_is_gone;
pub(crate) use self::owner::{Owner, owner_is_gone, owner_lives};
