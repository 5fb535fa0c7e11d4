//! Everything that is checked without running a test.

use std::collections::BTreeSet;
use std::process::Command;

use crate::links;
use crate::minimal;
use crate::step::{Steps, root};
use crate::targets::FOREIGN;

/// Features of the library that no other one meets, and that cost a compilation of the server, or are one: they are linted
/// alone, and all others in pairs by [`pairs`].
const BY_THEMSELVES: [&str; 2] = ["embedded", "ryuk-server"];

/// What is embedded is the same on every system and whatever else there is, so that it is compiled once, and left out of all else
/// that is only looked at: it costs eight seconds of a core each time.
pub(crate) const WITHOUT_SERVER: (&str, &str) = ("DOCS_RS", "1");

/// libFuzzer is in C++, and nothing is linked here.
const WITHOUT_LIBFUZZER: (&str, &str) = ("CUSTOM_LIBFUZZER_PATH", "/nowhere/libfuzzer.a");

/// Built of what has its own folder, so that tests may run beside it: who builds in a folder keeps all others waiting.
const BUILT_IN: &str = "target/check";

/// What clippy finds is an error.
const DENY: [&str; 3] = ["--", "-D", "warnings"];

/// Of a default build, this library included: what a team adds to what it has.
const MOST_CRATES: usize = 45;

/// Format, spelling, lints, dependencies, documentation.
pub(crate) fn check() -> Result<(), String> {
    let mut steps = Steps::default();
    let fuzz = root().join("fuzz/Cargo.toml");
    steps.run(&mut cargo(&["fmt", "--all", "--check"]))?;
    steps.run(cargo(&["fmt", "--check", "--manifest-path"]).arg(&fuzz))?;
    steps.run(Command::new("typos").current_dir(root()))?;
    stays_small()?;
    // Not its advisories: the list of them is on a host that not everybody reaches, so that is the public workflow's.
    steps.run(&mut cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    let clippy = |arguments: &[&str]| cargo(&[&["clippy"], arguments, &DENY].concat());
    steps.run(&mut clippy(&["--workspace", "--all-features", "--all-targets"]))?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    steps.run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    links::check(&root(), &root().join(BUILT_IN).join("doc"))?;
    // The tests of the default build, which is what contributors run first.
    steps.run(&mut clippy(&["-p", "test-reaper", "--all-targets"]))?;
    for feature in BY_THEMSELVES {
        let mut lint = clippy(&["-p", "test-reaper", "--no-default-features", "--features", feature]);
        steps.run(lint.env_remove(WITHOUT_SERVER.0))?;
    }
    steps.run(&mut with_features_together("1"))?;
    // A workspace of its own, which is built to be run by `cargo xtask fuzz` alone.
    let mut targets = cargo(&["clippy", "--locked", "--manifest-path"]);
    steps.run(targets.arg(&fuzz).args(DENY).env(WITHOUT_LIBFUZZER.0, WITHOUT_LIBFUZZER.1))?;
    // Not testcontainers, which is as much again to compile, and has no code of ours for one system alone; bollard has some for
    // Windows.
    for target in FOREIGN {
        let most = if target.contains("windows") { "bollard,cli,rstest,tls" } else { "cli,rstest,tls" };
        for features in ["", most] {
            let mut lint = clippy(&["-p", "test-reaper", "--features", features, "--target", target]);
            // What `ring` has in C is compiled for nothing here: nothing is linked.
            for tool in ["CC", "AR"] {
                lint.env(format!("{tool}_{}", target.replace('-', "_")), "true");
            }
            steps.run(&mut lint)?;
        }
    }
    minimal::check(&mut steps, &root(), &root().join(BUILT_IN))?;
    steps.report();
    Ok(())
}

/// Lints with every pair of features, three minutes of a core.
pub(crate) fn pairs() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.run(&mut with_features_together("2"))?;
    steps.report();
    Ok(())
}

/// Lints with as many of the features that others may meet, in each combination; those that are two lines of ours each are one.
fn with_features_together(number: &str) -> Command {
    let powerset = ["hack", "clippy", "-p", "test-reaper", "--feature-powerset", "--depth", number];
    let others = ["--exclude-features", "default,embedded,ryuk-server", "--group-features", "rstest,tokio"];
    cargo(&[&powerset[..], &others, &DENY].concat())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = crate::step::cargo(arguments);
    command.env("CARGO_TARGET_DIR", root().join(BUILT_IN)).env(WITHOUT_SERVER.0, WITHOUT_SERVER.1);
    command
}

/// A default build has no bollard, which would lock out whoever has another, and few crates.
fn stays_small() -> Result<(), String> {
    println!("==> counting the crates of a default build");
    let tree = [
        "tree",
        "--package",
        "test-reaper",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let output = cargo(&tree).output().map_err(|error| format!("failed to start cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let crates: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    if let Some(bollard) = crates.iter().find(|name| name.starts_with("bollard")) {
        return Err(format!("a default build has {bollard}"));
    }
    match crates.len() {
        // An empty tree must not pass.
        10..=MOST_CRATES => Ok(()),
        count => Err(format!("a default build has {count} crates, of at most {MOST_CRATES}")),
    }
}
