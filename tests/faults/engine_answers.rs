//! An engine that is slow, breaks off, refuses for a while, or has lost the reaper's image: a proxy in between
//! makes a real one so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Proxy, Request};
use reaper_tests::scene::{Scene, act};
use reaper_tests::{engine, until_later};
use serde_json::Value;

#[test]
fn a_slow_engine_costs_time_and_nothing_else() {
    for delay in [100, 1500] {
        let scene = Scene::new("slow");
        let proxy = Proxy::new(move |_| Decision::Delay(Duration::from_millis(delay)));
        // Together, so that each sees what another has only half done.
        let tests: Vec<_> = ["first", "attaches", "attaches", "attaches"]
            .iter()
            // Longer than an answer takes: the first may be over before the next has been told of the reaper.
            .map(|test| Process::start(proxy.serve(scene.test(test).env("RYUK_RECONNECTION_TIMEOUT", "10s"))))
            .collect();
        for test in tests {
            test.succeed();
        }
        let records = scene.run.records();
        let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
        assert_eq!((records.len(), reapers.len()), (4, 1), "{records:?}");
        scene.end();
    }
}

/// Every kind of request is refused three times, the very first included, by an engine that accepts connections.
#[test]
fn an_engine_that_answers_500_at_first_is_waited_for() {
    let scene = Scene::new("refuses-at-first");
    let refused = Mutex::new(BTreeMap::new());
    let proxy = Proxy::new(move |request| {
        let mut refused = refused.lock().unwrap();
        let times: &mut u32 = refused.entry(request.route()).or_default();
        *times += 1;
        if *times <= 3 { Decision::Refuse(500, "the engine is on fire".into()) } else { Decision::Pass }
    });
    Process::start(proxy.serve(&mut scene.test("attaches"))).succeed();
    let routes: Vec<_> = proxy.seen().iter().map(Request::route).collect();
    for route in ["GET json", "POST create", "POST start"] {
        let times = routes.iter().filter(|seen| *seen == route).count();
        assert!(times > 3, "{route} was not refused three times: {routes:?}");
    }
    scene.end();
}

/// The reaper is gone and the engine says nothing of use for a while: the test goes on without knowing.
#[test]
fn an_engine_that_answers_500_when_the_reaper_is_lost_is_waited_for() {
    let scene = Scene::new("refuses-later");
    let on_fire = Arc::new(AtomicBool::new(false));
    let burns = Arc::clone(&on_fire);
    let refusals = AtomicUsize::new(0);
    let proxy = Proxy::new(move |_| {
        if burns.load(Ordering::Relaxed) && refusals.fetch_add(1, Ordering::Relaxed) < 6 {
            return Decision::Refuse(500, "the engine is on fire".into());
        }
        Decision::Pass
    });
    let test = Process::start(proxy.serve(&mut scene.test("goes_on")));
    let before = scene.run.until_recorded("before");
    on_fire.store(true, Ordering::Relaxed);
    let asked = proxy.seen().len();
    act("POST", &before.reaper, "/kill");
    scene.until_acknowledged(|id, _| id != before.reaper);
    assert!(proxy.seen().len() - asked > 6, "{:?}", proxy.seen());
    let resources = engine::resources(&scene.session);
    assert!(resources.contains(&format!("container {}", before.container)), "{resources:?}");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    test.succeed();
    scene.end();
}

