//! Engines that a user runs for himself, without root: Docker's, and Podman.

use std::process::Command;
use std::time::Duration;

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::Engine;
use reaper_tests::machine;
use reaper_tests::podman::Podman;
use reaper_tests::rootless_docker::RootlessDocker;
use reaper_tests::suite::Run;
use reaper_tests::until;
use reaper_tests::world::{self, image};
use serde_json::json;

use crate::together::{Four, a_run_leaves_nothing};

/// Wider than every timeout that these tests set, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn the_rootless_docker_of_a_test_leaves_nothing_of_itself() {
    let docker = RootlessDocker::start();
    let container = world::container(docker.engine(), image(docker.engine()), &json!({}), None);
    world::start(docker.engine(), &container);
    let folder = docker.folder().to_owned();
    assert!(machine::remains(&folder).len() >= 4, "{:?}", machine::remains(&folder));
    drop(docker);
    until("nothing is left of the engine", GONE_WITHIN, || {
        let remains = machine::remains(&folder);
        if remains.is_empty() { Ok(()) } else { Err(format!("{remains:?}")) }
    });
}

#[test]
fn what_killed_tests_made_goes_from_rootless_docker() {
    let docker = RootlessDocker::start();
    let (status, information) = docker.engine().request("GET", "/info", &json!(null));
    let options = information["SecurityOptions"].to_string();
    assert!(status == 200 && options.contains("name=rootless"), "{options}");
    tests_that_are_killed_leave_nothing(docker.engine(), |command| docker.with(command));
}

#[test]
fn what_killed_tests_made_goes_from_rootless_podman() {
    let podman = Podman::start_rootless();
    let (status, information) = podman.engine().request("GET", "/v4.0.0/libpod/info", &json!(null));
    assert!(status == 200 && information["host"]["security"]["rootless"] == true, "{information}");
    tests_that_are_killed_leave_nothing(podman.engine(), |command| podman.with(command));
}

#[test]
fn a_run_with_a_keeper_leaves_nothing_on_rootless_docker() {
    let docker = RootlessDocker::start();
    a_run_leaves_nothing(docker.engine(), |command| docker.with(command));
}

#[test]
fn a_run_with_a_keeper_leaves_nothing_on_rootless_podman() {
    let podman = Podman::start_rootless();
    a_run_leaves_nothing(podman.engine(), |command| podman.with(command));
}

/// By the reaper's port, and through the engine.
#[track_caller]
fn tests_that_are_killed_leave_nothing(engine: &Engine, with: impl Fn(&Command) -> Command) {
    let bystander = Bystander::on(engine);
    for (transport, network) in [("tcp", "bridge"), ("exec", "none")] {
        let run = Run::new();
        let session = format!("rootless-{transport}-{}", std::process::id());
        let four = Four::start(&run, || {
            let mut command = with(&run.binary("attribute"));
            command
                .args(["--exact", "waits", "--include-ignored"])
                .env("TESTCONTAINERS_SESSION_ID", &session);
            command.env("RYUK_RECONNECTION_TIMEOUT", "1s").env("REAPER_TRANSPORT", transport);
            command
        });
        let reaper = engine.inspect(&format!("/containers/{}/json", four.reaper)).unwrap();
        let mode = reaper["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
        assert!(mode == network || (network == "bridge" && mode == "default"), "{transport}: {reaper}");
        four.have_made_all(engine, &session);
        four.kill();
        engine.until_gone(&session, GONE_WITHIN);
    }
    bystander.assert_untouched();
}
