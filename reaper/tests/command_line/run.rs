//! `reaper run`: the exit status, what is removed and said, and what holds when it is killed.

use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::log::Log;
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, signal, spawn, succeeded, text};
use reaper_tests::{engine, until};
use serde_json::Value;

use crate::{LABELLED, reaper, stderr, stdout, unique};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// One thing of each kind but an image, as a script makes them with the docker command.
fn everything(name: &str) -> String {
    format!(
        "docker network create {LABELLED} {name}-net && docker volume create {LABELLED} {name}-vol && \
         docker create {LABELLED} --label org.testcontainers.ryuk= --name {name} \
         $(docker inspect reaper_$TESTCONTAINERS_SESSION_ID --format '{{{{.Config.Image}}}}')"
    )
}

#[test]
fn the_exit_status_is_the_commands() {
    let run = Run::unbuilt();
    let script = run.file("not-a-program");
    std::fs::write(&script, "").unwrap();
    let script = script.to_string_lossy().into_owned();
    let cases: [(&[&str], i32); 8] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&[&script], 126),
        (&["/nowhere/program"], 127),
        // What looks like an option of ours is the command's.
        (&["sh", "-c", "test $1 = --session", "sh", "--session"], 0),
    ];
    for (command, expected) in cases {
        let output = reaper(&run, &[&["run", "--"], command].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{command:?}: {}", text(&output));
        // Nothing was left, so there is nothing to say.
        let said = stderr(&output);
        assert_eq!(said.is_empty(), !(126..=127).contains(&expected), "{command:?}: {said}");
    }
    let output = reaper(&run, &["run", "--", "touch", &run.file("started").to_string_lossy()])
        .env("DOCKER_HOST", "unix:///nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    assert!(
        !run.file("started").exists() && stderr(&output).contains("unix:///nowhere"),
        "{}",
        text(&output)
    );
    let output = reaper(&run, &["run", "--session", "a b", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    assert!(stderr(&output).contains("--session from the command line is \"a b\""), "{}", text(&output));
}

#[test]
fn what_the_command_left_is_removed_at_once_and_told() {
    let run = Run::unbuilt();
    let (name, image) = (unique("left"), unique("left-image"));
    // An image, too, from the container.
    let change = format!("-c 'LABEL {}='$TESTCONTAINERS_SESSION_ID", engine::SESSION);
    let script =
        format!("{} && docker commit {change} {name} {image} && echo done; exit 3", everything(&name));
    let mut command = reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]);
    let output = command.env("RYUK_RECONNECTION_TIMEOUT", "10s").output().unwrap();
    let reaper_of_session = engine::inspect(&format!("/containers/reaper_{name}/json")).unwrap();
    // At once, and not by the reaper.
    assert_eq!(
        engine::resources(&name),
        [format!("container {}", reaper_of_session["Id"].as_str().unwrap())]
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(stdout(&output).ends_with("done\n") && !stdout(&output).contains("removed"), "{}", text(&output));
    // As engines name what has no registry in its name.
    let registry = if engine::Engine::system().is_podman() { "docker.io/library/" } else { "" };
    let expected = format!(
        "reaper: removed what `sh` left, 1 container, 1 network, 1 volume, 1 image:\n  container  {name}\n  \
         network    {name}-net\n  volume     {name}-vol\n  image      {registry}{image}:latest\n"
    );
    assert_eq!(stderr(&output), expected);
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn what_carries_another_label_goes_too_when_that_is_asked_for() {
    let run = Run::unbuilt();
    let name = unique("also");
    let also = format!("com.docker.compose.project={name}");
    let script = format!("docker volume create --label {also} {name}");
    let output = reaper(&run, &["run", "--also", &also, "--", "sh", "-c", &script]).output().unwrap();
    let left = engine::inspect(&format!("/volumes/{name}"));
    assert!(output.status.success() && left.is_none(), "{left:?} {}", text(&output));
    assert!(stderr(&output).contains(&format!("1 volume:\n  volume     {name}\n")), "{}", text(&output));
    // A label of nothing is a slip, mostly.
    let output = reaper(&run, &["run", "--also", &also, "--", "true"]).output().unwrap();
    let expected =
        format!("reaper: nothing carries the label {also} of --also, so nothing was removed for it\n");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), expected), "{}", text(&output));
    let output = reaper(&run, &["run", "--also", "no-value", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn a_command_has_the_session_that_was_given_or_one_of_its_own() {
    let run = Run::unbuilt();
    let print = ["run", "--", "printenv", "TESTCONTAINERS_SESSION_ID"];
    let fresh = || succeeded(&reaper(&run, &print).output().unwrap());
    let (first, second) = (fresh(), fresh());
    assert!(first.trim().len() == 64 && first != second, "{first} {second}");
    let name = unique("given");
    let output = reaper(&run, &print).env("TESTCONTAINERS_SESSION_ID", &name).output().unwrap();
    assert_eq!(succeeded(&output).trim(), name);
    for session in [first.trim(), second.trim(), &name] {
        engine::until_gone(session, GONE_WITHIN);
    }
}

#[test]
fn a_session_inside_another_is_ended_by_the_outer_one() {
    let run = Run::unbuilt();
    let name = unique("nested");
    let inner = env!("CARGO_BIN_EXE_reaper");
    let script = format!(
        "docker volume create {LABELLED} {name} && '{inner}' run -- true && docker volume inspect {name} && echo there"
    );
    let output = reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]).output().unwrap();
    assert!(stdout(&output).ends_with("there\n"), "{}", text(&output));
    assert_eq!(stderr(&output).matches("removed").count(), 1, "{}", text(&output));
    assert_eq!(engine::inspect(&format!("/volumes/{name}")), None);
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn what_is_to_be_kept_stays() {
    let run = Run::unbuilt();
    let name = unique("kept");
    let script = format!("docker volume create {LABELLED} {name}");
    let mut command = reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]);
    let output = command.env("REAPER_KEEP", "always").output().unwrap();
    assert!(output.status.success() && stderr(&output).contains("REAPER_KEEP"), "{}", text(&output));
    until("the reaper is gone", GONE_WITHIN, || match engine::resources(&name) {
        left if left.len() == 1 => Ok(()),
        left => Err(format!("{left:?}")),
    });
    let (status, _) = engine::request("DELETE", &format!("/volumes/{name}"), &Value::Null);
    assert_eq!(status, 204, "it was kept");
}

