//! Through the engine: sessions whose tests reach their reaper by exec sessions in its container, which has no network.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use reaper_tests::process::{Process, Runner};
use reaper_tests::scene::{Scene, WITHIN, act};
use reaper_tests::suite::{Run, keepers, only_session, signal, spawn, succeeded, text, until_no_keeper};
use reaper_tests::{engine, until, world};
use serde_json::Value;

const EXEC: (&str, &str) = ("REAPER_TRANSPORT", "exec");

/// One of the suite's tests in the scene's session.
fn test(scene: &Scene, test: &str, transport: &str) -> Command {
    let mut command = scene.test(test);
    command.env("REAPER_TRANSPORT", transport);
    command
}

/// Of the scopes', in the scene's session.
fn scoped(scene: &Scene, test: &str) -> Command {
    let mut command = scene.run.binary("scopes");
    command.args(["--exact", test, "--include-ignored"]).envs([EXEC]);
    command.env("TESTCONTAINERS_SESSION_ID", &scene.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}

/// How many processes are in a reaper's container besides the server.
pub(crate) fn clients(reaper: &str) -> usize {
    let commands = engine::Engine::system().commands(reaper);
    commands.iter().filter(|command| command.ends_with("/reaper-ryuk connect")).count()
}

#[track_caller]
fn until_clients(reaper: &str, expected: usize) {
    until(&format!("{expected} clients have a process in the reaper's container"), WITHIN, || {
        let found = clients(reaper);
        if found == expected { Ok(()) } else { Err(format!("{found}")) }
    });
}

#[track_caller]
fn assert_unpublished(reaper: &Value) {
    assert_eq!(reaper["HostConfig"]["NetworkMode"], "none", "{reaper}");
    assert!(
        reaper["HostConfig"]["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty),
        "{reaper}"
    );
    assert!(reaper["NetworkSettings"]["Ports"].as_object().is_none_or(serde_json::Map::is_empty), "{reaper}");
    assert_eq!(reaper["HostConfig"]["ReadonlyRootfs"], true);
    assert_eq!(reaper["HostConfig"]["PidsLimit"], most_processes());
}

/// None for a user's Podman on a machine with cgroups of the first version, which are root's to bound.
fn most_processes() -> u32 {
    let about = engine::inspect("/info").unwrap();
    if about["Rootless"] == true && about["CgroupVersion"] == "1" { 0 } else { 2048 }
}

#[test]
fn a_run_whose_reaper_has_no_network_has_one_session_and_leaves_nothing() {
    let run = Run::new();
    let arguments = ["nextest", "run", "--run-ignored", "all", "--no-fail-fast", "-E"];
    let tests = "test(/^(first|second|third|waits)$/) + binary(fixture)";
    let report = run.file("report.jsonl");
    let mut command = run.cargo(&[&arguments[..], &[tests]].concat());
    let runner = spawn(command.envs([EXEC]).env("REAPER_REPORT", &report));
    let victim = run.until_recorded("waits");
    assert_unpublished(&engine::inspect(&format!("/containers/{}/json", victim.reaper)).unwrap());
    // The keeper has one besides, for what it reports.
    until_clients(&victim.reaper, 3);
    let made = engine::resources(&victim.session);
    assert!(made.contains(&format!("container {}", victim.container)), "{made:?}");
    signal("KILL", &victim.pid);
    let output = runner.wait_with_output().unwrap();
    assert!(text(&output).contains("SIGKILL"), "{}", text(&output));
    let records = run.records();
    let session = only_session(&records);
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!(reapers.len(), 1, "{records:#?}");
    engine::until_gone(&session, WITHIN);
    until_no_keeper(&session);
    let report = std::fs::read_to_string(report).unwrap();
    for record in records.iter().filter(|record| !record.container.is_empty()) {
        assert!(report.contains(&record.container), "{} is not in {report}", record.container);
    }
}

/// While it lives its process there does, too.
#[test]
fn a_killed_test_is_missed_and_so_is_its_scope_while_the_session_goes_on() {
    let scene = Scene::new("exec-scope");
    let beside = Process::start(&mut scoped(&scene, "beside"));
    let kept = scene.run.until_recorded("beside");
    let victim = Process::start(&mut scoped(&scene, "scoped_stays"));
    let killed = scene.run.until_recorded("scoped_stays");
    assert_eq!(killed.reaper, kept.reaper);
    until_clients(&kept.reaper, 2);
    let is_there = || engine::resources(&scene.session).contains(&format!("container {}", killed.container));
    assert!(is_there());
    let began = Instant::now();
    victim.kill();
    until("what it made is gone", WITHIN, || if is_there() { Err(String::new()) } else { Ok(()) });
    // A second is what it takes; the rest is for a machine that has other work.
    assert!(began.elapsed() < Duration::from_secs(5), "after {:?}", began.elapsed());
    until_clients(&kept.reaper, 1);
    until("what is beside it is all that is left", WITHIN, || {
        let left = engine::resources(&scene.session);
        if left.len() == 1 + 4 { Ok(()) } else { Err(format!("{left:?}")) }
    });
    beside.kill();
    scene.end();
}

/// The last word is written in a drop, after which the process may end at once.
#[test]
fn a_scope_ends_with_its_guard_and_in_no_grace() {
    let scene = Scene::new("exec-drop");
    let beside = Process::start(&mut scoped(&scene, "beside"));
    let kept = scene.run.until_recorded("beside");
    for _ in 0..4 {
        Process::start(&mut scoped(&scene, "scoped_ends")).succeed();
    }
    until_clients(&kept.reaper, 1);
    let log = until("all scopes have ended", WITHIN, || {
        let log = engine::log(&kept.reaper);
        if log.matches("removed containers=1").count() == 4 { Ok(log) } else { Err(log) }
    });
    assert!(!log.contains("nobody came back to it"), "{log}");
    beside.kill();
    scene.end();
}

#[test]
fn a_killed_runner_leaves_nothing() {
    let scene = Scene::new("exec-runner");
    let mut runner = Runner::start(&scene.run, &[EXEC, ("RYUK_RECONNECTION_TIMEOUT", "1s")]);
    runner.test(&scene.run, "waits", "&");
    let test = scene.run.until_recorded("waits");
    until("a keeper is there", WITHIN, || keepers(&test.session).pop().ok_or(String::new()));
    until_clients(&test.reaper, 2);
    signal("KILL", &runner.id().to_string());
    signal("KILL", &test.pid);
    scene.end();
}

#[test]
fn a_killed_reaper_is_replaced_and_nothing_is_lost() {
    let scene = Scene::new("exec-heals");
    let process = Process::start(&mut test(&scene, "goes_on", "exec"));
    let before = scene.run.until_recorded("before");
    act("POST", &before.reaper, "/kill");
    let reaper = scene.until_acknowledged(|id, _| id != before.reaper);
    assert_unpublished(&scene.reaper().unwrap());
    let resources = engine::resources(&scene.session);
    assert!(resources.contains(&format!("container {}", before.container)), "{resources:?}");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    process.succeed();
    assert_eq!(scene.run.until_recorded("after").reaper, reaper);
    scene.end();
}

/// As many processes as cores could run are nothing to it.
#[test]
fn processes_that_start_at_once_share_one_reaper_and_leave_no_process_in_it() {
    let scene = Scene::new("exec-crowd");
    let holds = Process::start(&mut test(&scene, "holds", "exec"));
    let held = scene.run.until_recorded("holds");
    let members: Vec<_> = (0..64).map(|_| spawn(&mut test(&scene, "attaches", "exec"))).collect();
    for member in members {
        let output = member.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let records = scene.run.records();
    assert_eq!(records.len(), 1 + 64);
    assert!(records.iter().all(|record| record.reaper == held.reaper), "{records:?}");
    until_clients(&held.reaper, 1);
    holds.kill();
    scene.end();
}

/// Whoever asks for nothing finds a way; whoever asks for a port is told that there is none.
#[test]
fn a_reaper_that_publishes_nothing_is_reached_unless_a_port_is_asked_for() {
    let scene = Scene::new("exec-auto");
    let holds = Process::start(&mut test(&scene, "holds", "exec"));
    let held = scene.run.until_recorded("holds");
    Process::start(&mut test(&scene, "attaches", "auto")).succeed();
    assert_eq!(scene.run.until_recorded("attaches").reaper, held.reaper);
    let began = Instant::now();
    let refused = Process::start(&mut test(&scene, "attaches", "tcp")).fail();
    assert!(refused.contains("publishes no port, which REAPER_TRANSPORT=tcp would dial"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(20), "at once, not after {:?}", began.elapsed());
    holds.kill();
    scene.end();
}

#[test]
fn an_image_without_the_program_is_refused_at_once_and_does_not_stay() {
    let scene = Scene::new("exec-image");
    let image = world::image(&engine::Engine::system());
    let mut command = test(&scene, "attaches", "exec");
    let refused = Process::start(command.env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", image)).fail();
    for part in ["has no program that connects through the engine", image, "REAPER_TRANSPORT=auto"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(scene.reaper(), None);
    scene.end();
}

#[test]
fn a_transport_that_is_none_is_refused_by_name() {
    let run = Run::new();
    let mut command = run.binary("attribute");
    command.args(["--exact", "attaches", "--include-ignored"]).env("REAPER_TRANSPORT", "pigeon");
    let refused = Process::start(&mut command).fail();
    let expected =
        "setting REAPER_TRANSPORT from the environment is \"pigeon\", but must be one of auto, tcp, exec";
    assert!(refused.contains(expected), "{refused}");
}

/// A whole crate, with one word in its environment.
#[test]
fn every_test_of_the_suite_passes_as_it_does_over_a_port() {
    let run = Run::new();
    let mut command = run.cargo(&["nextest", "run", "--retries", "1", "--no-fail-fast"]);
    succeeded(&command.envs([EXEC]).output().unwrap());
    let session = only_session(&run.records());
    assert_eq!(run.records().len(), 9, "{:#?}", run.records());
    until_no_keeper(&session);
    engine::until_gone(&session, WITHIN);
}
