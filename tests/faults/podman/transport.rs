//! Reached through the engine: by exec sessions, as it is asked for, and where none of its ports can be dialled.

use reaper_tests::bystander::Bystander;
use reaper_tests::podman::Podman;
use reaper_tests::process::Process;
use reaper_tests::suite::Run;

use super::{GONE_WITHIN, named};
use crate::together::Four;

#[test]
fn tests_that_are_killed_leave_nothing_on_podman_whose_reaper_has_no_network() {
    let podman = Podman::start();
    let engine = podman.engine();
    let bystander = Bystander::on(engine);
    let run = Run::new();
    let session = named("podman-exec");
    let four = Four::start(&run, || {
        let mut test = podman.test(&run, "waits", &session);
        test.env("REAPER_TRANSPORT", "exec");
        test
    });
    let reaper = engine.inspect(&format!("/containers/{}/json", four.reaper)).unwrap();
    assert_eq!(reaper["HostConfig"]["NetworkMode"], "none", "{reaper}");
    four.kill();
    engine.until_gone(&session, GONE_WITHIN);
    bystander.assert_untouched();
}

/// From this machine its socket can be reached, and the ports of its containers cannot: they are on a machine of its own.
#[test]
fn a_reaper_on_podman_whose_port_cannot_be_dialled_is_reached_through_it() {
    let podman = Podman::start();
    let engine = podman.engine();
    let run = Run::new();
    let session = named("podman-unreachable");
    let test = |transport: &str, test: &str| {
        let mut command = run.binary("attribute");
        command.args(["--exact", test, "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
        command.env("DOCKER_HOST", podman.docker_host()).env("REAPER_TRANSPORT", transport);
        Process::start(command.env("RYUK_RECONNECTION_TIMEOUT", "1s").env("REAPER_ACQUIRE_TIMEOUT", "30s"))
    };
    let holds = test("auto", "holds");
    let held = run.until_recorded("holds");
    test("auto", "attaches").succeed();
    assert_eq!(run.until_recorded("attaches").reaper, held.reaper);
    let reaper = engine.inspect(&format!("/containers/{}/json", held.reaper)).unwrap();
    let ports = &reaper["NetworkSettings"]["Ports"]["8080/tcp"];
    assert!(ports[0]["HostPort"].is_string(), "it publishes a port: {reaper}");
    // So it is the port that is not reached.
    let refused = test("tcp", "attaches").fail();
    assert!(refused.contains("failed to connect to port"), "{refused}");
    holds.kill();
    engine.until_gone(&session, GONE_WITHIN);
}
