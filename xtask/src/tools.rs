//! The programs of others that these commands run, each built from source once: a binary from somewhere would have to be
//! trusted, and is not to be had everywhere.

use std::path::Path;
use std::process::{Command, Stdio};

/// A program, and the crate that it is in.
pub(crate) struct Tool {
    package: &'static str,
    /// What succeeds where it is installed.
    probe: &'static [&'static str],
    /// On two cores.
    takes: &'static str,
    /// Whether it runs for long enough that optimising it is worth the wait.
    optimised: bool,
}

pub(crate) const NEXTEST: Tool = Tool {
    package: "cargo-nextest",
    probe: &["cargo", "nextest", "--version"],
    takes: "six minutes",
    optimised: true,
};

pub(crate) const FUZZ: Tool = Tool {
    package: "cargo-fuzz",
    probe: &["cargo", "fuzz", "--version"],
    takes: "a minute",
    optimised: true,
};

/// Which licences the dependencies have, and where they come from.
const DENY: Tool = Tool {
    package: "cargo-deny",
    probe: &["cargo", "deny", "--version"],
    takes: "a minute",
    optimised: false,
};

/// The sets of features that a user may ask for.
const HACK: Tool = Tool {
    package: "cargo-hack",
    probe: &["cargo", "hack", "--version"],
    takes: "a quarter of a minute",
    optimised: false,
};

/// How things are spelled.
const TYPOS: Tool =
    Tool { package: "typos-cli", probe: &["typos", "--version"], takes: "a minute", optimised: false };

/// What `check` runs.
pub(crate) const OF_CHECK: [Tool; 3] = [DENY, HACK, TYPOS];

impl Tool {
    /// Builds it where it is missing and that was asked for.
    pub(crate) fn require(&self, install: bool, root: &Path) -> Result<(), String> {
        if self.is_installed() {
            return Ok(());
        }
        let Self { package, takes, .. } = self;
        if !install {
            return Err(format!("{package} is missing; install it, or run this command with --setup"));
        }
        println!("==> {package} is missing: building it from source, about {takes} on two cores");
        let mut command = Command::new("cargo");
        command.args(["install", "--locked", package]);
        if !self.optimised {
            // They share much of what they are built of.
            command.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
            command.env("CARGO_TARGET_DIR", root.join("target/tools"));
        }
        let status = command.status().map_err(|error| format!("failed to start {command:?}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
    }

    fn is_installed(&self) -> bool {
        let [program, arguments @ ..] = self.probe else { return false };
        let mut probe = Command::new(program);
        probe.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }
}
