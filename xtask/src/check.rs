//! All tests, and everything that is checked without running them.

use std::path::Path;

use crate::step::{Steps, cargo};
use crate::targets::FOREIGN;

/// The features of the library; each is linted alone.
const FEATURES: [&str; 7] =
    ["embedded", "tokio", "bollard", "rstest", "testcontainers", "cli", "ryuk-server"];

/// Packages as users have them, which the end-to-end tests run.
const FIXTURES: [&str; 4] = ["suite", "testcontainers-0.28", "testcontainers-0.27", "attributes"];

/// All tests: of the library, the server, the macros, the examples, end to end, and the documentation's.
pub(crate) fn test() -> Result<(), String> {
    let mut steps = Steps::default();
    // Beforehand, since a test that builds one keeps all from running the others, and its deadline has a limit.
    println!(
        "==> building what the tests run as users would have it (the first time about three minutes on two cores)"
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    for fixture in FIXTURES {
        let manifest = root.join("tests/fixtures").join(fixture).join("Cargo.toml");
        let mut build = cargo(&["test", "--no-run", "--quiet", "--locked", "--manifest-path"]);
        steps.run(build.arg(manifest).arg("--target-dir").arg(root.join("target/suite")))?;
    }
    steps.run(&mut cargo(&["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]))?;
    steps.run(&mut cargo(&["test", "--workspace", "--all-features", "--doc"]))?;
    steps.report();
    println!(
        "\nall tests passed; those that nextest calls skipped fail or wait on purpose, and are run by others: by \
         the compositions' driver, by `cargo xtask demo` and by `cargo xtask bench --shared`"
    );
    Ok(())
}

/// Format, lints, documentation.
pub(crate) fn check() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.run(&mut cargo(&["fmt", "--all", "--check"]))?;
    let deny = ["--", "-D", "warnings"];
    let clippy = |arguments: &[&str]| cargo(&[&["clippy", "--all-targets"], arguments, &deny].concat());
    steps.run(&mut clippy(&["--workspace", "--all-features"]))?;
    steps.run(&mut clippy(&["-p", "test-reaper", "--no-default-features"]))?;
    for feature in FEATURES {
        steps.run(&mut clippy(&["-p", "test-reaper", "--no-default-features", "--features", feature]))?;
    }
    // Not testcontainers, which is as much again to compile, and has no code of ours for one system alone.
    for target in FOREIGN {
        let foreign = ["-p", "test-reaper", "--features", "bollard,cli,rstest", "--target", target];
        steps.run(&mut cargo(&[&["clippy"], &foreign[..], &deny].concat()))?;
    }
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    steps.run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.report();
    Ok(())
}
