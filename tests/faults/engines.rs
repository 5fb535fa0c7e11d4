//! Several engines, and engines that go away under a run.

use std::process::{Child, Command};
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::second_engine::{SecondEngine, remains};
use reaper_tests::suite::{Record, Run, spawn, text};
use reaper_tests::world::{self, Foreign};
use reaper_tests::{until, world::image};
use serde_json::json;

/// Wider than a restart of an engine, every timeout that these tests set, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// It would be odd to look for what the reaper leaves on an engine that leaves things itself.
#[test]
fn the_second_engine_leaves_nothing_of_itself() {
    let second = SecondEngine::start();
    let container = world::container(second.engine(), image(second.engine()), &json!({}), None);
    world::start(second.engine(), &container);
    let (folder, number) = second.traces();
    assert!(remains(&folder, number).len() >= 4, "{:?}", remains(&folder, number));
    assert_eq!(Engine::system().inspect(&format!("/containers/{container}/json")), None);
    drop(second);
    until("nothing is left of the second engine", GONE_WITHIN, || {
        let remains = remains(&folder, number);
        if remains.is_empty() { Ok(()) } else { Err(format!("{remains:?}")) }
    });
}

/// A test of the suite in a session that has been given a name, on an engine.
fn test(run: &Run, name: &str, session: &str, docker_host: &str) -> Command {
    let mut command = run.binary("attribute");
    command.args(["--exact", name, "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", session);
    command.env("DOCKER_HOST", docker_host).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}

fn end(mut test: Child) -> String {
    test.kill().unwrap();
    text(&test.wait_with_output().unwrap())
}

#[test]
fn sessions_of_one_name_on_two_engines_do_not_see_each_other() {
    let second = SecondEngine::start();
    let system = Engine::system();
    let session = format!("twice-{}", std::process::id());
    let (here, there) = (Run::new(), Run::new());
    let usual = format!("unix://{}", system.socket().display());
    let on_system = spawn(&mut test(&here, "waits", &session, &usual));
    let on_second = spawn(&mut test(&there, "waits", &session, &second.docker_host()));
    let (ours, theirs) = (here.until_recorded("waits"), there.until_recorded("waits"));
    assert_eq!((&ours.session, &theirs.session), (&session, &session));
    assert_ne!(ours.reaper, theirs.reaper);
    // The reaper, and of each kind one.
    for engine in [&system, second.engine()] {
        assert_eq!(engine.resources(&session).len(), 5, "{:?}", engine.resources(&session));
    }

    end(on_system);
    system.until_gone(&session, GONE_WITHIN);
    assert_eq!(second.engine().resources(&session).len(), 5, "{:?}", second.engine().resources(&session));
    end(on_second);
    second.engine().until_gone(&session, GONE_WITHIN);
}

#[test]
fn one_process_has_a_reaper_on_each_of_two_engines() {
    let second = SecondEngine::start();
    let engines = [("first", Engine::system()), ("second", second.engine().clone())];
    let session = |name: &str| format!("both-{}-{name}", std::process::id());
    let run = Run::new();
    let mut both = run.binary("several_engines");
    both.args(["--exact", "two_engines", "--include-ignored"]).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    both.env("SUITE_first", format!("unix://{}", engines[0].1.socket().display()));
    both.env("SUITE_second", second.docker_host());
    both.envs(engines.iter().map(|(name, _)| (format!("SUITE_SESSION_{name}"), session(name))));
    let both = spawn(&mut both);
    for (name, _) in &engines {
        assert_eq!(run.until_recorded(name).session, session(name));
    }
    for (name, engine) in &engines {
        let volume = format!("volume volume-{name}");
        assert!(engine.resources(&session(name)).contains(&volume), "{:?}", engine.resources(&session(name)));
        for (other, _) in engines.iter().filter(|(other, _)| other != name) {
            assert_eq!(engine.resources(&session(other)), Vec::<String>::new());
        }
    }
    end(both);
    for (name, engine) in &engines {
        engine.until_gone(&session(name), GONE_WITHIN);
    }
}

/// Ends the engine while a test holds a guard, and starts it again: the guard heals, and what was there
/// before is removed in the end.
#[track_caller]
fn survives(name: &str, restart: impl FnOnce(&mut SecondEngine)) {
    let mut second = SecondEngine::start();
    let engine = second.engine().clone();
    let foreign = Foreign::create(&engine, name);
    let run = Run::new();
    let session = format!("{name}-{}", std::process::id());
    let mut held = spawn(&mut test(&run, "waits", &session, &second.docker_host()));
    let before = run.until_recorded("waits");
    assert_eq!(engine.resources(&session).len(), 5, "{:?}", engine.resources(&session));

    restart(&mut second);
    until_another_reaper_knows(&engine, &before);
    assert!(held.try_wait().unwrap().is_none(), "the test has noticed");
    // All that there was but the first reaper, and the second.
    assert_eq!(engine.resources(&session).len(), 5, "{:?}", engine.resources(&session));
    let container = format!("container {}", before.container);
    assert!(engine.resources(&session).contains(&container), "{:?}", engine.resources(&session));

    end(held);
    engine.until_gone(&session, GONE_WITHIN);
    assert_eq!(foreign.touched(), Vec::<&str>::new());
}

#[track_caller]
fn until_another_reaper_knows(engine: &Engine, before: &Record) {
    until("another reaper knows the filter", GONE_WITHIN, || {
        let found = engine.inspect(&format!("/containers/reaper_{}/json", before.session));
        let id = found.map_or(String::new(), |found| found["Id"].as_str().unwrap().to_owned());
        let log = engine.log(&id);
        let knows = id != before.reaper && log.contains(&before.session) && log.contains("registered");
        if knows { Ok(()) } else { Err(format!("{id}: {log}")) }
    });
}

#[test]
fn a_guard_outlives_an_engine_that_is_restarted() {
    survives("restarted", |engine| {
        engine.stop();
        engine.start_daemon();
    });
}

#[test]
fn a_guard_outlives_an_engine_that_is_killed_and_started_again() {
    survives("killed", |engine| {
        engine.kill();
        engine.start_daemon();
    });
}
