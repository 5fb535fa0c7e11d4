//! What is removed, in which order, and what happens when the engine does not play along.

use crate::engine::Engine;
use crate::process::{Ryuk, prune, prune_all};
use crate::world::{Framing, Misbehaviour, Resource, World};

const OURS: &str = "label=session=mine";

fn ours(kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("session", "mine")])
}

fn containers(count: usize) -> Vec<Resource> {
    (0..count).map(|number| ours("containers", &format!("c{number}"))).collect()
}

#[test]
fn every_kind_goes_in_order_and_nothing_else() {
    let mut resources = vec![ours("images", "i"), ours("volumes", "v"), ours("networks", "n")];
    resources.extend([ours("containers", "c1"), ours("containers", "c2")]);
    resources.extend(
        ["containers", "networks", "volumes", "images"]
            .map(|kind| Resource::new(kind, "theirs", &[("session", "theirs")])),
    );
    resources.push(Resource::new("containers", "bare", &[]));
    let engine = Engine::start(World { resources, ..World::default() });
    let log = prune_all(&engine, &[OURS], &[]);
    assert_eq!(engine.left(), ["theirs", "theirs", "theirs", "theirs", "bare"]);
    let mut removals = engine.removals();
    removals[..2].sort();
    let expected = [
        "DELETE /containers/c1?force=1&v=1",
        "DELETE /containers/c2?force=1&v=1",
        "DELETE /networks/n",
        "DELETE /volumes/v?force=1",
        "DELETE /images/i",
    ];
    assert_eq!(removals, expected);
    assert!(log.contains("removed containers=2 networks=1 volumes=1 images=1"), "{log}");
}

#[test]
fn labels_of_a_line_must_all_be_there_and_lines_add_up() {
    let resource = |id, labels: &[(&str, &str)]| Resource::new("containers", id, labels);
    let resources = vec![
        resource("both", &[("a", "1"), ("b", "x y&z")]),
        resource("one", &[("a", "1")]),
        resource("other", &[("b", "x y&z")]),
        resource("second line", &[("c", "3")]),
    ];
    let engine = Engine::start(World { resources, ..World::default() });
    prune_all(&engine, &["label=a=1&label=b=x+y%26z", "label=c=3"], &[("RYUK_REMOVE_RETRIES", "0")]);
    assert_eq!(engine.left(), ["one", "other"]);
    assert!(engine.removals().contains(&"DELETE /containers/second%20line?force=1&v=1".to_owned()));
}

#[test]
fn a_reaper_is_never_removed() {
    let labels = [("session", "mine"), ("org.testcontainers.ryuk", "true")];
    let resources = vec![Resource::new("containers", "reaper", &labels), ours("containers", "c")];
    let engine = Engine::start(World { resources, ..World::default() });
    prune_all(&engine, &[OURS], &[]);
    assert_eq!(engine.left(), ["reaper"]);
    assert_eq!(engine.removals().len(), 1);
}

#[test]
fn every_framing_of_an_answer_is_understood() {
    for framing in [Framing::Counted, Framing::Chunked, Framing::UntilClosed] {
        let mut resources = containers(30);
        resources.push(ours("volumes", "v"));
        let engine = Engine::start(World { resources, framing, ..World::default() });
        prune_all(&engine, &[OURS], &[]);
        assert!(engine.left().is_empty(), "{framing:?}: {:?}", engine.left());
    }
}

#[test]
fn an_engine_behind_tcp_is_reached() {
    let engine = Engine::start(World { resources: containers(3), ..World::default() });
    let ryuk = Ryuk::start(&engine.tcp_host(), &[]);
    drop(ryuk.registered(OURS));
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

#[test]
fn several_removals_are_under_way_and_never_more_than_eight() {
    let engine = Engine::start(World { resources: containers(40), gather: 8, ..World::default() });
    prune_all(&engine, &[OURS], &[]);
    assert_eq!(engine.world().most_at_once, 8);
    assert!(engine.left().is_empty());
}

#[test]
fn what_appears_while_pruning_goes_too() {
    let appears = vec![ours("containers", "late"), ours("networks", "late")];
    let engine = Engine::start(World { resources: containers(1), appears, ..World::default() });
    prune_all(&engine, &[OURS], &[]);
    assert!(engine.left().is_empty(), "{:?}", engine.left());
}

/// As of a test that was killed after the engine had been asked: it does so whoever waits, and when it can.
#[test]
fn what_the_engine_creates_after_all_was_removed_goes_too() {
    let engine = Engine::start(World { resources: containers(1), ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "300ms")]);
    drop(ryuk.registered(OURS));
    for (times, late) in [(1, "networks"), (2, "volumes")] {
        ryuk.until(&format!("it has looked {times} times"), || {
            (ryuk.log().iter().filter(|line| line.contains("looking once more")).count() == times)
                .then_some(())
        });
        engine.world().resources.push(ours(late, "late"));
    }
    let summary = ryuk.until_logged("removed containers=");
    assert!(summary.ends_with("containers=1 networks=1 volumes=1 images=0"), "{summary}");
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn gone_already_counts_as_removed_and_under_way_is_looked_at_again() {
    let mut world = World { resources: containers(2), ..World::default() };
    let answers = [
        Misbehaviour::Status(409, "removal of container c0 is already in progress"),
        Misbehaviour::Status(409, "removal of container c0 is already in progress"),
        Misbehaviour::Status(404, "no such container"),
    ];
    world.script.insert("DELETE /containers/c0", answers.into());
    let engine = Engine::start(world);
    let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "5")]);
    // After the 404 this engine still lists it, and then removes it.
    assert_eq!(engine.removals().iter().filter(|path| path.contains("c0")).count(), 4);
    assert!(engine.left().is_empty());
    assert!(!log.contains("left behind"), "{log}");
}

