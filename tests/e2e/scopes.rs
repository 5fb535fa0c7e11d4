//! Gone with the test, not with the run: what tests with a scope of their own leave while the run goes on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reaper_tests::process::Process;
use reaper_tests::scene::Scene;
use reaper_tests::suite::{Run, only_session, signal, spawn, succeeded, text, until_no_keeper};
use reaper_tests::{engine, until};

const WITHIN: Duration = Duration::from_secs(60);

/// The test that made a thing, and that goes with it.
const TEST: &str = "test-reaper.test";
const SCOPE: &str = "org.testcontainers.reaper.scope";

fn nextest(run: &Run, tests: &str) -> Command {
    let tests = format!("binary(scopes) & {tests}");
    run.cargo(&["nextest", "run", "--no-fail-fast", "--run-ignored", "all", "-E", &tests])
}

/// What a test of a session has made for itself, and is there.
fn of_test(session: &str, test: &str) -> Vec<String> {
    let of_test: BTreeSet<_> = engine::labelled(TEST, test).into_iter().collect();
    let scoped: BTreeSet<_> = engine::carrying(SCOPE).into_iter().collect();
    let is_its_own = |found: &String| of_test.contains(found) && scoped.contains(found);
    engine::resources(session).into_iter().filter(is_its_own).collect()
}

#[track_caller]
fn until_made(run: &Run, test: &str) {
    drop(run.until_recorded(test));
}

