//! From a name to an acknowledged connection: looks the session's reaper up, or creates it. Knows the engine and the
//! session.

mod image;
#[cfg(test)]
mod model;
mod search;
mod spec;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(feature = "cli")]
pub(crate) use self::image::Image;
pub(crate) use self::search::{Acquired, acquire};
pub(crate) use self::spec::Plan;
pub(crate) use self::wire::{WireError, encode, register, register_blocking};
