//! Bad input and bad surroundings: each a failed test whose message names the cause and the way out.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::suite::{Run, text};
use serde_json::{Value, json};

fn attaches(run: &Run) -> Command {
    let mut command = run.binary("attribute");
    command.args(["--exact", "attaches", "--include-ignored"]);
    command.env("TESTCONTAINERS_SESSION_ID", format!("refused-{}", std::process::id()));
    command
}

/// Runs a test that must fail, and whose output must have all these parts.
#[track_caller]
fn fails_with(command: &mut Command, parts: &[&str]) -> String {
    let output = command.output().unwrap();
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    for part in parts.iter().chain(&["tests/attribute.rs"]) {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    text
}

#[test]
fn settings_that_cannot_be_used_are_named_with_their_source_and_value() {
    let run = Run::new();
    for (name, value) in [
        ("DOCKER_HOST", "localhost:2375"),
        ("TESTCONTAINERS_SESSION_ID", "a session"),
        ("RYUK_CONNECTION_TIMEOUT", "ten seconds"),
        ("RYUK_RECONNECTION_TIMEOUT", "10"),
        ("REAPER_ACQUIRE_TIMEOUT", "-1s"),
        ("TESTCONTAINERS_RYUK_DISABLED", "perhaps"),
    ] {
        let named = format!("setting {name} from the environment is {value:?}, but must be ");
        fails_with(attaches(&run).env(name, value), &[&named]);
    }
}

#[test]
fn a_properties_file_is_named_as_the_source() {
    let run = Run::new();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".testcontainers.properties"), "ryuk.verbose=loud\n").unwrap();
    let parts = ["ryuk.verbose", ".testcontainers.properties", "\"loud\""];
    fails_with(attaches(&run).env("HOME", home.path()), &parts);
}

#[test]
fn no_engine_is_said_once_with_what_was_tried_and_the_way_out() {
    let run = Run::new();
    let mut command = run.binary("attribute");
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let parts = ["no container engine could be reached", "unix:///nowhere/docker.sock", "DOCKER_HOST"];
    let text = fails_with(&mut command, &parts);
    assert_eq!(text.matches("tried unix:///nowhere").count(), 1, "said more than once:\n{text}");
    assert!(text.contains("TESTCONTAINERS_RYUK_DISABLED=true"), "{text}");
    assert!(text.contains("4 failed"), "{text}");
}

#[test]
fn an_engine_that_refuses_permission_is_told_from_one_that_is_absent() {
    let run = Run::new();
    // A copy that anybody may execute: the build folder may be closed to others.
    let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = folder.path().join("attribute");
    let original = run.binary("attribute");
    std::fs::copy(original.get_program(), &copy).unwrap();
    let mut command = Command::new(&copy);
    command.args(original.get_args()).env_clear().env("HOME", folder.path());
    command.args(["--exact", "attaches", "--include-ignored"]);
    // `nobody`, which is not in the group of the socket. Changing to it takes root.
    command.uid(65534).gid(65534);
    fails_with(&mut command, &["/var/run/docker.sock", "Permission denied", "group"]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_with_the_way_to_choose_another() {
    let run = Run::new();
    let image = "127.0.0.1:1/no/such-ryuk:1";
    let parts = [image, "TESTCONTAINERS_RYUK_CONTAINER_IMAGE"];
    fails_with(attaches(&run).env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", image), &parts);
}

/// Everything would work, but for the end: so it is said at the beginning.
#[test]
fn a_reaper_that_cannot_reach_the_engine_guards_nothing_and_says_so() {
    let run = Run::new();
    // The engine makes a folder of it, where the reaper looks for a socket.
    let socket = run.file("not-a-socket");
    let mut command = attaches(&run);
    command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &socket).env("RYUK_CONNECTION_TIMEOUT", "1s");
    let session = format!("socketless-{}", std::process::id());
    let parts =
        ["cannot be reached at unix:///var/run/docker.sock", "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE names"];
    fails_with(command.env("TESTCONTAINERS_SESSION_ID", &session), &parts);
    engine::until_gone(&session, Duration::from_secs(60));
}

#[test]
fn a_foreign_container_under_our_name_is_left_alone_and_named() {
    let run = Run::new();
    let session = format!("foreign-name-{}", std::process::id());
    // Any image will do; the reaper's own is there once a reaper was.
    let first = attaches(&run).output().unwrap();
    assert!(first.status.success(), "{}", text(&first));
    let record = run.records().remove(0);
    let image = engine::inspect(&format!("/containers/{}/json", record.reaper)).unwrap()["Image"].clone();
    let name = format!("reaper_{session}");
    let create = format!("/containers/create?name={name}");
    let (status, created) = engine::request("POST", &create, &json!({"Image": image}));
    assert_eq!(status, 201, "{created}");

    let id = created["Id"].as_str().unwrap();
    let parts = [&name, "not a reaper", &format!("docker rm -f {}", &id[..12])];
    fails_with(attaches(&run).env("TESTCONTAINERS_SESSION_ID", &session), &parts);
    let (status, _) = engine::request("DELETE", &format!("/containers/{id}?force=1"), &Value::Null);
    assert_eq!(status, 204, "it was still there");
    engine::until_gone(&record.session, Duration::from_secs(60));
}

#[test]
fn settings_that_contradict_those_of_the_session_are_refused() {
    let run = Run::new();
    let session = format!("contradicted-{}", std::process::id());
    let mut command = run.binary("attribute");
    command.args(["--exact", "contradicts", "--include-ignored"]);
    let output = command.env("TESTCONTAINERS_SESSION_ID", &session).output().unwrap();
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains(&format!("session {session} is already in use")), "{text}");
    assert!(text.contains("settings belong to the session"), "{text}");
    engine::until_gone(&session, Duration::from_secs(60));
}

#[test]
fn a_paused_reaper_is_said_to_be_paused() {
    let run = Run::new();
    let session = format!("paused-{}", std::process::id());
    let attach = || {
        let mut command = attaches(&run);
        command.env("TESTCONTAINERS_SESSION_ID", &session);
        command
    };
    assert!(attach().output().unwrap().status.success());
    let reaper = format!("/containers/reaper_{session}");
    assert_eq!(engine::request("POST", &format!("{reaper}/pause"), &Value::Null).0, 204);
    fails_with(&mut attach(), &[&format!("docker unpause reaper_{session}")]);
    assert_eq!(engine::request("POST", &format!("{reaper}/unpause"), &Value::Null).0, 204);
    engine::until_gone(&session, Duration::from_secs(60));
}

#[test]
fn a_disabled_reaper_makes_guards_inert_and_warns_once() {
    let run = Run::new();
    let mut command = run.binary("attribute");
    // No engine is needed for that.
    command.args(["attaches", "--include-ignored", "--nocapture"]).env("DOCKER_HOST", "unix:///nowhere");
    let output = command.env("TESTCONTAINERS_RYUK_DISABLED", "true").output().unwrap();
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("the reaper is switched off").count(), 1, "{text}");
}
