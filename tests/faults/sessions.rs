//! How long a session lasts, and what the keeper that makes it last is allowed to cost.

use std::collections::BTreeSet;
use std::time::Duration;

use reaper_tests::process::{Facts, Process, Runner, descriptors, private_memory};
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::suite::{Record, keepers, until_no_keeper};
use reaper_tests::{engine, until, until_later};

/// More than the reconnection timeout that these tests set.
const GAP: Duration = Duration::from_secs(3);

/// Six processes in three waves, which overlap within and not between, with a gap after each; gives a record of
/// each wave's first, and the runner, which goes on.
fn waves(scene: &Scene, keeper: &str, gap: impl Fn(&Record)) -> (Vec<Record>, Runner) {
    let variables = [("REAPER_KEEPER", keeper), ("RYUK_RECONNECTION_TIMEOUT", "1s")];
    let mut runner = Runner::start(&scene.run, &variables);
    let mut firsts = Vec::new();
    for test in ["first", "second", "third"] {
        runner.test(&scene.run, "attaches", "&");
        runner.test(&scene.run, test, "; wait");
        let first = scene.run.until_recorded(test);
        until("the wave is over", WITHIN, || {
            let records = scene.run.records();
            let running = records.iter().filter(|record| Facts::of(&record.pid).is_some()).count();
            let over = records.len() == 2 * (firsts.len() + 1) && running == 0;
            if over { Ok(()) } else { Err(format!("{running} of {records:?}")) }
        });
        gap(&first);
        firsts.push(first);
    }
    (firsts, runner)
}

#[test]
fn gaps_between_waves_of_processes_end_nothing_while_a_keeper_holds() {
    let scene = Scene::new("waves");
    // The gap is what is tested, and a gap is time.
    let (firsts, runner) = waves(&scene, "on", |_| until_later(GAP));
    let session = &firsts[0].session;
    let reapers: BTreeSet<_> = scene.run.records().into_iter().map(|record| record.reaper).collect();
    assert_eq!((scene.run.records().len(), reapers.len()), (6, 1), "{:?}", scene.run.records());
    // Of each wave there is still everything, after the last gap, too.
    let resources = engine::resources(session);
    for first in &firsts {
        assert!(resources.contains(&format!("container {}", first.container)), "{resources:?}");
    }
    assert_eq!(resources.len(), 1 + 3 * 4, "{resources:?}");
    assert_eq!(keepers(session).len(), 1);
    runner.end();
    scene.end();
}

#[test]
fn gaps_between_waves_of_processes_end_the_reaper_where_no_keeper_is() {
    let scene = Scene::new("no-keeper");
    let (firsts, runner) = waves(&scene, "off", |first| engine::until_gone(&first.session, WITHIN));
    let reapers: BTreeSet<_> = firsts.iter().map(|record| &record.reaper).collect();
    assert_eq!(reapers.len(), 3, "{firsts:?}");
    // The runner has had no part in it.
    runner.end();
    scene.end();
}

#[test]
fn cargo_test_has_one_keeper_over_its_binaries_and_doctests() {
    let scene = Scene::new("cargo-test");
    let mut cargo = Process::start(scene.run.cargo(&["test"]).env("RYUK_RECONNECTION_TIMEOUT", "1s"));
    let mut seen = BTreeSet::new();
    while cargo.is_running() {
        if let Some(record) = scene.run.records().first() {
            seen.extend(keepers(&record.session));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    cargo.succeed();
    let records = scene.run.records();
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    let processes: BTreeSet<_> = records.iter().map(|record| &record.pid).collect();
    assert_eq!((processes.len(), reapers.len(), seen.len()), (3, 1, 1), "{records:?} {seen:?}");
    scene.end();
}

/// A keeper that was left by a test on a terminal, with a file open that was never meant for it.
#[test]
fn a_keeper_holds_nothing_but_its_connection_and_costs_next_to_nothing() {
    let scene = Scene::new("keeper");
    let binary = scene.run.binary("attribute");
    let binary = binary.get_program().to_string_lossy().into_owned();
    let runner = scene.run.file("cargo");
    std::fs::copy("/bin/sh", &runner).unwrap();
    let leak = scene.run.file("leak");
    // `script` gives what it starts a terminal.
    let line = format!(
        "exec {} -c \"exec 7>'{}'; '{binary}' --exact waits --include-ignored; :\"",
        runner.display(),
        leak.display()
    );
    let terminal = Process::start(scene.run.command("script").args(["-qefc", &line, "/dev/null"]));
    let test = scene.run.until_recorded("waits");
    let keeper = until("a keeper is there", WITHIN, || keepers(&test.session).pop().ok_or(String::new()));

    // The test has what the keeper must not have.
    let leaked =
        |process: &str| descriptors(process).iter().any(|(_, target)| *target == leak.to_string_lossy());
    let of_test = Facts::of(&test.pid).unwrap();
    assert!(of_test.terminal != 0 && leaked(&test.pid), "{of_test:?} {:?}", descriptors(&test.pid));
    let before = Facts::of(&keeper).unwrap();
    assert_eq!((before.name.as_str(), before.terminal), ("reaper-keeper", 0), "{before:?}");
    assert_eq!((before.session.to_string(), before.group.to_string()), (keeper.clone(), keeper.clone()));
    let open = descriptors(&keeper);
    let kinds: Vec<_> = open.iter().map(|(number, target)| (*number, target.as_str())).collect();
    let [(0, lock), (1, "/dev/null"), (2, "/dev/null"), rest @ ..] = kinds.as_slice() else {
        panic!("{open:?}");
    };
    let name = format!("{}-{}-", test.session, &test.reaper[..12]);
    assert!(lock.contains(&name) && lock.ends_with(".keeper"), "{open:?}");
    let mut rest: Vec<_> =
        rest.iter().map(|(_, target)| target.split(['[', ':']).collect::<Vec<_>>()[0]).collect();
    rest.sort_unstable();
    assert_eq!(rest.len(), 2, "its connection and what it waits for: {open:?}");
    assert!(rest[0].starts_with("anon_inode") || rest[0].contains("pidfd"), "{open:?}");
    assert_eq!(rest[1], "socket", "{open:?}");
    let private = private_memory(&keeper);
    assert!(private <= 2 << 20, "{private} bytes of its own");
    // Whatever it did, it would have to wake for it; so it is given the time to.
    until_later(Duration::from_secs(2));
    let after = Facts::of(&keeper).unwrap();
    assert_eq!((after.ticks, after.waits), (before.ticks, before.waits), "it should only wait");

    // The terminal is closed with all that is on it.
    terminal.kill();
    engine::until_gone(&test.session, WITHIN);
    until_no_keeper(&test.session);
    scene.end();
}
