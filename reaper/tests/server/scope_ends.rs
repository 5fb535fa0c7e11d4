//! What a scope had is removed beside serving: many at once, with an engine that does not play along, and at the session's end.

use crate::engine::Engine;
use crate::process::{Client, Ryuk};
use crate::world::{Misbehaviour, Resource, World};

const OURS: &str = "label=session=mine";

fn filter(scope: &str) -> String {
    format!("label=session=mine&label=scope={scope}")
}

fn of(scope: &str, kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("session", "mine"), ("scope", scope)])
}

fn scoped(ryuk: &Ryuk, scope: &str) -> Client {
    let mut client = ryuk.greeted();
    assert_eq!(client.say(&format!("%scope {}", filter(scope))), "ACK");
    client
}

fn end(client: &mut Client, scope: &str) {
    assert_eq!(client.say(&format!("%scope-end {}", filter(scope))), "ACK");
}

fn until_left(ryuk: &Ryuk, engine: &Engine, expected: &[&str]) {
    ryuk.until(&format!("of the engine is left {expected:?}"), || (engine.left() == expected).then_some(()));
}

#[test]
fn hundreds_that_end_at_once_share_a_few_lists() {
    let scopes: Vec<_> = (0..256).map(|number| format!("s{number}")).collect();
    let mut resources = vec![Resource::new("containers", "kept", &[("session", "mine")])];
    for scope in &scopes {
        resources.extend(["containers", "networks"].map(|kind| of(scope, kind, scope)));
    }
    let engine = Engine::start(World { resources, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "100ms")]);
    let _session = ryuk.registered(OURS);
    let mut clients: Vec<_> = scopes.iter().map(|scope| scoped(&ryuk, scope)).collect();
    let half = clients.split_off(128);
    for (client, scope) in clients.iter_mut().zip(&scopes) {
        client.send(format!("%scope-end {}\n", filter(scope)).as_bytes());
    }
    drop(half);
    assert!(clients.iter_mut().all(|client| client.answer() == "ACK"));
    until_left(&ryuk, &engine, &["kept"]);
    for scope in &scopes {
        ryuk.until_logged(&format!("\"scope={scope}\"]}} "));
    }
    let lists = engine.asked("GET /containers/json?all=1&filters=%7B%22label").len();
    assert!(lists < 256, "{lists} lists");
    assert_eq!(engine.removals().len(), 512, "each is asked for once");
}

/// A process that says so and ends without having read an answer: its side resets the connection, by which nothing is lost that
/// it has said, be it more than the server reads at a time.
#[test]
fn what_was_said_before_a_connection_was_reset_counts() {
    let engine = Engine::start(World::default());
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_VERBOSE", "true")]);
    let _session = ryuk.registered(OURS);
    let scopes: Vec<_> = (0..256).map(|number| format!("s{number}")).collect();
    let mut test = scoped(&ryuk, "first");
    for scope in &scopes {
        assert_eq!(test.say(&format!("%scope {}", filter(scope))), "ACK");
    }
    test.send(format!("%scope-end {}\n", filter("first")).as_bytes());
    test.until_answered();
    ryuk.signal("STOP");
    test.send(
        scopes.iter().map(|scope| format!("%scope-end {}\n", filter(scope))).collect::<String>().as_bytes(),
    );
    drop(test);
    ryuk.signal("CONT");
    for scope in &scopes {
        ryuk.until_logged(&format!("\"scope={scope}\"]}} ended"));
    }
    assert!(!ryuk.log().iter().any(|line| line.contains(" lost")), "{:#?}", ryuk.log());
}

