//! testcontainers as its users have it: six releases in packages of their own, each with its bollard, and what the
//! library adds to the current one. Its own removing never comes to it here, since every process is killed.
//!
//! A bollard of its own takes up to a minute to build, so all but the last have a command of their own:
//! `cargo xtask projects`.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine::{self, Engine};
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, succeeded};
use reaper_tests::until;
use serde_json::Value;

const GONE_WITHIN: Duration = Duration::from_secs(60);

struct Package {
    run: Run,
    session: String,
}

impl Package {
    fn new(package: &'static str, session: &str) -> Self {
        let run = Run::of(package);
        Engine::system().load(reaper_examples::ARCHIVE);
        Self { run, session: format!("{session}-{}", std::process::id()) }
    }

    fn start(&self, binary: &str, test: &str) -> Process {
        let mut command = self.run.binary(binary);
        self.set(command.args(["--exact", test, "--include-ignored"]));
        Process::start(&mut command)
    }

    fn set(&self, command: &mut Command) {
        command.env("WORKLOAD", reaper_examples::IMAGE).env("TMPDIR", self.run.file(""));
        command.env("TESTCONTAINERS_SESSION_ID", &self.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    }

    /// The containers that are recorded under a name.
    fn containers(&self, name: &str) -> BTreeSet<String> {
        let records = self.run.records().into_iter().filter(|record| record.test == name);
        records.map(|record| record.container).collect()
    }

    /// Which bollards the package is built with.
    fn bollards(&self) -> BTreeSet<String> {
        let tree = succeeded(&self.run.tree().output().unwrap());
        let versions = tree.lines().filter_map(|line| line.strip_prefix("bollard v"));
        versions.map(|version| version.split(' ').next().unwrap().to_owned()).collect()
    }
}

fn is_running(container: &str) -> bool {
    let found = engine::inspect(&format!("/containers/{container}/json"));
    found.is_some_and(|found| found["State"]["Running"] == true)
}

/// Both runners, each killed with its container running.
#[track_caller]
fn labels_are_enough(package: &'static str, bollard: &str) {
    let package = Package::new(package, "labels");
    let bollards = package.bollards();
    assert!(bollards.len() == 1 && bollards.first().unwrap().starts_with(bollard), "{bollards:?}");
    let tests = ["asynchronous", "sync", "in_a_helper"].map(|test| (test, package.start("labels", test)));
    let containers = tests.each_ref().map(|(test, _)| package.run.until_recorded(test).container);
    assert!(containers.iter().all(|container| is_running(container)), "{containers:?}");
    for (_, process) in tests {
        process.kill();
    }
    engine::until_gone(&package.session, GONE_WITHIN);
    assert!(containers.iter().all(|id| engine::inspect(&format!("/containers/{id}/json")).is_none()));
}

/// By a release for which there is no feature, and by the one for which there is.
#[track_caller]
fn an_id_is_enough_to_share(package: &'static str) {
    let package = Package::new(package, "by-id");
    let holder = package.start("labels", "in_a_helper");
    let own = package.run.until_recorded("in_a_helper").container;
    for _ in 0..2 {
        package.start("labels", "shares_by_id").succeed();
    }
    let shared = package.containers("shares_by_id");
    assert!(shared.len() == 1 && is_running(shared.first().unwrap()), "{shared:?}");
    let mut drops = package.run.binary("labels");
    package.set(drops.args(["--exact", "shares_and_drops", "--include-ignored", "--nocapture"]));
    let said = Process::start(&mut drops).succeed();
    assert!(
        said.contains("when its maker returns; a handle that removes its container when it is dropped"),
        "{said}"
    );
    assert!(
        said.contains("what the maker of the shared value \"address\" started was removed while it ran"),
        "{said}"
    );
    assert_eq!(said.matches("`std::mem::forget(container)`").count(), 2, "{said}");
    assert!(is_running(&own), "the other's");
    holder.kill();
    engine::until_gone(&package.session, GONE_WITHIN);
}

/// What is promised of every release.
macro_rules! release {
    ($name:ident, $package:literal, on $bollard:literal $(, $ignored:meta)?) => {
        mod $name {
            #[test]
            $(#[$ignored])?
            fn labels_are_enough() {
                super::labels_are_enough($package, $bollard);
            }

            #[test]
            $(#[$ignored])?
            fn an_id_is_enough_to_share() {
                super::an_id_is_enough_to_share($package);
            }
        }
    };
}

release!(release_0_23, "testcontainers-0.23", on "0.18.", ignore = "run by `cargo xtask projects`");
release!(release_0_24, "testcontainers-0.24", on "0.18.", ignore = "run by `cargo xtask projects`");
release!(release_0_25, "testcontainers-0.25", on "0.19.", ignore = "run by `cargo xtask projects`");
release!(release_0_26, "testcontainers-0.26", on "0.19.", ignore = "run by `cargo xtask projects`");
release!(release_0_27, "testcontainers-0.27", on "0.20.", ignore = "run by `cargo xtask projects`");
release!(release_0_28, "testcontainers-0.28", on "0.21.");

#[test]
fn a_killed_test_leaves_neither_its_container_nor_the_network_that_it_is_on() {
    let package = Package::new("testcontainers-0.28", "extension");
    let tests = ["labelled", "labelled_blocking"].map(|test| (test, package.start("extension", test)));
    let containers = tests.each_ref().map(|(test, _)| package.run.until_recorded(test).container);
    let resources = engine::resources(&package.session);
    for container in &containers {
        assert!(resources.contains(&format!("container {container}")), "{resources:?}");
    }
    // The one that the library made, and testcontainers none beside it.
    let networks: Vec<_> = resources.iter().filter_map(|found| found.strip_prefix("network ")).collect();
    let on = engine::inspect(&format!("/containers/{}/json", containers[0])).unwrap();
    let on: Vec<_> = on["NetworkSettings"]["Networks"].as_object().unwrap().keys().collect();
    assert_eq!(on, networks);
    for (_, process) in tests {
        process.kill();
    }
    engine::until_gone(&package.session, GONE_WITHIN);
}

#[test]
fn an_image_that_a_session_shares_outlives_the_process_that_started_it_and_goes_with_the_session() {
    let package = Package::new("testcontainers-0.28", "image");
    let holder = package.start("extension", "holds");
    let _ = package.run.until_recorded("holds");
    package.start("extension", "shared").succeed();
    let first = package.containers("got");
    assert!(first.len() == 1 && is_running(first.first().unwrap()), "{first:?}");
    let members = ["shared", "shared_blocking", "shared"].map(|test| package.start("extension", test));
    for member in members {
        member.succeed();
    }
    package.start("extension", "disagrees").succeed();
    assert_eq!(package.containers("got"), first);
    // Killed, it is made again; from a test without a runtime this time.
    let kill = format!("/containers/{}/kill", first.first().unwrap());
    assert_eq!(engine::request("POST", &kill, &Value::Null).0, 204);
    package.start("extension", "shared_blocking").succeed();
    package.start("extension", "shared").succeed();
    let all = package.containers("got");
    assert_eq!(all.len(), 2, "{all:?}");
    // What does not get ready is told, and does not stay.
    package.start("extension", "fails").succeed();
    until("what failed is gone", GONE_WITHIN, || {
        let left = engine::containers(&package.session).len();
        if left == 3 { Ok(()) } else { Err(format!("{left} containers")) }
    });
    holder.kill();
    engine::until_gone(&package.session, GONE_WITHIN);
}

#[test]
fn an_image_that_is_to_be_reused_is_refused_and_what_was_reused_by_hand_goes_with_the_session() {
    let package = Package::new("testcontainers-0.28", "reuse");
    let holder = package.start("extension", "holds");
    let _ = package.run.until_recorded("holds");
    let message = package.start("extension", "reuse_is_refused").fail();
    assert!(message.contains("`image.start_shared(&reaper, \"name\")`"), "{message}");
    assert!(message.contains("tests/extension.rs"), "{message}");
    // Both that can return an error had, before the one that panics; and nothing was started.
    let refused = package.run.records().iter().filter(|record| record.test == "refused").count();
    assert_eq!(refused, 2, "{message}");
    // The reaper alone.
    assert_eq!(engine::containers(&package.session).len(), 1, "{message}");
    for _ in 0..2 {
        package.start("extension", "reused_by_hand").succeed();
    }
    let containers = package.containers("reused");
    assert_eq!(containers.len(), 2, "{containers:?}");
    assert!(containers.iter().all(|container| is_running(container)), "{containers:?}");
    holder.kill();
    engine::until_gone(&package.session, GONE_WITHIN);
    assert!(containers.iter().all(|id| engine::inspect(&format!("/containers/{id}/json")).is_none()));
}
