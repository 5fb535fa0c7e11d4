//! What a test holds, and what holds the session while it does: the guard, the process's one connection, and the keeper.
//! Knows how to acquire and to remove.

mod connection;
mod filters;
mod held;
mod keeper;
mod kept;
#[cfg(unix)]
mod leave;
mod outcome;
mod reaper;
mod slots;
mod supervisor;

pub(crate) use self::outcome::{end_of_test, failed};
pub use self::reaper::{Builder, Reaper};
