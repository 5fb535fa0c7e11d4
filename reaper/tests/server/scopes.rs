//! Scopes: what goes before the session's end, when, and what stays.

use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::process::{Client, Ryuk};
use crate::world::{Misbehaviour, Resource, World};

const OURS: &str = "label=session=mine";
const A: &str = "label=session=mine&label=scope=a";
const B: &str = "label=session=mine&label=scope=b";

fn of(scope: &str, kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("session", "mine"), ("scope", scope)])
}

fn engine(resources: Vec<Resource>) -> Engine {
    Engine::start(World { resources, ..World::default() })
}

impl Ryuk {
    /// A client that holds this scope.
    #[track_caller]
    fn scoped(&self, filter: &str) -> Client {
        let mut client = self.greeted();
        assert_eq!(client.say(&format!("%scope {filter}")), "ACK");
        client
    }

    #[track_caller]
    fn until_left(&self, engine: &Engine, expected: &[&str]) {
        self.until(&format!("of the engine is left {expected:?}"), || {
            (engine.left() == expected).then_some(())
        });
    }

    /// Waits for longer than any scope of before is waited for: for another that is lost from now on.
    #[track_caller]
    fn until_a_grace_is_over(&self, name: &str) {
        drop(self.scoped(&format!("label=scope={name}")));
        self.until_logged(&format!("scope={{\"label\":[\"scope={name}\"]}} lost"));
    }

    /// Lets a client go that has named something, and waits until the server knows.
    #[track_caller]
    fn lose(&self, client: Client) {
        let gone = || self.log().iter().filter(|line| line.ends_with("disconnected")).count();
        let before = gone();
        drop(client);
        self.until("it is seen to be gone", || (gone() > before).then_some(()));
    }

    /// When a line with these texts was written, in milliseconds.
    #[track_caller]
    fn logged_at(&self, text: &str) -> u64 {
        let line = self.until_logged(text);
        line.split(' ').next().unwrap().replace('.', "").parse().unwrap()
    }
}

/// Does what has to be done in time; gives the number of the attempt that was. Where it was refused, this process must have been
/// late itself, as on a machine that is busy: then once more, with another scope.
#[track_caller]
fn in_time(limit: Duration, mut attempt: impl FnMut(usize) -> (Instant, String)) -> usize {
    for number in 0..20 {
        let (began, answer) = attempt(number);
        if answer == "ACK" {
            return number;
        }
        assert!(began.elapsed() > limit, "in time, and yet: {answer}");
    }
    panic!("never in time");
}

#[test]
fn what_a_scope_had_goes_when_it_ends_and_the_session_goes_on() {
    let kinds = ["containers", "networks", "volumes", "images"];
    let mut resources: Vec<_> = kinds.iter().map(|kind| of("a", kind, "a1")).collect();
    resources.extend(kinds.map(|kind| of("b", kind, "b1")));
    resources.extend(kinds.map(|kind| Resource::new(kind, "s1", &[("session", "mine")])));
    resources.extend(kinds.map(|kind| Resource::new(kind, "f1", &[("session", "theirs"), ("scope", "a")])));
    let engine = engine(resources);
    let mut ryuk = Ryuk::start(&engine.host(), &[]);
    let session = ryuk.registered(OURS);
    let (mut test, other) = (ryuk.scoped(A), ryuk.scoped(B));
    assert_eq!(test.say(&format!("%scope-end {A}")), "ACK");
    let summary = ryuk.until_logged("ended, removed");
    assert!(
        summary.contains("scope={\"label\":[\"session=mine\",\"scope=a\"]} ended, removed containers=1 networks=1 volumes=1 images=1 in "),
        "{summary}"
    );
    assert_eq!(engine.left(), ["b1", "b1", "b1", "b1", "s1", "s1", "s1", "s1", "f1", "f1", "f1", "f1"]);
    // Whoever comes finds the session as it was.
    assert_eq!(ryuk.connect().say("%hello 2"), "HELLO 2 - 0");
    assert_eq!(test.say(OURS), "ACK");
    assert!(ryuk.is_running());
    drop((session, test, other));
    assert_eq!(ryuk.ended(), 0);
    assert_eq!(engine.left(), ["f1"; 4]);
}

/// Not earlier, since a connection may be lost; and not only at the session's end.
#[test]
fn a_scope_whose_connection_is_lost_is_waited_for_and_then_over() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let session = ryuk.registered(OURS);
    drop(ryuk.scoped(A));
    let (gone, lost) = (ryuk.logged_at("disconnected"), ryuk.logged_at(" lost: "));
    let removed = ryuk.logged_at("container=a1 removed");
    assert!(lost >= gone + 899 && removed >= lost, "{gone} {lost} {removed}");
    let summary = ryuk.until_logged("lost, removed");
    assert!(summary.contains("containers=1 networks=0"), "{summary}");
    assert!(engine.left().is_empty());
    drop(session);
}

