//! Guards that a helper asks for, and that nobody lets go of but the process's end.

use std::process::Command;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::holder::Holder;
use reaper_tests::suite::{Run, only_session, signal, spawn, succeeded, text, until_no_keeper};

const GONE_WITHIN: Duration = Duration::from_secs(60);

fn nextest(run: &Run, tests: &str) -> Command {
    run.cargo(&[
        "nextest",
        "run",
        "--no-fail-fast",
        "--run-ignored",
        "all",
        "-E",
        &format!("binary(held) & {tests}"),
    ])
}

#[test]
fn tests_that_go_through_a_helper_leave_nothing_however_they_end() {
    let run = Run::new();
    let runner = spawn(&mut nextest(&run, "all()"));
    let victim = run.until_recorded("asks_and_stays");
    signal("KILL", &victim.pid);
    let output = runner.wait_with_output().unwrap();
    let said = text(&output);
    assert!(said.contains("8 tests run: 5 passed, 3 failed"), "{said}");
    let records = run.records();
    assert_eq!(records.len(), 7, "{records:#?}\n{said}");
    let session = only_session(&records);
    until_no_keeper(&session);
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn threads_of_one_process_that_go_through_a_helper_have_one_guard() {
    let run = Run::new();
    let session = format!("helper-threads-{}", std::process::id());
    let mut test = run.binary("held");
    test.args(["--include-ignored", "--skip", "asks_and"]).env("TESTCONTAINERS_SESSION_ID", &session);
    succeeded(&test.env("RYUK_RECONNECTION_TIMEOUT", "1s").output().unwrap());
    let records = run.records();
    assert_eq!(records.len(), 4, "{records:#?}");
    assert_eq!(only_session(&records), session);
    engine::until_gone(&session, GONE_WITHIN);
}

/// The only test of a session that was named, so that no keeper holds it.
#[test]
fn what_a_helper_made_stays_for_as_long_as_its_process_runs() {
    let run = Run::new();
    let session = format!("helper-{}", std::process::id());
    let mut test = run.binary("held");
    test.args(["--exact", "asks_and_stays", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
    let test = spawn(test.env("RYUK_RECONNECTION_TIMEOUT", "1s"));
    let made = run.until_recorded("asks_and_stays");
    // A session with the same timeout that is let go after the helper has returned, and is over.
    let mut control = Holder::start("helper-control", &[]);
    control.kill();
    control.until_left(&[]);
    let left = engine::resources(&session);
    assert!(left.contains(&format!("container {}", made.container)), "{left:?}");
    std::fs::write(run.file("go-on"), "").unwrap();
    succeeded(&test.wait_with_output().unwrap());
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn a_constructor_has_a_guard_before_anything_else() {
    let run = Run::new();
    let mut test = run.binary("held");
    test.args(["--exact", "needs_nothing", "--include-ignored"]).env("SUITE_HELD_BY_CONSTRUCTOR", "1");
    let session = format!("constructor-{}", std::process::id());
    test.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    succeeded(&test.output().unwrap());
    assert_eq!(only_session(&run.records()), session);
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn without_an_engine_the_helper_fails_at_its_place_and_tests_that_need_none_pass() {
    let run = Run::new();
    let mut runner = nextest(&run, "test(/^(needs_nothing|asks_on_another_thread)$/)");
    let said = text(&runner.env("DOCKER_HOST", "unix:///nowhere.sock").output().unwrap());
    assert!(said.contains("2 tests run: 1 passed, 1 failed"), "{said}");
    assert!(said.contains("panicked at tests/held.rs:13:"), "{said}");
    assert!(said.contains("no reaper for this test: ") && said.contains("/nowhere.sock"), "{said}");
}
