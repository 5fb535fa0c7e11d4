//! Bad input and bad surroundings: each a failed test whose message names the cause and the way out.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::suite::{Run, succeeded, text};
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
        ("TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT", "soon"),
    ] {
        let named = format!("setting {name} from the environment is {value:?}, but must be ");
        fails_with(attaches(&run).env(name, value), &[&named]);
    }
}

/// The whole of it, from the error to its last line.
#[track_caller]
fn refused(command: &mut Command, expected: &str) {
    let text = fails_with(command, &[]);
    let said = text.split_once("no reaper for this test: ").map_or(text.as_str(), |(_, said)| said);
    assert!(said.starts_with(expected), "{text}");
}

#[test]
fn addresses_that_are_none_are_refused_at_once_with_the_way_out() {
    let run = Run::new();
    let address =
        "an address such as unix:///var/run/docker.sock, tcp://127.0.0.1:2375 or ssh://user@build.example";
    let host = "a host's name or address alone, such as host.docker.internal or 192.168.0.10, without scheme and port";
    let socket = "the path of the engine's socket on the engine's own host, such as /var/run/docker.sock; an \
                  engine's address belongs in DOCKER_HOST";
    for (name, value, expected) in [
        ("DOCKER_HOST", "tcp://two words:2375", address),
        ("DOCKER_HOST", "tcp://build.example:2375/v1.41", address),
        ("DOCKER_HOST", "tcp://::1:2375", "an IPv6 address in brackets, such as tcp://[::1]:2375"),
        ("TESTCONTAINERS_HOST_OVERRIDE", "tcp://192.168.0.10", host),
        ("TESTCONTAINERS_HOST_OVERRIDE", "192.168.0.10:2375", host),
        ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", "tcp://192.168.0.10:2375", socket),
        ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", "docker.sock", socket),
    ] {
        let text = format!("setting {name} from the environment is {value:?}, but must be {expected}\n");
        refused(attaches(&run).env(name, value), &text);
    }
}

#[test]
fn a_socket_with_its_scheme_is_the_same_socket() {
    let run = Run::new();
    let mut command = attaches(&run);
    let session = format!("schemed-{}", std::process::id());
    command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::docker_host());
    succeeded(&command.env("TESTCONTAINERS_SESSION_ID", &session).output().unwrap());
    engine::until_gone(&session, Duration::from_secs(60));
}

/// As testcontainers for Java writes it, and with each thing in it that its format has.
#[test]
fn a_properties_file_of_javas_is_read_as_java_reads_it() {
    let run = Run::new();
    let home = tempfile::tempdir().unwrap();
    let session = format!("properties-{}", std::process::id());
    let file = format!(
        "\u{feff}#Modified by Testcontainers\r\n#Tue Mar 04 10:11:12 CET 2025\r\n\
         docker.client.strategy=org.testcontainers.dockerclient.UnixSocketClientProviderStrategy\r\n\
         docker.host=unix\\:///var/run/docker.sock\r\n\
         session.id {}-\\\r\n    \\u0070{}\r\n! the end\\",
        &session[..3],
        &session[4..],
    );
    let session = format!("{}-p{}", &session[..3], &session[4..]);
    std::fs::write(home.path().join(".testcontainers.properties"), file).unwrap();
    let mut command = attaches(&run);
    command.env("HOME", home.path()).env_remove("TESTCONTAINERS_SESSION_ID");
    succeeded(&command.output().unwrap());
    assert_eq!(run.records()[0].session, session);
    engine::until_gone(&session, Duration::from_secs(60));
}

#[test]
fn what_cannot_be_understood_in_a_properties_file_is_said() {
    let run = Run::new();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".testcontainers.properties");
    for (text, problem) in [
        (
            &b"# of Windows\ndocker.cert.path=C:\\users\\me\n"[..],
            "line 2: `\\users`: `\\u` is not followed by four hexadecimal digits (a backslash is written twice: `\\\\u`)",
        ),
        (b"\xff\xfed\0o\0", "it is no text in UTF-8 or ISO-8859-1, save it as one of these"),
    ] {
        std::fs::write(&file, text).unwrap();
        let expected =
            format!("failed to read the properties file {}\n  caused by: {problem}\n", file.display());
        refused(attaches(&run).env("HOME", home.path()), &expected);
    }
}

