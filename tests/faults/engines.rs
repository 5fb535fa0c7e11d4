//! Several engines, and engines that go away under a run.

use std::process::Command;
use std::time::Duration;

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::Engine;
use reaper_tests::process::Process;
use reaper_tests::second_engine::{SecondEngine, remains};
use reaper_tests::suite::{Record, Run};
use reaper_tests::world;
use reaper_tests::{until, world::image};
use serde_json::{Value, json};

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

#[test]
fn sessions_of_one_name_on_two_engines_do_not_see_each_other() {
    let second = SecondEngine::start();
    let system = Engine::system();
    let session = format!("twice-{}", std::process::id());
    let (here, there) = (Run::new(), Run::new());
    let usual = format!("unix://{}", system.socket().display());
    let on_system = Process::start(&mut test(&here, "waits", &session, &usual));
    let on_second = Process::start(&mut test(&there, "waits", &session, &second.docker_host()));
    let (ours, theirs) = (here.until_recorded("waits"), there.until_recorded("waits"));
    assert_eq!((&ours.session, &theirs.session), (&session, &session));
    assert_ne!(ours.reaper, theirs.reaper);
    // The reaper, and of each kind one.
    for engine in [&system, second.engine()] {
        assert_eq!(engine.resources(&session).len(), 5, "{:?}", engine.resources(&session));
    }

    on_system.kill();
    system.until_gone(&session, GONE_WITHIN);
    assert_eq!(second.engine().resources(&session).len(), 5, "{:?}", second.engine().resources(&session));
    on_second.kill();
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
    let both = Process::start(&mut both);
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
    both.kill();
    for (name, engine) in &engines {
        engine.until_gone(&session(name), GONE_WITHIN);
    }
}

/// Ends the engine while a test holds a guard, and starts it again: the guard heals, and what was there
/// before is removed in the end.
#[track_caller]
fn survives(name: &str, transport: &str, restart: impl FnOnce(&mut SecondEngine)) {
    let mut second = SecondEngine::start();
    let engine = second.engine().clone();
    let bystander = Bystander::on(&engine);
    let run = Run::new();
    let session = format!("{name}-{}", std::process::id());
    let mut command = test(&run, "waits", &session, &second.docker_host());
    let mut held = Process::start(command.env("REAPER_TRANSPORT", transport));
    let before = run.until_recorded("waits");
    assert_eq!(engine.resources(&session).len(), 5, "{:?}", engine.resources(&session));

    restart(&mut second);
    until_another_reaper_knows(&engine, &before);
    assert!(held.is_running(), "the test has noticed");
    // All that there was but the first reaper, which the engine may still be removing, and the second.
    let container = format!("container {}", before.container);
    until("what there was, and another reaper", GONE_WITHIN, || {
        let left = engine.resources(&session);
        if left.len() == 5 && left.contains(&container) { Ok(()) } else { Err(format!("{left:?}")) }
    });

    held.kill();
    engine.until_gone(&session, GONE_WITHIN);
    bystander.assert_untouched();
}

#[track_caller]
pub(crate) fn until_another_reaper_knows(engine: &Engine, before: &Record) {
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
    survives("restarted", "auto", |engine| {
        engine.stop();
        engine.start_daemon();
    });
}

#[test]
fn a_guard_outlives_an_engine_that_is_killed_and_started_again() {
    survives("killed", "auto", |engine| {
        engine.kill();
        engine.start_daemon();
    });
}

#[test]
fn a_guard_that_is_reached_through_an_engine_outlives_its_restart() {
    survives("restarted-exec", "exec", |engine| {
        engine.stop();
        engine.start_daemon();
    });
}

/// Packets that are dropped are told to nobody, so it is found out by waiting.
#[test]
fn a_reaper_behind_a_wall_is_reached_through_its_engine() {
    let mut second = SecondEngine::start();
    second.wall_off_reapers();
    let engine = second.engine();
    let run = Run::new();
    let session = format!("walled-{}", std::process::id());
    let holds = Process::start(&mut test(&run, "holds", &session, &second.docker_host()));
    let held = run.until_recorded("holds");
    Process::start(&mut test(&run, "attaches", &session, &second.docker_host())).succeed();
    assert_eq!(run.until_recorded("attaches").reaper, held.reaper);
    let reaper = engine.inspect(&format!("/containers/{}/json", held.reaper)).unwrap();
    assert!(reaper["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].is_string(), "{reaper}");
    let mut command = test(&run, "attaches", &session, &second.docker_host());
    let refused =
        Process::start(command.env("REAPER_TRANSPORT", "tcp").env("REAPER_ACQUIRE_TIMEOUT", "5s")).fail();
    assert!(refused.contains("the reaper did not answer on port"), "{refused}");
    holds.kill();
    engine.until_gone(&session, GONE_WITHIN);
}

/// Where there is no network `bridge` the reaper brings one, which has to go with the reaper that is on it.
#[test]
fn the_network_made_for_the_reaper_goes_with_it() {
    let second = SecondEngine::start_without_bridge();
    let engine = second.engine();
    let networks = || -> Vec<String> {
        let listed = engine.done("GET", "/networks", &Value::Null);
        listed
            .as_array()
            .unwrap()
            .iter()
            .map(|network| network["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = networks();
    assert!(!before.contains(&"bridge".to_owned()), "{before:?}");
    let run = Run::new();
    // Several at once, since the engine does not keep two from making a network of the same name; and two
    // sessions, so that one ends while the other's reaper is still there.
    let session = |number: usize| format!("bridgeless-{}-{number}", std::process::id());
    let held: Vec<_> = (0..16)
        .map(|number| Process::start(&mut test(&run, "holds", &session(number % 2), &second.docker_host())))
        .collect();
    until("all have a guard", GONE_WITHIN, || {
        let records = run.records();
        if records.len() == held.len() { Ok(()) } else { Err(format!("{} of them", records.len())) }
    });
    let mut reapers: Vec<_> = run.records().into_iter().map(|record| record.reaper).collect();
    reapers.sort();
    reapers.dedup();
    assert_eq!(reapers.len(), 2, "{reapers:?}");
    assert!(networks().len() > before.len(), "{:?}", networks());
    let (first, rest): (Vec<_>, Vec<_>) =
        held.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    for (number, part) in [(0, first), (1, rest)] {
        for (_, held) in part {
            held.kill();
        }
        engine.until_gone(&session(number), GONE_WITHIN);
    }
    until("no network is left", GONE_WITHIN, || {
        let left = networks();
        if left == before { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
