//! What the tests put on an engine by themselves: resources of a session, and those of others.
//!
//! The engine's own address pools hold some thirty networks, and are left to the tests that run beside:
//! every network made here brings its subnet.

use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

use crate::engine::{Engine, SESSION};

/// Creations in flight.
const AT_ONCE: usize = 8;

/// The label of a session, as the engine takes it.
#[must_use]
pub fn of_session(session: &str) -> Value {
    json!({ SESSION: session })
}

/// The workload's image, brought to the engine unless it is there.
#[must_use]
pub fn image(engine: &Engine) -> &'static str {
    let image = reaper_examples::IMAGE;
    if engine.inspect(&format!("/images/{image}/json")).is_none() {
        engine.load(reaper_examples::ARCHIVE);
    }
    image
}

/// A container of an image, created and not started; gives its id.
///
/// # Panics
///
/// When the engine refuses it.
#[track_caller]
#[must_use]
pub fn container(engine: &Engine, image: &str, labels: &Value, network: Option<&str>) -> String {
    let host = network.map_or(json!({}), |network| json!({"NetworkMode": network}));
    let body = json!({"Image": image, "Labels": labels, "HostConfig": host});
    let created = engine.done("POST", "/containers/create", &body);
    created["Id"].as_str().expect("an id").to_owned()
}

/// Starts a container.
///
/// # Panics
///
/// When the engine cannot.
#[track_caller]
pub fn start(engine: &Engine, container: &str) {
    engine.done("POST", &format!("/containers/{container}/start"), &Value::Null);
}

/// A network with a small subnet of its own.
///
/// # Panics
///
/// When the engine refuses it.
#[track_caller]
pub fn network(engine: &Engine, name: &str, labels: &Value) {
    let mut said = Value::Null;
    // Several processes make networks at once, and nothing but the engine knows of all: so a few are tried.
    for _ in 0..64 {
        let body = json!({"Name": name, "Labels": labels, "IPAM": {"Config": [{"Subnet": subnet()}]}});
        let (status, answer) = engine.request("POST", "/networks/create", &body);
        let says = |words| answer["message"].as_str().is_some_and(|message| message.contains(words));
        // As Docker has it, and as Podman has it, which has "already used" for a name, too.
        let taken = says("overlaps") || says("already used on the host");
        if !taken {
            assert_eq!(status, 201, "{name}: {answer}");
            return;
        }
        said = answer;
    }
    panic!("no subnet was free for {name}: {said}");
}

/// Sixteen addresses that are nobody else's, as far as this process knows.
#[must_use]
pub fn subnet() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Each is in another 10.x than the one before: Podman's own network has all of 10.88.
    let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul((1 << 12) + 1);
    let number = std::process::id().wrapping_mul(97).wrapping_add(next);
    let number = number % (1 << 18);
    format!("10.{}.{}.{}/28", 64 + (number >> 12), (number >> 4) & 255, (number & 15) * 16)
}

/// A volume.
///
/// # Panics
///
/// When the engine refuses it.
#[track_caller]
pub fn volume(engine: &Engine, name: &str, labels: &Value) {
    engine.done("POST", "/volumes/create", &json!({"Name": name, "Labels": labels}));
}

/// Fills a session with containers that were never started, and with as many networks as volumes.
///
/// # Panics
///
/// When the engine refuses one of them.
pub fn fill(engine: &Engine, session: &str, containers: usize, others: usize) {
    let (image, labels) = (image(engine), of_session(session));
    let next = Mutex::new(0..containers + 2 * others);
    let create = |number: usize| match number.checked_sub(containers) {
        None => drop(container(engine, image, &labels, None)),
        Some(other) if other % 2 == 0 => network(engine, &format!("{session}-{number}"), &labels),
        Some(_) => volume(engine, &format!("{session}-{number}"), &labels),
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    // A statement of its own: the lock is not held while the engine works.
                    let number = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(number) = number else { return };
                    create(number);
                }
            });
        }
    });
}

/// An image made from a container, under a name; gives its id.
///
/// # Panics
///
/// When the engine refuses it.
#[track_caller]
#[must_use]
pub fn commit(engine: &Engine, container: &str, name: &str, labels: &Value) -> String {
    let path = format!("/commit?container={container}&repo={name}");
    let committed = engine.done("POST", &path, &json!({"Labels": labels}));
    let committed = committed["Id"].as_str().expect("an id");
    // As lists have it, too: Podman answers a commit without the kind of hash.
    let image = engine.inspect(&format!("/images/{committed}/json")).expect("the image that was made");
    image["Id"].as_str().expect("an id").to_owned()
}

/// What runs in a container as an image of another name, without any label: so a reaper is like an official one, of which
/// nobody knows what it understands. Gone when the second is dropped.
///
/// # Panics
///
/// When the engine refuses it.
#[must_use]
pub fn without_labels(engine: &Engine, container: &str, name: &str) -> (String, Leftovers) {
    let exported = engine.ask(&format!("/containers/{container}/export"));
    let mut archive = Vec::new();
    let stream = exported.and_then(|answer| answer.stream(false));
    stream.expect("an archive").read_to_end(&mut archive).expect("all of the archive");
    let described = engine.inspect(&format!("/containers/{container}/json")).expect("the container");
    let entry = &described["Config"]["Entrypoint"];
    let changes = [format!("ENTRYPOINT {entry}"), "EXPOSE 8080".to_owned()];
    let changes =
        changes.map(|change| format!("&changes={}", reaper_tests_engine::encoded(&change))).concat();
    let reference = format!("{name}:1");
    // In one word, for Podman 4.3 leaves a tag of its own out.
    let path = format!("/images/create?fromSrc=-&repo={reference}{changes}");
    let (status, answer) = engine.send("POST", &path, &archive);
    assert_eq!(status, 200, "{answer}");
    let leftovers = Leftovers::new(engine, [format!("/images/{reference}")]);
    (reference, leftovers)
}

/// What a test has to remove itself, since the reaper is not to; by API path, removed when dropped.
pub struct Leftovers {
    engine: Engine,
    paths: Vec<String>,
}

impl Leftovers {
    /// These, in this order.
    #[must_use]
    pub fn new(engine: &Engine, paths: impl IntoIterator<Item = String>) -> Self {
        Self { engine: engine.clone(), paths: paths.into_iter().collect() }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        for path in &self.paths {
            let (status, answer) = self.engine.request("DELETE", &format!("{path}?force=1"), &Value::Null);
            if status >= 300 && status != 404 {
                eprintln!("{path} is left: {answer}");
            }
        }
    }
}
