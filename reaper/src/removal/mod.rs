//! Removing what labels name, past the reaper: at once, after ended sessions, or by hand. Knows engines and labels, and
//! never a guard.

mod reap;
mod report;
#[cfg(feature = "cli")]
pub mod sessions;
mod sweep;
mod users;

pub use self::reap::Reaped;
pub(crate) use self::reap::{Spared, reap};
pub(crate) use self::report::{Report, Why};
pub(crate) use self::sweep::{Orphans, look};
