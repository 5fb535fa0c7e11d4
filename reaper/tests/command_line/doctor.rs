//! `reaper doctor` in good health and with each of the illnesses that it knows: what it says, what it advises, its exit
//! code, and that it leaves nothing behind.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use reaper_tests::engine::{self, Engine};
use reaper_tests::suite::{Run, succeeded, text};
use reaper_tests::world::{self, Leftovers};
use serde_json::json;

use crate::elsewhere::Elsewhere;
use crate::{reaper, stderr, stdout, unique};

/// Runs it where it must find this bad, alone, with these words about it.
#[track_caller]
fn finds(command: &mut Command, bad: &str, words: &[&str]) -> Output {
    let output = command.output().unwrap();
    let all = text(&output);
    assert_eq!(output.status.code(), Some(1), "{all}");
    assert!(stderr(&output).is_empty() && !all.contains('\x1b'), "{all}");
    let failed: Vec<_> =
        all.lines().filter_map(|line| line.strip_prefix("FAIL  ")?.split(' ').next()).collect();
    assert_eq!(failed, [bad], "{all}");
    assert_eq!(all.lines().filter(|line| line.trim_start().starts_with("do  ")).count(), 1, "{all}");
    for word in words {
        assert!(all.contains(word), "{word:?} is missing:\n{all}");
    }
    output
}

/// The session that it made, by the name of its reaper.
fn session(output: &Output) -> String {
    let all = stdout(output);
    let name = all.split_whitespace().find_map(|word| word.strip_prefix("reaper_doctor-"));
    format!("doctor-{}", name.unwrap_or_else(|| panic!("no session: {all}")))
}

#[test]
fn a_healthy_engine_is_found_so_and_nobody_is_touched() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let (orphan, gone) = (unique("doctor-orphan"), elsewhere.gone());
    elsewhere.owned_volume(&orphan, &gone);
    // Neither what is to be kept nor a session of that name is its business.
    let mut command = elsewhere.reaper(&["doctor"]);
    let output =
        command.env("REAPER_KEEP", "always").env("TESTCONTAINERS_SESSION_ID", &orphan).output().unwrap();
    let all = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(stderr(&output).is_empty() && !all.contains('\x1b'), "{}", text(&output));
    let good: Vec<_> =
        all.lines().filter_map(|line| line.strip_prefix("ok    ")?.split(' ').next()).collect();
    assert_eq!(good, ["settings", "engine", "answer", "image", "reaper", "port", "removal"], "{all}");
    let named = std::env::var_os("DOCKER_HOST").is_some();
    let origin = if named { "DOCKER_HOST from the environment" } else { "Docker's usual socket" };
    let engine = format!("{}, {origin}", engine::docker_host());
    for word in [&*engine, "linux/", "part of this program", "127.0.0.1:"] {
        assert!(all.contains(word), "{word:?} is missing:\n{all}");
    }
    assert!(all.ends_with("everything is as it should be\n"), "{all}");
    assert_eq!(engine::resources(&session(&output)), Vec::<String>::new());
    assert_eq!(engine::resources(&orphan), [format!("volume {orphan}-vol")]);
}

#[test]
fn no_engine_is_found_with_what_was_tried() {
    let run = Run::unbuilt();
    let mut command = reaper(&run, &["doctor"]);
    let words =
        ["unix:///nowhere, DOCKER_HOST from the environment: No such file", "correct or unset DOCKER_HOST"];
    finds(command.env("DOCKER_HOST", "unix:///nowhere"), "engine", &words);
    let mut command = reaper(&run, &["doctor"]);
    let words = ["DOCKER_HOST from the environment is \"nowhere\"", "correct it where it was found"];
    finds(command.env("DOCKER_HOST", "nowhere"), "engine", &words);
}

#[test]
fn an_engine_without_permission_is_told_from_one_that_is_absent() {
    let run = Run::unbuilt();
    // A copy that anybody may execute: the build folder may be closed to others.
    let folder = run.file("open");
    std::fs::create_dir(&folder).unwrap();
    let copy = folder.join("reaper");
    std::fs::copy(env!("CARGO_BIN_EXE_reaper"), &copy).unwrap();
    for opened in [folder.parent().unwrap(), &folder] {
        std::fs::set_permissions(opened, Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&copy);
    command.arg("doctor").env_clear().env("HOME", &folder);
    // `nobody`, which is not in the group of the socket. Changing to it takes root.
    command.uid(65534).gid(65534);
    let words =
        ["/var/run/docker.sock", "Permission denied", "usermod -aG docker", "/run/podman/podman.sock"];
    finds(&mut command, "engine", &words);
}

#[test]
fn what_answers_and_is_no_engine_is_found() {
    let run = Run::unbuilt();
    let socket = run.file("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answers = std::thread::spawn(move || {
        // Once for the probe, which asks nothing, and once for the question.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = stream.read(&mut [0; 1024]).unwrap();
            if asked > 0 {
                stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n<html>hello</html>").unwrap();
            }
        }
    });
    let mut command = reaper(&run, &["doctor"]);
    let host = format!("unix://{}", socket.display());
    finds(command.env("DOCKER_HOST", host), "answer", &["what answers is no engine"]);
    answers.join().unwrap();
}