/// Whoever ran the session has seen the end of it, so its reaper need not stay for another client.
#[test]
fn when_it_has_ended_the_reaper_waits_for_nobody() {
    let run = Run::unbuilt();
    let name = unique("ended");
    let go_on = run.file("go-on");
    let script = format!("until test -e '{}'; do sleep 0.05; done", go_on.display());
    let process = Process::start(&mut reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]));
    let id = until("the reaper runs", GONE_WITHIN, || {
        let reaper = engine::inspect(&format!("/containers/reaper_{name}/json")).unwrap_or_default();
        let runs = reaper["State"]["Running"] == true;
        if runs { Ok(reaper["Id"].as_str().unwrap_or_default().to_owned()) } else { Err(reaper.to_string()) }
    });
    let log = Log::follow(&Engine::system(), &id);
    std::fs::write(&go_on, "").unwrap();
    process.succeed();
    let _ = log.until_says(&["the run is over, wait=1000 ms"]);
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn killed_it_leaves_nothing_though_its_command_goes_on() {
    let run = Run::unbuilt();
    let name = unique("killed");
    let ready = run.file("ready").to_string_lossy().into_owned();
    let script = format!("{} && echo $$ > {ready}; exec sleep 120", everything(&name));
    let process = Process::start(&mut reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]));
    let pid = until("the command has made everything", GONE_WITHIN, || {
        let pid = std::fs::read_to_string(&ready).unwrap_or_default();
        if pid.ends_with('\n') { Ok(pid.trim().to_owned()) } else { Err(pid) }
    });
    assert_eq!(engine::resources(&name).len(), 4);
    let runner = engine::inspect(&format!("/containers/reaper_{name}/json")).unwrap();
    let runner = runner["Config"]["Labels"]["test-reaper.runner"].as_str().unwrap_or_default().to_owned();
    assert!(runner.starts_with(&format!("{}.", process.id())), "{runner}");
    signal("KILL", &process.id().to_string());
    // The command goes on, and holds nothing.
    engine::until_gone(&name, GONE_WITHIN);
    signal("KILL", &pid);
}

#[test]
fn a_rust_test_suite_under_it_shares_the_session() {
    let run = Run::new();
    let name = unique("suite");
    let cargo = run.cargo(&["nextest", "run", "-E", "binary(attribute) and not test(second_time)"]);
    let mut command = reaper(&run, &["run", "--session", &name, "--"]);
    let output = spawn(command.arg(cargo.get_program()).args(cargo.get_args())).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let records = run.records();
    assert_eq!(records.len(), 3, "{records:?}");
    assert!(records.iter().all(|record| record.session == name), "{records:?}");
    // The guards of the tests are gone; what the tests created was held by nothing but the runner.
    let said = stderr(&output);
    let counts = "removed what `cargo` left, 3 containers, 3 networks, 3 volumes, 3 images:";
    assert!(said.contains(counts), "{said}");
    engine::until_gone(&name, GONE_WITHIN);
}

