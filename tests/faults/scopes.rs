//! Something happens to the reaper, or to the way to it, while a test has a scope of its own: nothing of it goes before its
//! time, and all of it goes with the test.

use std::process::Command;
use std::time::Duration;

use reaper_tests::process::{Process, with_arguments};
use reaper_tests::proxy::{Decision, Gate, Proxy};
use reaper_tests::scene::{Scene, WITHIN, act};
use reaper_tests::suite::{Record, signal};
use reaper_tests::world::without_labels;
use reaper_tests::{engine, until, until_later};

/// Longer than a connection may be away.
const GRACE: Duration = Duration::from_secs(3);
/// Longer than the reaper looks for what an ended scope had.
const LOOKED_FOR: Duration = Duration::from_secs(5);

/// A test with a scope that has made everything, and one beside it whose things stay as long as it runs.
struct Scoped {
    scene: Scene,
    beside: Process,
    beside_made: Record,
    /// None once it has ended.
    test: Option<Process>,
    made: Record,
}

fn command(scene: &Scene, test: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = scene.run.binary("scopes");
    command.args(["--exact", test, "--include-ignored", "--nocapture"]);
    command.env("TESTCONTAINERS_SESSION_ID", &scene.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command.envs(settings.iter().copied());
    command
}

impl Scoped {
    fn start(name: &str) -> Self {
        Self::in_scene(Scene::new(name), &[])
    }

    /// All connections will break at once, and the test beside holds the session: it has more than a second to come back.
    fn start_to_be_cut_off(name: &str) -> Self {
        Self::in_scene(Scene::new(name), &[("RYUK_RECONNECTION_TIMEOUT", "10s")])
    }

    fn in_scene(scene: Scene, settings: &[(&str, &str)]) -> Self {
        let beside = Process::start(&mut command(&scene, "beside", settings));
        let beside_made = scene.run.until_recorded("beside");
        let mut stays = command(&scene, "scoped_stays", settings);
        let test = Some(Process::start_with_errors_in(&mut stays, &scene.run.file("warnings")));
        let made = scene.run.until_recorded("scoped_stays");
        Self { scene, beside, beside_made, test, made }
    }

    fn is_there(&self, record: &Record) -> bool {
        engine::resources(&self.scene.session).contains(&format!("container {}", record.container))
    }

    fn until_scope_is_gone(&self) {
        until("of the session is left what the one beside has made", WITHIN, || {
            let left = engine::resources(&self.scene.session);
            if left.len() == 5 { Ok(()) } else { Err(format!("{left:?}")) }
        });
        assert!(self.is_there(&self.beside_made), "{:?}", engine::resources(&self.scene.session));
    }

    /// Has the test go on to its end, and gives what it has said.
    #[track_caller]
    fn go_on(&mut self) -> String {
        std::fs::write(self.scene.run.file("scoped-goes-on"), "").unwrap();
        self.test.take().unwrap().succeed()
    }

    /// What the test has been told so far.
    fn warnings(&self) -> String {
        std::fs::read_to_string(self.scene.run.file("warnings")).unwrap()
    }

    /// The test has noticed nothing, and all that it made goes with it.
    #[track_caller]
    fn end(mut self) {
        assert!(self.is_there(&self.made), "{:?}", engine::resources(&self.scene.session));
        let said = self.go_on();
        assert!(!said.contains("was away from its reaper"), "{said}");
        drop(self.scene.run.until_recorded("scoped_went_on"));
        self.until_scope_is_gone();
        self.over();
    }

    fn over(self) {
        std::fs::write(self.scene.run.file("go-on"), "").unwrap();
        self.beside.succeed();
        self.scene.end();
    }

    /// Ends all connections by the loopback address, which go through a process of the engine's.
    fn break_connections(&self) {
        let address = self.scene.reaper().unwrap()["NetworkSettings"].clone();
        let port = address["Ports"]["8080/tcp"][0]["HostPort"].as_str().unwrap().to_owned();
        let own = address["IPAddress"].as_str().unwrap();
        let proxies = with_arguments(&["-container-ip", own, "-host-port", &port]);
        assert_eq!(proxies.len(), 1, "the engine's process for port {port}: {proxies:?}");
        signal("KILL", &proxies[0]);
    }
}

#[test]
fn a_scope_outlives_the_reaper_that_was_told_of_it() {
    let scoped = Scoped::start("scope-killed");
    act("POST", &scoped.made.reaper, "/kill");
    scoped.scene.until_acknowledged(|id, _| id != scoped.made.reaper);
    scoped.end();
}

#[test]
fn a_scope_whose_connection_is_lost_and_had_again_loses_nothing() {
    let scoped = Scoped::start_to_be_cut_off("scope-healed");
    let registered = engine::log(&scoped.made.reaper).matches("registered").count();
    scoped.break_connections();
    scoped.scene.until_acknowledged(|_, count| count > registered + 1);
    // Whatever was to be removed for it would be by now.
    until_later(GRACE);
    scoped.end();
}

/// A machine that sleeps, or a debugger: the connection ends while the test cannot come back.
#[test]
fn a_test_that_comes_back_too_late_is_told_that_its_things_are_gone() {
    let mut scoped = Scoped::start_to_be_cut_off("scope-late");
    let id = scoped.test.as_ref().unwrap().id().to_string();
    signal("STOP", &id);
    scoped.break_connections();
    scoped.until_scope_is_gone();
    signal("CONT", &id);
    // What it makes before it knows goes as well.
    until("the test has been told", WITHIN, || {
        let told = scoped.warnings();
        if told.contains("was away from its reaper for longer than that waits") { Ok(()) } else { Err(told) }
    });
    let _ = scoped.go_on();
    // What it made then is the session's, though it has the labels of what is looked for once more.
    let later = scoped.scene.run.until_recorded("scoped_went_on");
    until_later(LOOKED_FOR);
    assert!(scoped.is_there(&later), "{:?}", engine::resources(&scoped.scene.session));
    scoped.over();
}

#[test]
fn a_test_does_not_wait_for_a_reaper_that_is_paused_and_its_things_go_when_that_goes_on() {
    let mut scoped = Scoped::start("scope-paused");
    act("POST", &scoped.made.reaper, "/pause");
    scoped.go_on();
    assert!(scoped.is_there(&scoped.made));
    act("POST", &scoped.made.reaper, "/unpause");
    scoped.until_scope_is_gone();
    scoped.over();
}

/// The end is said in the drop of the guard. A process of one test ends right after, and the thread with it.
#[test]
fn a_scope_whose_process_ends_at_once_has_ended_and_is_not_lost() {
    let scene = Scene::new("scope-at-once");
    // Makes the reaper, so that the other one has nothing else to list.
    let beside = Process::start(&mut command(&scene, "beside", &[]));
    let reaper = scene.run.until_recorded("beside").reaper;
    let gate = Gate::default();
    let held = gate.clone();
    let proxy = Proxy::new(move |request| {
        if request.is("GET", "/containers/json") {
            held.hold();
        }
        Decision::Pass
    });
    let mut test = command(&scene, "over_with_its_process", &[]);
    let test = Process::start(proxy.serve(&mut test));
    drop(scene.run.until_recorded("over_with_its_process"));
    gate.until_reached();
    std::fs::write(scene.run.file("scoped-goes-on"), "").unwrap();
    drop(test.fail());
    until("of the session is left what the one beside has made", WITHIN, || {
        let left = engine::resources(&scene.session);
        if left.len() == 5 { Ok(()) } else { Err(format!("{left:?}")) }
    });
    gate.open();
    let told = until("the reaper has told what it removed", WITHIN, || {
        let log = engine::log(&reaper);
        let told = log.lines().find(|line| line.contains(", removed containers=1")).map(str::to_owned);
        told.ok_or(log)
    });
    assert!(told.contains(" ended, removed"), "{told}");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    beside.succeed();
    scene.end();
}

/// By their drops, and by a kill.
#[test]
fn many_scopes_that_end_at_once_go_while_the_session_goes_on() {
    let scene = Scene::new("scope-many");
    let beside = Process::start(&mut command(&scene, "beside", &[]));
    drop(scene.run.until_recorded("beside"));
    for is_killed in [false, true] {
        let log = scene.run.file(if is_killed { "of-killed" } else { "of-returned" });
        std::fs::create_dir_all(&log).unwrap();
        let mut many = command(&scene, "has_many_scopes", &[]);
        let many = Process::start(many.env("SUITE_LOG", log.join("log")));
        until("all have made what they make", WITHIN, || {
            std::fs::metadata(log.join("log")).map(drop).map_err(|error| error.to_string())
        });
        let there = engine::resources(&scene.session).len();
        assert_eq!(there, 1 + 4 + 256);
        if is_killed {
            many.kill();
        } else {
            std::fs::write(log.join("scoped-goes-on"), "").unwrap();
            many.succeed();
        }
        until("what the one beside has made is left", WITHIN, || {
            let left = engine::resources(&scene.session);
            if left.len() == 5 { Ok(()) } else { Err(format!("{}: {left:?}", left.len())) }
        });
    }
    beside.kill();
    scene.end();
}

/// An official image has no word for it: the test removes what it made, and one that is killed leaves it to the session.
#[test]
fn without_a_word_for_it_the_test_removes_its_things_and_says_so() {
    let scene = Scene::new("scope-official");
    let embedded = scene.attach().reaper;
    let (image, _leftovers) = without_labels(&engine::Engine::system(), &embedded, &scene.session);
    engine::until_gone(&scene.session, WITHIN);
    let settings = [("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", image.as_str())];
    let mut scoped = Scoped::in_scene(scene, &settings);
    assert_ne!(scoped.made.reaper, embedded);
    Process::start(&mut command(&scoped.scene, "goes_away_before_it_is_there", &settings)).succeed();
    let said = scoped.go_on();
    assert_eq!(said.matches("knows no scopes").count(), 1, "{said}");
    // It has waited for that.
    let left = engine::resources(&scoped.scene.session);
    assert_eq!(left.len(), 5, "{left:?}");
    std::fs::remove_file(scoped.scene.run.file("scoped-goes-on")).unwrap();
    let log = scoped.scene.run.file("of-killed");
    let mut killed = command(&scoped.scene, "scoped_stays", &settings);
    let killed = Process::start(killed.env("SUITE_LOG", &log));
    until("it has made everything", WITHIN, || {
        let left = engine::resources(&scoped.scene.session);
        if left.len() == 9 && log.exists() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    killed.kill();
    until_later(GRACE);
    assert_eq!(engine::resources(&scoped.scene.session).len(), 9, "it goes with the session");
    scoped.over();
}
