//! Keys: what the session makes once has one maker at a time, and whoever asks is told.

use std::time::Duration;

use crate::engine::Engine;
use crate::process::{Client, Ryuk};
use crate::world::{Resource, World};

const OURS: &str = "label=session=mine";
const TOKEN: (&str, &str) = ("REAPER_TOKEN", "70ce");
/// The most that a value may have.
const LONGEST: usize = 60 << 10;

fn started(settings: &[(&str, &str)]) -> (Engine, Ryuk) {
    let resources = vec![Resource::new("containers", "c1", &[("session", "mine")])];
    let engine = Engine::start(World { resources, ..World::default() });
    let settings: Vec<_> = settings.iter().copied().chain([TOKEN]).collect();
    let ryuk = Ryuk::start(&engine.host(), &settings);
    (engine, ryuk)
}

/// A client that has the turn.
#[track_caller]
fn maker(ryuk: &Ryuk, key: &str) -> Client {
    let mut maker = ryuk.greeted();
    assert_eq!(maker.say(&format!("%claim 70ce {key} 0 the maker")), "TURN");
    maker
}

/// A client that waits for it.
#[track_caller]
fn waiter(ryuk: &Ryuk, key: &str, who: &str) -> Client {
    let mut waiter = ryuk.greeted();
    let answer = waiter.say(&format!("%claim 70ce {key} 0 {who}"));
    assert!(answer.starts_with("WAIT "), "{answer}");
    waiter
}

#[test]
fn one_makes_it_and_all_others_get_it_then_and_later() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    let mut first = maker(&ryuk, "redis-1f");
    let mut waiting: Vec<_> = (0..3).map(|_| waiter(&ryuk, "redis-1f", "another")).collect();
    // Another key does not wait for it.
    let _other = maker(&ryuk, "postgres-0a");
    assert_eq!(first.say("%keep {\"port\": 1}\t\"ä\""), "KEPT 1");
    for client in &mut waiting {
        assert_eq!(client.answer(), "VALUE 1 {\"port\": 1}\t\"ä\"");
    }
    assert_eq!(ryuk.greeted().say("%claim 70ce redis-1f 0 late"), "VALUE 1 {\"port\": 1}\t\"ä\"");
    // Its connection is free for the next.
    assert_eq!(first.say("%claim 70ce mysql-3c 0 the maker"), "TURN");
}

/// As long as it may be, to several who do not read at once.
#[test]
fn a_value_is_as_long_as_it_may_be_and_no_longer() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    let mut first = maker(&ryuk, "long");
    let mut waiting: Vec<_> = (0..8).map(|_| waiter(&ryuk, "long", "another")).collect();
    let answer = first.say(&format!("%keep {}", "x".repeat(LONGEST + 1)));
    assert!(answer.starts_with("ERROR the value is too long: 61441 bytes"), "{answer}");
    // It has its turn all the same.
    let value = "x".repeat(LONGEST);
    assert_eq!(first.say(&format!("%keep {value}")), "KEPT 1");
    for client in &mut waiting {
        client.until_answered();
    }
    for client in &mut waiting {
        assert_eq!(client.answer(), format!("VALUE 1 {value}"));
    }
}

#[test]
fn a_maker_that_is_gone_is_followed_by_who_has_waited_longest() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    let first = maker(&ryuk, "redis");
    let gone = waiter(&ryuk, "redis", "one that gives up");
    let mut second = waiter(&ryuk, "redis", "the second");
    drop(gone);
    // By then its end has been seen.
    let mut third = waiter(&ryuk, "redis", "the third");
    drop(first);
    assert_eq!(second.answer(), "TURN");
    assert_eq!(third.answer(), "WAIT 0 the second", "it is told for whom it waits now");
    drop(second);
    assert_eq!(third.answer(), "TURN");
    assert_eq!(third.say("%keep 3"), "KEPT 1");
    assert_eq!(ryuk.greeted().say("%claim 70ce redis 0 late"), "VALUE 1 3");
}

