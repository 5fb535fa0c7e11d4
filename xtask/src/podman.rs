//! The end-to-end and fault tests on Podman, root's or a user's, in place of the system's engine.

use std::io::Write as _;

use reaper_tests_engine::podman::{filter, left_out};
use reaper_tests_engine::programs::is_root;

use crate::step::{Steps, cargo};
use crate::{images, tests};

/// At once. Of a handful of clients Podman serves each ever later: with eight on two cores requests take minutes, and tests whose
/// things are gone in a second fail. With four a test takes not much longer than by itself.
const THREADS: &str = "4";

/// What `--engine` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Podman {
    Rootful,
    Rootless,
}

impl Podman {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "podman" => Ok(Self::Rootful),
            "podman-rootless" => Ok(Self::Rootless),
            other => Err(format!("--engine is {other:?}, but must be podman or podman-rootless")),
        }
    }
}

/// All of them that Podman can hold, on one that is started for them and has a machine of its own; and then what it cannot.
pub(crate) fn run(podman: Podman) -> Result<(), String> {
    if !is_root() {
        return Err("--engine takes root: the Podman has namespaces of its own".into());
    }
    let rootless = podman == Podman::Rootless;
    let mut steps = Steps::default();
    tests::build_all(&mut steps)?;
    // That machine is on no network, so what the tests name is brought to it from the engine of this one.
    let folder = tempfile::tempdir().map_err(|error| format!("failed to make a folder: {error}"))?;
    let archive = folder.path().join("images.tar");
    images::save(&archive)?;
    let mut run = cargo(&["run", "--quiet", "-p", "reaper-tests", "--example", "on_podman", "--"]);
    if rootless {
        run.arg("--rootless");
    }
    run.arg("--load").arg(&archive).args([
        "cargo",
        "nextest",
        "run",
        "--no-fail-fast",
        "--test-threads",
        THREADS,
    ]);
    let outcome = steps.run(run.args(tests::ALL).args(["-E", &filter(rootless)]));
    steps.report();
    say_what_was_left_out(rootless)?;
    outcome
}

/// The last thing that is printed, where nobody overlooks it.
fn say_what_was_left_out(rootless: bool) -> Result<(), String> {
    let lines = left_out(rootless);
    println!();
    for line in &lines {
        println!("{line}");
    }
    println!(
        "{} of the list above; the guide's page on Podman has what follows from it for users",
        lines.len()
    );
    std::io::stdout().flush().map_err(|error| error.to_string())
}
