//! The greeting: whoever greets is told whose server it is, and whether what there was has been removed.

use crate::engine::Engine;
use crate::process::{Ryuk, command};
use crate::world::{Resource, World};

const OURS: &str = "label=session=mine";
const SECRET: (&str, &str) = ("REAPER_SECRET", "5eed-c0de");

fn engine() -> Engine {
    let resources = vec![Resource::new("containers", "c1", &[("session", "mine")])];
    Engine::start(World { resources, ..World::default() })
}

#[test]
fn who_greets_is_told_the_secret_and_registers_nothing_by_that() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[SECRET, ("RYUK_CONNECTION_TIMEOUT", "3s")]);
    let mut client = ryuk.connect();
    assert_eq!(client.say("%hello 1"), "HELLO 1 5eed-c0de 0");
    // A newer one is answered in the version that both speak.
    assert_eq!(client.say("%hello 7\r"), "HELLO 3 5eed-c0de 0");
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), ["c1"]);
}

#[test]
fn who_greets_first_registers_as_everybody() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[SECRET]);
    let mut client = ryuk.connect();
    client.send(format!("%hello 1\n{OURS}\n").as_bytes());
    assert_eq!([client.answer(), client.answer()], ["HELLO 1 5eed-c0de 0", "ACK"]);
    drop(client);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

#[test]
fn without_a_secret_nothing_is_proved() {
    let engine = engine();
    for settings in [&[][..], &[("REAPER_SECRET", "")]] {
        let ryuk = Ryuk::start(&engine.host(), settings);
        assert_eq!(ryuk.connect().say("%hello 1"), "HELLO 1 - 0");
    }
}

#[test]
fn a_secret_that_is_no_word_ends_it_with_the_name_of_the_setting() {
    let output = command("unix:///nowhere").env("REAPER_SECRET", "two words").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("REAPER_SECRET is \"two words\", but must be"), "{text}");
}

/// The reaper is the same, and what its clients had made is gone.
#[test]
fn who_is_let_in_after_something_was_removed_is_told_so() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[SECRET, ("RYUK_CHANGES_RETRY_INTERVAL", "15s")]);
    let mut early = ryuk.connect();
    assert_eq!(early.say("%hello 1"), "HELLO 1 5eed-c0de 0");
    drop(ryuk.registered(OURS));
    ryuk.until_logged("looking once more");
    assert!(engine.left().is_empty());
    let answer = early.say(OURS);
    assert!(answer.starts_with("ERROR ") && answer.contains("greet again"), "{answer}");
    let mut second = ryuk.connect();
    assert_eq!(second.say("%hello 1"), "HELLO 1 5eed-c0de 1");
    assert_eq!(second.say(OURS), "ACK");
}

/// What nothing was removed from is as it was.
#[test]
fn who_is_let_in_after_nothing_was_there_finds_what_there_was() {
    let engine = Engine::start(World::default());
    let ryuk = Ryuk::start(&engine.host(), &[SECRET, ("RYUK_CHANGES_RETRY_INTERVAL", "15s")]);
    drop(ryuk.registered(OURS));
    ryuk.until_logged("looking once more");
    assert_eq!(ryuk.connect().say("%hello 1"), "HELLO 1 5eed-c0de 0");
}

const PATIENT: (&str, &str) = ("RYUK_RECONNECTION_TIMEOUT", "10m");

/// The container was created with the usual time, and nobody waits for it when the run is known to be over.
#[test]
fn whoever_says_that_the_run_is_over_has_it_removed_without_the_usual_wait() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[SECRET, PATIENT]);
    let test = ryuk.registered(OURS);
    let mut keeper = ryuk.connect();
    assert_eq!(keeper.say("%hello 1"), "HELLO 1 5eed-c0de 0");
    assert_eq!(keeper.say(OURS), "ACK");
    // The word and the end of the stream come together.
    keeper.send(b"%reconnection-timeout 100ms\n");
    drop(keeper);
    ryuk.until_logged("the run is over");
    assert!(engine.left() == ["c1"], "a test is still there");
    drop(test);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

#[test]
fn whoever_comes_after_the_run_was_said_to_be_over_is_waited_for_as_usual() {
    let engine = engine();
    let mut ryuk = Ryuk::start(&engine.host(), &[SECRET, PATIENT]);
    let mut keeper = ryuk.registered(OURS);
    assert_eq!(keeper.say("%hello 1"), "HELLO 1 5eed-c0de 0");
    assert_eq!(keeper.say("%reconnection-timeout 100ms"), "ACK");
    drop(ryuk.registered(OURS));
    drop(keeper);
    ryuk.until("both have gone", || {
        let gone = ryuk.log().iter().filter(|line| line.ends_with("disconnected")).count();
        (gone == 2).then_some(())
    });
    // That nothing comes of the short time is what is tested.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(ryuk.is_running() && engine.world().requests.is_empty());
}

#[test]
fn a_last_word_is_taken_from_those_alone_who_have_greeted() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[SECRET, PATIENT]);
    for (greets, word) in [(false, "1s"), (true, "soon"), (true, "-1s"), (true, "")] {
        let mut client = ryuk.connect();
        if greets {
            assert_eq!(client.say("%hello 1"), "HELLO 1 5eed-c0de 0");
        }
        let answer = client.say(&format!("%reconnection-timeout {word}"));
        assert!(answer.starts_with("ERROR "), "{word}: {answer}");
        assert_eq!(client.answer(), "");
    }
}

#[test]
fn who_has_greeted_may_ask_how_many_others_hold_the_session() {
    let engine = engine();
    let ryuk = Ryuk::start(&engine.host(), &[SECRET]);
    let mut asking = ryuk.connect();
    assert_eq!(asking.say("%hello 1"), "HELLO 1 5eed-c0de 0");
    assert_eq!(asking.say(OURS), "ACK");
    assert_eq!(asking.say("%clients"), "CLIENTS 0");
    let mut other = ryuk.connect();
    assert_eq!(other.say(OURS), "ACK");
    assert_eq!(asking.say("%clients"), "CLIENTS 1");
    drop(other);
    while asking.say("%clients") != "CLIENTS 0" {
        std::thread::yield_now();
    }
    // A plain client has not greeted, and is told nothing.
    assert!(ryuk.connect().say("%clients").starts_with("ERROR "));
}
