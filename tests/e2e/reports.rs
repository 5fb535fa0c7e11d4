//! What a run writes down of what was removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::suite::{Run, signal, spawn, text, until_no_keeper};
use reaper_tests::until;
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(60);

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_run_leaves_a_line_for_each_thing_with_its_test_and_why_it_went() {
    let run = Run::new();
    let path = run.file("report.jsonl");
    let tests = "test(=first) + binary(scopes) & test(/^scoped_(ends|panics|stays|reaps|shares)$/)";
    let mut command = run.cargo(&["nextest", "run", "--no-fail-fast", "--run-ignored", "all", "-E", tests]);
    let runner = spawn(command.env("REAPER_REPORT", &path));
    let killed = run.until_recorded("scoped_stays");
    signal("KILL", &killed.pid);
    std::fs::write(run.file("scoped-goes-on"), "").unwrap();
    let output = runner.wait_with_output().unwrap();
    engine::until_gone(&killed.session, WITHIN);
    // Who writes it down ends with the reaper.
    until_no_keeper(&killed.session);
    let mut counts: BTreeMap<(String, String), BTreeMap<String, usize>> = BTreeMap::new();
    for line in lines(&path) {
        assert_eq!(line["session"], killed.session.as_str(), "{line}");
        let (made, gone) = (line["made"].as_f64().unwrap(), line["gone"].as_f64().unwrap());
        // The workload's image was made when its program was, and one committed from it is as young as it is.
        assert!(made <= gone + 1.0 && gone - made < 600.0, "{line}");
        let word = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("{name}: {line}")).to_owned();
        assert!(!word("id").is_empty() && word("process").contains('@'), "{line}");
        assert_eq!(line["scope"].is_null(), word("why") == "session ended", "{line}");
        *counts.entry((word("test"), word("why"))).or_default().entry(word("kind")).or_default() += 1;
    }
    let all = |networks| {
        let kinds = [("container", 1), ("image", 1), ("network", networks), ("volume", 1)];
        BTreeMap::from(kinds.map(|(kind, count)| (kind.to_owned(), count)))
    };
    let expected = [
        ("first", "session ended", 1),
        ("scoped_ends", "scope ended", 1),
        ("scoped_panics", "scope ended", 1),
        ("scoped_reaps", "asked for", 1),
        ("scoped_shares", "scope ended", 1),
        // What it has made for all, and a network.
        ("scoped_shares", "session ended", 2),
        ("scoped_stays", "scope lost", 1),
    ];
    let expected = expected.map(|(test, why, networks)| ((test.to_owned(), why.to_owned()), all(networks)));
    assert_eq!(counts, BTreeMap::from(expected), "{}", text(&output));
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_that_names_it() {
    let run = Run::new();
    let mut command = run.binary("attribute");
    command.args(["--exact", "attaches", "--include-ignored"]).env("REAPER_REPORT", "/nowhere/report.jsonl");
    let output = command.output().unwrap();
    let said = text(&output);
    assert!(!output.status.success(), "{said}");
    for part in ["REAPER_REPORT", "/nowhere/report.jsonl", "a file that can be written"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// A session that has a name and nobody who holds it between its tests.
#[test]
fn a_report_that_nobody_is_there_to_write_is_said_to_be_missing() {
    let run = Run::new();
    let session = format!("unreported-{}", std::process::id());
    let mut command = run.binary("attribute");
    command.args(["--exact", "attaches", "--include-ignored"]).env("REAPER_REPORT", run.file("report.jsonl"));
    command.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    let output = command.output().unwrap();
    let said = text(&output);
    assert!(output.status.success() && said.contains("not all of what is removed is written down"), "{said}");
    until("it is over", WITHIN, || {
        let left = engine::resources(&session);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