#[test]
fn bad_settings_are_found() {
    let run = Run::unbuilt();
    let mut command = reaper(&run, &["doctor"]);
    let words = ["RYUK_CONNECTION_TIMEOUT from the environment is \"10\"", "correct it where it was found"];
    finds(command.env("RYUK_CONNECTION_TIMEOUT", "10"), "settings", &words);
    let mut command = reaper(&run, &["doctor"]);
    let output = finds(command.env("TESTCONTAINERS_RYUK_DISABLED", "true"), "settings", &["unset it"]);
    // The rest is looked at all the same.
    assert!(stdout(&output).contains("ok    removal"), "{}", text(&output));
}

#[test]
fn an_image_that_cannot_be_had_is_found() {
    let run = Run::unbuilt();
    let mut command = reaper(&run, &["doctor"]);
    command.env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", "127.0.0.1:1/no/such-ryuk:1");
    let words = ["asked for by TESTCONTAINERS_RYUK_CONTAINER_IMAGE from the environment", "to be pulled"];
    finds(&mut command, "image", &words);
}

/// What is made from an image carries the image's labels, and no Ryuk removes what carries this one.
#[test]
fn an_image_with_the_label_of_official_ones_is_as_good() {
    let run = Run::unbuilt();
    let (engine, name) = (Engine::system(), unique("official-like"));
    // A session brings the embedded image to the engine.
    let output = reaper(
        &run,
        &[
            "run",
            "--session",
            &name,
            "--",
            "sh",
            "-c",
            &format!("docker inspect --format '{{{{.Config.Image}}}}' reaper_{name}"),
        ],
    )
    .output()
    .unwrap();
    let embedded = succeeded(&output).trim().to_owned();
    let container = world::container(&engine, &embedded, &json!({}), None);
    let image = world::commit(&engine, &container, &name, &json!({"org.testcontainers.ryuk": "true"}));
    let paths = [format!("/containers/{container}"), format!("/images/{image}")];
    let _leftovers = Leftovers::new(&engine, paths);
    let mut command = reaper(&run, &["doctor"]);
    let output = command.env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", &name).output().unwrap();
    let all = succeeded(&output);
    assert!(
        all.contains("ok    removal   a container, a network, a volume and the reaper were gone"),
        "{all}"
    );
    assert_eq!(engine::resources(&session(&output)), Vec::<String>::new());
}

#[test]
fn a_port_that_cannot_be_dialled_is_found() {
    let run = Run::unbuilt();
    let mut command = reaper(&run, &["doctor"]);
    // No connection can be made to everybody; nothing is sent. The engine would lead to it all the same.
    command.env("TESTCONTAINERS_HOST_OVERRIDE", "255.255.255.255").env("REAPER_ACQUIRE_TIMEOUT", "3s");
    command.env("REAPER_TRANSPORT", "tcp");
    let words =
        ["ok    reaper", "255.255.255.255:", "cannot be dialled", "TESTCONTAINERS_HOST_OVERRIDE", "firewall"];
    let output = finds(&mut command, "port", &words);
    engine::until_gone(&session(&output), Duration::from_secs(60));
}

#[test]
fn a_reaper_that_cannot_reach_the_engine_is_found() {
    let run = Run::unbuilt();
    let socket = run.file("not-a-socket");
    std::fs::write(&socket, "").unwrap();
    let mut command = reaper(&run, &["doctor"]);
    command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &socket);
    let unreached = format!("cannot be reached at {}", engine::docker_host());
    let words = ["ok    port", &unreached, "TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED"];
    let output = finds(&mut command, "removal", &words);
    assert_eq!(engine::resources(&session(&output)), Vec::<String>::new());
}

#[test]
fn a_socket_that_the_engines_host_does_not_have_is_found_and_no_folder_is_made_of_it() {
    let run = Run::unbuilt();
    let socket = run.file("nowhere.sock");
    let mut command = reaper(&run, &["doctor"]);
    command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &socket);
    let named = format!("{} (TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE from the environment)", socket.display());
    finds(&mut command, "reaper", &[&named]);
    assert!(!socket.exists());
}
