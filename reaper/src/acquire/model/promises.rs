//! Many clients, one engine, and faults: whatever is drawn, look up or create keeps its promises.
//!
//! `tests` shows each transition by itself. Here two to six clients run the state machine against a
//! simulated engine in virtual time; they start, die at any wait, leave and lose their connections as
//! proptest draws it, while requests fail, stall, or are done without an answer. Held against every run:
//!
//! - there is at most one reaper at a time;
//! - who was told of an ACK has all its filters with the reaper, or is told of the connection's end;
//! - once the faults are over every living client gets its reaper, and nothing half-made is left;
//! - a gap of less than ten seconds ends nothing, unless a client has said that the run is over;
//! - when the last client is gone so is everything of the session, and nothing else.
//!
//! A run is its scenario and nothing else. A failure is kept by proptest in `proptest-regressions`, and
//! what was worth a name is in [`played_again`]. More cases with proptest's own variable:
//! `PROPTEST_CASES=100000 cargo test -p test-reaper --lib model`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::client::{Client, Standing};
use super::scenario::{self, Before, Blow, LONGEST_FAULT, Life, RESTLESS, Scenario};
use crate::engine::State;
use crate::engine::doubles::{Event, Fault, Operation, Ryuk, Simulated, SimulatedEngine, Trouble, World};

/// Of each property in a normal test run: about a second.
const CASES: u32 = 300;
/// In milliseconds.
const LONGEST_SHRINKING: u32 = 20_000;

/// All has been well for so long that every living client must have its reaper.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// The patience of a reaper that nobody came to, its pruning and its removal, and some.
const GONE_WITHIN: Duration = Duration::from_secs(100);

/// What a run came to: all that happened, or all that was wrong.
type Outcome = Result<Vec<Event>, String>;

fn play(scenario: &Scenario) -> Outcome {
    fastrand::seed(scenario.jitter);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), run(scenario))
}

async fn run(scenario: &Scenario) -> Outcome {
    let engine = SimulatedEngine::new(world(scenario));
    prepare(&engine, scenario.before);
    let foreign = ids(&engine, |one| !one.ours);
    let mut standings = Vec::new();
    let mut clients = Vec::new();
    for (index, life) in scenario.lives.iter().enumerate() {
        let standing = Rc::new(Cell::new(Standing::Acquiring));
        standings.push(Rc::clone(&standing));
        let shut_out = matches!(scenario.before, Before::Foreign(_));
        let client = Client { engine: engine.of(index + 1), standing, shut_out };
        clients.push(spawn_local(client.live(*life)));
    }
    for (at, blow) in scenario.blows.iter().copied() {
        let engine = engine.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(at)).await;
            strike(&engine, blow);
        });
    }
    sleep(Duration::from_millis(RESTLESS + LONGEST_FAULT) + SETTLED_WITHIN).await;
    expect_settled(&engine, &standings);
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    sleep(GONE_WITHIN).await;
    // Where everybody was killed, nobody was there to start what was created.
    if standings.iter().any(|standing| standing.get() != Standing::Killed) {
        let left = (ids(&engine, |one| one.ours), engine.world(|world| world.resources.clone()));
        if left != (Vec::new(), vec![foreign_resource()]) {
            engine.wrong(&format!("left in the end: {left:?}"));
        }
    }
    if ids(&engine, |one| !one.ours) != foreign {
        engine.wrong("something foreign is gone");
    }
    engine.world(|world| verdict(world))
}

fn world(scenario: &Scenario) -> World {
    let mut world = World::new(scenario.delays.clone(), scenario.faults.clone());
    world.has_image = scenario.has_image;
    world.ryuk_takes = Duration::from_millis(scenario.ryuk_takes);
    if !scenario.has_network {
        world.networks.clear();
    }
    world.add("reaper_other", State::Ended, false, false);
    world.add("reaper_s2", State::Created, false, false);
    world.add("database", State::Running, false, false);
    world.resources.push(foreign_resource());
    world
}

fn foreign_resource() -> String {
    "label=org.testcontainers.sessionId=other\n".to_owned()
}

fn prepare(engine: &SimulatedEngine, before: Before) {
    let add = |state, auto_remove| engine.world(|world| world.add("reaper_s", state, true, auto_remove));
    match before {
        Before::Nothing => {}
        Before::Orphan => drop(add(State::Created, true)),
        Before::Running => engine.start_now(&add(State::Created, true)).unwrap_or_default(),
        Before::Ended => drop(add(State::Ended, false)),
        Before::Removing => engine.vanish(add(State::Ended, true)),
        Before::Foreign(state) => engine.world(|world| {
            let id = world.add("reaper_s", state, false, false);
            world.find(&id).unwrap().container.labels.clear();
        }),
    }
}

fn strike(engine: &SimulatedEngine, blow: Blow) {
    match blow {
        Blow::KillReaper => {
            for id in ids(engine, |one| one.ours && one.is_running()) {
                engine.note("reaper killed");
                engine.end(&id);
            }
        }
        Blow::CutConnections => engine.world(|world| {
            world.containers.iter_mut().filter_map(|one| one.ryuk.as_mut()).for_each(Ryuk::cut);
        }),
        Blow::DeleteImage => engine.world(|world| world.has_image = false),
    }
}