#[test]
fn whoever_comes_back_in_time_holds_it_as_before() {
    for word in ["%scope-again", "%scope"] {
        let engine = engine(Vec::new());
        let ryuk = Ryuk::start(&engine.host(), &[]);
        let mut healed = ryuk.scoped(B);
        let filter = |number| format!("label=session=mine&label=scope=a{number}");
        let held = in_time(Duration::from_millis(800), |number| {
            let name = format!("a{number}");
            engine.world().resources.push(of(&name, "containers", &name));
            let test = ryuk.scoped(&filter(number));
            let began = Instant::now();
            ryuk.lose(test);
            (began, healed.say(&format!("{word} {}", filter(number))))
        });
        ryuk.until_a_grace_is_over("marker");
        let name = format!("a{held}");
        assert_eq!(engine.left(), [name.as_str()], "{word}");
        assert_eq!(healed.say(&format!("%scope-end {}", filter(held))), "ACK");
        ryuk.until_left(&engine, &[]);
    }
}

#[test]
fn whoever_comes_back_too_late_is_told_so_and_keeps_his_connection() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "60s")]);
    let mut healed = ryuk.scoped(B);
    drop(ryuk.scoped(A));
    ryuk.until_left(&engine, &[]);
    let answer = healed.say(&format!("%scope-again {A}"));
    assert!(answer.starts_with("ERROR the scope has ended"), "{answer}");
    for (line, problem) in [
        (format!("%scope-end {A}"), "ERROR this connection does not hold that scope"),
        ("%scope-again label=never=begun".into(), "ERROR the scope has ended"),
    ] {
        let answer = healed.say(&line);
        assert!(answer.starts_with(problem), "{line}: {answer}");
    }
    assert_eq!(healed.say(&format!("%scope-end {B}")), "ACK");
}

/// He goes on with the labels that he has, and knows that what he had is gone: what he makes then is the session's.
#[test]
fn what_is_made_by_whoever_came_back_too_late_stays_until_the_session_ends() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    // The last look is 1.6 s after the loss.
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "400ms")]);
    let mut healed = ryuk.scoped(B);
    assert_eq!(healed.say(OURS), "ACK");
    drop(ryuk.scoped(A));
    ryuk.until_left(&engine, &[]);
    for made in 1..3 {
        let answer = healed.say(&format!("%scope-again {A}"));
        assert!(answer.starts_with("ERROR the scope has ended"), "{answer}");
        engine.world().resources.push(of("a", "containers", "late"));
        ryuk.until_a_grace_is_over(&format!("marker{made}"));
        assert_eq!(engine.left(), vec!["late"; made]);
    }
    // What another tool made has no label of the session's, and its scope may be forgotten by then.
    assert!(healed.say("%scope-again label=project=p").starts_with("ERROR the scope has ended"));
    engine.world().resources.push(Resource::new("containers", "named", &[("project", "p")]));
    ryuk.until_a_grace_is_over("last");
    assert_eq!(engine.left(), ["late", "late", "named"]);
    drop(healed);
    assert_eq!(ryuk.ended(), 0);
    assert!(engine.left().is_empty());
}

/// As the next of several tests that name one thing; what it makes then is its own.
#[test]
fn a_scope_that_has_ended_is_begun_anew_once_nothing_of_it_is_there() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "200ms")]);
    let mut first = ryuk.scoped(A);
    assert_eq!(first.say(&format!("%scope-end {A}")), "ACK");
    // The last look, at which it would be forgotten, is 800 ms away.
    let mut answers = Vec::new();
    ryuk.until("it may be begun", || {
        answers.push(first.say(&format!("%scope {A}")));
        (answers.last()? == "ACK").then_some(())
    });
    let others = answers.iter().filter(|answer| *answer != "ACK");
    assert!(others.into_iter().all(|answer| answer.starts_with("ERROR the scope has ended")), "{answers:?}");
    engine.world().resources.push(of("a", "containers", "a2"));
    // Which takes longer than the last look was away.
    ryuk.until_a_grace_is_over("another");
    assert_eq!(engine.left(), ["a2"]);
    assert_eq!(first.say(&format!("%scope-end {A}")), "ACK");
    ryuk.until_left(&engine, &[]);
}

