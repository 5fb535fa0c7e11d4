//! Reports: whoever asks is told of all that is removed, and nobody is held up by it.

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::process::{Client, Ryuk};
use crate::world::{Misbehaviour, Resource, World};

const OURS: &str = "label=org.testcontainers.sessionId=s";
const A: &str = "label=org.testcontainers.reaper.scope=a";

fn of_session(kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("org.testcontainers.sessionId", "s")])
}

fn reporter(ryuk: &Ryuk) -> Client {
    let mut reporter = ryuk.greeted();
    assert_eq!(reporter.say("%report"), "ACK");
    reporter
}

#[track_caller]
fn told(reporter: &mut Client) -> Value {
    let line = reporter.answer();
    let object = line.strip_prefix("REMOVED ").unwrap_or_else(|| panic!("{line:?}"));
    let mut object: Value = serde_json::from_str(object).unwrap();
    let gone = object.as_object_mut().unwrap().remove("gone").unwrap();
    assert!(gone.as_u64().is_some_and(|gone| gone > 1_700_000_000_000), "{gone}");
    object
}

#[test]
fn who_reports_is_told_of_each_thing_until_the_end_and_holds_nothing() {
    let labels = [
        ("org.testcontainers.sessionId", "s"),
        ("org.testcontainers.reaper.scope", "a"),
        ("test-reaper.test", "module::\"test\""),
        ("test-reaper.process", "12:34"),
    ];
    let resources = vec![
        Resource::new("containers", "c1", &labels),
        of_session("networks", "n1"),
        of_session("volumes", "v1"),
        of_session("images", "i1").tagged(&["a:1"]),
        Resource::new("volumes", "f1", &[("org.testcontainers.sessionId", "theirs")]),
    ];
    let engine = Engine::start(World { resources, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let session = ryuk.registered(OURS);
    // It comes when there are filters, as somebody may who has come back.
    let mut reporter = reporter(&ryuk);
    assert_eq!(reporter.say("%report"), "ACK", "once more changes nothing");
    assert_eq!(reporter.say("%clients"), "CLIENTS 1");
    let mut test = ryuk.greeted();
    assert_eq!(test.say(&format!("%scope {A}")), "ACK");
    assert_eq!(test.say(&format!("%scope-end {A}")), "ACK");
    let expected = json!({
        "kind": "container", "id": "c1", "name": "named c1", "session": "s", "scope": "a",
        "test": "module::\"test\"", "process": "12:34", "made": 1_700_000_000, "why": "scope ended",
    });
    assert_eq!(told(&mut reporter), expected);
    drop((session, test));
    for (kind, id, name, made) in [
        ("network", "n1", "named n1", json!("2023-11-14T22:13:20Z")),
        ("volume", "v1", "v1", json!("2023-11-14T22:13:20Z")),
        ("image", "i1", "a:1", json!(1_700_000_000)),
    ] {
        let expected = json!({
            "kind": kind, "id": id, "name": name, "session": "s", "scope": null, "test": null, "process": null,
            "made": made, "why": "session ended",
        });
        assert_eq!(told(&mut reporter), expected);
    }
    assert_eq!(reporter.answer(), "", "the stream is at its end");
    assert_eq!(ryuk.ended(), 0);
}

#[test]
fn why_a_lost_scopes_things_went_is_told() {
    let labels = [("org.testcontainers.reaper.scope", "a")];
    let resources = vec![Resource::new("containers", "c1", &labels)];
    let engine = Engine::start(World { resources, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let _session = ryuk.registered(OURS);
    let mut reporter = reporter(&ryuk);
    let mut test = ryuk.greeted();
    assert_eq!(test.say(&format!("%scope {A}")), "ACK");
    drop(test);
    assert_eq!(told(&mut reporter)["why"], "scope lost");
}

/// The engine was asked, has not answered in time, and has done it.
#[test]
fn what_is_known_to_be_gone_by_the_next_list_is_told_as_well() {
    let mut world = World { resources: vec![of_session("containers", "c1")], ..World::default() };
    world.script.insert("DELETE /containers/c1", [Misbehaviour::Late(600), Misbehaviour::Never].into());
    let engine = Engine::start(world);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_REQUEST_TIMEOUT", "500ms")]);
    let mut reporter = reporter(&ryuk);
    drop(ryuk.registered(OURS));
    assert_eq!(told(&mut reporter)["id"], "c1");
    assert_eq!(reporter.answer(), "", "and told once");
}

/// More than a connection holds whose other end does not read.
#[test]
fn who_does_not_read_is_let_go_and_holds_up_nobody() {
    let name = "x".repeat(60_000);
    let labels = [("org.testcontainers.sessionId", "s"), ("test-reaper.test", name.as_str())];
    let resources = (0..60).map(|number| Resource::new("volumes", &format!("v{number}"), &labels)).collect();
    let engine = Engine::start(World { resources, ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let silent = reporter(&ryuk);
    drop(ryuk.registered(OURS));
    ryuk.until_logged("does not read what it asked for, let go");
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), Vec::<String>::new());
    drop(silent);
}

#[test]
fn so_many_may_report_and_no_more_until_one_of_them_is_gone() {
    let engine = Engine::start(World { resources: vec![of_session("volumes", "v1")], ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let session = ryuk.registered(OURS);
    let mut reporters: Vec<_> = (0..8).map(|_| reporter(&ryuk)).collect();
    let mut more = ryuk.greeted();
    let answer = more.say("%report");
    assert!(answer.starts_with("ERROR 8 clients are told"), "{answer}");
    assert_eq!(more.answer(), "");
    reporters.pop();
    reporters.push(ryuk.until("there is room again", || {
        let mut one = ryuk.greeted();
        (one.say("%report") == "ACK").then_some(one)
    }));
    drop(session);
    for reporter in &mut reporters {
        assert_eq!(told(reporter)["id"], "v1");
    }
    assert_eq!(ryuk.ended(), 0);
}

/// Nothing is removed for him who only wants to know.
#[test]
fn a_reporter_without_a_session_is_left_alone_when_nobody_comes() {
    let engine = Engine::start(World { resources: vec![of_session("volumes", "v1")], ..World::default() });
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CONNECTION_TIMEOUT", "3s")]);
    let mut reporter = reporter(&ryuk);
    assert_eq!(reporter.answer(), "");
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), ["v1"]);
}