fn expect_settled(engine: &SimulatedEngine, standings: &[Rc<Cell<Standing>>]) {
    for (index, standing) in standings.iter().enumerate() {
        if standing.get() == Standing::Acquiring {
            engine.of(index + 1).wrong("is still without a reaper");
        }
    }
    let made = ids(engine, |one| one.ours);
    let running = ids(engine, |one| one.ours && one.is_running());
    let holding = standings.iter().any(|standing| standing.get() == Standing::Holding);
    if holding && (made.len() != 1 || running != made) {
        engine.wrong(&format!("not one running reaper and nothing else: {made:?}, running {running:?}"));
    }
}

fn ids(engine: &SimulatedEngine, which: impl Fn(&Simulated) -> bool) -> Vec<String> {
    engine.world(|world| {
        world.containers.iter().filter(|one| which(one)).map(|one| one.container.id.clone()).collect()
    })
}

fn verdict(world: &World) -> Outcome {
    if world.wrongs.is_empty() {
        return Ok(world.trace.clone());
    }
    let line = |(at, client, what): &Event| format!("{at:>10.3?}  client {client}  {what}\n");
    let trace: String = world.trace.iter().map(line).collect();
    Err(format!("{}\n{trace}", world.wrongs.join("\n")))
}

/// Plays what is drawn, and expects each of these to have happened often: a model that never met a fault
/// would find nothing wrong.
fn check(strategy: impl Strategy<Value = Scenario>, expected: &[&str]) -> BTreeMap<&'static str, usize> {
    let asked = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::default() };
    let cases = std::env::var_os("PROPTEST_CASES").map_or(CASES, |_| asked.cases);
    let seen = RefCell::new(BTreeMap::new());
    let config = ProptestConfig { cases, max_shrink_time: LONGEST_SHRINKING, ..asked };
    let outcome = TestRunner::new(config).run(&strategy, |scenario| {
        for (_, _, what) in play(&scenario).map_err(TestCaseError::fail)? {
            *seen.borrow_mut().entry(what).or_default() += 1;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|problem| panic!("{problem}"));
    let seen = seen.into_inner();
    println!("{cases} cases: {seen:?}");
    for what in expected.iter().filter(|_| cases >= CASES) {
        assert!(seen.get(what).is_some_and(|count| *count >= 5), "too few times {what:?}: {seen:?}");
    }
    seen
}

#[test]
fn whatever_happens_every_client_is_protected_and_nothing_is_left() {
    let requests = ["failed", "answer lost", "stalled", "name taken", "no image", "network"];
    let reapers = ["reaper killed", "pruning", "ACK lost", "silent", "run over"];
    let clients = ["acquired", "client killed", "connection lost", "acquired again"];
    check(scenario::scenario(), &[&requests[..], &reapers, &clients].concat());
}

#[test]
fn who_gives_up_leaves_nothing_half_made() {
    check(scenario::impatient(), &["gave up", "acquired", "answer lost", "stalled"]);
}

#[test]
fn a_reaper_that_is_slower_than_a_client_expects_is_acquired() {
    check(scenario::slow(), &["acquired", "acquired again", "reaper killed"]);
}

#[test]
fn what_has_our_name_and_is_not_ours_is_left_alone() {
    let seen = check(scenario::shut_out(), &["shut out", "failed", "answer lost"]);
    assert_eq!((seen.get("acquired"), seen.get("remove"), seen.get("start")), (None, None, None));
}

#[test]
fn a_run_is_its_scenario_and_nothing_else() {
    let config = ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&scenario::scenario(), |scenario| {
        prop_assert_eq!(play(&scenario), play(&scenario));
        Ok(())
    });
    outcome.unwrap();
}

/// What the model found, with everything taken away that was not needed for it.
#[test]
fn played_again() {
    let life = Life { starts: 0, dies: None, leaves: None, tries: 60_000, ends_run: false };
    let brief = |starts, tries| Life { starts, leaves: Some(100), tries, ..life };
    let fault = |operation, trouble, until| Fault { operation, trouble, from: 0, until };
    let found = [
        // The network was asked for once, and a passing failure of it was final.
        Scenario {
            has_network: false,
            lives: vec![life, life],
            faults: vec![fault(Operation::Network, Trouble::Fails, 3_000)],
            ..scenario::calm()
        },
        // The engine creates when the client has just given up.
        Scenario {
            lives: vec![brief(0, 1_000)],
            faults: vec![fault(Operation::Create, Trouble::Stalls, 900)],
            ..scenario::calm()
        },
        // The same, while the name is another's for the time being.
        Scenario {
            lives: vec![brief(0, 1_500), brief(1_300, 4_000)],
            faults: vec![fault(Operation::Create, Trouble::Stalls, 1_000)],
            ..scenario::calm()
        },
        // The engine created, and only its answer was lost.
        Scenario {
            lives: vec![brief(0, 200)],
            faults: vec![fault(Operation::Create, Trouble::Loses, 180)],
            ..scenario::calm()
        },
        // What would not start could not be removed, either, until the client gave up.
        Scenario {
            lives: vec![brief(0, 1_000)],
            faults: [Operation::Start, Operation::Remove].map(|it| fault(it, Trouble::Fails, 980)).into(),
            ..scenario::calm()
        },
    ];
    for scenario in found {
        if let Err(wrong) = play(&scenario) {
            panic!("{wrong}\n{scenario:#?}");
        }
    }
}
