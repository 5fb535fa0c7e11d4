//! An engine that a test hands over, by its own interface and by a client of the test's.

use std::process::Command;

use reaper_tests::engine;
use reaper_tests::process::Process;
use reaper_tests::scene::{Scene, WITHIN, act};

fn test(scene: &Scene, test: &str) -> Command {
    let mut command = scene.run.binary("provider");
    command.args(["--exact", test, "--include-ignored"]);
    command.env("TESTCONTAINERS_SESSION_ID", &scene.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}

/// It does all that the reaper needs: makes it, makes it again, and removes.
#[track_caller]
fn serves(provider: &str) {
    let scene = Scene::new(&format!("provided-{provider}"));
    let process = Process::start(test(&scene, "provided").env("SUITE_PROVIDER", provider));
    let before = scene.run.until_recorded("provided");
    let label = |reaper: &str| {
        let reaper = engine::inspect(&format!("/containers/{reaper}/json")).unwrap();
        assert_eq!(reaper["HostConfig"]["ReadonlyRootfs"], true, "{reaper}");
        reaper["Config"]["Labels"]["suite.provided"].as_str().map(str::to_owned)
    };
    assert_eq!(label(&before.reaper).as_deref(), Some("yes"));
    act("POST", &before.reaper, "/kill");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    let _ = scene.run.until_recorded("reaped");
    process.succeed();
    engine::until_gone(&scene.session, WITHIN);
    scene.end();
}

#[test]
fn the_engines_own_interface_serves_when_it_is_handed_over() {
    serves("direct");
}

#[test]
fn a_client_of_the_tests_serves_when_it_is_handed_over() {
    serves("bollard");
}

/// At once, with its words; nothing is made of what it refuses.
#[test]
fn what_it_refuses_is_an_error_with_its_words() {
    let scene = Scene::new("provided-refused");
    Process::start(&mut test(&scene, "refused")).succeed();
    assert_eq!(engine::resources(&scene.session), Vec::<String>::new());
    scene.end();
}
