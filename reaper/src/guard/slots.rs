//! What this process has for each session: an attempt under way, a connection, or the reason why there is none.
//!
//! The threads of a process share one attempt and one connection, whoever asks first. A failure is kept, so
//! that a hundred tests do not each wait for the same deadline; a loss is told once. A static that keeps
//! the connection itself was rejected: statics are never dropped, and a test run in one process should let go
//! when its last test ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use super::connection::{Connection, lock};
use crate::engine;
use crate::error::{Error, Result};
use crate::session::SessionId;
use crate::settings::Config;

/// Called with the outcome of the attempt it waited for.
pub(super) type Waiter = Box<dyn FnOnce(Result<Arc<Connection>>) + Send>;

/// What this process has for a session.
enum Slot {
    Acquiring {
        config: Config,
        waiters: Vec<Waiter>,
    },
    Live {
        config: Config,
        connection: Weak<Connection>,
    },
    /// It could not be had: kept, so that a hundred tests do not each wait for the same deadline.
    Failed {
        config: Config,
        error: Error,
    },
    /// It was had, lost, and not restored: told to the next who asks, who may then try anew.
    Lost {
        error: Error,
    },
}

static SLOTS: Mutex<BTreeMap<SessionId, Slot>> = Mutex::new(BTreeMap::new());

/// Has the waiter called with the process's connection: at once where it is known what there is, else when the attempt
/// has ended. Gives whether there was no attempt under way: then it is for the caller to begin one.
#[must_use]
pub(super) fn join(session: &SessionId, config: &Config, waiter: Waiter) -> bool {
    let mut slots = lock(&SLOTS);
    let known = match slots.get_mut(session) {
        Some(Slot::Acquiring { config: theirs, waiters }) => match engine::same(theirs, config) {
            Ok(true) if theirs.agrees_with(config) => {
                waiters.push(waiter);
                return false;
            }
            Ok(_) => Some(Err(contradiction(session))),
            Err(error) => Some(Err(error)),
        },
        Some(Slot::Live { config: theirs, connection }) => {
            let agrees = theirs.agrees_with(config);
            connection.upgrade().map(|live| match engine::leads_to(config, &live.engine.place) {
                Ok(true) if agrees => Ok(live),
                Ok(_) => Err(contradiction(session)),
                Err(error) => Err(error),
            })
        }
        Some(Slot::Failed { config: theirs, error }) if *theirs == *config => Some(Err(error.clone())),
        Some(Slot::Lost { error }) => {
            let error = error.clone();
            slots.remove(session);
            Some(Err(error))
        }
        Some(Slot::Failed { .. }) | None => None,
    };
    if let Some(outcome) = known {
        // Not under the lock: a waiter is somebody else's code.
        drop(slots);
        waiter(outcome);
        return false;
    }
    slots.insert(session.clone(), Slot::Acquiring { config: config.clone(), waiters: vec![waiter] });
    true
}

/// The live connection of a session, if this process has one.
pub(super) fn current(session: &SessionId) -> Option<Arc<Connection>> {
    match lock(&SLOTS).get(session) {
        Some(Slot::Live { connection, .. }) => connection.upgrade(),
        _ => None,
    }
}

pub(super) fn hand_out(session: SessionId, config: Config, connection: &Arc<Connection>) {
    let live = Slot::Live { config, connection: Arc::downgrade(connection) };
    for waiter in settle(session, live) {
        waiter(Ok(Arc::clone(connection)));
    }
}

pub(super) fn fail(session: SessionId, config: Config, error: &Error) {
    for waiter in settle(session, Slot::Failed { config, error: error.clone() }) {
        waiter(Err(error.clone()));
    }
}

/// What could not be restored, for the next who asks.
pub(super) fn lose(session: SessionId, error: Error) {
    settle(session, Slot::Lost { error: Error::Lost { source: Arc::new(error) } });
}

/// Puts the outcome in the slot and gives back who waited for it.
fn settle(session: SessionId, outcome: Slot) -> Vec<Waiter> {
    match lock(&SLOTS).insert(session, outcome) {
        Some(Slot::Acquiring { waiters, .. }) => waiters,
        _ => Vec::new(),
    }
}

fn contradiction(session: &SessionId) -> Error {
    Error::Contradiction { session: session.to_string() }
}
