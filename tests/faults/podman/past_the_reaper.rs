//! What removes things past the reaper, a test or a sweep, does it by the same rules.

use std::time::Instant;

use reaper_tests::engine::{Engine, SESSION};
use reaper_tests::podman::Podman;
use reaper_tests::process::{Process, mark_of_this};
use reaper_tests::suite::Run;
use reaper_tests::until;
use reaper_tests::world::{self, image, of_session};
use serde_json::{Value, json};

use super::slow::{DEAF, create_deaf};
use super::{GONE_WITHIN, Things, named, until_reaper_is_gone};
use crate::foreign::Foreigner;

/// A test that removes what its session has when it is told to, and a filter of two labels besides.
struct Reaping {
    run: Run,
    session: String,
    reaper: String,
    test: Process,
}

impl Reaping {
    fn start(podman: &Podman, name: &str) -> Self {
        let (run, session) = (Run::new(), named(name));
        let mut command = podman.with(&run.binary("reaps"));
        command.args(["--exact", "when_told", "--include-ignored"]);
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command.env("RYUK_REMOVE_RETRIES", "3");
        command.env("SUITE_ALSO", "org.example.project=orders,org.example.part=web");
        let test = Process::start(&mut command);
        let reaper = run.until_recorded("when_told").reaper;
        Self { run, session, reaper, test }
    }

    #[track_caller]
    fn reap(&self) {
        std::fs::write(self.run.file("go-on"), "").unwrap();
        let _ = self.run.until_recorded("reaped");
    }

    /// Gives the reaper.
    fn end(self) -> String {
        self.test.kill();
        self.reaper
    }
}

/// A network and images that somebody else uses.
struct Used {
    paths: [String; 3],
    running: Foreigner,
    sleeping: Foreigner,
}

impl Used {
    fn create(engine: &Engine, labels: &Value) -> Self {
        let network = named("used");
        world::network(engine, &network, labels);
        let base = world::container(engine, image(engine), &json!({}), None);
        let [used, idle] = ["used", "idle"].map(|what| world::commit(engine, &base, &named(what), labels));
        let running = Foreigner::start(engine, &used, &json!({"NetworkMode": network}));
        let sleeping = Foreigner::create(engine, &idle, &json!({"NetworkMode": network}));
        let images = [used, idle].map(|id| format!("/images/{id}/json"));
        let [used, idle] = images;
        Self { paths: [format!("/networks/{network}"), used, idle], running, sleeping }
    }

    #[track_caller]
    fn is_untouched(&self, engine: &Engine) {
        self.running.is_untouched();
        let sleeping = engine.inspect(&format!("/containers/{}/json", self.sleeping.id));
        assert!(sleeping.is_some(), "the container that does not run was removed");
        for path in &self.paths {
            assert!(engine.inspect(path).is_some(), "{path} was removed");
        }
    }

    /// What does not run can be started.
    #[track_caller]
    fn can_go_on(&self, engine: &Engine) {
        world::start(engine, &self.sleeping.id);
    }
}

/// What a session removes itself, while its tests go on, is what its reaper would.
#[test]
fn reap_now_leaves_on_podman_what_others_use_or_own() {
    let podman = Podman::start();
    let engine = podman.engine();
    let reaping = Reaping::start(&podman, "reaps");
    let part = |part| json!({"org.example.project": "orders", "org.example.part": part});
    let ours = Things::create(engine, &named("web"), &part("web"));
    let theirs = Things::create(engine, &named("db"), &part("db"));
    let used = Used::create(engine, &of_session(&reaping.session));

    reaping.reap();
    theirs.are_all_there(engine);
    ours.are_gone(engine);
    used.is_untouched(engine);
    let reaper = reaping.end();
    until_reaper_is_gone(engine, &reaper);
    theirs.are_all_there(engine);
    used.is_untouched(engine);
    used.can_go_on(engine);
}

/// Nor does the next session's sweep, nor that session's reaper, which is told what the sweep has found.
#[test]
fn a_sweep_leaves_on_podman_what_others_use_or_own() {
    let podman = Podman::start();
    let engine = podman.engine();
    let alive = mark_of_this();
    let gone = format!("{}.1@{}", std::process::id(), alive.split_once('@').unwrap().1);
    let labels = |session: &str, runner: &str, process: &str| json!({SESSION: session, "test-reaper.runner": runner, "test-reaper.process": process});
    let (orphaned, living) = (named("orphaned"), named("living"));
    let orphans = Things::create(engine, &orphaned, &labels(&orphaned, &gone, &gone));
    // The session and the process are the labels of the filter: each with one of them.
    let theirs = [
        Things::create(engine, &named("process"), &labels(&orphaned, &alive, &alive)),
        Things::create(engine, &living, &labels(&living, &alive, &gone)),
    ];
    let used = Used::create(engine, &labels(&orphaned, &gone, &gone));

    let mut holder = podman.hold("sweeps", &[("RYUK_REMOVE_RETRIES", "3")]);
    until("the orphans are gone", GONE_WITHIN, || {
        let there = orphans.there(engine);
        if there.is_empty() { Ok(()) } else { Err(format!("{there:?}; the log: {}", holder.log.text())) }
    });
    let stay = || {
        for things in &theirs {
            things.are_all_there(engine);
        }
        used.is_untouched(engine);
    };
    stay();
    holder.kill();
    holder.until_left(&[]);
    stay();
    used.can_go_on(engine);
}

#[test]
fn containers_that_ignore_sigterm_go_from_podman_when_a_test_reaps() {
    let podman = Podman::start();
    let reaping = Reaping::start(&podman, "reaps-deaf");
    create_deaf(podman.engine(), &of_session(&reaping.session));
    let told = Instant::now();
    reaping.reap();
    println!("{DEAF} containers that ignore SIGTERM, reaped by the test: {:?}", told.elapsed());
    let left = podman.engine().resources(&reaping.session);
    assert_eq!(left, [format!("container {}", reaping.reaper)]);
}
