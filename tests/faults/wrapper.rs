//! The runner need not be the parent of the tests, nor the child of the terminal.

use std::time::Duration;

use reaper_tests::suite::{Run, keepers, spawn, text};

/// Wider than every timeout that these tests set, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The session outlives a runner that was started by a wrapper, and ends with the runner and not the wrapper.
#[test]
fn a_wrapper_around_the_runner_changes_nothing() {
    let run = Run::new();
    let nextest = run.cargo(&["nextest", "run", "-E", "test(first)"]);
    let mut wrapper = run.command("sh");
    // The shell goes on for a while after the runner has ended, as a script with more to do would.
    wrapper
        .args(["-c", "\"$@\" && echo over && exec sleep 30", "sh"])
        .arg(nextest.get_program())
        .args(nextest.get_args());
    let mut wrapper = spawn(&mut wrapper);
    let test = run.until_recorded("first");
    reaper_tests::engine::until_gone(&test.session, GONE_WITHIN);
    assert!(wrapper.try_wait().unwrap().is_none(), "the wrapper should not have been waited for");
    assert_eq!(keepers(&test.session), Vec::<String>::new());
    wrapper.kill().unwrap();
    let output = wrapper.wait_with_output().unwrap();
    assert!(text(&output).contains("over"), "{}", text(&output));
}
