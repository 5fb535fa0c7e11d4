//! Whole runs: many processes at once, and runners and keepers that are killed.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::slice;
use std::time::Duration;

use reaper_tests::suite::{Run, keepers, signal, spawn, text, until_no_keeper};
use reaper_tests::until;

use crate::chance::Chance;
use crate::{Outcome, clean};

const CROWD: usize = 256;
const DEADLINE: Duration = Duration::from_secs(150);

/// A runner in a group of its own, ended with it at the latest when dropped.
struct Runner(Option<Child>);

impl Runner {
    fn start(command: &mut Command) -> Self {
        Self(Some(spawn(command.process_group(0))))
    }

    fn kill(&mut self) {
        if let Some(mut runner) = self.0.take() {
            signal("KILL", &format!("-{}", runner.id()));
            runner.wait().expect("a runner can be waited for");
        }
    }

    fn ended(&mut self) -> String {
        let runner = self.0.take().expect("a runner");
        let output = runner.wait_with_output().expect("a runner can be waited for");
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One reaper for all, and an error for nobody.
pub(crate) fn crowd(chance: &mut Chance) -> Outcome {
    let run = Run::new();
    let session = format!("torture-crowd-{:016x}", chance.below(u64::MAX));
    let member = |_| {
        let mut command = run.binary("attribute");
        command.args(["--exact", "attaches", "--include-ignored"]);
        // A second is what a loaded machine may take between two of them.
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "5s");
        spawn(&mut command)
    };
    let members: Vec<_> = (0..CROWD).map(member).collect();
    for member in members {
        let output = member.wait_with_output().expect("a process can be waited for");
        assert!(output.status.success(), "{}", text(&output));
    }
    let records = run.records();
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!((records.len(), reapers.len()), (CROWD, 1), "processes and reapers");
    clean(&[session])
}

pub(crate) fn runner_killed(chance: &mut Chance) -> Outcome {
    let run = Run::new();
    let arguments = ["nextest", "run", "--run-ignored", "all", "-E", "test(/^waits$/) + binary(fixture)"];
    let mut runner = Runner::start(&mut run.cargo(&arguments));
    let victim = run.until_recorded("waits");
    std::thread::sleep(chance.within(Duration::from_millis(300)));
    runner.kill();
    // nextest has every test in a group of its own; those that end by themselves may have.
    signal("KILL", &format!("-{}", victim.pid));
    clean(&[victim.session])
}

/// Two tests with a guard, and between them one without that takes longer than the reaper waits.
fn gapped(run: &Run) -> Command {
    let mut command = run.cargo(&["nextest", "run", "-j1", "--run-ignored", "all", "-E", "binary(gap)"]);
    command.env("RYUK_RECONNECTION_TIMEOUT", "1s").env("SUITE_GAP", "3");
    command
}

pub(crate) fn gap(_: &mut Chance) -> Outcome {
    let run = Run::new();
    let mut runner = Runner::start(&mut gapped(&run));
    let before = run.until_recorded("before");
    runner.ended();
    let outcome = clean(slice::from_ref(&before.session));
    let reapers: BTreeSet<_> = run.records().into_iter().map(|record| record.reaper).collect();
    assert_eq!(reapers.len(), 1, "it was reaped in the middle: {reapers:?}");
    until_no_keeper(&before.session);
    outcome
}

/// Then the gap is longer than the reaper waits, and the last test has a reaper and a keeper of its own.
pub(crate) fn keeper_killed(chance: &mut Chance) -> Outcome {
    let run = Run::new();
    let mut runner = Runner::start(gapped(&run).arg("--no-fail-fast"));
    let before = run.until_recorded("before");
    std::thread::sleep(chance.within(Duration::from_millis(300)));
    let keeper = keepers(&before.session).pop().expect("a keeper");
    signal("KILL", &keeper);
    until("the last test has a guard", DEADLINE, || {
        let records = run.records();
        if records.len() == 2 { Ok(()) } else { Err(format!("{records:?}")) }
    });
    // It fails, since what the first created has been removed as it had to be.
    let ended = runner.0.take().expect("a runner").wait_with_output().expect("a runner can be waited for");
    let outcome = clean(slice::from_ref(&before.session));
    assert!(text(&ended).contains("1 failed"), "{}", text(&ended));
    until_no_keeper(&before.session);
    outcome
}
