//! Who keeps the server waiting, who does not, and what ends it.

use crate::engine::Engine;
use crate::process::{Ryuk, command};
use crate::world::{Resource, World};

const OURS: &str = "label=session=mine";

fn engine() -> Engine {
    let resources = vec![Resource::new("containers", "c", &[("session", "mine")])];
    Engine::start(World { resources, ..World::default() })
}

#[test]
fn it_waits_for_a_client_to_come_back() {
    let engine = engine();
    let mut ryuk =
        Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "3s"), ("RYUK_VERBOSE", "true")]);
    drop(ryuk.registered(OURS));
    ryuk.until_logged("disconnected");
    let second = ryuk.registered(OURS);
    // Somebody who comes and goes, long after the first client's timeout would have begun.
    for _ in 0..20 {
        drop(ryuk.connect());
    }
    assert!(ryuk.is_running() && engine.world().requests.is_empty());
    drop(second);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

/// The server is late, not the client: it came, and said what it wants, while the server could not look.
#[test]
fn a_client_that_was_in_time_is_served_by_a_server_that_is_late() {
    let engine = engine();
    let mut ryuk = Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "1s")]);
    drop(ryuk.registered(OURS));
    ryuk.until_logged("disconnected");
    ryuk.signal("STOP");
    let mut second = ryuk.connect();
    second.send(format!("{OURS}\n").as_bytes());
    // That its time is over before it looks is what is tested.
    std::thread::sleep(std::time::Duration::from_secs(2));
    ryuk.signal("CONT");
    assert_eq!(second.answer(), "ACK");
    assert!(ryuk.is_running() && engine.world().requests.is_empty());
    drop(second);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

#[test]
fn a_client_that_says_nothing_or_half_a_line_neither_blocks_nor_keeps_it() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut slow: Vec<_> = (0..200).map(|_| ryuk.connect()).collect();
    for client in &mut slow[..100] {
        client.send(b"label=ses");
    }
    drop(ryuk.registered(OURS));
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
    drop(slow);
}

#[test]
fn a_thousand_idle_connections_do_not_keep_a_client_out() {
    let engine = engine();
    // Each takes a descriptor here and one there.
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let idle: Vec<_> = (0..1000).map(|_| ryuk.connect()).collect();
    drop(ryuk.registered(OURS));
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
    drop(idle);
}

#[test]
fn without_a_client_it_ends_by_itself() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "50ms")]);
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), ["c"]);
}

#[test]
fn a_signal_without_a_client_prunes_at_once() {
    for signal in ["TERM", "INT"] {
        let engine = engine();
        let ryuk = Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "10m")]);
        drop(ryuk.registered(OURS));
        ryuk.until_logged("disconnected");
        ryuk.signal(signal);
        assert_eq!(ryuk.ended(), 0);
        assert!(engine.left().is_empty());
    }
}

#[test]
fn a_signal_with_a_client_waits_for_it_and_takes_no_other() {
    let engine = engine();
    let mut ryuk = Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "10m")]);
    let mut client = ryuk.registered(OURS);
    ryuk.signal("TERM");
    ryuk.until("the door is shut", || ryuk.refuses_connections().then_some(()));
    // It still listens to those that it has.
    assert_eq!(client.say("label=another=one"), "ACK");
    assert!(ryuk.is_running() && engine.world().requests.is_empty());
    drop(client);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

#[test]
fn after_a_signal_it_does_not_wait_for_ever() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_SHUTDOWN_TIMEOUT", "200ms")]);
    let client = ryuk.registered(OURS);
    ryuk.signal("TERM");
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
    drop(client);
}

#[test]
fn a_setting_that_cannot_be_used_ends_it_with_its_name() {
    for (name, value) in [
        ("RYUK_PORT", "http"),
        ("RYUK_CONNECTION_TIMEOUT", "10"),
        ("RYUK_RETRY_OFFSET", "later"),
        ("RYUK_VERBOSE", "loud"),
        ("DOCKER_HOST", "somewhere"),
    ] {
        let output = command("unix:///nowhere").env(name, value).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(name) && text.contains(&format!("{value:?}")), "{text}");
        assert!(!text.contains("Started!"), "{text}");
    }
}

/// What cannot be removed in the end is not promised; and an engine that was there once may be away for a while.
#[test]
fn nothing_is_acknowledged_before_the_engine_could_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let host = format!("unix://{}", socket.display());
    let ryuk = Ryuk::start(&host, &[("RYUK_SHUTDOWN_TIMEOUT", "100ms")]);
    let mut client = ryuk.connect();
    let answer = client.say(OURS);
    assert!(
        answer.starts_with(&format!("ERROR the engine cannot be reached at {host}: No such file")),
        "{answer}"
    );
    assert!(answer.contains("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"), "{answer}");
    let engine = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut client = ryuk.connect();
    assert_eq!(client.say(OURS), "ACK");
    drop(engine);
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(ryuk.connect().say(OURS), "ACK");
    drop(client);
    let left = ryuk.until_logged("left behind");
    assert!(left.contains("could not be listed"), "{left}");
    assert_eq!(ryuk.ended(), 1);
}