#[test]
fn a_home_that_is_none_is_no_reason_to_fail() {
    let run = Run::new();
    let session = format!("homeless-{}", std::process::id());
    for home in ["/dev/null", "/nowhere", "", "/"] {
        let mut command = attaches(&run);
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("HOME", home);
        succeeded(&command.output().unwrap());
    }
    engine::until_gone(&session, Duration::from_secs(60));
}

/// As after a `sudo -u` that leaves `HOME` as it was. Changing to another user takes root.
#[test]
fn the_home_of_somebody_else_is_no_home() {
    let run = Run::new();
    let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = folder.path().join("attribute");
    let original = run.binary("attribute");
    std::fs::copy(original.get_program(), &copy).unwrap();
    let (closed, open) = (folder.path().join("closed"), folder.path().join("open"));
    for (home, mode) in [(&closed, 0o700), (&open, 0o755)] {
        std::fs::create_dir(home).unwrap();
        let file = home.join(".testcontainers.properties");
        std::fs::write(&file, "ryuk.disabled=perhaps\n").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(home, Permissions::from_mode(mode)).unwrap();
    }
    let session = format!("others-home-{}", std::process::id());
    for home in [&closed, &open] {
        let mut command = Command::new(&copy);
        command.args(original.get_args()).env_clear().env("HOME", home);
        command.env("DOCKER_HOST", engine::docker_host());
        command.env("TESTCONTAINERS_SESSION_ID", &session).args(["--exact", "attaches", "--include-ignored"]);
        let log = folder.path().join("log");
        std::fs::write(&log, "").unwrap();
        std::fs::set_permissions(&log, Permissions::from_mode(0o666)).unwrap();
        // In the group that may use the engine's socket.
        let group = std::fs::metadata(engine::socket()).unwrap().gid();
        succeeded(&command.env("SUITE_LOG", log).uid(65534).gid(group).output().unwrap());
    }
    engine::until_gone(&session, Duration::from_secs(60));
}

#[test]
fn a_test_may_change_what_names_the_session_and_the_engine() {
    let run = Run::new();
    let session = format!("changing-{}", std::process::id());
    let mut command = run.binary("attribute");
    command.args(["--exact", "surroundings_change", "--include-ignored"]);
    succeeded(&command.env("TESTCONTAINERS_SESSION_ID", &session).output().unwrap());
    engine::until_gone(&session, Duration::from_secs(60));
}

#[test]
fn timeouts_of_a_builder_are_checked_where_they_are_set() {
    let run = Run::new();
    let session = format!("timeouts-{}", std::process::id());
    let mut command = run.binary("attribute");
    command.args(["--exact", "timeouts_that_are_none", "--include-ignored", "--nocapture"]);
    let text = succeeded(&command.env("TESTCONTAINERS_SESSION_ID", &session).output().unwrap());
    let refused: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("refused: ")).collect();
    let methods =
        ["with_acquire_timeout", "with_connection_timeout", "with_reconnection_timeout", "with_ready_within"];
    let expected: Vec<_> = ["0ns", "18446744073709551615.999999999s"]
        .iter()
        .flat_map(|value| {
            methods.map(|method| {
                format!(
                    "setting {method} from the builder is {value:?}, but must be above zero and a year at most"
                )
            })
        })
        .collect();
    assert_eq!(refused, expected, "{text}");
    engine::until_gone(&session, Duration::from_secs(60));
}

/// The prefixed name of testcontainers for Go, behind the bare one.
#[test]
fn the_prefixed_variables_of_the_family_reach_the_reaper() {
    let run = Run::new();
    let session = format!("prefixed-{}", std::process::id());
    let mut command = attaches(&run);
    command.env("TESTCONTAINERS_SESSION_ID", &session).env("TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT", "7s");
    command.env("TESTCONTAINERS_RYUK_CONNECTION_TIMEOUT", "50s").env("RYUK_CONNECTION_TIMEOUT", "40s");
    command.env("TESTCONTAINERS_RYUK_VERBOSE", "true");
    succeeded(&command.output().unwrap());
    let reaper = engine::inspect(&format!("/containers/reaper_{session}/json")).unwrap();
    let environment: Vec<_> =
        reaper["Config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for expected in ["RYUK_RECONNECTION_TIMEOUT=7s", "RYUK_CONNECTION_TIMEOUT=40s", "RYUK_VERBOSE=true"] {
        assert!(environment.contains(&expected), "{environment:?}");
    }
    engine::until_gone(&session, Duration::from_secs(60));
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
    command.env("DOCKER_HOST", engine::docker_host());
    let socket = engine::socket();
    fails_with(&mut command, &[&socket.display().to_string(), "Permission denied", "group"]);
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
    let socket = run.file("not-a-socket");
    std::fs::write(&socket, "").unwrap();
    let mut command = attaches(&run);
    command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &socket).env("RYUK_CONNECTION_TIMEOUT", "1s");
    let session = format!("socketless-{}", std::process::id());
    let parts = [
        &format!("cannot be reached at {}", engine::docker_host()),
        "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE names",
    ];
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

