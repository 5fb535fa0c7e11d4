//! Running commands one after another, and telling at the end which took longest.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Steps that were run, with their times.
#[derive(Default)]
pub(crate) struct Steps(Vec<(String, Duration)>);

impl Steps {
    /// Runs a command to its end; fails with it.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<(), String> {
        let name = describe(command);
        println!("==> {name}");
        let began = Instant::now();
        let status = command.status().map_err(|error| format!("failed to start `{name}`: {error}"))?;
        self.0.push((name.clone(), began.elapsed()));
        if status.success() { Ok(()) } else { Err(format!("`{name}` ended with {status}")) }
    }

    /// The slowest five.
    pub(crate) fn report(mut self) {
        self.0.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        println!("\nslowest steps:");
        for (name, took) in self.0.iter().take(5) {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
    }
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// cargo, freed of what an outer cargo or nextest has set for its own children.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let inherited =
            text.starts_with("NEXTEST") || text.starts_with("CARGO_PKG") || text == "CARGO_MANIFEST_DIR";
        if inherited || text.starts_with("TESTCONTAINERS_") || text.starts_with("RYUK_") {
            command.env_remove(&name);
        }
    }
    command.args(arguments);
    command
}

/// The tests of the examples, so that what is measured is not their building.
pub(crate) fn build_examples() -> Result<(), String> {
    let built = cargo(&["test", "--no-run", "--quiet", "-p", "reaper-examples"]).status();
    if built.is_ok_and(|status| status.success()) { Ok(()) } else { Err("the examples do not build".into()) }
}

/// What a command has printed, both streams.
pub(crate) fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
