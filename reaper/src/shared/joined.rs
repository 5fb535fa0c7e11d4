//! The folders that this process has joined: it stays in them until it ends.
//!
//! A value that a test got is used for longer than can be known here, so nobody may remove its folder while
//! the process lives. Rejected: leaving with the last guard, and so making and removing the folder once per
//! test of a process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::session::SessionId;
use crate::session::folder::{self, SessionFolder};

static JOINED: Mutex<BTreeMap<SessionId, Arc<SessionFolder>>> = Mutex::new(BTreeMap::new());

/// The folder of a session; joined anew where somebody has cleared the temporary files.
pub(super) fn folder(session: &SessionId, runner: Option<&str>) -> io::Result<Arc<SessionFolder>> {
    // A folder is put in whole, or not at all.
    let mut joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = joined.get(session).filter(|folder| folder.is_current()) {
        return Ok(Arc::clone(folder));
    }
    let folder = Arc::new(SessionFolder::join(&folder::folder()?, session.as_str(), runner)?);
    joined.insert(session.clone(), Arc::clone(&folder));
    Ok(folder)
}
