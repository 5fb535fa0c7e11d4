//! A run that lost everything, its reaper last: the next run removes what it left.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reaper_tests::process::mark_of_this;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::suite::{Run, keepers, signal, spawn, succeeded, until_no_keeper};
use reaper_tests::{engine, until};
use serde_json::{Value, json};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Kills the runner, its test, and then the reaper, which has had no time to remove anything; gives the session.
fn orphan(run: &Run) -> String {
    let mut runner = run.cargo(&["nextest", "run", "--run-ignored", "all", "-E", "test(waits)"]);
    let mut runner = spawn(runner.env("RYUK_RECONNECTION_TIMEOUT", "10m").process_group(0));
    let test = run.until_recorded("waits");
    // The reaper and the four that the test created; afterwards any other run may have begun to remove them.
    let created = engine::resources(&test.session);
    assert_eq!(created.len(), 5, "{created:?}");
    signal("KILL", &format!("-{}", runner.id()));
    signal("KILL", &test.pid);
    runner.wait().unwrap();
    until_no_keeper(&test.session);
    let kill = format!("/containers/{}?force=1", test.reaper);
    assert_eq!(engine::request("DELETE", &kill, &Value::Null).0, 204);
    test.session
}

#[test]
fn what_a_run_left_that_lost_its_reaper_goes_with_the_next_run() {
    let session = orphan(&Run::new());
    // Of a run whose runner lives: this process.
    let alive = format!("alive-{}", std::process::id());
    let body = json!({"Name": alive, "Labels": {engine::SESSION: alive, "test-reaper.runner": mark_of_this(),
        "test-reaper.process": mark_of_this()}});
    assert_eq!(engine::request("POST", "/volumes/create", &body).0, 201);

    let run = Run::new();
    succeeded(&run.cargo(&["nextest", "run", "-E", "test(first)"]).output().unwrap());
    let session_of_run = run.until_recorded("first").session;
    until_no_keeper(&session_of_run);
    engine::until_gone(&session_of_run, GONE_WITHIN);
    // The reaper was told, so they went with the session at the latest.
    let left = engine::resources(&session);
    let bystander = engine::resources(&alive);
    assert_eq!(engine::request("DELETE", &format!("/volumes/{alive}"), &Value::Null).0, 204);
    assert_eq!((left, bystander), (vec![], vec![format!("volume {alive}")]));
}

/// As Podman does where something else is removed at that moment.
#[test]
fn an_engine_that_stumbles_over_each_list_once_is_swept_all_the_same() {
    const LISTS: [&str; 4] = ["/containers/json", "/networks", "/volumes", "/images/json"];
    let session = orphan(&Run::new());
    let stumbled = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&stumbled);
    let proxy = Proxy::new(move |request| match LISTS.iter().find(|list| request.is("GET", list)) {
        Some(list) if seen.lock().unwrap().insert(list) => {
            Decision::Refuse(500, "retrieving label for image: image not known".into())
        }
        _ => Decision::Pass,
    });
    let run = Run::new();
    let mut sweeps = run.cargo(&["nextest", "run", "-E", "test(first)"]);
    succeeded(&proxy.serve(&mut sweeps).output().unwrap());
    let session_of_run = run.until_recorded("first").session;
    until_no_keeper(&session_of_run);
    engine::until_gone(&session_of_run, GONE_WITHIN);
    assert_eq!(stumbled.lock().unwrap().len(), LISTS.len(), "{stumbled:?}");
    assert_eq!(engine::resources(&session), Vec::<String>::new());
}

/// While a test goes on, the orphans of earlier runs are removed already.
#[test]
fn orphans_do_not_wait_for_the_end_of_the_next_run() {
    let session = orphan(&Run::new());
    let run = Run::new();
    let arguments = ["nextest", "run", "--run-ignored", "all", "-E", "test(waits)"];
    let mut runner = spawn(run.cargo(&arguments).process_group(0));
    let test = run.until_recorded("waits");
    engine::until_gone(&session, GONE_WITHIN);
    let now = engine::resources(&test.session);
    let log = engine::log(&test.reaper);
    assert_eq!(now.len(), 5, "{now:?} {test:?} {log}");
    signal("KILL", &format!("-{}", runner.id()));
    signal("KILL", &test.pid);
    runner.wait().unwrap();
    until("the second run has ended too", GONE_WITHIN, || {
        let left = (keepers(&test.session), engine::resources(&test.session));
        if left.0.is_empty() && left.1.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