/// Whoever ends first leaves the other's things alone, whichever of the two that is.
#[test]
fn two_runners_of_one_session_do_not_take_away_what_the_other_uses() {
    let run = Run::unbuilt();
    let name = unique("twice");
    let (ready, go_on) = (run.file("ready"), run.file("go-on"));
    let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.05; done", ready.display(), go_on.display());
    let script = format!("{} && {wait}", everything(&name));
    let first = Process::start(&mut reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]));
    until("the first has made everything", GONE_WITHIN, || {
        if ready.exists() { Ok(()) } else { Err(format!("{:?}", engine::resources(&name))) }
    });
    let made = engine::resources(&name);
    let second = format!("docker volume create {LABELLED} {name}-second");
    let output = reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &second]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let left = engine::resources(&name);
    assert!(
        made.iter().all(|made| left.contains(made)) && left.len() == made.len() + 1,
        "{left:?} of {made:?}"
    );
    let said = format!(
        "1 other still holds session {name}, so what `sh` left is removed when nobody holds it any more"
    );
    assert!(stderr(&output).contains(&said), "{}", text(&output));
    std::fs::write(go_on, "").unwrap();
    let said = first.succeed();
    assert!(said.contains("removed what `sh` left, 1 container, 1 network, 2 volumes"), "{said}");
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn what_was_removed_is_written_down_and_counted_at_the_end() {
    let run = Run::unbuilt();
    let (name, path) = (unique("reported"), run.file("report.jsonl"));
    std::fs::write(&path, "{\"session\":\"another\",\"why\":\"asked for\"}\n").unwrap();
    let path = path.to_string_lossy().into_owned();
    let script = format!("{} && test \"$REAPER_REPORT\" = '{path}'", everything(&name));
    let arguments = ["run", "--session", &name, "--report", &path, "--", "sh", "-c", &script];
    let output = reaper(&run, &arguments).output().unwrap();
    let said = succeeded(&output);
    assert!(said.contains(&format!("removed 3: session ended 3; each is in {path}")), "{said}");
    // It has waited for the last look, after which there is no reaper.
    engine::until_gone(&name, GONE_WITHIN);
    let text = std::fs::read_to_string(&path).unwrap();
    let kinds: Vec<_> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok().filter(|line| line["session"] == name))
        .map(|line| (line["kind"].clone(), line["name"].clone()))
        .collect();
    let expected =
        [("container", name.clone()), ("network", format!("{name}-net")), ("volume", format!("{name}-vol"))];
    let expected: Vec<(Value, Value)> = expected.map(|(kind, name)| (kind.into(), name.into())).into();
    assert_eq!(kinds, expected, "{text}");
}

/// Its tests have scopes of their own then, and the session is still all its own.
#[test]
fn the_scope_of_its_tests_is_not_the_runs() {
    let run = Run::unbuilt();
    let name = unique("run-scoped");
    let mut command = reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &everything(&name)]);
    let output = command.env("REAPER_SCOPE", "test").output().unwrap();
    assert!(succeeded(&output).contains("1 container, 1 network, 1 volume"), "{}", text(&output));
    engine::until_gone(&name, GONE_WITHIN);
}

/// Killed, it removes nothing itself; then nobody is there to write it down, and the reaper does its work all the same.
#[test]
fn a_report_is_no_reason_to_leave_anything() {
    let run = Run::unbuilt();
    let (name, path) = (unique("reported-killed"), run.file("report.jsonl").to_string_lossy().into_owned());
    let ready = run.file("ready").to_string_lossy().into_owned();
    // It holds nothing of ours open when its runner is gone.
    let script = format!("{} && echo $$ > {ready}; exec sleep 120 >/dev/null 2>&1", everything(&name));
    let arguments = ["run", "--session", &name, "--report", &path, "--", "sh", "-c", &script];
    let process = Process::start(&mut reaper(&run, &arguments));
    let pid = until("everything is made", GONE_WITHIN, || {
        let pid = std::fs::read_to_string(&ready).unwrap_or_default();
        if pid.ends_with('\n') { Ok(pid.trim().to_owned()) } else { Err(pid) }
    });
    process.kill();
    engine::until_gone(&name, GONE_WITHIN);
    signal("KILL", &pid);
}
