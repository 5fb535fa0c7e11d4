//! Who makes a shared value: the one who holds the lock of its key.
//!
//! The kernel lets go of the lock when its holder's process ends, in whatever way, and it is held by the
//! open file: a value's maker keeps it in the future that makes the value, so that a future dropped half-way,
//! or a panic, hands it on as well. Two handles of one process exclude each other like two processes.
//!
//! A lock can only be waited for by a thread that does nothing else, so each claim has one, and one more if
//! it has to wait: neither a runtime nor its clock is asked for anything. Rejected: asking for the lock again
//! and again until the deadline, which makes every waiter late by half of the interval.

use std::any::Any;
use std::fs::{File, TryLockError};
use std::io::{Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::entry::{self, Entry, Guarded, Made};
use crate::error::{Error, Result, panicked};
use crate::guard::Reaper;
use crate::platform;
use crate::session::folder::{self, SessionFolder, uninterrupted};
use crate::session::{self, Filter, Owner, REAPER};
use crate::settings::{Config, running_test};

/// What became of asking for a value.
#[derive(Debug)]
pub(super) enum Claim {
    Made(Made),
    /// It is for this caller to make.
    Turn(Turn),
}

/// While it lives, nobody else makes the value; what it is dropped without is as if it had never been.
#[derive(Debug)]
pub(super) struct Turn {
    entry: Entry,
    guarded: Guarded,
    _lock: File,
}

impl Turn {
    /// Keeps the value, and gives it back as everybody else will get it.
    pub(super) fn keep<T: Serialize + DeserializeOwned>(self, value: &T) -> Result<T> {
        self.entry.write(value, &self.guarded)
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

/// Ends the wait of the claim's thread when whoever asked goes away.
struct Asking(Sender<Event>);

impl Drop for Asking {
    fn drop(&mut self) {
        // The thread may have answered and be gone.
        let _ = self.0.send(Event::Cancelled);
    }
}

enum Event {
    Locked(std::io::Result<File>),
    Cancelled,
}

/// Asks for the value, under any async runtime or none.
pub(super) async fn claim(reaper: &Reaper, key: &str) -> Result<Claim> {
    claim_unless(reaper, key, None).await
}

/// The same for a value that is not this one, of which the caller knows that it is worth nothing any more.
pub(super) async fn claim_unless(reaper: &Reaper, key: &str, worthless: Option<Made>) -> Result<Claim> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let _asking = ask(reaper, key, worthless, move |outcome| drop(sender.send(outcome)))?;
    receiver.await.unwrap_or_else(|_| Err(unanswered(key)))
}

/// The same for a caller who can wait.
pub(super) fn claim_blocking(reaper: &Reaper, key: &str) -> Result<Claim> {
    let (sender, receiver) = channel();
    let _asking = ask(reaper, key, None, move |outcome| drop(sender.send(outcome)))?;
    receiver.recv().unwrap_or_else(|_| Err(unanswered(key)))
}

/// Starts the claim's thread, which calls `answer` once. A turn that nobody takes any more is dropped with it.
fn ask(
    reaper: &Reaper,
    key: &str,
    worthless: Option<Made>,
    answer: impl FnOnce(Result<Claim>) + Send + 'static,
) -> Result<Asking> {
    if key.is_empty() {
        return Err(entry::failed(key, std::io::Error::other("the key is empty")));
    }
    let config = Config::load()?;
    let claimant = Claimant { reaper: reaper.clone(), key: key.to_owned(), worthless, config, who: who() };
    let (events, received) = channel();
    let asking = Asking(events.clone());
    let work = move || {
        // What panics here, a subscriber's code among it, is told to whoever waits.
        let claimed = catch_unwind(AssertUnwindSafe(|| claimant.claim(&events, &received)));
        let failed = |payload: Box<dyn Any + Send>| Err(entry::failed(&claimant.key, panicked(&*payload)));
        let outcome = claimed.unwrap_or_else(failed);
        // Before whoever waits goes on: his guard may have to be the last.
        drop(claimant);
        answer(outcome);
    };
    let thread = thread::Builder::new().name("reaper-shared".into()).spawn(work);
    thread.map_err(|error| entry::failed(key, error))?;
    Ok(asking)
}

/// The thread's own: everything here may block.
struct Claimant {
    reaper: Reaper,
    key: String,
    worthless: Option<Made>,
    config: Config,
    who: String,
}

impl Claimant {
    fn claim(&self, events: &Sender<Event>, received: &Receiver<Event>) -> Result<Claim> {
        let folder = self.folder()?;
        let entry = Entry::new(&folder, &self.key);
        if let Some(made) = self.read(&entry)?.filter(|made| made.guarded == self.guarded()) {
            return Ok(Claim::Made(made));
        }
        let lock = self.lock(&entry, events, received)?;
        if let Some(made) = self.read(&entry)? {
            if made.guarded != self.guarded() {
                // Either it was made under a reaper that is gone, or ours is gone and we do not know yet.
                self.ask_the_reaper()?;
            }
            if made.guarded == self.guarded() {
                return Ok(Claim::Made(made));
            }
        }
        Ok(Claim::Turn(Turn { entry, guarded: self.guarded(), _lock: lock }))
    }

    fn read(&self, entry: &Entry) -> Result<Option<Made>> {
        Ok(entry.read()?.filter(|made| self.worthless.as_ref() != Some(made)))
    }

    /// Waits for a word from the reaper, and so for another where it is gone.
    fn ask_the_reaper(&self) -> Result<()> {
        // Names only what is the reaper's own: what the test made may have to be kept.
        self.reaper.also(Filter::of_session(self.reaper.session().as_str(), REAPER, "true"))
    }

    fn folder(&self) -> Result<std::sync::Arc<SessionFolder>> {
        let session = self.reaper.session();
        // A builder's session is not that of the runner, and may outlive it.
        let runner = if session::resolve(&self.config)? == *session {
            Owner::of(session, &self.config).runner
        } else {
            None
        };
        super::joined::folder(session, runner.as_deref()).map_err(|error| entry::failed(&self.key, error))
    }

    fn guarded(&self) -> Guarded {
        Guarded { reaper: self.reaper.mark(), boot: platform::boot() }
    }

    /// Waits for the lock until the deadline, and signs it.
    fn lock(&self, entry: &Entry, events: &Sender<Event>, received: &Receiver<Event>) -> Result<File> {
        let failed = |error| entry.failed(error);
        let mut options = File::options();
        let file = folder::open(&entry.lock, options.read(true).write(true).create(true)).map_err(failed)?;
        let mut file = match file.try_lock() {
            Ok(()) => file,
            Err(TryLockError::WouldBlock) => self.wait(file, entry, events, received)?,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        };
        let holder = Holder { pid: std::process::id(), test: self.who.clone(), since: now() };
        let signature = serde_json::to_vec(&holder).map_err(|error| failed(error.into()))?;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(&signature))
            .map_err(failed)?;
        Ok(file)
    }

    fn wait(
        &self,
        file: File,
        entry: &Entry,
        events: &Sender<Event>,
        received: &Receiver<Event>,
    ) -> Result<File> {
        let began = Instant::now();
        let locked = events.clone();
        let work = move || {
            let outcome = uninterrupted(|| file.lock());
            // Too late where nobody waits any more: then the file is closed here, and the lock goes on.
            let _ = locked.send(Event::Locked(outcome.map(|()| file)));
        };
        let thread = thread::Builder::new().name("reaper-lock".into()).spawn(work);
        thread.map_err(|error| entry.failed(error))?;
        let after = self.config.shared_timeout;
        match received.recv_timeout(after.saturating_sub(began.elapsed())) {
            Ok(Event::Locked(outcome)) => outcome.map_err(|error| entry.failed(error)),
            Ok(Event::Cancelled) => Err(entry.failed(std::io::ErrorKind::Interrupted.into())),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(Error::SharedTimeout { key: self.key.clone(), after, holder: holder(entry) })
            }
        }
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

/// This thread's test, as well as it can be told: the runner's word, the thread's name, the command line.
fn who() -> String {
    let named = |name: &str| !name.is_empty() && name != "main" && !name.starts_with("tokio-");
    let thread = thread::current().name().filter(|name| named(name)).map(str::to_owned);
    running_test()
        .or(thread)
        .map_or_else(|| std::env::args().collect::<Vec<_>>().join(" "), |test| format!("test {test}"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn unanswered(key: &str) -> Error {
    entry::failed(key, std::io::Error::other("the thread that waits for it ended without an answer"))
}
