//! What an attempt leaves for the session's other processes: a failure for some seconds, so that a hundred do not wait
//! for the same deadline; and what of the hardening has to be left out, for as long as the session's folder is there.
//!
//! A failure that costs nothing is left to each to find. One that cost time is kept for as long as that, within limits: so
//! a session spends half of its time on waiting at most, and what has been mended is noticed soon.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::spec::Plan;
use crate::engine::Concessions;
use crate::error::Error;
use crate::session::folder::{self, Memory};
use crate::session::{Owner, SessionId};
use crate::settings::{Config, Transport};

/// What took less is no wait.
const CHEAP: Duration = Duration::from_millis(300);
const KEPT_AT_LEAST: Duration = Duration::from_secs(5);
const KEPT_AT_MOST: Duration = Duration::from_secs(30);

const FAILURE: &str = "failure";
const HARDENING: &str = "hardening";
const TRANSPORT: &str = "transport";
const EXEC: &str = "exec";

#[derive(Serialize, Deserialize)]
struct Failure {
    report: String,
    process: u32,
    /// In milliseconds of the Unix epoch.
    at: u64,
    until: u64,
}

/// What processes of the session with the same settings leave for each other; nothing where there is no folder for it.
pub(crate) fn memory(session: &SessionId, config: &Config) -> Memory {
    let Config { docker_host, host, socket, privileged, image, hub_prefix, network, transport, .. } = config;
    let values =
        [docker_host, host, socket, image, hub_prefix].map(|found| found.as_ref().map(|found| &found.value));
    let key = format!("{values:?} {privileged} {network:?} {transport:?} {:?}", config.acquire_timeout);
    folder::folder().map(|root| Memory::of(root, session.as_str(), &key)).unwrap_or_default()
}

/// The failure that another process has met a moment ago.
pub(crate) fn found_before(memory: &Memory) -> Option<Error> {
    let Failure { report, process, at, until } = serde_json::from_str(&memory.recall(FAILURE)?).ok()?;
    let now = now();
    let span = |from: u64, to: u64| to.checked_sub(from).map(Duration::from_millis);
    let (ago, again) = (span(at, now)?, span(now, until)?);
    // A clock that was set may have any distance.
    let valid = !again.is_zero() && again <= KEPT_AT_MOST;
    valid.then_some(Error::FoundBefore { report, process, ago, again })
}

/// Leaves a failure for the others, if it has cost time and they would meet it again.
pub(crate) fn leave(memory: &Memory, error: &Error, cost: Duration, runner: impl FnOnce() -> Option<String>) {
    let others_meet_it = !matches!(
        error,
        // What a person has just to do, what is this process's own, and what others know.
        Error::Paused { .. }
            | Error::NameTaken { .. }
            | Error::Setting { .. }
            | Error::Thread { .. }
            | Error::FoundBefore { .. }
    );
    if cost < CHEAP || !others_meet_it {
        return;
    }
    let at = now();
    let kept = u64::try_from(cost.clamp(KEPT_AT_LEAST, KEPT_AT_MOST).as_millis()).unwrap_or_default();
    let failure = Failure { report: error.report(), process: std::process::id(), at, until: at + kept };
    let text = serde_json::to_string(&failure).unwrap_or_default();
    if let Err(error) = memory.keep(FAILURE, &text, runner().as_deref()) {
        tracing::debug!(%error, "a failure is not left for the session's other processes");
    }
}

impl Plan {
    /// What other processes of the session have left out of the hardening.
    pub(super) fn known_concessions(&self) -> Concessions {
        self.memory.recall(HARDENING).map(|text| Concessions::read(&text)).unwrap_or_default()
    }

    pub(super) fn remember(&self, concessions: Concessions) {
        self.note(HARDENING, &concessions.write().unwrap_or_default());
    }

    /// Whether another process of the session has dialled the reaper's port in vain, and came through the engine.
    pub(super) fn is_dialled_in_vain(&self) -> bool {
        self.config.transport == Transport::Auto && self.memory.recall(TRANSPORT).as_deref() == Some(EXEC)
    }

    pub(super) fn remember_vain_dialling(&self) {
        self.note(TRANSPORT, EXEC);
    }

    /// Whose end tells when the notes may go.
    pub(super) fn owning_runner(&self) -> Option<String> {
        Owner::runner_of(&self.session, &self.config)
    }

    fn note(&self, what: &str, text: &str) {
        if let Err(error) = self.memory.keep(what, text, self.owning_runner().as_deref()) {
            tracing::debug!(%error, "what the engine does not let work is not left for the session");
        }
    }
}

pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline() -> Error {
        let source = std::sync::Arc::new(std::io::Error::other("on fire"));
        Error::Deadline { after: Duration::from_secs(60), reason: None, log: Vec::new(), source }
    }

    fn memory(root: &std::path::Path, key: &str) -> Memory {
        Memory::of(root.to_owned(), "s", key)
    }

    #[test]
    fn a_failure_is_found_by_those_with_the_same_key() {
        let root = tempfile::tempdir().unwrap();
        leave(&memory(root.path(), "engine"), &deadline(), Duration::from_secs(60), || None);
        let report = found_before(&memory(root.path(), "engine")).unwrap().report();
        for part in ["on fire", "within 60s", &format!("process {}", std::process::id())] {
            assert!(report.contains(part), "{part} is missing: {report}");
        }
        assert!(found_before(&memory(root.path(), "another")).is_none());
        assert!(found_before(&Memory::default()).is_none());
    }

    #[test]
    fn a_failure_is_kept_for_as_long_as_it_took_within_limits() {
        for (cost, kept) in
            [(1, 5), (12, 12), (600, 30)].map(|(cost, kept)| (Duration::from_secs(cost), kept))
        {
            let root = tempfile::tempdir().unwrap();
            leave(&memory(root.path(), "engine"), &deadline(), cost, || None);
            let Some(Error::FoundBefore { ago, again, .. }) = found_before(&memory(root.path(), "engine"))
            else {
                panic!("it is not found: {cost:?}")
            };
            assert_eq!(ago + again, Duration::from_secs(kept));
        }
    }

    #[test]
    fn what_costs_nothing_or_is_over_is_not_told() {
        let root = tempfile::tempdir().unwrap();
        let memory = memory(root.path(), "engine");
        leave(&memory, &deadline(), Duration::from_millis(10), || None);
        let [name, id, image, report] = ["r", "1", "an/image", "on fire"].map(str::to_owned);
        let (ago, again) = (Duration::ZERO, KEPT_AT_LEAST);
        for error in [
            Error::Paused { name: name.clone() },
            Error::NameTaken { name, id, image },
            // Or the first one's failure would be passed on for ever.
            Error::FoundBefore { report, process: 1, ago, again },
        ] {
            leave(&memory, &error, Duration::from_secs(5), || None);
            assert!(found_before(&memory).is_none(), "{error:?}");
        }
        assert!(found_before(&memory).is_none());
        let failure = |at, until| Failure { report: String::new(), process: 1, at, until };
        for failure in
            [failure(now() - 9_000, now() - 1), failure(now() + 5_000, now() + 9_000), failure(1, u64::MAX)]
        {
            memory.keep(FAILURE, &serde_json::to_string(&failure).unwrap(), None).unwrap();
            assert!(found_before(&memory).is_none());
        }
    }
}
