//! Who comes when there is something to remove, or comes back without a word, and on which address.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::engine::Engine;
use crate::process::Ryuk;
use crate::world::{Misbehaviour, Resource, World};

const OURS: &str = "label=session=mine";

fn ours(id: &str) -> Resource {
    Resource::new("containers", id, &[("session", "mine")])
}

fn engine(ids: &[&str]) -> Engine {
    Engine::start(World { resources: ids.iter().map(|id| ours(id)).collect(), ..World::default() })
}

#[track_caller]
fn until_left(ryuk: &Ryuk, engine: &Engine, expected: &[&str]) {
    ryuk.until(&format!("of the engine is left {expected:?}"), || (engine.left() == expected).then_some(()));
}

/// The look is due a minute later, and nobody waits for it.
#[test]
fn who_comes_during_the_last_look_is_let_in_and_what_he_makes_stays_until_he_is_gone() {
    let engine = engine(&["c1"]);
    let mut ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "15s")]);
    drop(ryuk.registered(OURS));
    ryuk.until_logged("looking once more");
    let second = ryuk.registered(OURS);
    engine.world().resources.push(ours("c2"));
    // For longer than the server waits for a client that has gone.
    thread::sleep(Duration::from_millis(500));
    assert!(ryuk.is_running());
    assert_eq!(engine.left(), ["c2"]);
    drop(second);
    until_left(&ryuk, &engine, &[]);
}

#[test]
fn where_clients_are_waited_for_longer_than_the_last_look_takes_there_is_no_other() {
    let engine = engine(&["c1"]);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "300ms")]);
    drop(ryuk.registered(OURS));
    let _ = ryuk.until_logged("removed containers=1");
    let log = ryuk.log().join("\n");
    assert!(!log.contains("looking once more"), "{log}");
    assert_eq!(ryuk.ended(), 0);
}

/// As a removal that hangs in the kernel: the engine never answers.
#[test]
fn a_removal_that_is_stuck_holds_up_neither_others_nor_newcomers() {
    let mut world = World { resources: ["c1", "c2", "c3"].map(ours).into(), ..World::default() };
    world.resources.push(Resource::new("networks", "n1", &[("session", "mine")]));
    world.script.insert("DELETE /containers/c2", [Misbehaviour::Never; 99].into());
    let engine = Engine::start(world);
    let settings = [("RYUK_REQUEST_TIMEOUT", "500ms"), ("RYUK_CHANGES_RETRY_INTERVAL", "100ms")];
    let mut ryuk = Ryuk::start(&engine.host(), &settings);
    drop(ryuk.registered(OURS));
    until_left(&ryuk, &engine, &["c2"]);
    let second = ryuk.registered(OURS);
    assert!(ryuk.is_running());
    drop(second);
    // What is left of it is taken up again when he is gone.
    let before = engine.removals().len();
    ryuk.until("it is asked for again", || (engine.removals().len() > before).then_some(()));
}

#[test]
fn what_somebody_goes_on_creating_keeps_newcomers_out_for_a_round_at_most() {
    let engine = Engine::start(World { resources: vec![ours("c1")], is_refilled: true, ..World::default() });
    let mut ryuk = Ryuk::start(&engine.host(), &[]);
    drop(ryuk.registered(OURS));
    ryuk.until("it is at it", || (engine.removals().len() > 3).then_some(()));
    let second = ryuk.registered(OURS);
    let before = engine.removals().len();
    assert!(ryuk.is_running());
    assert_eq!(engine.removals().len(), before, "nothing is removed while somebody is there");
    drop(second);
}

