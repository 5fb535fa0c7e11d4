//! A session that a test process holds and does nothing else with, so that the test decides what is in it.

use std::process::Command;
use std::time::Duration;

use crate::engine::{Engine, SESSION};
use crate::log::Log;
use crate::process::Process;
use crate::suite::Run;
use crate::until;

/// For a reaper that is patient with the engine, and everybody else's tests beside.
const GONE_WITHIN: Duration = Duration::from_secs(180);

/// A held session on the system's engine. The process is killed when dropped.
pub struct Holder {
    /// The session's name.
    pub session: String,
    /// The reaper's log.
    pub log: Log,
    /// The reaper container's id.
    pub reaper: String,
    engine: Engine,
    process: Option<Process>,
}

impl Holder {
    /// Starts a process that has a guard, with further settings for the reaper.
    ///
    /// # Panics
    ///
    /// When it gets none.
    #[must_use]
    pub fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_on(&Engine::system(), name, settings, |run, session| {
            let mut holds = run.binary("attribute");
            holds.args(["--exact", "holds", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", session);
            holds.env("RYUK_RECONNECTION_TIMEOUT", "1s");
            holds
        })
    }

    /// The same on another engine, with the command that runs the suite's test `holds` there, in this session.
    pub(crate) fn start_on(
        engine: &Engine,
        name: &str,
        settings: &[(&str, &str)],
        holds: impl FnOnce(&Run, &str) -> Command,
    ) -> Self {
        let run = Run::new();
        let session = format!("{name}-{}", std::process::id());
        let process = Some(Process::start(holds(&run, &session).envs(settings.iter().copied())));
        let reaper = run.until_recorded("holds").reaper;
        let log = Log::follow(engine, &reaper);
        Self { session, log, reaper, engine: engine.clone(), process }
    }

    /// The labels of the session.
    #[must_use]
    pub fn labels(&self) -> serde_json::Value {
        crate::world::of_session(&self.session)
    }

    /// Kills the process; what it held is the reaper's from then on.
    ///
    /// # Panics
    ///
    /// When it had ended by itself.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("it is killed once").kill();
    }

    /// Waits until the reaper is gone and of the session this alone is left, as `kind name-or-id`.
    ///
    /// # Panics
    ///
    /// When something else is, or not even that.
    #[track_caller]
    pub fn until_left(&self, expected: &[String]) {
        until(&format!("of session {} is left: {expected:?}", self.session), GONE_WITHIN, || {
            let left = self.engine.try_labelled(SESSION, &self.session)?;
            if left == expected { Ok(()) } else { Err(format!("{left:?}; the log: {}", self.log.text())) }
        });
    }
}
