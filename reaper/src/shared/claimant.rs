//! Who asks for a value, and what he asks with: what the places where values are kept have to know.

use std::io;
use std::sync::Arc;
use std::thread;

use super::cancel::Cancel;
use super::made::{self, Made};
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::session::{Filter, REAPER};
use crate::settings::{Config, running_test};

/// What became of asking for a value.
#[derive(Debug)]
pub(super) enum Claim<T> {
    Made(Made),
    /// It is for this caller to make.
    Turn(T),
}

/// The claim's thread's own: everything here may block.
pub(super) struct Claimant {
    pub(super) reaper: Reaper,
    pub(super) key: String,
    /// The caller knows that it is worth nothing any more.
    pub(super) worthless: Option<Made>,
    pub(super) config: Config,
    pub(super) test: String,
    pub(super) cancel: Arc<Cancel>,
}

impl Claimant {
    /// Waits for a word from the reaper, and so for another where it is gone.
    pub(super) fn ask_the_reaper(&self) -> Result<()> {
        // Names only what is the reaper's own: what the test made may have to be kept.
        self.reaper.also(Filter::of_session(self.reaper.session().as_str(), REAPER, "true"))
    }

    pub(super) fn failed(&self, error: io::Error) -> Error {
        made::failed(&self.key, error)
    }

    /// Nobody has made it in time.
    pub(super) fn late(&self, holder: String) -> Error {
        Error::SharedTimeout { key: self.key.clone(), after: self.config.shared_timeout, holder }
    }
}

/// This thread's test, as well as it can be told: the runner's word, the thread's name, the command line.
pub(super) fn this_test() -> String {
    let named = |name: &str| !name.is_empty() && name != "main" && !name.starts_with("tokio-");
    let thread = thread::current().name().filter(|name| named(name)).map(str::to_owned);
    running_test()
        .or(thread)
        .map_or_else(|| std::env::args().collect::<Vec<_>>().join(" "), |test| format!("test {test}"))
}
