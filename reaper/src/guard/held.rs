//! Guards that are held until the process ends.
//!
//! Nothing of ours runs then: statics are never dropped. Nothing has to: the operating system closes the connection, and
//! that is all the reaper waits for. Only where passing tests let go of what failing ones keep is there something to say.

use std::sync::Mutex;

use super::connection::{Connection, lock};
use super::outcome::all_passed;
use super::reaper::Reaper;
use crate::error::Result;
use crate::platform;

/// Usually one; another where that was lost, or another session was asked for.
static HELD: Mutex<Vec<&'static Reaper>> = Mutex::new(Vec::new());

impl Reaper {
    /// The guard of this connection that is held until the process ends.
    pub(crate) fn hold(self) -> Result<&'static Self> {
        let mut held = lock(&HELD);
        if let Some(known) = held.iter().find(|known| known.is(&self)) {
            return Ok(known);
        }
        if self.connection().is_some_and(Connection::lets_pass) && !platform::at_exit(at_exit) {
            tracing::debug!("this platform does not tell how a process ends: what it creates stays");
        }
        let kept: &'static Self = Box::leak(Box::new(self.scoped_by_settings()?));
        held.push(kept);
        Ok(kept)
    }
}

/// The harness has decided whether its tests passed: that is what the status says.
fn at_exit(status: i32) {
    if status != 0 || !all_passed() {
        return;
    }
    for connection in lock(&HELD).iter().filter_map(|held| held.connection()) {
        if let Err((filter, error)) = connection.pass() {
            tracing::warn!(%filter, %error, "what passing tests created stays, too");
        }
    }
}
