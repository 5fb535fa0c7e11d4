//! What every fault is shown on: a run of the suite, a session, bystanders on the engine; and what has to hold
//! in the end, which is the same for all: nothing of the session is left, and nobody else was touched.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bystander::Bystander;
use crate::process::Process;
use crate::suite::{Record, Run, until_no_keeper};
use crate::{engine, until};

/// Wider than every timeout that the faults set, and the removing.
pub const WITHIN: Duration = Duration::from_secs(60);

/// One case.
pub struct Scene {
    /// The suite, and what its tests have logged.
    pub run: Run,
    /// The session of [`Scene::test`].
    pub session: String,
    bystander: Bystander,
}

impl Scene {
    /// A scene whose session has this name and the process's.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let session = format!("{name}-{}", std::process::id());
        Self { run: Run::new(), session, bystander: Bystander::new() }
    }

    /// One of the suite's tests in a process of its own, in the scene's session, whose reaper waits a second.
    #[must_use]
    pub fn test(&self, test: &str) -> Command {
        let mut command = self.run.binary("attribute");
        command.args(["--exact", test, "--include-ignored"]);
        command.env("TESTCONTAINERS_SESSION_ID", &self.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command
    }

    /// Runs a test of the session that only attaches, and gives its record.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn attach(&self) -> Record {
        let process = Process::start(&mut self.test("attaches"));
        let id = process.id().to_string();
        process.succeed();
        let record = self.run.records().into_iter().find(|record| record.pid == id);
        record.expect("the test has logged")
    }

    /// The session's reaper as the engine describes it now; none if there is none.
    #[must_use]
    pub fn reaper(&self) -> Option<Value> {
        engine::inspect(&format!("/containers/reaper_{}/json", self.session))
    }

    /// Waits for a running reaper of the session that has acknowledged filters: which, and how many times in its
    /// life, is for the caller to judge.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn until_acknowledged(&self, enough: impl Fn(&str, usize) -> bool) -> String {
        until("a reaper has acknowledged the filter", WITHIN, || {
            let reaper = self.reaper().unwrap_or_default();
            let id = reaper["Id"].as_str().unwrap_or_default().to_owned();
            let log = if id.is_empty() { String::new() } else { engine::log(&id) };
            let count = log.matches("registered").count();
            let runs = reaper["State"]["Running"] == true;
            if runs && count > 0 && enough(&id, count) { Ok(id) } else { Err(format!("{id} {log}")) }
        })
    }

    /// The end of every case.
    ///
    /// # Panics
    ///
    /// When something of any session of the run is left, or anybody else was touched.
    #[track_caller]
    pub fn end(self) {
        let mut sessions: Vec<_> = self.run.records().into_iter().map(|record| record.session).collect();
        sessions.push(self.session);
        sessions.sort();
        sessions.dedup();
        for session in &sessions {
            engine::until_gone(session, WITHIN);
            until_no_keeper(session);
        }
        self.bystander.assert_untouched();
    }
}

/// Does something to a container, as `docker <action>` would.
///
/// # Panics
///
/// When the engine refuses.
#[track_caller]
pub fn act(method: &str, container: &str, action: &str) {
    let (status, answer) = engine::request(method, &format!("/containers/{container}{action}"), &Value::Null);
    assert!((200..300).contains(&status), "{method} {container}{action}: {status} {answer}");
}
