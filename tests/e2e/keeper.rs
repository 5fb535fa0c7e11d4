//! The session lasts as long as the runner, with the help of one process that nobody has to know about.

use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use reaper_tests::suite::{Run, keepers, signal, spawn, text, until_no_keeper};
use reaper_tests::{engine, until};

const DEADLINE: Duration = Duration::from_secs(150);
/// Far more than a second and the removing, and less than the usual reconnection timeout and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(60);

fn gap(run: &Run, keeper: &str) -> std::process::Command {
    let mut command = run.cargo(&["nextest", "run", "-j1", "--run-ignored", "all", "-E", "binary(gap)"]);
    command.args(["--no-fail-fast"]).env("REAPER_KEEPER", keeper).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}

#[test]
fn a_gap_between_tests_does_not_end_the_session() {
    let run = Run::new();
    let runner = spawn(&mut gap(&run, "on"));
    let before = run.until_recorded("before");
    // The test has ended or is about to; what holds the session is one keeper.
    assert_eq!(keepers(&before.session).len(), 1);
    let output = runner.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("LEAK"), "{}", text(&output));
    let records = run.records();
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0].reaper, records[1].reaper);
    until_no_keeper(&before.session);
    engine::until_gone(&before.session, GONE_WITHIN);
}

#[test]
fn without_a_keeper_a_gap_ends_the_reaper_and_the_next_test_has_another() {
    let run = Run::new();
    let output = gap(&run, "off").output().unwrap();
    // What the first test had created is gone, as the last one finds.
    assert!(!output.status.success(), "{}", text(&output));
    let records = run.records();
    assert_eq!(records.len(), 2, "{records:?}");
    assert_ne!(records[0].reaper, records[1].reaper);
    engine::until_gone(&records[0].session, GONE_WITHIN);
}

#[test]
fn a_keeper_never_outlives_its_runner_nor_its_reaper() {
    let run = Run::new();
    let arguments = ["nextest", "run", "--run-ignored", "all", "-E", "test(waits)"];
    let mut runner = spawn(run.cargo(&arguments).process_group(0));
    let test = run.until_recorded("waits");
    let first = keepers(&test.session);
    assert_eq!(first.len(), 1, "{first:?}");
    let reaper = format!("/containers/{}/kill", test.reaper);
    assert_eq!(engine::request("POST", &reaper, &serde_json::Value::Null).0, 204);
    until("a new keeper is there with the new reaper", DEADLINE, || {
        let keepers = keepers(&test.session);
        if keepers.len() == 1 && keepers != first { Ok(()) } else { Err(format!("{keepers:?}")) }
    });
    signal("KILL", &format!("-{}", runner.id()));
    runner.wait().unwrap();
    until_no_keeper(&test.session);
    // The test goes on, and holds what is its own.
    assert!(engine::resources(&test.session).contains(&format!("container {}", test.container)));
    signal("KILL", &test.pid);
    engine::until_gone(&test.session, GONE_WITHIN);
}

#[test]
fn a_killed_keeper_is_followed_by_another() {
    let run = Run::new();
    let mut runner = spawn(&mut gap(&run, "on"));
    let before = run.until_recorded("before");
    let keeper = keepers(&before.session).pop().expect("a keeper");
    signal("KILL", &keeper);
    until("the last test is over", DEADLINE, || {
        let records = run.records();
        if records.len() == 2 { Ok(()) } else { Err(format!("{records:?}")) }
    });
    runner.wait().unwrap();
    until_no_keeper(&before.session);
    engine::until_gone(&before.session, GONE_WITHIN);
}
