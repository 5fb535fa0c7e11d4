//! An engine that manages a swarm, and engines that manage none.

use crate::engine::Engine;
use crate::process::{Ryuk, prune_all};
use crate::world::{Misbehaviour, Resource, TASK_OF, World};

const OURS: &str = "label=session=mine";
const KINDS: [&str; 3] = ["services", "configs", "secrets"];

fn ours(kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("session", "mine")])
}

/// A container of a service's, without labels of its own.
fn task(id: &str, service: &str) -> Resource {
    Resource::new("containers", id, &[(TASK_OF, service)])
}

fn manager(resources: Vec<Resource>) -> World {
    World { resources, is_manager: true, ..World::default() }
}

#[test]
fn services_go_before_their_tasks_and_configs_and_secrets_after_them() {
    let mut resources = vec![ours("secrets", "x1"), ours("configs", "k1"), ours("volumes", "v1")];
    resources.push(Resource::new("containers", "c1", &[("session", "mine"), (TASK_OF, "s1")]).on("v1"));
    resources.push(ours("services", "s1").on("k1").on("x1"));
    resources.extend(KINDS.map(|kind| Resource::new(kind, "theirs", &[("session", "theirs")])));
    resources.push(task("their task", "theirs"));
    let engine = Engine::start(manager(resources));
    let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "0")]);
    assert_eq!(engine.left(), ["theirs", "theirs", "theirs", "their task"]);
    let expected = [
        "DELETE /services/s1",
        "DELETE /containers/c1?force=1&v=1",
        "DELETE /volumes/v1?force=1",
        "DELETE /configs/k1",
        "DELETE /secrets/x1",
    ];
    assert_eq!(engine.removals(), expected);
    let summary = "removed containers=1 networks=0 volumes=1 images=0 services=1 configs=1 secrets=1";
    assert!(log.contains(summary), "{log}");
}

/// However often the engine refuses meanwhile, and nobody else's task is waited for.
#[test]
fn what_a_task_holds_is_waited_for_while_the_engine_ends_it() {
    let mut resources = vec![ours("services", "s1"), ours("networks", "n1"), ours("volumes", "v1")];
    resources.extend([task("t1", "s1").on("v1").on("n1").running(), task("their task", "theirs")]);
    resources.push(Resource::new("services", "theirs", &[]));
    let engine = Engine::start(World { tasks_stay: 9, ..manager(resources) });
    let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "1")]);
    assert_eq!(engine.left(), ["their task", "theirs"]);
    assert!(engine.asked("DELETE /containers").is_empty(), "a task was removed that has none of our labels");
    assert!(!log.contains("left behind"), "{log}");
}

/// Nothing hangs on them but that the session is over.
#[test]
fn a_session_has_not_ended_before_its_tasks_have() {
    let resources = vec![ours("services", "s1"), task("t1", "s1")];
    let engine = Engine::start(World { tasks_stay: 5, ..manager(resources) });
    prune_all(&engine, &[OURS], &[]);
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn an_engine_that_manages_no_swarm_is_asked_for_services_alone_and_has_refused_nothing() {
    for is_podman in [false, true] {
        let resources = vec![ours("containers", "c1")];
        let engine = Engine::start(World { resources, is_podman, ..World::default() });
        let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "0")]);
        assert!(!log.contains("left behind") && !log.contains("could not be listed"), "{log}");
        let (services, containers) = (engine.asked("GET /services"), engine.asked("GET /containers"));
        assert_eq!(services.len(), containers.len(), "{services:?}");
        assert!(engine.asked("GET /configs").is_empty() && engine.asked("GET /secrets").is_empty());
    }
}

#[test]
fn services_that_could_not_be_listed_are_not_taken_for_none() {
    let mut world = manager(vec![ours("services", "s1"), ours("configs", "k1"), ours("containers", "c1")]);
    world.script.insert("GET /services", [Misbehaviour::Status(500, "no leader"), Misbehaviour::Cut].into());
    let engine = Engine::start(world);
    prune_all(&engine, &[OURS], &[]);
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn a_network_that_the_swarm_has_removed_and_the_node_has_not_is_waited_for() {
    let mut world = manager(vec![ours("networks", "n1")]);
    let refused = || Misbehaviour::Status(500, "network n1 not found");
    world.script.insert("DELETE /networks", (0..4).map(|_| refused()).collect());
    let engine = Engine::start(world);
    let log = prune_all(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "0")]);
    assert_eq!(engine.left(), Vec::<String>::new());
    assert!(!log.contains("left behind"), "{log}");
}

/// A test's own service goes with it, and that of a test that runs stays with its tasks.
#[test]
fn a_service_goes_with_its_scope_and_stays_while_that_lives() {
    let scoped = |kind, id, scope| Resource::new(kind, id, &[("session", "mine"), ("scope", scope)]);
    let mut resources = vec![scoped("services", "s1", "a"), scoped("configs", "k1", "a"), task("t1", "s1")];
    resources.extend([scoped("services", "s2", "b"), scoped("configs", "k2", "b"), task("t2", "s2")]);
    let engine = Engine::start(World { tasks_stay: 3, ..manager(resources) });
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut session = ryuk.greeted();
    for line in [OURS, "%scope label=session=mine&label=scope=a", "%scope label=session=mine&label=scope=b"] {
        assert_eq!(session.say(line), "ACK");
    }
    assert_eq!(session.say("%scope-end label=session=mine&label=scope=a"), "ACK");
    ryuk.until_logged("ended, removed ");
    assert_eq!(engine.left(), ["s2", "k2", "t2"]);
    drop(session);
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}