#[test]
fn what_somebody_goes_on_creating_ends_with_the_shutdown_timeout_and_is_said() {
    let engine = Engine::start(World { resources: vec![ours("c1")], is_refilled: true, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_SHUTDOWN_TIMEOUT", "300ms")]);
    drop(ryuk.registered(OURS));
    let said = ryuk.until_logged("left behind");
    assert!(said.contains("goes on creating"), "{said}");
    assert_eq!(ryuk.ended(), 1);
}

/// Nonsense at the door stops nothing.
#[test]
fn who_talks_nonsense_while_things_are_removed_is_refused_at_once() {
    let mut world = World { resources: ["c1", "c2"].map(ours).into(), ..World::default() };
    world.script.insert("DELETE /containers/c1", [Misbehaviour::Late(2000)].into());
    let engine = Engine::start(world);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    drop(ryuk.registered(OURS));
    until_left(&ryuk, &engine, &["c1"]);
    let answer = ryuk.connect().say("nonsense");
    assert!(answer.starts_with("ERROR "), "{answer}");
    assert_eq!(engine.left(), ["c1"], "it was answered while that went on");
    assert_eq!(ryuk.ended(), 0);
}

/// As the client of .NET does when its connection is lost; official Ryuk counts every connection.
#[test]
fn who_comes_back_without_repeating_its_filter_keeps_the_session() {
    let engine = engine(&["c1"]);
    let mut ryuk = Ryuk::start(&engine.host(), &[]);
    let first = ryuk.registered(OURS);
    let second = ryuk.connect();
    drop(first);
    // For longer than the server waits for a client that has gone.
    thread::sleep(Duration::from_secs(1));
    assert!(ryuk.is_running() && engine.removals().is_empty());
    drop(second);
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}

/// An hour, as it is usually set.
#[test]
fn silence_keeps_the_session_for_sixty_connection_timeouts_and_no_longer() {
    let engine = engine(&["c1"]);
    let settings = [("RYUK_CONNECTION_TIMEOUT", "20ms"), ("RYUK_RECONNECTION_TIMEOUT", "1ms")];
    // On a busy machine the time for the first client may be over before he comes.
    let in_time = (0..100).find_map(|_| {
        let ryuk = Ryuk::start(&engine.host(), &settings);
        let first = ryuk.registers(OURS)?;
        Some((ryuk, first))
    });
    let (ryuk, first) = in_time.expect("a client who comes in time");
    let silent: Vec<_> = (0..10).map(|_| ryuk.connect()).collect();
    drop(first);
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
    drop(silent);
}

/// Whoever comes and goes all the time is silent each time for a little.
#[test]
fn many_that_come_and_go_keep_nothing() {
    let engine = engine(&["c1"]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    drop(ryuk.registered(OURS));
    let port = ryuk.port();
    let going = thread::spawn(move || {
        let mut last = Vec::new();
        // In vain once it has ended.
        while let Ok(one) = TcpStream::connect(("127.0.0.1", port)) {
            last.push(one);
            if last.len() > 20 {
                last.remove(0);
            }
            thread::sleep(Duration::from_millis(2));
        }
    });
    assert_eq!(ryuk.ended(), 0);
    going.join().unwrap();
    assert_eq!(engine.left(), Vec::<String>::new());
}

/// Neither was ever anybody's client.
#[test]
fn half_a_line_and_a_look_at_the_port_keep_nothing() {
    let engine = engine(&["c1"]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let looks = ryuk.connect();
    let first = ryuk.registered(OURS);
    let mut half = ryuk.connect();
    half.send(b"label=ses");
    drop(first);
    assert_eq!(ryuk.ended(), 0);
    drop((looks, half));
}

#[test]
fn a_last_line_without_an_end_counts() {
    let engine = engine(&["c1"]);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "10s")]);
    let mut client = ryuk.connect();
    client.send(OURS.as_bytes());
    client.end();
    assert_eq!(client.answer(), "ACK");
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
}

/// A client that was killed as it wrote `label=session=theirs` would otherwise name everybody's.
#[test]
fn a_key_that_lacks_its_value_and_its_lines_end_is_taken_for_half_a_line() {
    for line in ["label=session", "label=session="] {
        let engine = engine(&["c1"]);
        let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "3s")]);
        let mut client = ryuk.connect();
        client.send(line.as_bytes());
        client.end();
        assert_eq!(client.answer(), "");
        assert_eq!(ryuk.ended(), 0);
        assert_eq!(engine.left(), ["c1"]);
    }
}

#[test]
fn it_listens_on_every_address() {
    let engine = engine(&[]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    for address in ["127.0.0.1", "::1"] {
        let mut client = ryuk.connect_to(address);
        assert_eq!(client.say(OURS), "ACK", "{address}");
    }
}
