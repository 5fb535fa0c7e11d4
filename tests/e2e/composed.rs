//! What other tools create and cannot be given our labels: networks for testcontainers, compose projects.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine::{self, Engine, SESSION};
use reaper_tests::process::Process;
use reaper_tests::suite::{Record, Run};
use serde_json::Value;

const GONE_WITHIN: Duration = Duration::from_secs(60);

fn session(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A test in a process of its own, in a session that has been given a name.
fn test(run: &Run, binary: &str, session: &str, name: &str) -> Command {
    let mut command = run.binary(binary);
    command.args(["--exact", name, "--include-ignored"]);
    command.env("TESTCONTAINERS_SESSION_ID", session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command.env("TMPDIR", run.file(""));
    command
}

fn records(run: &Run, test: &str) -> Vec<Record> {
    run.records().into_iter().filter(|record| record.test == test).collect()
}

fn networks(session: &str) -> Vec<String> {
    engine::resources(session).into_iter().filter(|resource| resource.starts_with("network ")).collect()
}

#[test]
fn processes_that_ask_for_a_network_at_once_have_one_and_it_goes() {
    let run = Run::new();
    let session = session("network");
    let holder = Process::start(&mut test(&run, "network", &session, "asks_twice"));
    let held = run.until_recorded("asked");
    let members: Vec<_> = (1..=4)
        .map(|number| test(&run, "network", &session, &format!("member::_number_{number}_{number}")))
        .map(|mut member| Process::start(&mut member))
        .collect();
    for member in members {
        member.succeed();
    }
    let ids: BTreeSet<_> = records(&run, "member").into_iter().map(|record| record.container).collect();
    assert_eq!(ids, [held.container.clone()].into());
    assert_eq!(networks(&session).len(), 1, "{:?}", networks(&session));
    // Somebody prunes networks: the next who asks has another.
    Engine::system().done("DELETE", &format!("/networks/{}", held.container), &Value::Null);
    Process::start(&mut test(&run, "network", &session, "in_a_task")).succeed();
    std::fs::write(run.file("go-on"), "").unwrap();
    holder.succeed();
    let (task, again) = (records(&run, "in_a_task").remove(0), records(&run, "again").remove(0));
    assert_ne!(task.container, held.container);
    assert_eq!(task.container, again.container);
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn a_compose_project_goes_with_the_test_that_named_it_even_when_that_is_killed() {
    let run = Run::new();
    let session = session("compose");
    let test = Process::start(&mut test(&run, "compose", &session, "project"));
    let project = run.until_recorded("project").container;
    let label = "com.docker.compose.project";
    let kinds: BTreeSet<_> = Engine::system()
        .labelled(label, &project)
        .into_iter()
        .map(|resource| resource.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["container", "network", "volume"].map(String::from).into());
    // Nothing of it carries a label of ours.
    let reaper = run.until_recorded("project").reaper;
    assert_eq!(Engine::system().labelled(SESSION, &session), [format!("container {reaper}")]);
    test.kill();
    engine::until_gone(&session, GONE_WITHIN);
    // The reaper is the last to go.
    assert_eq!(Engine::system().labelled(label, &project), Vec::<String>::new());
}
