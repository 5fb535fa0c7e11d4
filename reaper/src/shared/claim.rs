//! Asking for a shared value: the place where it is kept says whether it is there, or who makes it.
//!
//! It is kept at the session's reaper where that has a word for it (`at_reaper`), and in a folder of this machine otherwise
//! (`in_folder`). Which of the two is the reaper's to say and never a process's to choose, so that all of a session ask at one
//! place. The folder first and the reaper for those who have none in common was rejected for that.
//!
//! Both have to be waited for by a thread, so each claim has one: neither a runtime nor its clock is asked for anything.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cancel::Cancel;
use super::claimant::{self, Claimant, this_test};
use super::made::{self, Made, written};
use super::{at_reaper, in_folder};
use crate::engine::work;
use crate::error::{Error, Result, panicked};
use crate::guard::Reaper;
use crate::settings::Config;

/// What became of asking for a value.
pub(super) type Claim = claimant::Claim<Turn>;

/// While it lives, nobody else makes the value; what it is dropped without is as if it had never been.
#[derive(Debug)]
pub(super) struct Turn {
    key: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    AtReaper(Box<at_reaper::Turn>),
    InFolder(in_folder::Turn),
}

impl Turn {
    /// Keeps the value, and gives it back as everybody else will get it.
    pub(super) async fn keep<T: Serialize + DeserializeOwned>(self, value: T) -> Result<T> {
        let Self { key, place } = self;
        let (text, as_others_get_it) = written(&key, &value)?;
        drop(value);
        match place {
            Place::InFolder(turn) => turn.keep(&text)?,
            // It waits for the reaper's answer, which the caller's runtime is not to do.
            Place::AtReaper(turn) => work(async move || turn.keep(&key, &text)).await?,
        }
        Ok(as_others_get_it)
    }
}

/// Ends the wait of the claim's thread when whoever asked goes away.
struct Asking(Arc<Cancel>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.cancel();
    }
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
        return Err(made::failed(key, std::io::Error::other("the key is empty")));
    }
    let config = Config::load()?;
    let cancel = Arc::<Cancel>::default();
    let asking = Asking(Arc::clone(&cancel));
    let (reaper, key_of_thread) = (reaper.clone(), key.to_owned());
    let claimant = Claimant { reaper, key: key_of_thread, worthless, config, test: this_test(), cancel };
    let work = move || {
        // What panics here, a subscriber's code among it, is told to whoever waits.
        let claimed = catch_unwind(AssertUnwindSafe(|| claim_on_thread(&claimant)));
        let failed = |payload: Box<dyn Any + Send>| Err(claimant.failed(panicked(&*payload)));
        let outcome = claimed.unwrap_or_else(failed);
        // Before whoever waits goes on: his guard may have to be the last.
        drop(claimant);
        answer(outcome);
    };
    let thread = thread::Builder::new().name("reaper-shared".into()).spawn(work);
    thread.map_err(|error| made::failed(key, error))?;
    Ok(asking)
}

fn claim_on_thread(claimant: &Claimant) -> Result<Claim> {
    let turn = |place| Claim::Turn(Turn { key: claimant.key.clone(), place });
    Ok(match at_reaper::claim(claimant)? {
        Some(claimant::Claim::Made(made)) => Claim::Made(made),
        Some(claimant::Claim::Turn(at_reaper)) => turn(Place::AtReaper(Box::new(at_reaper))),
        None => match in_folder::claim(claimant)? {
            claimant::Claim::Made(made) => Claim::Made(made),
            claimant::Claim::Turn(in_folder) => turn(Place::InFolder(in_folder)),
        },
    })
}

fn unanswered(key: &str) -> Error {
    made::failed(key, std::io::Error::other("the thread that waits for it ended without an answer"))
}
