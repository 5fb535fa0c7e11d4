//! Whole test runs, and the ways in which they end.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use reaper_tests::bystander::Bystander;
use reaper_tests::suite::{Record, Run, only_session, signal, spawn, succeeded, text};
use reaper_tests::{engine, until};
use serde_json::Value;

/// The reconnection timeout of 10 s, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(60);
const STARTED_WITHIN: Duration = Duration::from_secs(150);

fn names(records: &[Record]) -> BTreeSet<&str> {
    records.iter().map(|record| record.test.as_str()).collect()
}

#[test]
fn a_nextest_run_has_one_session_and_one_reaper_and_leaves_nothing() {
    let bystander = Bystander::new();
    let run = Run::new();
    let output = run.cargo(&["nextest", "run", "--retries", "1", "--no-fail-fast"]).output().unwrap();
    let text = succeeded(&output);
    assert!(!text.contains("LEAK"), "{text}");

    let records = run.records();
    let session = only_session(&records);
    let expected = [
        "case_four",
        "case_one",
        "case_three",
        "case_two",
        "first",
        "second",
        "succeeds_the_second_time",
        "third",
    ];
    assert_eq!(names(&records), expected.into(), "{text}");
    let processes: BTreeSet<_> = records.iter().map(|record| &record.pid).collect();
    assert_eq!(processes.len(), 9, "a process per test and one for the retry: {records:#?}");
    let attempts: BTreeSet<_> = records.iter().map(|record| record.attempt.as_str()).collect();
    assert_eq!(attempts, ["1", "2"].into());
    // Asked of the engine: so there was something to remove.
    assert!(records.iter().all(|record| record.container.len() == 64), "{records:#?}");

    engine::until_gone(&session, GONE_WITHIN);
    assert_eq!(engine::inspect(&format!("/containers/reaper_{session}/json")), None);
    bystander.assert_untouched();
}

#[test]
fn cargo_test_shares_the_session_over_its_binaries_and_doctests() {
    let run = Run::new();
    succeeded(&run.cargo(&["test"]).output().unwrap());
    let records = run.records();
    let session = only_session(&records);
    let names = names(&records);
    // A binary each, and the documentation's test, which rustdoc starts.
    for name in ["first", "case_one", "doctest"] {
        assert!(names.contains(name), "{name} is missing: {names:?}");
    }
    let processes: BTreeSet<_> = records.iter().map(|record| &record.pid).collect();
    assert_eq!(processes.len(), 3, "{records:#?}");
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn a_killed_test_leaves_nothing() {
    let run = Run::new();
    let arguments = ["nextest", "run", "--run-ignored", "all", "--no-fail-fast", "-E"];
    let arguments = [&arguments[..], &["test(/^(first|second|third|waits)$/) + binary(fixture)"]].concat();
    let runner = spawn(&mut run.cargo(&arguments));
    let victim = run.until_recorded("waits");
    assert!(engine::resources(&victim.session).contains(&format!("container {}", victim.container)));
    signal("KILL", &victim.pid);
    let output = runner.wait_with_output().unwrap();
    assert!(text(&output).contains("SIGKILL"), "{}", text(&output));
    let session = only_session(&run.records());
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn a_runner_killed_with_all_its_groups_leaves_nothing() {
    let run = Run::new();
    let arguments = ["nextest", "run", "--run-ignored", "all", "-E", "test(waits) + test(first)"];
    let mut runner = spawn(run.cargo(&arguments).process_group(0));
    let victim = run.until_recorded("waits");
    // The containers of the session, its reaper, and the rest of `everything`.
    assert!(engine::resources(&victim.session).len() >= 5, "{:?}", engine::resources(&victim.session));
    signal("KILL", &format!("-{}", runner.id()));
    // nextest puts every test in a group of its own.
    signal("KILL", &format!("-{}", victim.pid));
    runner.wait().unwrap();
    engine::until_gone(&victim.session, GONE_WITHIN);
}

#[test]
fn a_killed_reaper_is_replaced_and_what_it_guarded_goes_all_the_same() {
    let run = Run::new();
    let session = format!("replaced-{}", std::process::id());
    let mut test = run.binary("attribute");
    test.args(["--exact", "waits", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
    let mut test = spawn(&mut test);
    let victim = run.until_recorded("waits");
    let (status, answer) =
        engine::request("POST", &format!("/containers/{}/kill", victim.reaper), &Value::Null);
    assert_eq!(status, 204, "{answer}");

    let reaper = until("another reaper knows the filter", STARTED_WITHIN, || {
        let found = engine::inspect(&format!("/containers/reaper_{session}/json"));
        let id = found.map_or(String::new(), |found| found["Id"].as_str().unwrap().to_owned());
        let log = engine::log(&id);
        let knows = id != victim.reaper && log.contains(&session) && log.contains("registered");
        if knows { Ok(id) } else { Err(format!("{id}: {log}")) }
    });
    assert_ne!(reaper, victim.reaper);
    // What was there before is there still, and the test has not noticed.
    assert!(engine::resources(&session).contains(&format!("container {}", victim.container)));
    assert!(test.try_wait().unwrap().is_none());
    test.kill().unwrap();
    test.wait().unwrap();
    engine::until_gone(&session, GONE_WITHIN);
}
