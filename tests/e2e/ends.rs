//! Ends in which no destructor runs: signals to the runner, and its own timeout.

use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::suite::{Record, Run, signal, spawn, text, until_no_keeper};

const GONE_WITHIN: Duration = Duration::from_secs(60);

#[track_caller]
fn until_nothing_is_left(test: &Record) {
    engine::until_gone(&test.session, GONE_WITHIN);
    let process = format!("/proc/{}/cmdline", test.pid);
    let command = std::fs::read_to_string(process).unwrap_or_default();
    assert!(!command.contains("waits"), "the test is still there: {command}");
    until_no_keeper(&test.session);
}

/// As Ctrl-C does it in a terminal, where the runner's whole group gets the signal.
#[test]
fn a_runner_that_is_interrupted_or_terminated_leaves_nothing() {
    for name in ["INT", "TERM", "HUP"] {
        let run = Run::new();
        let arguments = ["nextest", "run", "--run-ignored", "all", "-E", "test(waits)"];
        let runner = spawn(run.cargo(&arguments).process_group(0));
        let test = run.until_recorded("waits");
        assert!(engine::resources(&test.session).len() >= 5, "{:?}", engine::resources(&test.session));
        signal(name, &format!("-{}", runner.id()));
        let output = runner.wait_with_output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
        until_nothing_is_left(&test);
    }
}

#[test]
fn a_test_that_runs_into_the_runners_timeout_leaves_nothing() {
    for grace in ["0s", "10s"] {
        until_nothing_is_left(&timed_out(grace));
    }
}

/// Has a test run into the runner's timeout once it has created everything; on a busy machine that takes it longer.
#[track_caller]
fn timed_out(grace: &str) -> Record {
    for period in ["3s", "12s", "48s"] {
        let run = Run::new();
        let config = run.file("nextest.toml");
        let timeout = format!("{{ period = {period:?}, terminate-after = 1, grace-period = {grace:?} }}");
        std::fs::write(&config, format!("[profile.default]\nslow-timeout = {timeout}\n")).unwrap();
        let arguments = ["nextest", "run", "--run-ignored", "all", "-E", "test(waits)"];
        let output = run.cargo(&arguments).arg("--config-file").arg(&config).output().unwrap();
        assert!(text(&output).contains("TIMEOUT"), "{}", text(&output));
        if let Some(test) = run.records().pop() {
            return test;
        }
    }
    panic!("the test has created nothing before any timeout");
}
