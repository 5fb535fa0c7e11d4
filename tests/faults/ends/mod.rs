//! What can never pass ends at once and says why, what may pass has a deadline, and nobody is left waiting.

mod hardening;
mod panics;
mod refusals;
mod waits;

use std::process::Command;

use reaper_tests::scene::Scene;

/// A test of the suite's that prints what it is told, in the scene's session.
fn told(scene: &Scene, test: &str) -> Command {
    let mut command = scene.run.binary("ends");
    command.args(["--exact", test, "--include-ignored", "--nocapture"]);
    command.env("TESTCONTAINERS_SESSION_ID", &scene.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}
