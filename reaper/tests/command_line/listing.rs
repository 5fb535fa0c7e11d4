//! `reaper ls`: what it says of each kind of session.

use std::time::Duration;

use reaper_tests::process::Process;
use reaper_tests::scene::act;
use reaper_tests::suite::{Run, signal, succeeded, text};
use reaper_tests::{engine, until};
use serde_json::Value;

use crate::elsewhere::Elsewhere;
use crate::{on_terminal, reaper, stdout, unique};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// One session of what `ls --json` lists.
fn listed(json: &str, session: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    all.into_iter().find(|one| one["session"] == session).unwrap_or_default()
}

#[test]
fn a_live_session_an_orphan_and_another_clients_are_told_apart() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let (alive, gone) = (elsewhere.alive(), elsewhere.gone());
    let [live, orphan, java, kept, half] =
        ["ls-live", "ls-orphan", "ls-java", "ls-kept", "ls-half"].map(unique);
    elsewhere.owned_volume(&live, &alive);
    elsewhere.owned_volume(&orphan, &gone);
    elsewhere.volume(&java, &[("org.testcontainers.lang", "java")]);
    let marks = [("test-reaper.runner", gone.as_str()), ("test-reaper.process", &gone)];
    elsewhere.volume(&kept, &[&marks[..], &[("test-reaper.keep", "always")]].concat());
    // Its runner is gone, and the process that made it goes on.
    elsewhere.volume(&half, &[("test-reaper.runner", &gone), ("test-reaper.process", &alive)]);

    let json = elsewhere.reaper(&["ls", "--json"]).output().unwrap();
    assert!(json.status.success(), "{}", text(&json));
    for (session, runner, language, orphans) in [
        (&live, "alive", Value::Null, 0),
        (&orphan, "gone", Value::Null, 1),
        (&java, "unknown", "java".into(), 0),
        (&kept, "gone", Value::Null, 0),
        (&half, "gone", Value::Null, 0),
    ] {
        let found = listed(&stdout(&json), session);
        assert_eq!((&found["runner"], &found["language"]), (&runner.into(), &language), "{found:#}");
        assert_eq!((&found["orphans"], &found["reaper"]), (&orphans.into(), &"none".into()), "{found:#}");
        assert_eq!(found["volumes"][0]["name"], format!("{session}-vol"), "{found:#}");
        assert_eq!(found["volumes"][0]["orphan"], orphans == 1, "{found:#}");
        assert!(found["age_seconds"].as_u64().is_some_and(|age| age < 600), "{found:#}");
    }
    assert_eq!(listed(&stdout(&json), &live)["runner_pid"], 1);

    let table = stdout(&elsewhere.reaper(&["ls"]).output().unwrap());
    let row =
        |session: &str| table.lines().find(|line| line.starts_with(session)).unwrap_or(&table).to_owned();
    assert!(row(&live).contains("alive (1)") && !row(&live).contains("orphaned"), "{table}");
    assert!(row(&orphan).contains("gone") && row(&orphan).ends_with("1 volume, orphaned"), "{table}");
    assert!(row(&java).contains("java") && row(&java).contains("unknown"), "{table}");
    // On a machine where nothing is known of these processes, nothing is said of them.
    let outside = stdout(&reaper(&run, &["ls", "--json"]).output().unwrap());
    for session in [&live, &orphan] {
        let found = listed(&outside, session);
        assert_eq!((&found["runner"], &found["orphans"]), (&"unknown".into(), &0.into()), "{found:#}");
    }
}

