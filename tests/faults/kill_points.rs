//! `kill -9` at the points between which something is half done. A proxy holds the engine's request or its
//! answer at that point, so that the kill cannot come too late. The kills of whole runs are in `e2e`: `runs`,
//! `ends` and `keeper`.

use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::log::Log;
use reaper_tests::process::{Facts, Process};
use reaper_tests::proxy::{Decision, Gate, Proxy, Request};
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::suite::{keepers, signal};
use reaper_tests::{engine, until};

/// More than the time that a new reaper is given for its first client, and less than the server would take.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(40);

/// Where a request is held while its client is killed.
#[derive(Clone, Copy)]
enum At {
    /// The engine has not been asked, and will be, by a client that is gone.
    Request,
    /// The engine has done it, and the client does not know.
    Answer,
}

/// Runs a test of the scene, kills it when it has come to the one request at which `point` says yes, and gives
/// that request.
fn kill(scene: &Scene, test: &str, at: At, point: fn(&Request) -> bool) -> Request {
    let gate = Gate::default();
    let held = gate.clone();
    let proxy = Proxy::new(move |request| match (point(request), at) {
        (false, _) => Decision::Pass,
        (true, At::Request) => {
            held.hold();
            Decision::Pass
        }
        (true, At::Answer) => {
            let held = held.clone();
            Decision::Then(Box::new(move || held.hold()))
        }
    });
    let victim = Process::start(proxy.serve(&mut scene.test(test)));
    gate.until_reached();
    victim.kill();
    gate.open();
    let request = proxy.seen().into_iter().find(point);
    request.expect("it was held")
}

#[test]
fn a_test_killed_while_the_engine_creates_its_container_leaves_nothing() {
    for at in [At::Request, At::Answer] {
        let scene = Scene::new("killed-creating");
        // The workload's container has no name.
        let created = kill(&scene, "waits", at, |request| {
            request.is("POST", "/containers/create") && !request.creates_reaper()
        });
        assert_eq!(created.body()["Labels"][engine::SESSION], scene.session, "it was to be ours");
        scene.end();
    }
}

/// The engine is so far behind that it does what a killed test has asked for when the reaper has looked already.
#[test]
fn what_the_engine_creates_after_the_reaper_has_looked_goes_too() {
    let scene = Scene::new("created-late");
    let gate = Gate::default();
    let held = gate.clone();
    let proxy = Proxy::new(move |request| {
        if request.is("POST", "/networks/create") {
            held.hold();
        }
        Decision::Pass
    });
    let victim = Process::start(proxy.serve(&mut scene.test("waits")));
    gate.until_reached();
    let reaper = scene.reaper().expect("the test has its guard");
    let log = Log::follow(&Engine::system(), reaper["Id"].as_str().unwrap());
    victim.kill();
    let _ = log.until_says(&["looking once more"]);
    gate.open();
    log.until_removed([1, 1, 0, 0]);
    scene.end();
}

#[test]
fn a_test_killed_between_creating_and_starting_leaves_nothing() {
    let scene = Scene::new("killed-before-start");
    // The second start: the first is the reaper's.
    assert!(scene.attach().container.is_empty());
    kill(&scene, "waits", At::Request, Request::starts);
    scene.end();
}

#[test]
fn a_creator_killed_before_it_starts_the_reaper_is_followed_by_another() {
    let scene = Scene::new("creator-before-start");
    kill(&scene, "attaches", At::Answer, Request::creates_reaper);
    let left = scene.reaper().expect("what it had created");
    assert_eq!(left["State"]["Status"], "created");
    // Taken over and not made anew, unless another session has swept it meanwhile.
    let id = left["Id"].as_str().unwrap();
    let swept = || engine::inspect(&format!("/containers/{id}/json")).is_none();
    assert!(scene.attach().reaper == id || swept(), "{id} stands in the way");
    scene.end();
}

#[test]
fn a_creator_killed_before_it_was_acknowledged_is_followed_by_another() {
    let scene = Scene::new("creator-before-ack");
    kill(&scene, "attaches", At::Answer, Request::starts);
    let left = scene.reaper().expect("what it had started");
    assert_eq!(left["State"]["Status"], "running");
    assert_eq!(scene.attach().reaper, left["Id"]);
    scene.end();
}

/// Nobody follows, so nobody connects, and the reaper gives up waiting for its first client: soon, since it has the
/// session's name.
#[test]
fn a_reaper_that_nobody_ever_connected_to_ends_by_itself() {
    let scene = Scene::new("creator-alone");
    let gate = Gate::default();
    let held = gate.clone();
    let proxy = Proxy::new(move |request| {
        let held = held.clone();
        if request.starts() { Decision::Then(Box::new(move || held.hold())) } else { Decision::Pass }
    });
    let mut creator = scene.test("attaches");
    let creator = Process::start(proxy.serve(&mut creator));
    gate.until_reached();
    creator.kill();
    gate.open();
    engine::until_gone(&scene.session, GIVEN_UP_WITHIN);
    scene.end();
}

/// nextest kills a test's whole group; the keeper that this test has left belongs to the run and not to it.
#[test]
fn a_keeper_survives_the_group_of_the_test_that_left_it() {
    let scene = Scene::new("killed-group");
    let arguments = ["nextest", "run", "-j1", "--run-ignored", "all", "--no-fail-fast", "-E"];
    let arguments = [&arguments[..], &["test(waits) + binary(gap) & test(/b_|c_/)"]].concat();
    let runner =
        Process::start(scene.run.cargo(&arguments).env("RYUK_RECONNECTION_TIMEOUT", "1s").process_group(0));
    let victim = scene.run.until_recorded("waits");
    let keeper = keepers(&victim.session);
    assert_eq!(keeper.len(), 1, "{keeper:?}");
    let group = Facts::of(&victim.pid).unwrap().group.to_string();
    assert_eq!(group, victim.pid, "nextest gives each test a group");
    signal("KILL", &format!("-{group}"));
    until("the test is dead", WITHIN, || {
        Facts::of(&victim.pid)
            .filter(|facts| facts.state != "Z")
            .map_or(Ok(()), |facts| Err(format!("{facts:?}")))
    });
    assert_eq!(keepers(&victim.session), keeper);
    // What follows is a gap of 5 s, and a test that fails if what the killed one has created is gone.
    let after = scene.run.until_recorded("after");
    assert_eq!(after.reaper, victim.reaper);
    let output = runner.fail();
    assert!(output.contains("SIGKILL") && output.contains("2 passed"), "{output}");
    scene.end();
}
