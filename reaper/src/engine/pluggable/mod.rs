//! The engine as a user may hand one over: the trait, what it tells and refuses, and the engine's own interface behind it.

#[cfg(feature = "bollard")]
mod client;
mod direct;
mod provider;
mod refusal;

#[cfg(feature = "bollard")]
pub use self::client::Bollard;
pub use self::direct::Direct;
#[cfg(feature = "bollard")]
pub(super) use self::direct::{created, read_log};
pub(crate) use self::provider::Handed;
pub use self::provider::{Answer, Platform, Provider, Removal};
pub use self::refusal::{Problem, Refusal};
