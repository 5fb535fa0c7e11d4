//! A session that a test process holds and does nothing else with, so that the test decides what is in it.

use std::process::Child;
use std::time::Duration;

use crate::engine::Engine;
use crate::log::Log;
use crate::suite::{Run, spawn};
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
    process: Child,
}

impl Holder {
    /// Starts a process that has a guard, with further settings for the reaper.
    ///
    /// # Panics
    ///
    /// When it gets none.
    #[must_use]
    pub fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let run = Run::new();
        let session = format!("{name}-{}", std::process::id());
        let mut holds = run.binary("attribute");
        holds.args(["--exact", "holds", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
        holds.env("RYUK_RECONNECTION_TIMEOUT", "1s").envs(settings.iter().copied());
        let process = spawn(&mut holds);
        let reaper = run.until_recorded("holds").reaper;
        let engine = Engine::system();
        let log = Log::follow(&engine, &reaper);
        Self { session, log, reaper, engine, process }
    }

    /// The labels of the session.
    #[must_use]
    pub fn labels(&self) -> serde_json::Value {
        crate::world::of_session(&self.session)
    }

    /// Kills the process, as nothing else tells the reaper more surely.
    ///
    /// # Panics
    ///
    /// When it had ended by itself.
    pub fn kill(&mut self) {
        let ended = self.process.try_wait().expect("a process can be waited for");
        assert!(ended.is_none(), "the holder has ended by itself: {ended:?}");
        self.process.kill().expect("a process can be killed");
        self.process.wait().expect("a process can be waited for");
    }

    /// Waits until the reaper is gone and of the session this alone is left, as `kind name-or-id`.
    ///
    /// # Panics
    ///
    /// When something else is, or not even that.
    #[track_caller]
    pub fn until_left(&self, expected: &[String]) {
        until(&format!("of session {} is left: {expected:?}", self.session), GONE_WITHIN, || {
            let left = self.engine.resources(&self.session);
            if left == expected { Ok(()) } else { Err(format!("{left:?}; the log: {}", self.log.text())) }
        });
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It has been killed in a test that passed.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        if std::thread::panicking() {
            let mut output = String::new();
            if let Some(mut stderr) = self.process.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut stderr, &mut output);
            }
            eprintln!("the holder of {}: {output}", self.session);
        }
    }
}