/// The engine says nothing of use for longer than anybody waits: whoever asks next is told why, once.
#[test]
fn a_reaper_that_cannot_be_had_again_is_told_of_and_can_be_asked_for_later() {
    let scene = Scene::new("lost");
    let on_fire = Arc::new(AtomicBool::new(false));
    let burns = Arc::clone(&on_fire);
    let proxy = Proxy::new(move |_| {
        if burns.load(Ordering::Relaxed) {
            return Decision::Refuse(500, "the engine is on fire".into());
        }
        Decision::Pass
    });
    let mut test = scene.test("learns_of_a_loss");
    let test = Process::start(proxy.serve(test.arg("--nocapture").env("REAPER_ACQUIRE_TIMEOUT", "2s")));
    let before = scene.run.until_recorded("before");
    on_fire.store(true, Ordering::Relaxed);
    act("POST", &before.reaper, "/kill");
    let _ = scene.run.until_recorded("lost");
    on_fire.store(false, Ordering::Relaxed);
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    let again = scene.run.until_recorded("again");
    assert_ne!(again.reaper, before.reaper);
    let said = test.succeed();
    for part in
        ["could not be restored", "no reaper of this session answered within 2s", "the engine is on fire"]
    {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    // What was created before the loss is the new reaper's, too.
    scene.end();
}

/// Tests that share a process: one goes on with the guard that it had, and one begins after the loss. The second has a guard
/// that lives, and what it creates stays while it runs.
#[test]
fn a_test_that_begins_after_a_loss_has_a_guard_that_lives() {
    let scene = Scene::new("after-loss");
    let on_fire = Arc::new(AtomicBool::new(false));
    let burns = Arc::clone(&on_fire);
    let proxy = Proxy::new(move |_| {
        if burns.load(Ordering::Relaxed) {
            Decision::Refuse(500, "the engine is on fire".into())
        } else {
            Decision::Pass
        }
    });
    let mut test = scene.test("goes_on_after_a_loss");
    let test = Process::start(proxy.serve(test.env("REAPER_ACQUIRE_TIMEOUT", "2s")));
    let before = scene.run.until_recorded("before");
    on_fire.store(true, Ordering::Relaxed);
    act("POST", &before.reaper, "/kill");
    let _ = scene.run.until_recorded("lost");
    on_fire.store(false, Ordering::Relaxed);
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    let after = scene.run.until_recorded("after");
    assert_ne!(after.reaper, before.reaper);
    // More than the scene's reaper waits for another client: that it has one is what is tested.
    until_later(Duration::from_secs(4));
    let resources = engine::resources(&scene.session);
    assert!(resources.contains(&format!("container {}", after.container)), "{resources:?}");
    test.kill();
    scene.end();
}

/// Each kind of request breaks off once, half-way through its answer: the engine has done what was asked, and
/// its client cannot know.
#[test]
fn an_engine_that_breaks_off_in_every_answer_once_is_asked_again() {
    let scene = Scene::new("breaks-off");
    let broken = Mutex::new(BTreeSet::new());
    let proxy = Proxy::new(move |request| {
        let first = broken.lock().unwrap().insert(request.route());
        if first { Decision::Cut } else { Decision::Pass }
    });
    Process::start(proxy.serve(&mut scene.test("attaches"))).succeed();
    let routes: Vec<_> = proxy.seen().iter().map(Request::route).collect();
    for route in ["GET json", "POST create", "POST start", "DELETE"] {
        assert!(routes.iter().any(|seen| seen == route), "{route} was never asked: {routes:?}");
    }
    scene.end();
}

/// In the words of the engine whose host has run out of ports.
#[test]
fn an_engine_without_a_free_port_is_asked_again() {
    let scene = Scene::new("no-port");
    let refusals = AtomicUsize::new(0);
    let session = scene.session.clone();
    let proxy = Proxy::new(move |request| {
        if request.starts() && refusals.fetch_add(1, Ordering::Relaxed) < 3 {
            return Decision::Refuse(
                500,
                format!(
                    "driver failed programming external connectivity on endpoint reaper_{session} (e3b0c44298fc): \
                     Bind for 127.0.0.1:32768 failed: port is already allocated"
                ),
            );
        }
        Decision::Pass
    });
    Process::start(proxy.serve(&mut scene.test("attaches"))).succeed();
    let starts = proxy.seen().iter().filter(|request| request.starts()).count();
    assert_eq!(starts, 4, "three were refused");
    scene.end();
}

/// Somebody prunes images between two runs, and between an attempt to create and the next. Only the tag is
/// removed while others have containers of it, and they load it again like this one.
#[test]
fn an_image_removed_behind_our_back_is_brought_again() {
    let scene = Scene::new("no-image");
    let removals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&removals);
    let proxy = Proxy::new(move |request| {
        if request.creates_reaper() && counted.load(Ordering::Relaxed) < 2 {
            let image = request.body()["Image"].as_str().unwrap_or_default().to_owned();
            let (status, _) = engine::request("DELETE", &format!("/images/{image}?force=1"), &Value::Null);
            // It may not be there yet, or be gone through another session's test.
            if matches!(status, 200 | 404) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
        Decision::Pass
    });
    Process::start(proxy.serve(&mut scene.test("first"))).succeed();
    assert_eq!(removals.load(Ordering::Relaxed), 2);
    let loads = proxy.seen().iter().filter(|request| request.is("POST", "/images/load")).count();
    // Not twice for sure: somebody else may have brought it just then.
    assert!(loads >= 1, "{:?}", proxy.seen());
    scene.end();
}
