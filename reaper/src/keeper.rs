//! What happens when the binary is loaded, before `main`.
//!
//! The session is named by things that a test can change and by a parent that can die, so they are
//! written down first of all. Everything else waits until a test asks for a reaper: a hook that runs in
//! every process, also in those that never touch a container, has to cost next to nothing.

use crate::session;

/// Runs when no other thread exists and the standard library's environment and files are usable; starts
/// no thread, prints nothing, and does not panic.
#[ctor::ctor(unsafe)]
fn at_load() {
    session::remember();
}
