//! The end of a guarded test: its failure is its process's, and its scope's where it has one.

use super::{outcome, scope};

/// The test that runs here has failed.
pub(crate) fn failed() {
    scope::note_failure();
    outcome::failed();
}

/// Takes note of how a guarded test has ended, and lets go of its guard.
pub(crate) fn end_of_test(passed: bool, let_go: impl FnOnce()) {
    if !passed {
        failed();
    }
    outcome::expecting(passed, let_go);
}
