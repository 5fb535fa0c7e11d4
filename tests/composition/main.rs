//! `#[with_reaper]` together with everything else that people put on a test.
//!
//! Each composition is a test by itself, in a module per kind. The driver runs each again in a process of
//! its own and reads what was seen from outside at each point of the test's life: the guard's connection is
//! there before any fixture is built and before the first line, is there when the test's values are dropped,
//! and is gone when the test is over; by return, by `?` and by panic. `README.md` of this package lists the
//! compositions by name, and is held against what the harness lists, so that a test that is lost or
//! registered twice is noticed.

mod alone;
mod endings;
mod frameworks;
mod guard_from;
mod order;
mod outside;
mod parameterized;
mod paths;
mod properties;
mod runtimes;
mod signatures;
mod whole_module;
mod witness;

use std::collections::BTreeSet;
use std::process::{Command, Output};

use witness::{DROPPED, Event, FIRST_LINE, FIXTURE, IN_CHILD, OVER};

/// Every composition as the harness lists it, more than once if it is registered more than once.
fn listed() -> Vec<String> {
    let output = child(&["--list", "--format", "terse"]);
    let text = String::from_utf8(output.stdout).expect("names in UTF-8");
    let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
    tests.filter(|name| name.contains("::")).map(str::to_owned).collect()
}

/// The names in the table of the README.
fn documented() -> BTreeSet<String> {
    let text = include_str!("../README.md");
    let (_, table) = text.split_once("<!-- compositions -->").expect("the table begins");
    let (table, _) = table.split_once("<!-- end of compositions -->").expect("the table ends");
    // The last cell of each row.
    let rows = table.lines().filter_map(|line| line.strip_prefix('|')?.rsplit('|').nth(1));
    let names = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

fn child(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the child starts")
}

fn command(arguments: &[&str]) -> Command {
    let program = std::env::current_exe().expect("this program");
    let session = format!("composition-{}", std::process::id());
    let mut command = Command::new(program);
    command.args(arguments).env(IN_CHILD, "1").env("TESTCONTAINERS_SESSION_ID", session);
    command.env("REAPER_KEEPER", "off").env_remove("RUST_TEST_THREADS");
    command
}

#[test]
fn every_composition_is_registered_once_and_documented() {
    let listed = listed();
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), once.len(), "registered twice: {listed:#?}");
    assert_eq!(once, documented());
}

#[test]
fn the_guard_is_there_before_and_after_everything_else() {
    let wrong: Vec<_> = listed().iter().filter_map(|name| check(name).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_test_that_should_panic_does_not_pass_without_an_engine() {
    let names: Vec<_> = listed().into_iter().filter(|name| name.contains("expected_panic")).collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let mut command = command(&["--exact", &name, "--nocapture"]);
        let output = command.env("DOCKER_HOST", "unix:///nowhere").output().expect("the child starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}: {text}");
        assert!(text.contains("no container engine could be reached"), "{name}: {text}");
    }
}

/// Runs one composition in a process of its own. Two threads, so that the harness gives the test one.
fn check(name: &str) -> Result<(), String> {
    let output = child(&["--exact", name, "--include-ignored", "--nocapture", "--test-threads", "2"]);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let wrong = |what: &str| Err(format!("{name}: {what}\n{text}"));
    let events = Event::read_all(&text);
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    if output.status.success() == name.ends_with("_fails") {
        return wrong("ended with the wrong status");
    }
    let Some((last, before)) = events.split_last() else {
        return wrong("reported nothing");
    };
    if last.name != OVER || last.connections != 0 {
        return wrong("the guard was not dropped with the test");
    }
    if before.iter().any(|event| event.connections != 1) {
        return wrong("the guard was not there all the time");
    }
    if names.iter().filter(|event| **event == FIRST_LINE).count() != 1 || !names.contains(&DROPPED) {
        return wrong("ran another number of times than once");
    }
    let first = names.iter().position(|event| *event == FIRST_LINE);
    let built = names.iter().position(|event| *event == FIXTURE);
    if name.contains("fixture") && built.is_none_or(|built| Some(built) > first) {
        return wrong("the fixture was not built before the first line");
    }
    Ok(())
}