#[test]
fn a_session_that_is_held_has_its_runner_and_a_reaper() {
    let run = Run::unbuilt();
    let name = unique("ls-held");
    let held = run.file("held");
    let script = format!("touch '{}'; exec sleep 120", held.display());
    let process = Process::start(&mut reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]));
    let list = || listed(&succeeded(&reaper(&run, &["ls", "--json"]).output().unwrap()), &name);
    // The command is started once the reaper has acknowledged; that its container runs is not enough.
    until(
        "the session is held",
        GONE_WITHIN,
        || if held.exists() { Ok(()) } else { Err(list().to_string()) },
    );
    let found = list();
    assert_eq!(found["reaper"], "running", "{found:#}");
    assert_eq!(
        (&found["runner"], &found["runner_pid"]),
        (&"alive".into(), &process.id().into()),
        "{found:#}"
    );
    assert_eq!(
        (&found["language"], &found["containers"]),
        (&"rust".into(), &Value::Array(vec![])),
        "{found:#}"
    );
    let container = format!("reaper_{name}");
    act("POST", &container, "/pause");
    let paused = list();
    act("POST", &container, "/unpause");
    assert_eq!(paused["reaper"], "paused", "{paused:#}");
    signal("TERM", &process.id().to_string());
    engine::until_gone(&name, GONE_WITHIN);
}

#[test]
fn the_tests_that_have_something_of_their_own_are_listed_below_their_session() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let (alive, gone) = (elsewhere.alive(), elsewhere.gone());
    let name = unique("ls-scopes");
    let scopes = [("1", "orders::are_kept", &gone), ("2", "orders::are_paid", &alive)].map(
        |(scope, test, process)| {
            [
                ("org.testcontainers.reaper.scope", scope.to_owned()),
                ("test-reaper.test", test.to_owned()),
                ("test-reaper.process", process.clone()),
            ]
        },
    );
    for labels in &scopes {
        let labels: Vec<_> = labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
        elsewhere.another(&name, labels[0].1, &labels);
    }
    let table = stdout(&elsewhere.reaper(&["ls"]).output().unwrap());
    let below: Vec<_> = table.lines().skip_while(|line| !line.starts_with(&name)).skip(1).take(2).collect();
    let pid = |process: &str| process.split('.').next().unwrap().to_owned();
    let expected = [
        format!("  test orders::are_kept ({}, gone): 1 volume", pid(&gone)),
        format!("  test orders::are_paid ({}): 1 volume", pid(&alive)),
    ];
    assert_eq!(below, expected, "{table}");
    let json = listed(&stdout(&elsewhere.reaper(&["ls", "--json"]).output().unwrap()), &name);
    let scopes = json["scopes"].as_array().unwrap();
    assert_eq!(scopes.len(), 2, "{json:#}");
    assert_eq!((&scopes[0]["alive"], &scopes[1]["alive"]), (&false.into(), &true.into()), "{json:#}");
    assert_eq!(scopes[1]["test"], "orders::are_paid", "{json:#}");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let name = unique("ls-\u{1b}[31m");
    elsewhere.labelled("ls-escape", &name);
    let program = env!("CARGO_BIN_EXE_reaper");
    let table = on_terminal(&run, &format!("'{program}' ls"), "");
    assert!(stdout(&table).contains("\x1b[1mSESSION"), "{}", text(&table));
    let plain = on_terminal(&run, &format!("NO_COLOR=1 '{program}' ls"), "");
    let piped = reaper(&run, &["ls"]).output().unwrap();
    for output in [plain, piped] {
        assert!(
            stdout(&output).contains("SESSION") && stdout(&output).contains("ls-?[31m"),
            "{}",
            text(&output)
        );
        assert!(!stdout(&output).contains('\x1b'), "{}", text(&output));
    }
}

#[test]
fn an_engine_that_is_not_there_is_not_an_empty_one() {
    let run = Run::unbuilt();
    for arguments in [&["ls"][..], &["ls", "--json"], &["rm", "--orphans", "--yes"], &["rm", "x", "--yes"]] {
        let output = reaper(&run, arguments).env("DOCKER_HOST", "unix:///nowhere").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        assert!(stdout(&output).is_empty() && text(&output).contains("unix:///nowhere"), "{}", text(&output));
    }
}
