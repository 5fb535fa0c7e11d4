//! What is limited: descriptors, memory, and the time that an engine takes.

use crate::engine::Engine;
use crate::process::{Client, Ryuk, prune_all};
use crate::world::{Misbehaviour, Resource, World};

const OURS: &str = "label=session=mine";

fn ours(id: &str) -> Resource {
    Resource::new("containers", id, &[("session", "mine")])
}

fn engine(ids: &[&str]) -> Engine {
    Engine::start(World { resources: ids.iter().map(|id| ours(id)).collect(), ..World::default() })
}

#[test]
fn out_of_descriptors_the_oldest_idle_clients_go_and_nobody_is_kept_out() {
    let engine = engine(&["c1"]);
    let mut ryuk = Ryuk::start_limited(&engine.host(), "-n 64", &[]);
    let idle: Vec<_> = (0..200).map(|_| ryuk.connect()).collect();
    let first = ryuk.registered(OURS);
    let later: Vec<_> = (0..200).map(|_| ryuk.connect()).collect();
    let second = ryuk.registered(OURS);
    drop(first);
    assert!(ryuk.is_running() && engine.removals().is_empty());
    let refusals = ryuk.log().iter().filter(|line| line.contains("failed to accept")).count();
    assert!(refusals < 10, "it asks over and over: {refusals} times");
    drop((idle, later));
    drop(second);
    // It still has descriptors to remove things with.
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}

/// Podman gives 1,024 of them, and may be given more.
#[test]
fn as_many_descriptors_are_taken_as_may_be() {
    let engine = engine(&["c1"]);
    let ryuk = Ryuk::start_limited(&engine.host(), "-S -n 64", &[]);
    let clients: Vec<Client> = (0..150).map(|_| ryuk.registered(OURS)).collect();
    drop(clients);
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}

/// Its container has 64 MiB.
#[test]
fn lists_of_any_length_are_read_in_little_memory() {
    let text = "x".repeat(2000);
    // All are in the list of what the filter matches, and none is to be removed.
    let labels = [("session", "mine"), ("org.testcontainers.ryuk", "true"), ("text", text.as_str())];
    let mut resources: Vec<_> =
        (0..12_000).map(|number| Resource::new("containers", &format!("f{number}"), &labels)).collect();
    resources.push(ours("c1"));
    resources.push(Resource::new("networks", "n1", &[("session", "mine")]));
    let engine = Engine::start(World { resources, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "60s")]);
    drop(ryuk.registered(OURS));
    // It is there until long after that, and can be looked at.
    ryuk.until_logged("looking once more");
    let peak = ryuk.memory("VmHWM");
    assert!(peak < 32 << 10, "{peak} KiB");
    assert_eq!(engine.left().len(), 12_000);
}

/// Podman waits for ten seconds whether the container ends, longer than anybody waits for an answer.
#[test]
fn podmans_containers_are_killed_before_they_are_removed() {
    let resources = (0..20).map(|number| ours(&format!("c{number}")).running()).collect();
    let engine = Engine::start(World { resources, is_podman: true, ..World::default() });
    let log = prune_all(&engine, &[OURS], &[("RYUK_REQUEST_TIMEOUT", "5s"), ("RYUK_SHUTDOWN_TIMEOUT", "8s")]);
    assert_eq!(engine.left(), Vec::<String>::new(), "{log}");
    assert_eq!(engine.asked("POST").len(), 20);
    assert!(log.contains("removed containers=20") && !log.contains("not removed"), "{log}");
}

/// Docker kills by itself.
#[test]
fn dockers_containers_are_removed_in_one_request() {
    let engine = Engine::start(World { resources: vec![ours("c1").running()], ..World::default() });
    prune_all(&engine, &[OURS], &[]);
    assert_eq!(engine.asked("POST"), Vec::<String>::new());
}

/// The engine was asked, has not answered in time, and has done it.
#[test]
fn a_removal_that_is_answered_too_late_counts() {
    let mut world = World { resources: vec![ours("c1"), ours("c2")], ..World::default() };
    let under_way = Misbehaviour::Status(409, "removal of container c1 is already in progress");
    let answers = [Misbehaviour::Late(1000)].into_iter().chain([under_way; 99]);
    world.script.insert("DELETE /containers/c1", answers.collect());
    let engine = Engine::start(world);
    let settings = [("RYUK_REQUEST_TIMEOUT", "300ms"), ("RYUK_CHANGES_RETRY_INTERVAL", "50ms")];
    let log = prune_all(&engine, &[OURS], &settings);
    assert!(log.contains("removed containers=2"), "{log}");
    assert!(!log.contains("left behind"), "{log}");
}