#[track_caller]
fn until_test_left(session: &str, test: &str, count: usize) {
    until(&format!("of the test {test} is left: {count}"), WITHIN, || {
        let left = of_test(session, test);
        if left.len() == count { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// Of the scene's session, by itself.
fn alone(scene: &Scene, test: &str) -> Command {
    let mut command = scene.run.binary("scopes");
    command.args(["--exact", test, "--include-ignored"]);
    command.env("TESTCONTAINERS_SESSION_ID", &scene.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}

/// A test that has named a project, and the folder of a log of its own, in which it is told to go on.
fn names_a_project(scene: &Scene, project: &str, word: &str) -> (Process, PathBuf) {
    let folder = scene.run.file(word);
    std::fs::create_dir_all(&folder).unwrap();
    let log = folder.join("log");
    let mut command = alone(scene, "scoped_names_a_project");
    let process = Process::start(command.env("SUITE_PROJECT", project).env("SUITE_LOG", &log));
    until("it has named the project", WITHIN, || {
        std::fs::metadata(&log).map(drop).map_err(|error| error.to_string())
    });
    (process, folder)
}

fn tell(run: &Run, word: &str) {
    std::fs::write(run.file(word), "").unwrap();
}

/// However it ends, and beside one whose things stay; in the end all of it goes.
#[test]
fn what_a_scoped_test_made_goes_with_it_while_the_run_goes_on() {
    let run = Run::new();
    let tests = "test(/^(in_a_module::)?scoped_/) - test(scoped_names) - test(scoped_reaps) + binary(scopes) & test(=beside)";
    let runner = spawn(nextest(&run, tests).args(["--test-threads", "12"]).env("SUITE_PROJECT", "none"));
    let beside = run.until_recorded("beside");
    let killed = run.until_recorded("scoped_stays");
    assert_eq!(of_test(&killed.session, "scoped_stays").len(), 4);
    signal("KILL", &killed.pid);
    for test in [
        "scoped_ends",
        "scoped_returns_an_error",
        "scoped_panics",
        "scoped_panics_as_expected",
        "scoped_asks_a_helper",
        "scoped_by_fixture",
        "scoped_by_hand",
        "in_a_module::scoped_by_its_module",
        "scoped_shares",
        "scoped_stays",
    ] {
        until_made(&run, test.rsplit(':').next().unwrap());
        until_test_left(&beside.session, test, 0);
    }
    until_made(&run, "shared_by_scoped");
    // The reaper, what the one beside has made, what is shared, and the network that is.
    let left = engine::resources(&beside.session);
    assert_eq!(left.len(), 1 + 4 + 4 + 1, "{left:#?}");
    assert!(left.contains(&format!("container {}", beside.container)), "{left:#?}");
    tell(&run, "go-on");
    let output = runner.wait_with_output().unwrap();
    assert!(text(&output).contains("11 tests run: 8 passed, 3 failed"), "{}", text(&output));
    let session = only_session(&run.records());
    until_no_keeper(&session);
    engine::until_gone(&session, WITHIN);
}

/// Side by side in one process, each has its own.
#[test]
fn threads_of_one_process_have_a_scope_each() {
    let scene = Scene::new("scoped-threads");
    let mut tests = scene.run.binary("scopes");
    tests.args(["scoped_", "--include-ignored", "--skip", "scoped_names", "--skip", "scoped_reaps"]);
    tests.args(["--test-threads", "12"]).env("TESTCONTAINERS_SESSION_ID", &scene.session);
    let mut process = spawn(tests.env("RYUK_RECONNECTION_TIMEOUT", "1s"));
    until_made(&scene.run, "scoped_stays");
    for test in ["scoped_ends", "scoped_panics", "scoped_returns_an_error", "scoped_asks_a_helper"] {
        until_made(&scene.run, test);
        until_test_left(&scene.session, test, 0);
    }
    assert_eq!(of_test(&scene.session, "scoped_stays").len(), 4, "it runs still");
    tell(&scene.run, "scoped-goes-on");
    assert!(!process.wait().unwrap().success(), "two fail on purpose");
    until_made(&scene.run, "scoped_went_on");
    scene.end();
}

#[test]
fn on_failure_keeps_the_scope_of_a_failed_test_and_nothing_else() {
    let run = Run::new();
    let tests = "(test(/^scoped_/) - test(scoped_names) - test(scoped_reaps) - test(scoped_by_hand))";
    let mut command = nextest(&run, tests);
    let runner = spawn(command.env("REAPER_KEEP", "on-failure"));
    let killed = run.until_recorded("scoped_stays");
    signal("KILL", &killed.pid);
    let output = runner.wait_with_output().unwrap();
    until("the reaper is gone", WITHIN, || {
        engine::inspect(&format!("/containers/reaper_{}/json", killed.session))
            .map_or(Ok(()), |_| Err(String::new()))
    });
    let failed = ["scoped_returns_an_error", "scoped_panics", "scoped_stays"];
    let records = run.records();
    let expected = records.iter().filter(|record| failed.contains(&record.test.as_str()));
    let expected: BTreeSet<_> = expected.map(|record| format!("container {}", record.container)).collect();
    assert_eq!(expected.len(), 3, "{records:#?}\n{}", text(&output));
    let left = engine::resources(&killed.session);
    let containers = left.iter().filter(|left| left.starts_with("container ")).cloned();
    assert_eq!(containers.collect::<BTreeSet<_>>(), expected, "{left:#?}");
    assert_eq!(left.len(), 4 * 3, "{left:#?}");
    let sweeps =
        run.cargo(&["nextest", "run", "-E", "test(first)"]).env("REAPER_SWEEP", "all").output().unwrap();
    succeeded(&sweeps);
    engine::until_gone(&killed.session, WITHIN);
    let session = run.until_recorded("first").session;
    until_no_keeper(&session);
    engine::until_gone(&session, WITHIN);
}

#[test]
fn the_settings_give_every_test_a_scope_but_those_that_say_otherwise() {
    let run = Run::new();
    let mut command = nextest(&run, "test(/^(by_settings|beside_whatever)/)");
    let runner = spawn(command.env("REAPER_SCOPE", "test"));
    let beside = run.until_recorded("beside_whatever_the_settings_say");
    for test in ["by_settings", "by_settings_in_a_helper"] {
        until_made(&run, test);
        until_test_left(&beside.session, test, 0);
    }
    let left = engine::resources(&beside.session);
    assert_eq!(left.len(), 1 + 4, "{left:#?}");
    tell(&run, "go-on");
    succeeded(&runner.wait_with_output().unwrap());
    until_no_keeper(&beside.session);
    engine::until_gone(&beside.session, WITHIN);
}

/// Two tests have named it: it goes with the second.
#[test]
fn what_another_tool_made_goes_with_the_last_test_that_named_it() {
    let scene = Scene::new("scoped-project");
    let project = format!("project-{}", std::process::id());
    let start = |word: &str| names_a_project(&scene, &project, word);
    let ((first, of_first), (second, of_second)) = (start("first"), start("second"));
    let labels = serde_json::json!({ "project": project });
    let volume = serde_json::json!({ "Name": project, "Labels": labels });
    engine::Engine::system().done("POST", "/volumes/create", &volume);
    let is_there = || engine::labelled("project", &project);
    std::fs::write(of_first.join("scoped-goes-on"), "").unwrap();
    first.succeed();
    // A third that ends after it, so that the reaper has had its turn.
    Process::start(&mut alone(&scene, "scoped_ends")).succeed();
    until_test_left(&scene.session, "scoped_ends", 0);
    assert_eq!(is_there(), [format!("volume {project}")]);
    std::fs::write(of_second.join("scoped-goes-on"), "").unwrap();
    let beside = Process::start(&mut alone(&scene, "beside"));
    until_made(&scene.run, "beside");
    second.succeed();
    until("it is gone with the second", WITHIN, || {
        if is_there().is_empty() { Ok(()) } else { Err(format!("{:?}", is_there())) }
    });
    assert!(!engine::resources(&scene.session).is_empty(), "the session goes on");
    beside.kill();
    scene.end();
}

/// Tests that follow one another, each with the same name for what another tool makes.
#[test]
fn a_name_that_the_test_before_has_used_waits_until_that_ones_things_are_gone() {
    let scene = Scene::new("scoped-again");
    let beside = Process::start(&mut alone(&scene, "beside"));
    until_made(&scene.run, "beside");
    let project = format!("again-{}", std::process::id());
    let engine = engine::Engine::system();
    for turn in ["first", "second", "third"] {
        let (test, log) = names_a_project(&scene, &project, turn);
        let left: Vec<String> = engine::labelled("project", &project);
        assert_eq!(left, Vec::<String>::new(), "{turn}");
        let volume = serde_json::json!({ "Name": project, "Labels": { "project": project } });
        engine.done("POST", "/volumes/create", &volume);
        std::fs::write(log.join("scoped-goes-on"), "").unwrap();
        test.succeed();
    }
    until("the third's is gone", WITHIN, || {
        let left = engine::labelled("project", &project);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    beside.kill();
    scene.end();
}

#[test]
fn a_scope_is_its_own_sessions_and_one_that_nobody_takes_keeps_nobody_waiting() {
    let scene = Scene::new("scoped-two");
    let other = format!("{}-other", scene.session);
    Process::start(alone(&scene, "of_two_sessions").env("SUITE_PROJECT", &other)).succeed();
    Process::start(&mut alone(&scene, "goes_away_before_it_is_there")).succeed();
    engine::until_gone(&other, WITHIN);
    scene.end();
}

#[test]
fn a_scoped_guard_reaps_its_own_now_and_nothing_else() {
    let scene = Scene::new("scoped-reaps");
    let beside = Process::start(&mut alone(&scene, "beside"));
    until_made(&scene.run, "beside");
    let reaps = Process::start(&mut alone(&scene, "scoped_reaps"));
    until_made(&scene.run, "scoped_reaped");
    let left = engine::resources(&scene.session);
    assert_eq!(left.len(), 1 + 4, "{left:#?}");
    tell(&scene.run, "scoped-goes-on");
    reaps.succeed();
    beside.kill();
    scene.end();
}
