//! All tests, of whoever runs them: what takes root is left out for others, counted as skipped, and named at the end.

use std::io::Write as _;
use std::process::Command;

use reaper_tests_engine::programs::is_root;

use crate::step::{Steps, cargo, root};

/// Packages as users have them, which the end-to-end tests run.
const FIXTURES: [&str; 3] = ["suite", "testcontainers-0.28", "adopted-command"];

/// Of the fixture `attributes`, what is run by `cargo xtask test`.
const ATTRIBUTES: [&str; 2] = ["edition-2018", "renamed"];

/// Projects that adopt the library, in each form: as they were, by one line, with one container for the run.
const ADOPTED: [&str; 4] = ["adopted-helper", "adopted-static", "adopted-library", "adopted-command"];
const FORMS: [&str; 3] = ["", "labels", "shared"];

/// Those that are built for [`projects`] alone, half a minute to a minute of a core each.
const MORE: [&str; 8] = [
    "attributes",
    "testcontainers-0.23",
    "testcontainers-0.24",
    "testcontainers-0.25",
    "testcontainers-0.26",
    "testcontainers-0.27",
    "adopted-sqlx",
    "adopted-dockertest",
];

/// nextest's profile for who is not root.
const WITHOUT_ROOT: [&str; 2] = ["--profile", "without-root"];
pub(crate) const ALL: [&str; 2] = ["--workspace", "--all-features"];

/// All tests: of the library, the server, the macros, the examples, end to end, and the documentation's.
pub(crate) fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    build_all(&mut steps)?;
    steps.run(&mut nextest())?;
    steps.run(cargo(&["test", "--doc"]).args(ALL))?;
    let starters = root().join("examples/starters/Cargo.toml");
    let mut starters_run = cargo(&["nextest", "run", "--no-fail-fast", "--locked", "--manifest-path"]);
    steps.run(starters_run.arg(starters).arg("--target-dir").arg(root().join("target")))?;
    steps.report();
    println!(
        "\nall tests that were run have passed; those that nextest calls skipped fail or wait on purpose, or take \
         long, and are run by others: by the compositions' driver, by `cargo xtask demo`, by `cargo xtask bench --shared` and by `cargo \
         xtask projects`"
    );
    say_what_was_left_out("test", "default", "all()")
}

/// Runs all, or all that this user can.
fn nextest() -> Command {
    let mut run = cargo(&["nextest", "run", "--no-fail-fast"]);
    if !is_root() {
        println!("==> you are not root: what takes that is left out, and named at the end");
        run.args(WITHOUT_ROOT);
    }
    run.args(ALL);
    run
}

/// The tests, and what they run.
pub(crate) fn build_all(steps: &mut Steps) -> Result<(), String> {
    println!(
        "==> building what the tests run as users would have it (the first time about four minutes on two cores)"
    );
    // First, since most of what the packages of users are built of comes with it.
    steps.run(cargo(&["nextest", "run", "--no-run"]).args(ALL))?;
    build(steps, &FIXTURES)?;
    let packages: Vec<&str> = ATTRIBUTES.iter().flat_map(|package| ["--package", package]).collect();
    steps.run(fixture("attributes", "").args(packages))
}

/// What of these takes root, if that was left out: the last thing that is printed, where nobody overlooks it.
fn say_what_was_left_out(command: &str, ignored: &str, of: &str) -> Result<(), String> {
    if is_root() {
        return Ok(());
    }
    let mut list = cargo(&["nextest", "list", "--message-format", "oneline", "--ignore-default-filter"]);
    list.args(WITHOUT_ROOT).args(ALL).args(["--run-ignored", ignored]);
    list.args(["-E", &format!("not default() and ({of})")]);
    let output = list.output().map_err(|error| format!("failed to start cargo nextest: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo nextest list: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let count = names.lines().count();
    if count == 0 {
        return Err("what takes root is nothing: nextest's profile `without-root` leaves nothing out".into());
    }
    println!("\nSKIPPED, since they take root: {count} tests");
    for name in names.lines() {
        println!("  {name}");
    }
    println!("run them as root: sudo --preserve-env=HOME,PATH cargo xtask {command}");
    std::io::stdout().flush().map_err(|error| error.to_string())
}

/// What others have, as they have it: projects before and after they adopt the library, releases of testcontainers, editions,
/// clients of the engine, a machine without a static libc. Also what `cargo xtask test` leaves out of it; the five ends of the
/// control are for `cargo xtask bench --adoption`.
pub(crate) fn projects() -> Result<(), String> {
    let mut steps = Steps::default();
    build(&mut steps, &MORE)?;
    build_adopted(&mut steps)?;
    let filter = "package(reaper-tests) and test(/^(testcontainers::release_|adoption::|attributes::)/) - test(/::unchanged::/) \
                  or package(test-reaper) and binary(command_line) and test(/^(clients|unembedded)::/)";
    steps.run(nextest().args(["--run-ignored", "all", "-E", filter]))?;
    steps.report();
    say_what_was_left_out("projects", "all", filter)
}

/// For their tests, and for the table of `cargo xtask bench --adoption`.
pub(crate) fn build_adopted(steps: &mut Steps) -> Result<(), String> {
    FORMS.iter().try_for_each(|form| build_with(steps, &ADOPTED, form))
}

/// Beforehand, since a test that builds one keeps all from running the others, and its deadline has a limit.
fn build(steps: &mut Steps, fixtures: &[&str]) -> Result<(), String> {
    build_with(steps, fixtures, "")
}

fn build_with(steps: &mut Steps, fixtures: &[&str], feature: &str) -> Result<(), String> {
    fixtures.iter().try_for_each(|name| steps.run(&mut fixture(name, feature)))
}

fn fixture(name: &str, feature: &str) -> Command {
    let manifest = root().join("tests/fixtures").join(name).join("Cargo.toml");
    let mut build =
        cargo(&["test", "--no-run", "--quiet", "--locked", "--features", feature, "--manifest-path"]);
    build.arg(manifest).arg("--target-dir").arg(root().join("target"));
    build
}
