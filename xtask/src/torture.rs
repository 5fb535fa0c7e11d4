//! The long repetitions of the fault suite; the program that does them is in `tests/torture`, beside the
//! harness that it shares with the tests.

use crate::step::cargo;

/// Runs it to its end, which its own budget bounds.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let mut torture = cargo(&["run", "--quiet", "-p", "reaper-tests", "--example", "torture", "--"]);
    let status = torture.args(options).status();
    if status.map_err(|error| format!("failed to start cargo: {error}"))?.success() {
        Ok(())
    } else {
        Err("something failed, was left over, was touched, or was not finished; see above".into())
    }
}
