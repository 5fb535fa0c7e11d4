//! Values in the session's folder on this machine: who makes one is who holds the lock of its key.
//!
//! Where the reaper has no word for values: an official image, or none. The kernel lets go of the lock when its holder's process
//! ends, in whatever way, and it is held by the open file: a value's maker keeps it in the future that makes the value, so that a
//! future dropped half-way, or a panic, hands it on as well. Two handles of one process exclude each other like two processes.
//!
//! A lock can only be waited for by a thread that does nothing else, so each claim has one more if it has to wait. Rejected:
//! asking for the lock again and again until the deadline, which makes every waiter late by half of the interval.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::claimant::{Claim, Claimant};
use super::entry::Entry;
use super::joined;
use super::made::{Guarded, Made, Which};
use crate::error::Result;
use crate::platform;
use crate::session::folder::{self, SessionFolder, uninterrupted};
use crate::session::{self, Owner};

/// While it lives, nobody else makes the value; what it is dropped without is as if it had never been.
#[derive(Debug)]
pub(super) struct Turn {
    entry: Entry,
    guarded: Guarded,
    _lock: File,
}

impl Turn {
    /// Keeps what was written of the value.
    pub(super) fn keep(self, text: &str) -> Result<()> {
        self.entry.write(text, &self.guarded)
    }
}

/// Who holds a lock, as told to those who have waited for too long.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    test: String,
    /// In seconds of the Unix epoch.
    since: u64,
}

enum Event {
    Locked(io::Result<File>),
    Cancelled,
}

/// Asks for the value until the deadline.
pub(super) fn claim(claimant: &Claimant) -> Result<Claim<Turn>> {
    let entry = Entry::new(&*folder(claimant)?, &claimant.key);
    let is_worth = |made: &Made| made.which == Which::InFolder(guarded(claimant));
    if let Some(made) = read(claimant, &entry)?.filter(is_worth) {
        return Ok(Claim::Made(made));
    }
    let lock = lock(claimant, &entry)?;
    if let Some(made) = read(claimant, &entry)? {
        if !is_worth(&made) {
            // Either it was made under a reaper that is gone, or ours is gone and we do not know yet.
            claimant.ask_the_reaper()?;
        }
        if is_worth(&made) {
            return Ok(Claim::Made(made));
        }
    }
    Ok(Claim::Turn(Turn { entry, guarded: guarded(claimant), _lock: lock }))
}

fn read(claimant: &Claimant, entry: &Entry) -> Result<Option<Made>> {
    Ok(entry.read()?.filter(|made| claimant.worthless.as_ref() != Some(made)))
}

fn folder(claimant: &Claimant) -> Result<Arc<SessionFolder>> {
    let (session, config) = (claimant.reaper.session(), &claimant.config);
    // A builder's session is not that of the runner, and may outlive it.
    let runner = if session::resolve(config)? == *session { Owner::runner_of(session, config) } else { None };
    joined::folder(session, runner.as_deref()).map_err(|error| claimant.failed(error))
}

fn guarded(claimant: &Claimant) -> Guarded {
    Guarded { reaper: claimant.reaper.mark(), boot: platform::boot() }
}

/// Waits for the lock until the deadline, and signs it.
fn lock(claimant: &Claimant, entry: &Entry) -> Result<File> {
    let failed = |error| claimant.failed(error);
    let mut options = File::options();
    let file = folder::open(&entry.lock, options.read(true).write(true).create(true)).map_err(failed)?;
    let mut file = match file.try_lock() {
        Ok(()) => file,
        Err(TryLockError::WouldBlock) => wait(claimant, file, entry)?,
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    };
    let holder = Holder { pid: std::process::id(), test: claimant.test.clone(), since: now() };
    let signature = serde_json::to_vec(&holder).map_err(|error| failed(error.into()))?;
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&signature)).map_err(failed)?;
    Ok(file)
}

fn wait(claimant: &Claimant, file: File, entry: &Entry) -> Result<File> {
    let began = Instant::now();
    let (events, received) = channel();
    let locked = events.clone();
    let work = move || {
        let outcome = uninterrupted(|| file.lock());
        // Too late where nobody waits any more: then the file is closed here, and the lock goes on.
        let _ = locked.send(Event::Locked(outcome.map(|()| file)));
    };
    // It may be answered, and its thread be gone.
    let end = move || drop(events.send(Event::Cancelled));
    let _wait = claimant.cancel.wait(end).map_err(|error| claimant.failed(error))?;
    let thread = thread::Builder::new().name("reaper-lock".into()).spawn(work);
    thread.map_err(|error| claimant.failed(error))?;
    match received.recv_timeout(claimant.config.shared_timeout.saturating_sub(began.elapsed())) {
        Ok(Event::Locked(outcome)) => outcome.map_err(|error| claimant.failed(error)),
        Ok(Event::Cancelled) => Err(claimant.failed(io::ErrorKind::Interrupted.into())),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(claimant.late(holder(entry))),
    }
}

/// What the lock's file says of who holds it.
fn holder(entry: &Entry) -> String {
    let holder = folder::read(&entry.lock).ok().and_then(|text| serde_json::from_str::<Holder>(&text).ok());
    holder.map_or_else(
        || "a process that has not said who it is is making it".into(),
        |Holder { pid, test, since }| {
            let seconds = now().saturating_sub(since);
            format!("process {pid} ({test}) has been making it for {seconds} s")
        },
    )
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
