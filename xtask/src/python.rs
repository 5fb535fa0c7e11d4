//! The Python with which tests look at clients of that language: an environment of this project's own, below `target`.
//!
//! Each package is pinned: what a release of theirs changes is not to be found out by a test that fails. What the distribution
//! packages was rejected: testcontainers is not among it.

use std::path::Path;
use std::process::Command;

use crate::setup::{require_programs, run, succeeds};
use crate::step::root;

/// What the interpreter needs to make an environment; Debian has it in a package of its own.
const INTERPRETER: (&str, &str) = ("python3", "python3-venv");

const PACKAGES: [&str; 2] = ["docker==7.2.0", "testcontainers==4.15.0"];

/// Makes sure that it is there.
pub(crate) fn require(install: bool) -> Result<(), String> {
    let folder = root().join("target/clients");
    let python = folder.join("bin/python");
    if succeeds(Command::new(&python).args(["-c", "import docker, testcontainers"])) {
        return Ok(());
    }
    if !install {
        return Err(format!(
            "some tests look at clients in Python, and {} has not {}; run this command with --setup",
            folder.display(),
            PACKAGES.join(" and ")
        ));
    }
    println!("==> no clients in Python: installing {} into {}", PACKAGES.join(" and "), folder.display());
    require_programs(&[INTERPRETER], "some tests look at clients in Python", install)?;
    make(&folder, &python)
}

fn make(folder: &Path, python: &Path) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .map_err(|problem| format!("{problem}; on Debian and Ubuntu it takes {}", INTERPRETER.1))?;
    run(Command::new(python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))
}
