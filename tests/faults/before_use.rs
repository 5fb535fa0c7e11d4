//! What is in the place of the session's reaper when its first test comes. A container that was created and
//! never started is a kill point (`kill_points`), a foreign one under our name is refused (`e2e/refusals`).

use std::sync::atomic::{AtomicUsize, Ordering};

use reaper_tests::engine;
use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::scene::{Scene, act};
use serde_json::{Map, Value, json};

/// A container with the name and the labels of the session's reaper, of an image that any engine with a run has.
fn impostor(scene: &Scene, more: &Value) -> String {
    // Brings the image of the workload.
    let mut command = scene.test("first");
    Process::start(command.env("TESTCONTAINERS_SESSION_ID", format!("{}-image", scene.session))).succeed();
    let record = scene.run.until_recorded("first");
    let image =
        engine::inspect(&format!("/containers/{}/json", record.container)).unwrap()["Config"]["Image"]
            .clone();
    let labels = ["org.testcontainers", "org.testcontainers.reaper", "org.testcontainers.ryuk"];
    let mut labels: Map<_, _> = labels.iter().map(|label| ((*label).into(), json!("true"))).collect();
    labels.insert(engine::SESSION.into(), json!(scene.session));
    let mut body = json!({"Image": image, "Labels": labels});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let create = format!("/containers/create?name=reaper_{}", scene.session);
    let (status, created) = engine::request("POST", &create, &body);
    assert_eq!(status, 201, "{created}");
    created["Id"].as_str().unwrap().to_owned()
}

fn exited(scene: &Scene) -> String {
    let id = impostor(scene, &json!({}));
    act("POST", &id, "/start");
    act("POST", &id, "/kill");
    assert_eq!(scene.reaper().unwrap()["State"]["Status"], "exited");
    id
}

#[test]
fn a_reaper_that_has_exited_is_removed_and_replaced() {
    let scene = Scene::new("exited");
    let dead = exited(&scene);
    assert_ne!(scene.attach().reaper, dead);
    scene.end();
}

/// The engine keeps the name until the last of a container is gone, and says so to who wants to remove it.
#[test]
fn a_reaper_that_is_still_being_removed_is_waited_for() {
    let scene = Scene::new("removing");
    let dead = exited(&scene);
    let refusals = AtomicUsize::new(0);
    let message = format!("removal of container {dead} is already in progress");
    let proxy = Proxy::new(move |request| {
        let removes = request.is("DELETE", "/containers/");
        if removes && refusals.fetch_add(1, Ordering::Relaxed) < 4 {
            return Decision::Refuse(409, message.clone());
        }
        Decision::Pass
    });
    Process::start(proxy.serve(&mut scene.test("attaches"))).succeed();
    let removals = proxy.seen().iter().filter(|request| request.is("DELETE", "/containers/")).count();
    assert_eq!(removals, 5, "four were refused");
    scene.end();
}

/// The same race as it comes on an engine: the container ends and removes itself while eight processes look.
#[test]
fn a_reaper_that_ends_as_processes_start_is_replaced_once() {
    let scene = Scene::new("ending");
    let holder = Process::start(&mut scene.test("goes_on"));
    let before = scene.run.until_recorded("before");
    act("POST", &before.reaper, "/kill");
    let newcomers: Vec<_> = (0..8).map(|_| Process::start(&mut scene.test("attaches"))).collect();
    for newcomer in newcomers {
        newcomer.succeed();
    }
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    holder.succeed();
    let records = scene.run.records();
    let mut reapers: Vec<_> =
        records.iter().map(|record| &record.reaper).filter(|id| **id != before.reaper).collect();
    assert_eq!(reapers.len(), 9, "{records:?}");
    reapers.sort();
    reapers.dedup();
    assert_eq!(reapers.len(), 1, "{records:?}");
    scene.end();
}

/// As if its creator had had a setting that the engine only refuses at the start.
#[test]
fn a_created_reaper_that_cannot_be_started_is_replaced() {
    let scene = Scene::new("unstartable");
    let broken = impostor(&scene, &json!({"Entrypoint": ["/nowhere"]}));
    assert_ne!(scene.attach().reaper, broken);
    scene.end();
}
