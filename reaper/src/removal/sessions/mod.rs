//! What of sessions is on an engine, and removing it.
//!
//! Feature `cli`. The command line was not given the engine's lists as they are: what is an orphan, and in which
//! order a session is removed, is decided here once for it and for the sweep of a test run. The functions are
//! for any tokio runtime with a timer and input and output.
//!
//! ```no_run
//! # async fn example() -> reaper::Result<()> {
//! for session in reaper::sessions::list().await? {
//!     println!("{} {:?} {} resources", session.id(), session.runner(), session.resources().count());
//! }
//! # Ok(()) }
//! ```

mod listing;
mod remove;

pub(crate) use self::listing::resources;
pub use self::listing::{Maker, Reaper, Resource, Runner, Scope, Session, list};
pub use self::remove::Removal;
pub use crate::engine::Kind;
