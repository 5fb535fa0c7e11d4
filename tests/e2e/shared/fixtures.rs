//! `#[shared]`, as fixtures of rstest and as functions that are called.

use reaper_tests::engine;
use reaper_tests::suite::until_no_keeper;

use super::{GONE_WITHIN, Place, Shared, fails_with, succeeds};

/// Every fixture of the suite that makes a value, but for one whose key is another's.
const MADE_ONCE: [&str; 10] = [
    "above",
    "above_sync",
    "alias",
    "alone",
    "below",
    "below_sync",
    "effect",
    "port_1",
    "port_2",
    "without_guard",
];

#[test]
fn a_shared_fixture_is_made_once_by_rstest_and_by_calls_under_every_runtime() {
    let shared = Shared::new();
    let filter = "binary(shared_fixture) and test(/^by_/)";
    let mut command = shared.run.cargo(&["nextest", "run", "--run-ignored", "all", "-E", filter]);
    shared.set(&mut command);
    let output = succeeds(&mut command);
    assert!(output.contains("4 passed"), "{output}");

    let records = shared.run.records();
    let mut made: Vec<_> = records.iter().filter(|record| record.container == "made").collect();
    made.sort_by(|one, other| one.test.cmp(&other.test));
    let names: Vec<_> = made.iter().map(|record| record.test.as_str()).collect();
    assert_eq!(names, MADE_ONCE);
    // Whoever got a value got the process that made it.
    let maker = |name: &str| made.iter().find(|record| record.test == name).unwrap().pid.as_str();
    let expected =
        |names: &[&'static str]| names.iter().map(|name| maker(name)).collect::<Vec<_>>().join(",");
    let by_rstest = expected(&["above", "below", "below_sync", "above_sync"]);
    let by_call =
        expected(&["above", "below", "alone", "alias", "without_guard", "without_guard", "port_1", "port_2"]);
    for (name, expected) in [("by_rstest", by_rstest), ("by_call", by_call)] {
        let got: Vec<_> = shared.records(name).into_iter().map(|record| record.container).collect();
        assert_eq!(got, [expected.clone(), expected]);
    }
    let session = &records[0].session;
    until_no_keeper(session);
    shared.until_nothing_is_kept();
    engine::until_gone(session, GONE_WITHIN);
}

#[test]
fn a_module_of_two_test_binaries_shares_one_value() {
    let shared = Shared::new();
    let filter = "test(=from_common)";
    let mut command = shared.run.cargo(&["nextest", "run", "--run-ignored", "all", "-E", filter]);
    shared.set(&mut command);
    let output = succeeds(&mut command);
    assert!(output.contains("2 passed"), "{output}");
    let (made, got) = (shared.records("common"), shared.records("from_common"));
    assert_eq!((made.len(), got.len()), (1, 2), "{made:?} {got:?}");
    assert!(got.iter().all(|got| got.container == made[0].pid), "{made:?} {got:?}");
    until_no_keeper(&made[0].session);
    engine::until_gone(&made[0].session, GONE_WITHIN);
}

#[test]
fn a_fixture_without_a_value_panics_and_names_its_place() {
    let shared = Shared::at(Place::Folder);
    std::fs::write(shared.run.file("a-file"), "").unwrap();
    let mut command = shared.run.binary("shared_fixture");
    command.args(["--exact", "panics", "--include-ignored"]);
    command.env("TESTCONTAINERS_SESSION_ID", format!("placeless-{}", std::process::id()));
    shared.set(&mut command);
    command.env("TMPDIR", shared.run.file("a-file"));
    let parts = [
        "no value for the shared fixture at tests/shared_fixture.rs:",
        "failed to keep the shared value \"shared_fixture::nothing_but_an_effect\"",
    ];
    fails_with(&mut command, &parts);
}
