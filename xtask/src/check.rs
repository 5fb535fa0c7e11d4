//! All tests, and everything that is checked without running them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::step::{Steps, cargo};
use crate::targets::FOREIGN;

/// The features of the library; each is linted alone.
const FEATURES: [&str; 7] =
    ["embedded", "tokio", "bollard", "rstest", "testcontainers", "cli", "ryuk-server"];

/// Packages as users have them, which the end-to-end tests run.
const FIXTURES: [&str; 6] = [
    "suite",
    "testcontainers-0.28",
    "testcontainers-0.27",
    "testcontainers-0.24",
    "testcontainers-0.23",
    "attributes",
];

/// Those that are built for [`releases`] alone, about a minute of a core each.
const MORE_RELEASES: [&str; 2] = ["testcontainers-0.25", "testcontainers-0.26"];

/// Of a default build, this library included: what a team adds to what it has.
const MOST_CRATES: usize = 45;

/// All tests: of the library, the server, the macros, the examples, end to end, and the documentation's.
pub(crate) fn test() -> Result<(), String> {
    let mut steps = Steps::default();
    println!(
        "==> building what the tests run as users would have it (the first time about four minutes on two cores)"
    );
    build(&mut steps, &FIXTURES)?;
    steps.run(&mut cargo(&["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]))?;
    steps.run(&mut cargo(&["test", "--workspace", "--all-features", "--doc"]))?;
    steps.report();
    println!(
        "\nall tests passed; those that nextest calls skipped fail or wait on purpose, and are run by others: by \
         the compositions' driver, by `cargo xtask demo`, by `cargo xtask bench --shared` and by `cargo xtask releases`"
    );
    Ok(())
}

/// The library beside the releases of testcontainers that `cargo xtask test` leaves out.
pub(crate) fn releases() -> Result<(), String> {
    let mut steps = Steps::default();
    build(&mut steps, &MORE_RELEASES)?;
    let filter = "package(reaper-tests) and test(/^testcontainers::release_/)";
    let run = ["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "--run-ignored", "all"];
    steps.run(cargo(&run).args(["-E", filter]))?;
    steps.report();
    Ok(())
}

/// Beforehand, since a test that builds one keeps all from running the others, and its deadline has a limit.
fn build(steps: &mut Steps, fixtures: &[&str]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    for fixture in fixtures {
        let manifest = root.join("tests/fixtures").join(fixture).join("Cargo.toml");
        let mut build = cargo(&["test", "--no-run", "--quiet", "--locked", "--manifest-path"]);
        steps.run(build.arg(manifest).arg("--target-dir").arg(root.join("target/suite")))?;
    }
    Ok(())
}

/// Format, lints, documentation.
pub(crate) fn check() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.run(&mut cargo(&["fmt", "--all", "--check"]))?;
    stays_small()?;
    let deny = ["--", "-D", "warnings"];
    let clippy = |arguments: &[&str]| cargo(&[&["clippy", "--all-targets"], arguments, &deny].concat());
    steps.run(&mut clippy(&["--workspace", "--all-features"]))?;
    steps.run(&mut clippy(&["-p", "test-reaper", "--no-default-features"]))?;
    for feature in FEATURES {
        steps.run(&mut clippy(&["-p", "test-reaper", "--no-default-features", "--features", feature]))?;
    }
    // Not testcontainers, which is as much again to compile, and has no code of ours for one system alone.
    for target in FOREIGN {
        for features in ["", "bollard,cli,rstest"] {
            let foreign = ["-p", "test-reaper", "--features", features, "--target", target];
            steps.run(&mut cargo(&[&["clippy"], &foreign[..], &deny].concat()))?;
        }
    }
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    steps.run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.report();
    Ok(())
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