#[test]
fn an_engine_that_fails_for_a_while_is_asked_again() {
    let mut world = World { resources: containers(3), ..World::default() };
    let failures = [Misbehaviour::Status(500, "not now"), Misbehaviour::Cut, Misbehaviour::Rubbish];
    world.script.insert("GET /containers", failures.into());
    world.script.insert("DELETE /containers/c1", [Misbehaviour::Status(500, "busy"); 3].into());
    let engine = Engine::start(world);
    let log = prune_all(&engine, &[OURS], &[]);
    assert!(engine.left().is_empty(), "{log}");
    // Half an answer is no list: nothing of it may be removed.
    let removals = engine.removals();
    assert!(removals.iter().all(|path| path.contains("/containers/c")), "{removals:?}");
    assert!(!removals.iter().any(|path| path.contains("cut")), "{removals:?}");
}

/// Ten retries of a second are too few for an engine that removes hundreds of other things or is started again.
#[test]
fn an_engine_that_takes_longer_than_the_retries_is_waited_for() {
    let mut world = World { resources: containers(2), ..World::default() };
    world.resources.push(ours("volumes", "v"));
    let under_way = Misbehaviour::Status(409, "removal of container c0 is already in progress");
    world.script.insert("DELETE /containers/c0", [under_way; 30].into());
    world.script.insert("DELETE /containers/c1", [Misbehaviour::Cut; 20].into());
    // What is refused because of these two is not given up before them.
    world.script.insert("DELETE /volumes/v", [Misbehaviour::Status(409, "volume is in use"); 30].into());
    let engine = Engine::start(world);
    let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "3")]);
    assert_eq!(engine.left(), Vec::<String>::new(), "{log}");
    assert!(!log.contains("left behind"), "{log}");
}

#[test]
fn an_engine_that_never_answers_again_is_given_up() {
    let mut world = World { resources: containers(1), ..World::default() };
    world.script.insert("DELETE", vec![Misbehaviour::Cut; 999].into());
    let engine = Engine::start(world);
    let (log, code) = prune(&engine, &[OURS], &[("RYUK_SHUTDOWN_TIMEOUT", "300ms")]);
    assert_eq!(code, 1, "what is left behind is told: {log}");
    assert_eq!(engine.left(), ["c0"]);
    assert!(log.lines().any(|line| line.contains("left behind: container c0: ")), "{log}");
}

/// Whatever else went meanwhile gives the engine as many chances again.
#[test]
fn retries_are_counted_from_the_last_thing_that_went() {
    let mut world = World { resources: containers(3), ..World::default() };
    for (path, refusals) in
        [("DELETE /containers/c0", 2), ("DELETE /containers/c1", 5), ("DELETE /containers/c2", 8)]
    {
        world.script.insert(path, vec![Misbehaviour::Status(500, "busy"); refusals].into());
    }
    let engine = Engine::start(world);
    let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "3")]);
    assert_eq!(engine.left(), Vec::<String>::new(), "{log}");
}

#[test]
fn what_cannot_be_removed_is_said_with_the_engines_words() {
    let mut world = World { resources: containers(2), ..World::default() };
    world
        .script
        .insert("DELETE /containers/c1", [Misbehaviour::Status(500, "device or resource busy"); 99].into());
    let engine = Engine::start(world);
    let (log, code) = prune(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "3")]);
    let said = log.lines().find(|line| line.contains("left behind")).unwrap_or_default();
    assert!(said.contains("c1") && said.contains("device or resource busy"), "{log}");
    assert_eq!(code, 1, "what is left behind is told: {log}");
    assert_eq!(engine.left(), ["c1"]);
    // The first attempt, one after the round that removed the other, and three more.
    let attempts = engine.removals().iter().filter(|path| path.contains("c1")).count();
    assert!((4..=5).contains(&attempts), "{attempts}");
}

#[test]
fn without_a_filter_nothing_is_asked() {
    let engine = Engine::start(World { resources: containers(2), ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "50ms")]);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.world().requests.iter().all(|request| !request.starts_with("DELETE")));
    assert_eq!(engine.left().len(), 2);
}
