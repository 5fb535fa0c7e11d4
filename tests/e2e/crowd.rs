//! Many processes at once: the engine's unique names decide who creates, and sessions do not mix.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::suite::{Run, spawn, text};

const GONE_WITHIN: Duration = Duration::from_secs(90);

/// One test process of a session that has been given a name.
fn member(run: &Run, session: &str) -> Command {
    let mut command = run.binary("attribute");
    command.args(["--exact", "attaches", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", session);
    command
}

#[test]
fn processes_of_one_session_that_start_at_once_share_one_reaper() {
    let run = Run::new();
    let session = format!("crowd-{}", std::process::id());
    let members: Vec<_> = (0..256).map(|_| spawn(&mut member(&run, &session))).collect();
    for member in members {
        let output = member.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let records = run.records();
    assert_eq!(records.len(), 256);
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!(reapers.len(), 1, "{reapers:?}");
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn sessions_that_run_at_once_do_not_see_each_other() {
    let run = Run::new();
    let session = |number: u32| format!("beside-{}-{number}", std::process::id());
    let members: Vec<_> =
        (0..8).flat_map(|number| [number; 4]).map(|n| spawn(&mut member(&run, &session(n)))).collect();
    for member in members {
        let output = member.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let records = run.records();
    let pairs: BTreeSet<_> = records.iter().map(|record| (&record.session, &record.reaper)).collect();
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!((records.len(), pairs.len(), reapers.len()), (32, 8, 8), "{pairs:?}");
    for number in 0..8 {
        engine::until_gone(&session(number), GONE_WITHIN);
    }
}