/// A value is there as a whole or not at all.
#[test]
fn a_maker_that_is_gone_in_the_middle_of_its_value_has_made_none() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    let mut first = maker(&ryuk, "redis");
    let mut second = waiter(&ryuk, "redis", "the second");
    first.send(b"%keep {\"port\": 1");
    drop(first);
    assert_eq!(second.answer(), "TURN");
    // One that has said all of it need not wait for the answer.
    second.send(b"%keep 2\n");
    drop(second);
    assert_eq!(ryuk.greeted().say("%claim 70ce redis 0 late"), "VALUE 1 2");
}

#[test]
fn who_waits_is_told_for_whom_and_since_when() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    let _maker = maker(&ryuk, "redis");
    let seconds = |answer: &str| {
        let seconds = answer.strip_prefix("WAIT ").and_then(|rest| rest.strip_suffix(" the maker"));
        seconds.unwrap_or_else(|| panic!("{answer}")).parse::<u64>().unwrap()
    };
    ryuk.until("a second has passed", || {
        let answer = ryuk.greeted().say("%claim 70ce redis 0 another");
        (seconds(&answer) > 0).then_some(())
    });
}

/// Of many who find at once that what it stands for is gone, one makes the next.
#[test]
fn a_value_that_is_worth_nothing_is_made_again_by_one_and_told_to_the_others_meanwhile() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    assert_eq!(maker(&ryuk, "redis").say("%keep old"), "KEPT 1");
    let mut second = ryuk.greeted();
    assert_eq!(second.say("%claim 70ce redis 1 the second"), "TURN");
    let mut third = ryuk.greeted();
    assert_eq!(third.say("%claim 70ce redis 1 the third"), "WAIT 0 the second");
    // Nobody has told this one.
    assert_eq!(ryuk.greeted().say("%claim 70ce redis 0 late"), "VALUE 1 old");
    assert_eq!(second.say("%keep new"), "KEPT 2");
    assert_eq!(third.answer(), "VALUE 2 new");
    assert_eq!(ryuk.greeted().say("%claim 70ce redis 1 late"), "VALUE 2 new");
}

#[test]
fn what_is_forgotten_is_made_again_and_who_makes_one_goes_on() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    assert_eq!(maker(&ryuk, "redis").say("%keep 1"), "KEPT 1");
    let mut under_way = maker(&ryuk, "postgres");
    assert_eq!(ryuk.greeted().say("%forget 70ce"), "ACK");
    assert_eq!(maker(&ryuk, "redis").say("%keep 2"), "KEPT 2");
    assert_eq!(under_way.say("%keep 3"), "KEPT 3");
}

/// The reaper is the same, and what the values stood for is gone.
#[test]
fn values_are_of_the_session_before_something_was_removed() {
    let (engine, ryuk) = started(&[("RYUK_CHANGES_RETRY_INTERVAL", "15s")]);
    let mut early = ryuk.greeted();
    let session = ryuk.registered(OURS);
    assert_eq!(maker(&ryuk, "redis").say("%keep old"), "KEPT 1");
    let (mut making, mut waiting) = (maker(&ryuk, "mysql"), waiter(&ryuk, "mysql", "another"));
    drop(session);
    ryuk.until_logged("looking once more");
    assert!(engine.left().is_empty(), "claims keep nothing");
    for claimant in [&mut making, &mut waiting, &mut early] {
        claimant.sends(b"%claim 70ce other 0 somebody\n");
        let answer = claimant.answer();
        assert!(answer.starts_with("ERROR ") && answer.ends_with("greet again"), "{answer}");
        assert_eq!(claimant.answer(), "");
    }
    let _again = ryuk.registered(OURS);
    assert_eq!(maker(&ryuk, "redis").say("%keep new"), "KEPT 2");
    maker(&ryuk, "mysql");
}

/// What nothing was removed from is as it was.
#[test]
fn values_outlive_a_gap_in_which_nothing_was_removed() {
    let engine = Engine::start(World::default());
    let ryuk = Ryuk::start(&engine.host(), &[TOKEN, ("RYUK_CHANGES_RETRY_INTERVAL", "15s")]);
    let session = ryuk.registered(OURS);
    assert_eq!(maker(&ryuk, "redis").say("%keep 1"), "KEPT 1");
    drop(session);
    ryuk.until_logged("looking once more");
    assert_eq!(ryuk.greeted().say("%claim 70ce redis 0 late"), "VALUE 1 1");
}

