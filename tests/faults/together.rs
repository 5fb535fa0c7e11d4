//! Tests of one session at once, and a run with its keeper: what every engine has to be good for.

use std::process::Command;
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, succeeded, until_no_keeper};
use reaper_tests::until;

/// Wider than every timeout that such tests set, and the removing.
const WITHIN: Duration = Duration::from_secs(120);

/// Four test processes that have made what they make, under one reaper.
pub(crate) struct Four {
    tests: Vec<Process>,
    /// The id of its container.
    pub(crate) reaper: String,
}

impl Four {
    /// Starts the same test four times.
    #[track_caller]
    pub(crate) fn start(run: &Run, test: impl Fn() -> Command) -> Self {
        let tests: Vec<_> = (0..4).map(|_| Process::start(&mut test())).collect();
        until("all have made what they make", WITHIN, || {
            let records = run.records();
            if records.len() == tests.len() { Ok(()) } else { Err(format!("{records:?}")) }
        });
        let reapers: Vec<_> = run.records().into_iter().map(|record| record.reaper).collect();
        assert!(reapers.iter().all(|reaper| *reaper == reapers[0]), "{reapers:?}");
        Self { tests, reaper: reapers[0].clone() }
    }

    /// The reaper, and of each test a thing of each kind.
    #[track_caller]
    pub(crate) fn have_made_all(&self, engine: &Engine, session: &str) {
        let all = 1 + 4 * self.tests.len();
        assert_eq!(engine.resources(session).len(), all, "{:?}", engine.resources(session));
    }

    #[track_caller]
    pub(crate) fn kill(self) {
        for test in self.tests {
            test.kill();
        }
    }
}

/// Two tests under nextest, on an engine that a command finds `with` it.
#[track_caller]
pub(crate) fn a_run_leaves_nothing(engine: &Engine, with: impl Fn(&Command) -> Command) {
    let run = Run::new();
    let mut nextest = with(&run.cargo(&["nextest", "run", "-E", "test(=first) | test(=second)"]));
    succeeded(&nextest.output().unwrap());
    let session = run.until_recorded("first").session;
    assert_eq!(run.until_recorded("second").session, session);
    engine.until_gone(&session, WITHIN);
    until_no_keeper(&session);
}