/// A folder in its place would keep an engine that listens there from starting again.
#[test]
fn a_socket_that_the_engines_host_does_not_have_is_named_and_no_folder_is_made_of_it() {
    let run = Run::new();
    let (name, nowhere) = ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", run.file("nowhere.sock"));
    let mut command = attaches(&run);
    command.env("TESTCONTAINERS_SESSION_ID", format!("no-socket-{}", std::process::id()));
    let path = nowhere.display().to_string();
    let origin = format!("no socket at {path} ({name} from the environment)");
    // Docker refuses the mount; Podman would make the folder, and is asked before.
    let is_podman = engine::Engine::system().is_podman();
    let said = if is_podman { "Podman says that its socket is" } else { "bind source path does not exist" };
    fails_with(command.env(name, &nowhere), &[&origin, said, name]);
    assert!(!nowhere.exists(), "{nowhere:?} was made");
    // What the message says to do.
    let output = command.env(name, engine::socket()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

/// Podman makes the folder whatever it is asked for, and says where its own socket is.
#[test]
fn podman_is_asked_where_its_socket_is_before_it_makes_a_folder_elsewhere() {
    let run = Run::new();
    let podman = || {
        Proxy::new(|request| {
            if request.is("GET", "/v4.0.0/libpod/info") {
                Decision::Answer(json!({"host": {"remoteSocket": {"path": engine::docker_host()}}}))
            } else {
                Decision::Pass
            }
        })
    };
    let (name, nowhere) = ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", run.file("nowhere.sock"));
    let mut command = attaches(&run);
    command.env("TESTCONTAINERS_SESSION_ID", format!("podman-socket-{}", std::process::id()));
    let asked = podman();
    asked.serve(&mut command).env(name, &nowhere);
    fails_with(
        &mut command,
        &[&nowhere.display().to_string(), name, &format!("its socket is {}", engine::socket().display())],
    );
    assert!(!asked.seen().iter().any(reaper_tests::proxy::Request::creates_reaper), "{:?}", asked.seen());
    // A guess, from the path of the proxy, gives way to what Podman says.
    let asked = podman();
    asked.serve(&mut command).env_remove(name);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let created = asked.seen().into_iter().find(reaper_tests::proxy::Request::creates_reaper).unwrap().body();
    let host = &created["HostConfig"];
    assert_eq!(
        (&host["Mounts"][0]["Source"], &host["Binds"]),
        (&json!(engine::socket()), &Value::Null),
        "{host}"
    );
}

/// Without a tag, an engine pulls all that the repository has.
#[test]
fn an_image_without_a_tag_is_pulled_by_one() {
    let run = Run::new();
    let proxy = Proxy::new(|request| {
        if request.is("POST", "/images/create") {
            Decision::Refuse(404, "no such repository".to_owned())
        } else {
            Decision::Pass
        }
    });
    let mut command = attaches(&run);
    command.env("TESTCONTAINERS_SESSION_ID", format!("untagged-{}", std::process::id()));
    proxy.serve(command.env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", "reaper-tests/nowhere"));
    fails_with(&mut command, &["reaper-tests/nowhere"]);
    let pulls: Vec<_> =
        proxy.seen().into_iter().filter(|request| request.is("POST", "/images/create")).collect();
    let [pull] = &pulls[..] else { panic!("{pulls:?}") };
    assert!(pull.line.contains("fromImage=reaper-tests%2Fnowhere%3Alatest"), "{}", pull.line);
}
