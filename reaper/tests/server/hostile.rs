//! Nothing that can be sent makes the server remove what no client named.

use std::fmt::Write as _;

use crate::engine::Engine;
use crate::process::Ryuk;
use crate::world::{Resource, World};

fn world() -> World {
    let resource = |kind| Resource::new(kind, "precious", &[("session", "theirs")]);
    World {
        resources: ["containers", "networks", "volumes", "images"].map(resource).into(),
        ..World::default()
    }
}

/// Small and repeatable; how random it is does not matter.
struct Generator(u64);

impl Generator {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Lines made of what means something to a parser of filters. A key and a value of their own appear in none.
fn hostile_line(generator: &mut Generator) -> String {
    const PARTS: [&str; 16] = [
        "label",
        "=",
        "&",
        "%",
        "%00",
        "%3d",
        "+",
        "label=",
        "label==",
        "name=",
        "id=",
        "status=running",
        "\r",
        "%zz",
        "\u{fc}",
        "label=%20=",
    ];
    let mut line = String::new();
    for _ in 0..=generator.next(8) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{}", PARTS[usize::try_from(generator.next(16)).unwrap()]);
    }
    line
}

#[test]
fn a_line_that_could_match_more_than_was_named_is_answered_with_an_error() {
    let engine = Engine::start(world());
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "10s")]);
    for line in [
        &b"&"[..],
        b"label",
        b"label=",
        b"label==a",
        b"label=%20",
        b"name=x",
        b"id=a=b",
        b"label=a=%zz",
        b"label=a=b&",
        b"label=a=\xff",
        b"%",
        b"%hello",
        b"%goodbye 1",
    ] {
        let mut client = ryuk.connect();
        client.send(&[line, b"\nlabel=never=read\n"].concat());
        let answer = client.answer();
        assert!(answer.starts_with("ERROR "), "{line:?}: {answer}");
        assert_eq!(client.answer(), "", "whoever waits for an ACK does not wait for ever");
    }
    let mut long = ryuk.connect();
    long.send(format!("label=a={}", "x".repeat(64 << 10)).as_bytes());
    assert!(long.answer().starts_with("ERROR "));
    assert_eq!(long.answer(), "", "and is let go");
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.world().requests.is_empty(), "{:?}", engine.world().requests);
}

#[test]
fn a_thousand_hostile_lines_remove_nothing() {
    let engine = Engine::start(world());
    let ryuk = Ryuk::start(&engine.host(), &[]);
    // Or it would end between two of the others, where this machine is busy.
    let waits = ryuk.registered("label=nobody=has");
    let mut generator = Generator(0x2545_f491_4f6c_dd1d);
    let mut client = ryuk.connect();
    for _ in 0..1_000 {
        let line = hostile_line(&mut generator);
        client.send(format!("{line}\n").as_bytes());
        // Empty lines get no answer.
        if !line.trim_end_matches('\r').is_empty() {
            let answer = client.answer();
            // Some of them name a label, if a strange one.
            assert!(answer == "ACK" || answer.starts_with("ERROR "), "{line:?}: {answer}");
            if answer != "ACK" {
                client = ryuk.connect();
            }
        }
    }
    drop((client, waits));
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.removals().is_empty(), "{:?}", engine.removals());
    assert_eq!(engine.left().len(), 4);
}

/// What is begun is lost, ended, or the session's in the end: each is a way to a removal.
#[test]
fn a_thousand_hostile_scopes_remove_nothing() {
    let engine = Engine::start(world());
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let waits = ryuk.registered("label=nobody=has");
    let mut generator = Generator(0x0123_4567_89ab_cdef);
    let mut client = ryuk.greeted();
    let mut begun = 0;
    for _ in 0..1_000 {
        let line = hostile_line(&mut generator).replace('\r', "");
        for word in ["%scope", "%scope-again", "%scope-end"] {
            // One that lives may be ended by the next, and one that is left to the server is lost.
            if word != "%scope" && generator.next(2) == 0 {
                continue;
            }
            let answer = client.say(&format!("{word} {line}"));
            assert!(answer == "ACK" || answer.starts_with("ERROR "), "{word} {line:?}: {answer}");
            begun += usize::from(answer == "ACK");
            // A line that is not understood costs the connection, and one of a scope that is not there does not.
            if !(answer == "ACK" || answer.contains("scope")) {
                client = ryuk.greeted();
                break;
            }
        }
    }
    assert!(begun > 0, "some of them name a label, if a strange one");
    drop((client, waits));
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.removals().is_empty(), "{:?}", engine.removals());
    assert_eq!(engine.left().len(), 4);
}

#[test]
fn ten_thousand_random_byte_strings_remove_nothing() {
    let engine = Engine::start(world());
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let waits = ryuk.registered("label=nobody=has");
    let mut generator = Generator(0x9e37_79b9_7f4a_7c15);
    for _ in 0..100 {
        let mut client = ryuk.connect();
        for _ in 0..100 {
            let length = 1 + generator.next(300);
            let bytes: Vec<_> = (0..length).map(|_| u8::try_from(generator.next(256)).unwrap()).collect();
            // Whoever sends nonsense is sent away.
            if !client.sends(&bytes) {
                client = ryuk.connect();
            }
        }
    }
    drop(waits);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.removals().is_empty(), "{:?}", engine.removals());
    assert_eq!(engine.left().len(), 4);
}

#[test]
fn what_is_unusual_and_right_is_understood() {
    let engine = Engine::start(World::default());
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut client = ryuk.connect();
    // Several lines in one packet, one over several packets, CRLF, an empty line without an answer.
    client.send(b"label=a=1\nlabel=a=2\r\n\n");
    assert_eq!([client.answer(), client.answer()], ["ACK", "ACK"]);
    for byte in b"label=a=%33&label=b=x%3Dy\n" {
        client.send(&[*byte]);
    }
    assert_eq!(client.answer(), "ACK");
    drop(client);
    assert_eq!(ryuk.ended(), 0);
}
