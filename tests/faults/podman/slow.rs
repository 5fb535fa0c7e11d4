//! Containers that take their time to go.

use std::time::{Duration, Instant};

use reaper_tests::engine::Engine;
use reaper_tests::holder::Holder;
use reaper_tests::podman::Podman;
use reaper_tests::until;
use reaper_tests::world::{self, image};
use serde_json::Value;

pub(super) const DEAF: usize = 20;
const WITHIN: Duration = Duration::from_secs(90);

pub(super) fn create_deaf(engine: &Engine, labels: &Value) {
    for _ in 0..DEAF {
        let id = world::container(engine, image(engine), labels, None);
        world::start(engine, &id);
        engine.done("POST", &format!("/containers/{id}/kill?signal=TERM"), &Value::Null);
        let state = &engine.inspect(&format!("/containers/{id}/json")).unwrap()["State"];
        assert_eq!(state["Running"], true, "{state}");
    }
}

#[track_caller]
fn go_at_the_first_asking(holder: &mut Holder) {
    let killed = Instant::now();
    holder.kill();
    // Each by itself, and not the sum at the end: Podman may lose the last lines of a container that goes.
    until("each is said to be removed", WITHIN, || {
        let log = holder.log.text();
        let removed = log.lines().filter(|line| line.contains(" container=") && line.ends_with(" removed"));
        if removed.count() == DEAF { Ok(()) } else { Err(log) }
    });
    println!("{DEAF} containers that ignore SIGTERM: {:?}", killed.elapsed());
    holder.until_left(&[]);
    let log = holder.log.text();
    assert!(!log.contains("left behind"), "{log}");
}

/// The workload handles no signal, and so a first process is not ended by any but SIGKILL.
#[test]
fn containers_that_ignore_sigterm_go_from_podman_at_the_first_asking() {
    let podman = Podman::start();
    let mut holder = podman.hold("deaf", &[]);
    create_deaf(podman.engine(), &holder.labels());
    go_at_the_first_asking(&mut holder);
}

/// Podman 5 takes ten seconds for one of these, and answers when it has done it: here three, of which the reaper waits
/// for one.
#[test]
fn what_podman_is_slow_to_remove_counts_although_the_answer_comes_too_late() {
    let podman = Podman::start_with_slow_removals(3);
    let mut holder = podman.hold("slow", &[("RYUK_REQUEST_TIMEOUT", "1s")]);
    create_deaf(podman.engine(), &holder.labels());
    go_at_the_first_asking(&mut holder);
}
