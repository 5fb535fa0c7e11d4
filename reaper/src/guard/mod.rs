//! What a test holds, and what holds the session while it does: the guard, the process's one connection, and the keeper.
//! Knows how to acquire and to remove.

mod asking;
mod builder;
mod connection;
mod ending;
mod filters;
mod held;
mod keeper;
mod kept;
mod label_sets;
#[cfg(unix)]
mod leave;
mod making;
mod outcome;
mod reaper;
mod reaping;
mod reported;
#[cfg(any(unix, feature = "cli"))]
mod reporting;
mod scope;
mod scope_words;
mod scopes;
mod slots;
mod supervisor;

pub use self::builder::Builder;
pub(crate) use self::ending::{end_of_test, failed};
pub(crate) use self::making::{Mark, making, making_async};
pub use self::reaper::Reaper;