/// Once nothing more can come of it.
#[test]
fn a_scope_may_be_begun_again_when_it_is_forgotten() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut test = ryuk.scoped(A);
    for _ in 0..3 {
        assert_eq!(test.say(&format!("%scope-end {A}")), "ACK");
        ryuk.until_left(&engine, &[]);
        ryuk.until("it may be begun", || (test.say(&format!("%scope {A}")) == "ACK").then_some(()));
        // As a volume with a name comes again, it is nothing that would not go.
        engine.world().resources.push(of("a", "volumes", "named"));
    }
    assert!(!ryuk.log().iter().any(|line| line.contains("left behind")), "{:#?}", ryuk.log());
}

#[test]
fn a_scope_ends_with_the_last_who_holds_it() {
    let engine = engine(vec![of("a", "containers", "a1"), of("b", "containers", "b1")]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let (mut one, mut other) = (ryuk.scoped(A), ryuk.scoped(A));
    // A repeat is no second hold.
    assert_eq!(one.say(&format!("%scope {A}")), "ACK");
    assert_eq!(one.say(&format!("%scope {B}")), "ACK");
    assert_eq!(one.say(&format!("%scope-end {A}")), "ACK");
    assert!(one.say(&format!("%scope-end {A}")).starts_with("ERROR this connection does not hold"));
    assert_eq!(one.say(&format!("%scope-end {B}")), "ACK");
    ryuk.until_left(&engine, &["a1"]);
    drop(one);
    ryuk.until_a_grace_is_over("marker");
    assert_eq!(engine.left(), ["a1"]);
    assert_eq!(other.say(&format!("%scope-end {A}")), "ACK");
    ryuk.until_left(&engine, &[]);
}

#[test]
fn what_two_scopes_name_stays_until_both_have_ended() {
    let both = Resource::new("containers", "c1", &[("one", "1"), ("other", "1")]);
    let engine = engine(vec![both, Resource::new("volumes", "v1", &[("one", "1")])]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let (mut one, mut other) = (ryuk.scoped("label=one"), ryuk.scoped("label=other"));
    assert_eq!(one.say("%scope-end label=one"), "ACK");
    ryuk.until_logged("ended, removed containers=0 networks=0 volumes=1");
    assert_eq!(engine.left(), ["c1"]);
    assert_eq!(other.say("%scope-end label=other"), "ACK");
    ryuk.until_left(&engine, &[]);
}

/// What is listed to be removed and waits for its turn is named by somebody before it comes.
#[test]
fn what_a_scope_names_that_was_begun_during_a_round_is_not_asked_for() {
    let mut resources: Vec<_> = (1..=8).map(|number| of("a", "containers", &format!("c{number}"))).collect();
    let labels = [("session", "mine"), ("scope", "a"), ("kept", "1")];
    resources.push(Resource::new("containers", "d9", &labels));
    let mut world = World { resources, ..World::default() };
    world.script.insert("DELETE /containers/c", [Misbehaviour::Late(4000); 8].into());
    let engine = Engine::start(world);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut test = ryuk.scoped(A);
    assert_eq!(test.say(&format!("%scope-end {A}")), "ACK");
    ryuk.until("all hands are busy", || (engine.removals().len() == 8).then_some(()));
    let mut newcomer = ryuk.scoped("label=kept=1");
    ryuk.until_logged("ended, removed containers=8");
    assert_eq!(engine.left(), ["d9"]);
    assert_eq!(engine.removals().len(), 8);
    assert_eq!(newcomer.say("%scope-end label=kept=1"), "ACK");
    ryuk.until_left(&engine, &[]);
}

/// It goes with the session's containers, on an engine that would take it from under them, too.
#[test]
fn a_network_of_a_scope_that_a_container_of_the_session_is_on_stays_until_the_session_ends() {
    for is_podman in [false, true] {
        let container = Resource::new("containers", "s1", &[("session", "mine")]).on("a1");
        // Podman is slow to remove what runs.
        let container = if is_podman { container } else { container.running() };
        let resources = vec![of("a", "networks", "a1"), of("a", "networks", "a2"), container];
        let engine = Engine::start(World { resources, is_podman, ..World::default() });
        let ryuk = Ryuk::start(&engine.host(), &[("RYUK_REMOVE_RETRIES", "2")]);
        let (session, mut test) = (ryuk.registered(OURS), ryuk.scoped(A));
        assert_eq!(test.say(&format!("%scope-end {A}")), "ACK");
        let left = ryuk.until_logged("left behind");
        assert!(left.contains("network a1: it is used by container s1"), "{left}");
        assert_eq!(engine.left(), ["a1", "s1"]);
        assert_eq!(engine.removals(), ["DELETE /networks/a2"]);
        drop((session, test));
        assert_eq!(ryuk.ended(), 0);
        assert_eq!(engine.left(), Vec::<String>::new());
    }
}

/// The server is late, not the client: it came while the server could not look, and says the rest when it is greeted.
#[test]
fn who_came_back_while_the_server_was_stopped_holds_its_scope() {
    let engine = engine(Vec::new());
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let _session = ryuk.registered(OURS);
    let filter = |number| format!("label=session=mine&label=scope=a{number}");
    let (mut held, mut clients) = (Vec::new(), Vec::new());
    in_time(Duration::from_millis(400), |number| {
        let name = format!("a{number}");
        engine.world().resources.push(of(&name, "containers", &name));
        let test = ryuk.scoped(&filter(number));
        let began = Instant::now();
        ryuk.lose(test);
        ryuk.signal("STOP");
        if began.elapsed() > Duration::from_millis(800) {
            // Too late to be of use.
            ryuk.signal("CONT");
            return (began, "not stopped in time".into());
        }
        let mut healed = ryuk.connect();
        healed.send(b"%hello 2\n");
        // That its time is over before it looks is what is tested.
        thread::sleep(Duration::from_secs(2));
        let began = Instant::now();
        ryuk.signal("CONT");
        assert!(healed.answer().starts_with("HELLO 2 "));
        assert_eq!(healed.say(OURS), "ACK");
        let answer = healed.say(&format!("%scope-again {}", filter(number)));
        held = vec![name];
        clients.push(healed);
        (began, answer)
    });
    ryuk.until_a_grace_is_over("marker");
    assert_eq!(engine.left(), held);
}

#[test]
fn who_has_not_greeted_or_names_nothing_is_refused() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    let ryuk = Ryuk::start(&engine.host(), &[]);
    for line in ["%scope label=scope=a", "%scope-again label=scope=a", "%scope-end label=scope=a", "%report"]
    {
        let mut client = ryuk.connect();
        assert_eq!(client.say(line), "ERROR greet first");
        assert_eq!(client.answer(), "", "and let go");
    }
    for line in ["%scope ", "%scope label", "%scope name=x", "%scope-end label=a=%zz", "%scope label=a=b&"] {
        let mut client = ryuk.greeted();
        let answer = client.say(line);
        assert!(answer.starts_with("ERROR "), "{line}: {answer}");
        assert_eq!(client.answer(), "", "{line}");
    }
    assert!(engine.world().requests.is_empty());
}

/// As with filters: what was made before is gone.
#[test]
fn who_was_greeted_before_the_session_was_removed_greets_again() {
    let engine = engine(vec![of("a", "containers", "a1")]);
    let ryuk = Ryuk::start(&engine.host(), &[("RYUK_CHANGES_RETRY_INTERVAL", "15s")]);
    let mut early = ryuk.greeted();
    drop(ryuk.registered(OURS));
    ryuk.until_logged("looking once more");
    let answer = early.say(&format!("%scope {A}"));
    assert!(answer.starts_with("ERROR ") && answer.contains("greet again"), "{answer}");
    // A scope keeps the session as a filter does.
    let mut second = ryuk.connect();
    assert_eq!(second.say("%hello 2"), "HELLO 2 - 1");
    assert_eq!(second.say(&format!("%scope {A}")), "ACK");
    ryuk.until_logged("somebody came, serving again");
}

#[test]
fn what_clients_can_make_it_remember_is_limited_and_costs_nobody_his_connection() {
    let engine = engine(Vec::new());
    let ryuk = Ryuk::start(&engine.host(), &[]);
    let mut client = ryuk.greeted();
    let lines: Vec<_> = (0..4096).map(|number| format!("%scope label=number={number}\n")).collect();
    // Many at once, or it would take as many turns of two processes.
    for lines in lines.chunks(128) {
        client.send(lines.concat().as_bytes());
        assert!(lines.iter().all(|_| client.answer() == "ACK"));
    }
    for _ in 0..3 {
        let answer = client.say("%scope label=one=more");
        assert!(answer.starts_with("ERROR there are too many scopes"), "{answer}");
    }
    assert_eq!(client.say("%scope-end label=number=7"), "ACK");
    ryuk.until("there is room again", || (client.say("%scope label=one=more") == "ACK").then_some(()));
    // All are lost at once, and the session ends with them.
    drop(client);
    let peak = ryuk.memory("VmHWM");
    assert!(peak < 32 << 10, "{peak} KiB");
    assert_eq!(ryuk.ended(), 0);
}
