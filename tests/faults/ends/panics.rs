//! A panic on the thread that holds the connection is an error of whoever waits, with its message.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;

use reaper_tests::process::Process;
use reaper_tests::scene::{Scene, act};
use reaper_tests::suite::text;

use super::told;

const PANICKED: &str = "told: failed to start the thread that holds the connection to the reaper\n  \
                        caused by: it panicked: failed printing to stdout: ";

#[test]
fn a_subscriber_that_panics_is_an_error_of_everybody_who_asks() {
    let scene = Scene::new("panics");
    let said = Process::start(told(&scene, "is_told_of_a_panic").env("SUITE_PANICS_AT", "reaper created"));
    let said = said.succeed();
    assert_eq!(said.matches(&format!("{PANICKED}reaper created")).count(), 2, "{said}");
    scene.end();
}

#[test]
fn a_subscriber_that_panics_when_the_connection_is_lost_is_told_to_who_asks_next() {
    let scene = Scene::new("panics-later");
    let mut test = told(&scene, "is_told_of_a_panic_later");
    let test = Process::start(test.env("SUITE_PANICS_AT", "connection lost"));
    let before = scene.run.until_recorded("before");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    act("POST", &before.reaper, "/kill");
    let said = test.succeed();
    let told = "it panicked: failed printing to stdout: connection lost";
    assert!(said.matches(told).count() >= 2, "{said}");
    scene.end();
}

/// A user whose only thread besides the test's own is the one that the library begins with: the name in the address
/// would take one more.
#[test]
fn a_system_without_threads_is_an_error() {
    let scene = Scene::new("threads");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("ends");
    let original = told(&scene, "asks");
    std::fs::copy(original.get_program(), &copy).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut limited = std::process::Command::new("prlimit");
    limited.arg("--nproc=3").arg(&copy).args(original.get_args()).arg("--test-threads=1");
    limited.env_clear().env("HOME", "/nonexistent").env("REAPER_ACQUIRE_TIMEOUT", "10s");
    limited.env("DOCKER_HOST", format!("tcp://localhost:{}", listener.local_addr().unwrap().port()));
    // Somebody of whom no other process is. Changing to him takes root.
    let user = 1_000_000 + std::process::id();
    let output = limited.uid(user).gid(user).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Resource temporarily unavailable"), "{said}");
}
