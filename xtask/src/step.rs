//! Running commands one after another, and telling at the end which took longest.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const SHOWN: usize = 8;

/// Steps that were run, with their times.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

struct Step {
    name: String,
    took: Duration,
    /// Of the processors, where the system tells: beside other work the time alone says little.
    worked: Option<Duration>,
}

impl Steps {
    /// Runs a command to its end; fails with it.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<(), String> {
        let name = describe(command);
        println!("==> {name}");
        let (began, before) = (Instant::now(), worked());
        let status = command.status().map_err(|error| format!("failed to start `{name}`: {error}"))?;
        let worked = worked().zip(before).map(|(after, before)| after.saturating_sub(before));
        self.0.push(Step { name: name.clone(), took: began.elapsed(), worked });
        if status.success() { Ok(()) } else { Err(format!("`{name}` ended with {status}")) }
    }

    /// The slowest of them.
    pub(crate) fn report(mut self) {
        self.0.sort_by_key(|step| std::cmp::Reverse(step.took));
        println!("\nslowest steps, and what of the processors they took:");
        for Step { name, took, worked } in self.0.iter().take(SHOWN) {
            let worked =
                worked.map_or_else(|| "?".to_owned(), |worked| format!("{:.1}", worked.as_secs_f64()));
            println!("{:>8.1} s {worked:>8} s  {name}", took.as_secs_f64());
        }
    }
}

/// What all children that have ended, and theirs, took of the processors: the 16th and the 17th field that Linux has of this
/// process, in hundredths of a second on every architecture.
fn worked() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name, in which anything may stand.
    let fields = line.rsplit_once(')')?.1.split_whitespace().skip(13).take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
    Some(Duration::from_millis(ticks * 10))
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

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}
