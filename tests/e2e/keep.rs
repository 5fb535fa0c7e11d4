//! What `REAPER_KEEP` keeps, and that a later run can be asked to remove it.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::Duration;

use reaper_tests::suite::{Run, signal, spawn, succeeded, text, until_no_keeper};
use reaper_tests::{engine, until};

const GONE_WITHIN: Duration = Duration::from_secs(60);

fn keep(run: &Run, keep: &str, tests: &str) -> Command {
    let mut command = run.cargo(&["nextest", "run", "--no-fail-fast", "--run-ignored", "all", "-E", tests]);
    command.env("REAPER_KEEP", keep);
    command
}

/// What a later run leaves of a session, with this setting.
fn sweep(setting: &str, session: &str) -> Vec<String> {
    let run = Run::new();
    let output = run.cargo(&["nextest", "run", "-E", "test(first)"]).env("REAPER_SWEEP", setting).output();
    succeeded(&output.unwrap());
    let session_of_run = run.until_recorded("first").session;
    until_no_keeper(&session_of_run);
    engine::until_gone(&session_of_run, GONE_WITHIN);
    engine::resources(session)
}

/// Waits until the reaper has gone, and gives what is left then.
fn left(session: &str) -> Vec<String> {
    until("the reaper is gone", GONE_WITHIN, || {
        match engine::inspect(&format!("/containers/reaper_{session}/json")) {
            None => Ok(()),
            Some(reaper) => Err(reaper["State"].to_string()),
        }
    });
    engine::resources(session)
}

#[track_caller]
fn says_how_to_remove(output: &Output, session: &str) {
    // That it does so is shown in `kept_by_hand`.
    let expected = format!("docker ps -a --filter label={}={session}", engine::SESSION);
    assert!(text(output).contains(&expected), "{}", text(output));
}

#[test]
fn on_failure_keeps_what_failing_tests_created_and_nothing_else() {
    let run = Run::new();
    let runner = spawn(&mut keep(&run, "on-failure", "binary(keep) and not test(reaps_now)"));
    let killed = run.until_recorded("is_killed");
    signal("KILL", &killed.pid);
    let output = runner.wait_with_output().unwrap();
    says_how_to_remove(&output, &killed.session);
    let records = run.records();
    assert_eq!(records.len(), 15, "{records:#?}\n{}", text(&output));

    let left = left(&killed.session);
    let failed = [
        "panics",
        "panics_otherwise",
        "panics_otherwise_async",
        "returns_a_failure_of_its_own",
        "returns_a_failure_that_has_no_name",
        "returns_an_error",
        "returns_an_error_async",
        "returns_failure",
        "returns_failure_in_ok",
        "is_killed",
    ];
    let expected: BTreeSet<_> = records
        .iter()
        .filter(|record| failed.contains(&record.test.as_str()))
        .map(|record| format!("container {}", record.container))
        .collect();
    let containers = left.iter().filter(|left| left.starts_with("container ")).cloned();
    assert_eq!(containers.collect::<BTreeSet<_>>(), expected, "{left:#?}");
    // And their networks, volumes and images.
    assert_eq!(left.len(), 4 * failed.len(), "{left:#?}");

    assert_eq!(sweep("orphans", &killed.session), left);
    assert_eq!(sweep("all", &killed.session), Vec::<String>::new());
}

/// Nobody lets go of their guards, so the status with which their processes exit decides.
#[test]
fn on_failure_keeps_what_failing_tests_created_through_a_helper_and_nothing_else() {
    let run = Run::new();
    let runner = spawn(&mut keep(&run, "on-failure", "binary(held) and not test(asks_under)"));
    let killed = run.until_recorded("asks_and_stays");
    signal("KILL", &killed.pid);
    let output = runner.wait_with_output().unwrap();
    says_how_to_remove(&output, &killed.session);
    let records = run.records();
    assert_eq!(records.len(), 6, "{records:#?}\n{}", text(&output));
    let failed = records.iter().filter(|record| record.test.starts_with("asks_and"));
    let expected: BTreeSet<_> = failed.map(|record| format!("container {}", record.container)).collect();
    assert_eq!(expected.len(), 3, "{records:#?}");
    let left = left(&killed.session);
    let containers = left.iter().filter(|left| left.starts_with("container ")).cloned();
    assert_eq!(containers.collect::<BTreeSet<_>>(), expected, "{left:#?}");
    assert_eq!(left.len(), 4 * expected.len(), "{left:#?}");
    assert_eq!(sweep("all", &killed.session), Vec::<String>::new());
}

#[test]
fn always_keeps_everything_but_the_reaper() {
    let run = Run::new();
    let output = keep(&run, "always", "binary(keep) & (test(=ends_well) + test(=panics_as_expected))")
        .output()
        .unwrap();
    succeeded(&output);
    let session = run.until_recorded("ends_well").session;
    let left = left(&session);
    assert_eq!(left.len(), 8, "{left:#?}");
    assert_eq!(sweep("off", &session), left);
    assert_eq!(sweep("all", &session), Vec::<String>::new());
}
