//! What a process that has ended had registered holds for the session, also when its reaper is lost.

use reaper_tests::engine::Engine;
use reaper_tests::process::Process;
use reaper_tests::scene::{Scene, WITHIN, act};
use reaper_tests::suite::{Run, keepers, spawn, text, until_no_keeper};
use reaper_tests::world::{self, Leftovers};
use reaper_tests::{engine, until};
use serde_json::json;

/// A volume that only the filter of the test `registers` names.
fn registered(session: &str) -> (String, Leftovers) {
    let engine = Engine::system();
    let name = format!("{session}-registered");
    world::volume(&engine, &name, &json!({"reaper-tests.registered": session}));
    let path = format!("/volumes/{name}");
    (path.clone(), Leftovers::new(&engine, [path]))
}

#[track_caller]
fn until_removed(path: &str) {
    until("what the ended process named is removed", WITHIN, || match engine::inspect(path) {
        None => Ok(()),
        Some(_) => Err(format!("{path} is there")),
    });
}

#[test]
fn a_filter_of_a_process_that_has_ended_is_told_to_the_next_reaper() {
    let scene = Scene::new("ended-filter");
    let mut holder = scene.test("holds");
    let holder = Process::start(holder.env("RYUK_RECONNECTION_TIMEOUT", "5s"));
    let before = scene.run.until_recorded("holds").reaper;
    let mut registers = scene.run.binary("filters");
    registers
        .args(["--exact", "registers", "--include-ignored"])
        .env("TESTCONTAINERS_SESSION_ID", &scene.session);
    Process::start(&mut registers).succeed();
    let (path, _left) = registered(&scene.session);
    act("DELETE", &before, "?force=1");
    let _ = scene.until_acknowledged(|id, count| id != before && count > 1);
    assert!(engine::inspect(&path).is_some());
    holder.kill();
    until_removed(&path);
    scene.end();
}

#[test]
fn what_a_passing_test_made_is_told_to_the_next_reaper_where_failures_are_kept() {
    let scene = Scene::new("ended-passing");
    let mut holder = scene.test("holds");
    let holder =
        Process::start(holder.env("REAPER_KEEP", "on-failure").env("RYUK_RECONNECTION_TIMEOUT", "5s"));
    let before = scene.run.until_recorded("holds").reaper;
    let mut passes = scene.test("first");
    Process::start(passes.env("REAPER_KEEP", "on-failure")).succeed();
    act("DELETE", &before, "?force=1");
    let _ = scene.until_acknowledged(|id, count| id != before && count > 1);
    holder.kill();
    scene.end();
}

/// The runner's session, whose keeper goes with the reaper, and a test that comes when nobody is connected.
#[test]
fn a_test_that_comes_after_the_reaper_was_lost_tells_the_next_one_of_those_before_it() {
    let run = Run::new();
    let mut command = run.cargo(&["nextest", "run", "-j1", "--run-ignored", "all", "-E", "binary(told)"]);
    let runner = spawn(&mut command);
    let named = run.until_recorded("a_registers");
    until("the keeper holds alone", WITHIN, || match keepers(&named.session).len() {
        1 => Ok(()),
        count => Err(format!("{count} keepers")),
    });
    let (path, _left) = registered(&named.session);
    until("the test has ended", WITHIN, || {
        let there = std::path::Path::new("/proc").join(&named.pid).exists();
        if there { Err(named.pid.clone()) } else { Ok(()) }
    });
    act("DELETE", &named.reaper, "?force=1");
    until_no_keeper(&named.session);
    std::fs::write(run.file("go-on"), "").unwrap();
    let output = runner.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_ne!(run.until_recorded("c_attaches").reaper, named.reaper);
    until_removed(&path);
    engine::until_gone(&named.session, WITHIN);
}
