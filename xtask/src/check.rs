//! All tests, and everything that is checked without running them.

use crate::step::{Steps, cargo};

/// The features of the library; each is linted alone.
const FEATURES: [&str; 7] =
    ["embedded", "tokio", "bollard", "rstest", "testcontainers", "cli", "ryuk-server"];

/// All tests: of the library, the server, the macros, the examples, end to end, and the documentation's.
pub(crate) fn test() -> Result<(), String> {
    let mut steps = Steps::default();
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
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    steps.run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.report();
    Ok(())
}
