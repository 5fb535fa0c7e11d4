//! Removing everything of a session while it goes on.

use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::suite::{Run, spawn};

#[test]
fn reap_now_removes_everything_but_the_reaper_and_returns_when_it_is_gone() {
    let run = Run::new();
    let session = format!("reap-now-{}", std::process::id());
    let mut test = run.binary("keep");
    test.args(["--exact", "reaps_now", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
    let mut test = spawn(&mut test);
    let before = run.until_recorded("reaps_now");
    let after = run.until_recorded("reaped");
    // At once, with nothing to wait for: the call had returned.
    assert_eq!(engine::resources(&session), [format!("container {}", after.reaper)]);
    assert_eq!(before.reaper, after.reaper);
    assert!(test.try_wait().unwrap().is_none());
    test.kill().unwrap();
    test.wait().unwrap();
    engine::until_gone(&session, Duration::from_secs(60));
}
