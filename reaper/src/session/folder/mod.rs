//! What this user's processes keep on this machine: a folder of the user's own, and in it one for each session.

mod filters;
mod memory;
mod private;
mod session_folder;

pub(crate) use self::filters::{note, untold};
pub(crate) use self::memory::Memory;
pub(crate) use self::private::{folder, open, read, replace};
pub(crate) use self::session_folder::{SessionFolder, VALUE, forget_values, uninterrupted};
#[cfg(unix)]
pub(crate) use self::session_folder::{is_at, remove};