/// The engine takes five seconds for it.
#[test]
fn while_a_scope_is_removed_everybody_is_answered() {
    let resources = vec![of("a", "containers", "a1"), of("b", "containers", "b1")];
    let engine = Engine::start(World { resources, gather: 2, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let (mut a, mut b) = (scoped(&ryuk, "a"), scoped(&ryuk, "b"));
    end(&mut a, "a");
    ryuk.until("it is asked for", || engine.removals().first().cloned());
    let mut session = ryuk.registered(OURS);
    assert_eq!(session.say("label=more=1"), "ACK");
    end(&mut b, "b");
    assert_eq!(engine.left(), ["a1", "b1"], "that was answered meanwhile");
    until_left(&ryuk, &engine, &[]);
}

/// As a removal that hangs in the kernel.
#[test]
fn a_scope_that_is_stuck_holds_up_neither_clients_nor_other_scopes() {
    let resources = vec![of("a", "containers", "a1"), of("b", "containers", "b1"), of("c", "volumes", "c1")];
    let mut world = World { resources, ..World::default() };
    world.script.insert("DELETE /containers/a1", [Misbehaviour::Never; 3].into());
    let engine = Engine::start(world);
    let settings = [("RYUK_REQUEST_TIMEOUT", "500ms"), ("RYUK_REMOVE_RETRIES", "1")];
    let ryuk = Ryuk::start(&engine.host(), &settings);
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|scope| scoped(&ryuk, scope));
    end(&mut a, "a");
    ryuk.until("it is asked for", || engine.removals().first().cloned());
    end(&mut b, "b");
    assert!(a.say(&format!("%scope {}", filter("a"))).starts_with("ERROR the scope has ended"));
    until_left(&ryuk, &engine, &["a1", "c1"]);
    end(&mut c, "c");
    // Slow is not refused: it goes when the engine does it, however often it was asked.
    until_left(&ryuk, &engine, &[]);
    ryuk.until_logged("\"scope=a\"]} ended, removed containers=1");
    assert!(!ryuk.log().iter().any(|line| line.contains("left behind")), "{:#?}", ryuk.log());
}

#[test]
fn what_an_engine_refuses_is_said_and_tried_once_more_at_the_sessions_end() {
    let mut world = World { resources: vec![of("a", "containers", "a1")], ..World::default() };
    world.script.insert("DELETE /containers/a1", [Misbehaviour::Status(500, "device busy"); 3].into());
    let engine = Engine::start(world);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_REMOVE_RETRIES", "2")]);
    // Nobody registers anything but a scope.
    let mut test = scoped(&ryuk, "a");
    end(&mut test, "a");
    let left = ryuk.until_logged("left behind");
    assert!(
        left.contains("\"scope=a\"]} left behind: container a1: ") && left.contains("device busy"),
        "{left}"
    );
    ryuk.until_logged("given up until the session's end");
    assert_eq!(engine.removals().len(), 3);
    drop(test);
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn an_engine_that_cannot_list_for_a_while_is_asked_again() {
    let mut world = World { resources: vec![of("a", "containers", "a1")], ..World::default() };
    let failures = [Misbehaviour::Cut, Misbehaviour::Rubbish, Misbehaviour::Status(500, "not now")];
    world.script.insert("GET /containers", failures.into());
    let engine = Engine::start(world);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut test = scoped(&ryuk, "a");
    end(&mut test, "a");
    until_left(&ryuk, &engine, &[]);
    ryuk.until_logged("ended, removed containers=1");
}

/// As of a test that was killed after the engine had been asked.
#[test]
fn what_the_engine_creates_for_a_scope_after_its_end_goes_too() {
    let engine = Engine::start(World { resources: vec![of("a", "containers", "a1")], ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "300ms")]);
    let mut test = scoped(&ryuk, "a");
    end(&mut test, "a");
    ryuk.until_logged("ended, removed containers=1 networks=0");
    engine.world().resources.push(of("a", "networks", "late"));
    ryuk.until_logged("ended, removed containers=1 networks=1");
    // After what was late it looks once more.
    engine.world().resources.push(of("a", "volumes", "later"));
    ryuk.until_logged("ended, removed containers=1 networks=1 volumes=1");
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn a_session_that_ends_during_a_scopes_removal_removes_the_rest() {
    let mut resources: Vec<_> = (0..20).map(|number| of("a", "containers", &format!("c{number}"))).collect();
    resources.push(Resource::new("volumes", "s1", &[("session", "mine")]));
    let mut world = World { resources, ..World::default() };
    world.script.insert("DELETE /containers/c", [Misbehaviour::Late(4000); 8].into());
    let engine = Engine::start(world);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let (session, mut test) = (ryuk.registered(OURS), scoped(&ryuk, "a"));
    end(&mut test, "a");
    ryuk.until("it is at it", || (engine.removals().len() == 8).then_some(()));
    drop((session, test));
    ryuk.until_logged("no client, pruning");
    assert_eq!(engine.left().len(), 21, "it is told while the engine is at it");
    let summary = ryuk.until_logged(" removed containers=");
    assert!(summary.contains("containers=20 networks=0 volumes=1"), "{summary}");
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
    // The round did not go on: what it had not begun was listed for the session.
    let requests = engine.asked("");
    let is_removal = |request: &String| request.starts_with("DELETE");
    let first = requests.iter().position(is_removal).unwrap();
    let between = requests[first..].iter().position(|request| !is_removal(request)).unwrap();
    assert_eq!(between, 8, "{requests:?}");
}

/// The session's end comes before the grace is over.
#[test]
fn a_client_that_has_scopes_alone_is_a_session() {
    let resources =
        vec![of("a", "containers", "a1"), of("b", "containers", "b1"), of("c", "containers", "c1")];
    let engine = Engine::start(World { resources, ..World::default() });
    let mut ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "3s")]);
    let (first, mut second) = (scoped(&ryuk, "a"), scoped(&ryuk, "b"));
    let mut asking = ryuk.greeted();
    assert_eq!(asking.say("%clients"), "CLIENTS 2");
    drop(asking);
    end(&mut second, "b");
    until_left(&ryuk, &engine, &["a1", "c1"]);
    // Longer than anybody is waited for who has not named anything.
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(ryuk.is_running());
    drop((first, second));
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), ["c1"]);
}

/// Whoever said that no more would come was wrong.
#[test]
fn who_begins_a_scope_after_the_run_was_said_to_be_over_is_waited_for_as_usual() {
    let engine = Engine::start(World { resources: vec![of("a", "containers", "a1")], ..World::default() });
    let mut ryuk = Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "10m")]);
    let mut keeper = ryuk.greeted();
    assert_eq!(keeper.say("%reconnection-timeout 1ms"), "ACK");
    drop(scoped(&ryuk, "a"));
    drop(keeper);
    // The scope goes, and the session stays.
    until_left(&ryuk, &engine, &[]);
    assert!(ryuk.is_running());
    assert!(!ryuk.log().iter().any(|line| line.contains("pruning")), "{:#?}", ryuk.log());
}

/// What the session's end has begun with is removed beside serving where somebody comes.
#[test]
fn a_scope_that_ended_with_the_session_is_removed_though_the_session_goes_on() {
    let mut world = World { resources: vec![of("a", "containers", "a1")], ..World::default() };
    world.script.insert("DELETE /containers/a1", [Misbehaviour::Never; 2].into());
    let engine = Engine::start(world);
    let settings = [("RYUK_REQUEST_TIMEOUT", "500ms")];
    let mut ryuk = Ryuk::start(&engine.host(), &settings);
    drop(scoped(&ryuk, "a"));
    ryuk.until_logged("no client, pruning");
    let mut second = ryuk.greeted();
    assert_eq!(second.say("label=another=1"), "ACK");
    until_left(&ryuk, &engine, &[]);
    assert_eq!(second.say("label=another=2"), "ACK");
    assert!(ryuk.is_running());
}