#[test]
fn claims_hold_no_session_and_count_as_nobody() {
    let (engine, ryuk) = started(&[]);
    let mut session = ryuk.greeted();
    assert_eq!(session.say(OURS), "ACK");
    let (_maker, _waiter) = (maker(&ryuk, "redis"), waiter(&ryuk, "redis", "another"));
    // Longer than a silent client needs to be taken for one that has come back.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(session.say("%clients"), "CLIENTS 0");
    drop(session);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

#[test]
fn what_is_wrong_is_answered_with_an_error() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    for word in ["%claim 70ce a 0 x", "%keep 1", "%forget 70ce"] {
        assert_eq!(ryuk.connect().say(word), "ERROR greet first");
    }
    let long = format!("%claim 70ce {} 0 x", "k".repeat(129));
    for wrong in
        ["%claim", "%claim 70ce a", "%claim 70ce a x y", "%claim 70ce ../a 0 x", "%forget", "%keep", &long]
    {
        let mut client = ryuk.greeted();
        let answer = client.say(wrong);
        assert!(answer.starts_with("ERROR "), "{wrong}: {answer}");
        assert_eq!(client.answer(), "", "{wrong}");
    }
    // Its claim stays, where it has one.
    let mut maker = maker(&ryuk, "redis");
    let mut waiter = waiter(&ryuk, "redis", "another");
    for (client, word) in [(&mut waiter, "%keep 1"), (&mut maker, "%claim 70ce other 0 x")] {
        let answer = client.say(word);
        assert!(answer.starts_with("ERROR this connection has "), "{answer}");
    }
    assert_eq!(ryuk.greeted().say("%keep 1"), "ERROR this connection has asked for no key");
    assert_eq!((maker.say("%keep 1"), waiter.answer()), ("KEPT 1".into(), "VALUE 1 1".into()));
}

/// A port is open to whoever is on the machine, and a value may have a password in it.
#[test]
fn who_does_not_know_the_token_is_told_nothing() {
    let (engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    assert_eq!(maker(&ryuk, "redis").say("%keep 1"), "KEPT 1");
    let tokenless = Ryuk::start(&engine.host(), &[]);
    let _other = tokenless.registered(OURS);
    for ryuk in [&ryuk, &tokenless] {
        for word in
            ["%claim 70cf redis 0 x", "%claim - redis 0 x", "%claim  redis 0 x", "%forget 70cf", "%forget "]
        {
            let mut client = ryuk.greeted();
            let answer = client.say(word);
            assert!(answer.starts_with("ERROR ") && answer.contains("token"), "{word}: {answer}");
            assert_eq!(client.answer(), "", "{word}");
        }
    }
    assert_eq!(ryuk.greeted().say("%claim 70ce redis 0 late"), "VALUE 1 1");
}

/// Its container has 64 MiB.
#[test]
fn keys_and_values_are_bounded_in_number_and_in_bytes() {
    let (_engine, ryuk) = started(&[]);
    let _session = ryuk.registered(OURS);
    let mut client = ryuk.greeted();
    let value = "x".repeat(LONGEST);
    let mut kept = 0;
    let refusal = loop {
        assert_eq!(client.say(&format!("%claim 70ce long{kept} 0 x")), "TURN");
        let answer = client.say(&format!("%keep {value}"));
        if answer.starts_with("ERROR ") {
            break answer;
        }
        kept += 1;
    };
    assert!(refusal.contains("all together have at most 4194304 bytes") && kept == 68, "{kept}: {refusal}");
    for number in kept.. {
        let mut client = ryuk.greeted();
        let answer = client.say(&format!("%claim 70ce short{number} 0 x"));
        if answer != "TURN" {
            assert!(
                answer.starts_with("ERROR there are too many keys") && number == 4095,
                "{number}: {answer}"
            );
            break;
        }
        let kept = client.say("%keep 1");
        // Little is left of all bytes, and nobody who is refused leaves a key behind.
        assert!(kept.starts_with("KEPT "), "{number}: {kept}");
    }
    let peak = ryuk.memory("VmHWM");
    assert!(peak < 32 << 10, "{peak} KiB");
}
