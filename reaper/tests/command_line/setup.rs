//! `reaper setup`: a nextest run whose tests know nothing of sessions, with one file of configuration.

use std::process::Command;
use std::time::Duration;

use reaper_tests::process::{Process, parent, with_arguments};
use reaper_tests::suite::{Run, signal, text, until_no_keeper};
use reaper_tests::{engine, until};

use crate::{reaper, stderr, unique};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// By which everything is found that was adopted.
const ADOPTED: &str = "test-reaper.adopted";

/// nextest on the tests that know nothing, with the setup script.
fn nextest(run: &Run, name: &str, tests: &str) -> Command {
    let config = run.file("nextest.toml");
    let scripts = format!(
        "experimental = ['setup-scripts']\nscripts.setup.reaper.command = ['{}', 'setup']\n\
         [[profile.default.scripts]]\nfilter = 'all()'\nsetup = 'reaper'\n\
         [profile.default]\nslow-timeout = {{ period = '3s', terminate-after = 1, grace-period = '0s' }}\n",
        env!("CARGO_BIN_EXE_reaper")
    );
    std::fs::write(&config, scripts).unwrap();
    let config = config.display().to_string();
    let filter = format!("binary(unaware) & test(/^({tests})$/)");
    let mut nextest =
        run.cargo(&["nextest", "run", "--config-file", &config, "--run-ignored", "all", "-E", &filter]);
    nextest.env("SUITE_NAME", name).env("SUITE_READY", run.file("ready"));
    nextest
}

/// The session of which something with this name is.
fn session_of(volume: &str) -> String {
    let volume = until("the volume is there", GONE_WITHIN, || {
        engine::inspect(&format!("/volumes/{volume}")).ok_or_else(|| "it is not".to_owned())
    });
    let labels = &volume["Labels"];
    assert_eq!(labels[engine::SESSION], labels[ADOPTED], "{labels}");
    labels[engine::SESSION].as_str().unwrap().to_owned()
}

fn until_all_gone(session: &str) {
    engine::until_gone(session, GONE_WITHIN);
    until_no_keeper(session);
    // Nor what serves the socket.
    until("nobody serves it", GONE_WITHIN, || match with_arguments(&["serve", session]) {
        found if found.is_empty() => Ok(()),
        found => Err(format!("{found:?}")),
    });
}

#[test]
fn tests_that_know_nothing_leave_nothing() {
    let (run, name) = (Run::new(), unique("setup"));
    // While one test of the two runs, the other's is there.
    let before = engine::carrying(ADOPTED);
    let output = nextest(&run, &name, "unaware_one|unaware_two").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(stderr(&output).contains("2 tests run: 2 passed"), "{}", text(&output));
    until("what they made is gone", GONE_WITHIN, || {
        let left = ["one", "two"]
            .iter()
            .filter(|test| engine::inspect(&format!("/volumes/{name}-{test}")).is_some());
        match left.count() {
            0 => Ok(()),
            left => Err(format!("{left} left of {before:?}")),
        }
    });
}

#[test]
fn a_test_that_is_timed_out_leaves_nothing_and_neither_does_the_server() {
    let (run, name) = (Run::new(), unique("setup-timeout"));
    let process = Process::start(&mut nextest(&run, &name, "unaware_hangs"));
    let session = session_of(&format!("{name}-hangs"));
    let said = process.fail();
    assert!(said.contains("1 timed out") || said.contains("TIMEOUT"), "{said}");
    until_all_gone(&session);
}

#[test]
fn a_killed_nextest_ends_the_server_and_what_was_made_goes() {
    let (run, name) = (Run::new(), unique("setup-killed"));
    let process = Process::start(&mut nextest(&run, &name, "unaware_hangs"));
    let session = session_of(&format!("{name}-hangs"));
    let test = until("the test runs", GONE_WITHIN, || {
        let found = with_arguments(&["unaware_hangs"]);
        // Other tests have one of that name, too.
        let ours = found.iter().find(|test| parent(test) == Some(process.id().to_string()));
        ours.cloned().ok_or_else(|| format!("{found:?}"))
    });
    process.kill();
    signal("KILL", &test);
    until_all_gone(&session);
}

#[test]
fn a_server_that_is_killed_leaves_what_was_made_to_the_reaper() {
    let (run, name) = (Run::new(), unique("setup-server"));
    let process = Process::start(&mut nextest(&run, &name, "unaware_hangs"));
    let session = session_of(&format!("{name}-hangs"));
    for server in with_arguments(&["serve", &session]) {
        signal("KILL", &server);
    }
    let _ = process.fail();
    until_all_gone(&session);
}

#[test]
fn without_nextest_there_is_nothing_to_set_up() {
    let run = Run::unbuilt();
    let output = reaper(&run, &["setup"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stderr(&output).contains("reaper run --adopt -- <command>"), "{}", text(&output));
    let output = reaper(&run, &["setup"]).env("NEXTEST_ENV", run.file("env")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stderr(&output).contains("there is no nextest above this process"), "{}", text(&output));
}

/// The run goes no further, and says why.
#[test]
fn without_an_engine_no_test_begins() {
    let (run, name) = (Run::new(), unique("setup-no-engine"));
    let output = nextest(&run, &name, "unaware_one").env("DOCKER_HOST", "unix:///nowhere").output().unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    assert!(stderr(&output).contains("tried unix:///nowhere"), "{}", text(&output));
}
