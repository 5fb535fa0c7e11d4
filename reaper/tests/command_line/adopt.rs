//! `reaper run --adopt`: commands that know nothing of sessions leave nothing, and see nothing of it.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use reaper_tests::process::{Process, mark_of_this};
use reaper_tests::suite::{Run, signal, succeeded, text};
use reaper_tests::{engine, until};
use serde_json::Value;

use crate::{reaper, stderr, stdout, unique};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// By which everything is found that was adopted, whatever session it says it is of.
const ADOPTED: &str = "test-reaper.adopted";

/// The image of the session's reaper, the only one that is sure to be on the engine.
const IMAGE: &str = "image=$(docker inspect reaper_$TESTCONTAINERS_SESSION_ID --format '{{.Config.Image}}')";

fn adopt(run: &Run, session: &str, script: &str) -> Output {
    let script = format!("set -e; {IMAGE}; {script}");
    reaper(run, &["run", "--adopt", "--session", session, "--", "sh", "-c", &script]).output().unwrap()
}

/// What the docker command shows of something's labels, while the command runs.
fn labels(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect()
}

/// The socket has none, whatever the engine is reached by.
#[test]
fn an_adopted_command_is_told_of_no_tls() {
    let run = Run::unbuilt();
    let name = unique("adopted-plain");
    let script = format!("env | grep '^DOCKER_TLS\\|^DOCKER_CERT' && exit 3; docker volume create {name}");
    let mut command = reaper(&run, &["run", "--adopt", "--session", &name, "--", "sh", "-c", &script]);
    command.env("DOCKER_TLS", "1").env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", "/nowhere");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn everything_that_an_unchanged_command_creates_is_labelled_and_goes() {
    let run = Run::unbuilt();
    let name = unique("adopted");
    let script = format!(
        "docker create --label org.testcontainers.ryuk= --name {name} -v {name}-bound:/a --mount type=volume,source={name}-mounted,target=/b $image
         docker network create {name}
         docker volume create {name}
         docker commit {name} {name}:committed
         printf 'FROM %s' $image | DOCKER_BUILDKIT=0 docker build -q --label own=1 --label org.testcontainers.ryuk= -t {name}:built -
         tar -cf - --files-from /dev/null | docker import - {name}:imported
         docker inspect {name} {name}:committed {name}:built {name}:imported -f '{{{{json .Config.Labels}}}}'
         docker volume inspect {name} {name}-bound {name}-mounted -f '{{{{json .Labels}}}}'
         docker network inspect {name} -f '{{{{json .Labels}}}}'"
    );
    let output = adopt(&run, &name, &script);
    assert!(output.status.success(), "{}", text(&output));
    let labels = labels(&output);
    assert_eq!(labels.len(), 8, "{}", text(&output));
    for labels in &labels {
        assert_eq!(
            (&labels[engine::SESSION], &labels[ADOPTED]),
            (&name.as_str().into(), &name.as_str().into())
        );
    }
    assert_eq!(labels.iter().filter(|labels| labels["own"] == "1").count(), 1, "{labels:?}");
    let said = stderr(&output);
    assert!(said.contains("removed what `sh` left, 1 container, 1 network, 3 volumes, 3 images:"), "{said}");
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn labels_of_the_callers_own_stay_and_what_he_calls_another_session_goes_all_the_same() {
    let run = Run::unbuilt();
    let (name, own) = (unique("adopted-own"), unique("own-session"));
    let script = format!(
        "docker volume create --label {session}={own} --label a=b {name}
         docker create --label org.testcontainers.ryuk= --name {name} --label {session}={own} $image
         docker commit {name} {name}
         docker volume inspect {name} -f '{{{{json .Labels}}}}'
         docker inspect {name}:latest -f '{{{{json .Config.Labels}}}}'",
        session = engine::SESSION
    );
    let output = adopt(&run, &name, &script);
    assert!(output.status.success(), "{}", text(&output));
    let labels = labels(&output);
    assert_eq!((labels.len(), &labels[0]["a"]), (2, &"b".into()), "{}", text(&output));
    for labels in &labels {
        assert_eq!(
            (&labels[engine::SESSION], &labels[ADOPTED]),
            (&own.as_str().into(), &name.as_str().into())
        );
    }
    assert!(stderr(&output).contains("1 container, 1 volume, 1 image"), "{}", text(&output));
    engine::until_gone(&name, GONE_WITHIN);
    engine::until_gone(&own, GONE_WITHIN);
}

#[test]
fn what_was_there_before_stays_as_it_is() {
    let run = Run::unbuilt();
    let name = unique("adopted-before");
    engine::Engine::system().done("POST", "/volumes/create", &serde_json::json!({ "Name": name }));
    let output = adopt(
        &run,
        &name,
        &format!(
            "docker create --label org.testcontainers.ryuk= -v {name}:/a --mount type=volume,source={name},target=/b $image"
        ),
    );
    assert!(output.status.success(), "{}", text(&output));
    assert!(stderr(&output).contains("removed what `sh` left, 1 container:"), "{}", text(&output));
    engine::until_gone(&name, GONE_WITHIN);
    let volume = engine::inspect(&format!("/volumes/{name}")).expect("the volume stays");
    let labels = volume["Labels"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(labels, 0, "{volume}");
    engine::Engine::system().done("DELETE", &format!("/volumes/{name}"), &Value::Null);
}

/// The docker command has ended when anybody asks for it; the test has not.
#[test]
fn it_is_written_down_which_test_and_which_process_made_a_thing() {
    let run = Run::unbuilt();
    let name = unique("adopted-by");
    let script = format!(
        "NEXTEST_TEST_NAME='orders::are kept' sh -c 'echo $$; docker volume create {name}-test; true'
         docker volume create {name}
         docker volume inspect {name}-test {name} -f '{{{{json .Labels}}}}'
         '{reaper}' ls",
        reaper = env!("CARGO_BIN_EXE_reaper"),
    );
    let output = adopt(&run, &name, &script);
    assert!(output.status.success(), "{}", text(&output));
    let (labels, shown) = (labels(&output), stdout(&output));
    let (made_by, said) = (labels[0]["test-reaper.process"].as_str().unwrap(), shown.lines().next().unwrap());
    let host = mark_of_this().split_once('@').unwrap().1.to_owned();
    assert!(made_by.starts_with(&format!("{said}.")) && made_by.ends_with(&host), "{said} {made_by}");
    assert_eq!(labels[0]["test-reaper.test"], "orders::are kept", "{labels:?}");
    // Who is no test is a process all the same, and not the one that holds the session.
    let runner = labels[1]["test-reaper.runner"].as_str().unwrap();
    assert_ne!(labels[1]["test-reaper.process"], runner, "{labels:?}");
    assert_eq!(labels[1]["test-reaper.test"], Value::Null, "{labels:?}");
    // The shell that stands for the test has ended.
    let below: Vec<_> = shown
        .lines()
        .skip_while(|line| !line.starts_with("SESSION"))
        .skip_while(|line| !line.starts_with(&name))
        .skip(1)
        .take(2)
        .collect();
    assert!(
        below[0].starts_with("  a process (") && below[0].ends_with("gone), for the session: 1 volume"),
        "{shown}"
    );
    assert_eq!(
        below[1],
        format!("  test orders::are kept ({said}, gone), for the session: 1 volume"),
        "{shown}"
    );
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn killed_with_its_command_it_leaves_nothing_and_the_next_one_takes_its_socket_away() {
    let run = Run::unbuilt();
    let name = unique("adopted-killed");
    let ready = run.file("ready").to_string_lossy().into_owned();
    let script = format!(
        "docker volume create {name}; docker network create {name}; echo $$ $DOCKER_HOST > {ready}; exec sleep 120"
    );
    // Its own, for other tests would take the socket away.
    let temporary = run.file("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = reaper(&run, &["run", "--adopt", "--session", &name, "--", "sh", "-c", &script]);
    let process = Process::start(command.env("TMPDIR", &temporary));
    let told = until("the command has made everything", GONE_WITHIN, || {
        let told = std::fs::read_to_string(&ready).unwrap_or_default();
        if told.ends_with('\n') { Ok(told.trim().to_owned()) } else { Err(told) }
    });
    let (pid, host) = told.split_once(' ').unwrap();
    let socket = PathBuf::from(host.strip_prefix("unix://").unwrap());
    assert!(socket.exists());
    signal("KILL", &process.id().to_string());
    signal("KILL", pid);
    engine::until_gone(&name, GONE_WITHIN);
    assert!(socket.exists(), "nobody was left to remove it");
    let mut command = reaper(&run, &["run", "--adopt", "--", "printenv", "DOCKER_HOST"]);
    let output = command.env("TMPDIR", &temporary).output().unwrap();
    let next = PathBuf::from(succeeded(&output).lines().next().unwrap().strip_prefix("unix://").unwrap());
    assert!(next != socket && !socket.exists() && !next.exists(), "{}", text(&output));
}

#[test]
fn what_failed_is_kept_where_that_is_asked_for_and_what_passed_is_not() {
    let run = Run::unbuilt();
    for (status, stays) in [(0, false), (3, true)] {
        let name = unique(&format!("adopted-keep-{status}"));
        let script = format!("docker volume create {name}; exit {status}");
        let mut command = reaper(&run, &["run", "--adopt", "--session", &name, "--", "sh", "-c", &script]);
        let output = command.env("REAPER_KEEP", "on-failure").output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        until("the reaper is gone", GONE_WITHIN, || match engine::resources(&name) {
            left if left.len() == usize::from(stays) => Ok(()),
            left => Err(format!("{left:?}")),
        });
        if stays {
            engine::Engine::system().done("DELETE", &format!("/volumes/{name}"), &Value::Null);
        }
    }
}

/// They look at the engine through the socket, find the session's reaper, and make another where that is lost.
#[test]
fn tests_that_know_of_sessions_are_of_the_same_one() {
    let run = Run::new();
    let name = unique("adopted-suite");
    let cargo = run.cargo(&["nextest", "run", "-E", "binary(attribute) and not test(second_time)"]);
    let mut command = reaper(&run, &["run", "--adopt", "--session", &name, "--"]);
    let output = command.arg(cargo.get_program()).args(cargo.get_args()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let records = run.records();
    assert_eq!(records.len(), 3, "{records:?}");
    assert!(records.iter().all(|record| record.session == name), "{records:?}");
    let counts = "removed what `cargo` left, 3 containers, 3 networks, 3 volumes, 3 images:";
    assert!(stderr(&output).contains(counts), "{}", text(&output));
    engine::until_gone(&name, GONE_WITHIN);
}

/// Nobody but the socket's process could make another.
#[test]
fn a_reaper_that_is_killed_is_replaced_though_the_command_knows_nothing() {
    let run = Run::unbuilt();
    let name = unique("adopted-healed");
    let (ready, go_on) = (run.file("ready"), run.file("go-on"));
    let script = format!(
        "docker volume create {name}; touch {}; until test -e {}; do sleep 0.05; done; docker volume create {name}-after; exec sleep 120",
        ready.display(),
        go_on.display()
    );
    let mut command = reaper(&run, &["run", "--adopt", "--session", &name, "--", "sh", "-c", &script]);
    let process = Process::start(&mut command);
    until("the first volume is there", GONE_WITHIN, || {
        if ready.exists() { Ok(()) } else { Err(format!("{:?}", engine::resources(&name))) }
    });
    let found = || engine::inspect(&format!("/containers/reaper_{name}/json")).unwrap_or_default();
    let first = found()["Id"].clone();
    let (status, _) = engine::request("DELETE", &format!("/containers/reaper_{name}?force=1"), &Value::Null);
    assert_eq!(status, 204);
    until("another reaper runs", GONE_WITHIN, || {
        let found = found();
        let runs = found["State"]["Running"] == true && found["Id"] != first;
        if runs { Ok(()) } else { Err(found["State"].to_string()) }
    });
    std::fs::write(&go_on, "").unwrap();
    until("the second volume is there", GONE_WITHIN, || {
        engine::inspect(&format!("/volumes/{name}-after")).map(drop).ok_or_else(|| "it is not".to_owned())
    });
    let sleeping = reaper_tests::process::with_parent(&process.id().to_string());
    signal("KILL", &process.id().to_string());
    // Its command goes on, and holds nothing.
    engine::until_gone(&name, GONE_WITHIN);
    for process in sleeping {
        signal("KILL", &process);
    }
}

/// Clients that obey it do so before they look for `DOCKER_HOST`.
#[test]
fn an_engine_that_the_family_is_told_of_elsewhere_would_be_gone_past_and_is_refused() {
    let run = Run::unbuilt();
    std::fs::write(run.file(".testcontainers.properties"), format!("tc.host={}\n", engine::docker_host()))
        .unwrap();
    let output = adopt(&run, &unique("adopted-refused"), "true");
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    assert!(stderr(&output).contains("setting tc.host from"), "{}", text(&output));
    assert!(stderr(&output).contains("DOCKER_HOST or docker.host"), "{}", text(&output));
}

/// Whoever switches the reapers of other clients off switches this one off, too, unless it is for the command alone.
#[test]
fn where_nothing_would_be_removed_nothing_is_adopted() {
    let run = Run::unbuilt();
    let name = unique("adopted-disabled");
    let mut command =
        reaper(&run, &["run", "--adopt", "--", "touch", &run.file("started").to_string_lossy()]);
    let output = command.env("TESTCONTAINERS_RYUK_DISABLED", "true").output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    assert!(!run.file("started").exists());
    let way_out = "`reaper run --adopt -- env TESTCONTAINERS_RYUK_DISABLED=true <command>`";
    assert!(stderr(&output).contains(way_out), "{}", text(&output));
    let volume = ["env", "TESTCONTAINERS_RYUK_DISABLED=true", "docker", "volume", "create", &name];
    let output =
        reaper(&run, &[&["run", "--adopt", "--session", &name, "--"][..], &volume].concat()).output();
    let output = output.unwrap();
    assert!(output.status.success() && stderr(&output).contains("1 volume"), "{}", text(&output));
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn without_room_for_a_sockets_path_the_command_is_not_started() {
    let run = Run::unbuilt();
    let long = run.file(&"x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let mut command =
        reaper(&run, &["run", "--adopt", "--", "touch", &run.file("started").to_string_lossy()]);
    let output = command.env("TMPDIR", &long).output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    assert!(
        stderr(&output).contains("too long for a socket") && stderr(&output).contains("TMPDIR"),
        "{}",
        text(&output)
    );
    assert!(!run.file("started").exists());
}
