//! Fuzzes what reads the bytes of others, in the embedded server, the settings and the command line, for a minute each by default.
//!
//! On the stable toolchain, hence without a sanitizer. What libFuzzer needs of the compiler, the
//! instrumentation for coverage, are stable code generation options; `AddressSanitizer` alone asks for an
//! unstable one. It was rejected: it looks for what `unsafe` breaks, and the fuzzed sources have none.
//! Sums that wrap are checked in its place, and memory is bounded by what the targets assert.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::step::cargo;

pub(crate) const USUALLY: Duration = Duration::from_secs(60);

const TARGETS: [&str; 6] = ["creation", "filter", "http", "json", "properties", "words"];
/// What is shown of a crash: the panic's message, and where libFuzzer has put the input.
const LAST_LINES: usize = 30;

/// Runs every target for this long; fails with the first input that breaks a promise.
pub(crate) fn run(each: Duration) -> Result<(), String> {
    println!("==> building the fuzz targets (the first time about a minute on two cores)");
    let built = fuzz("build", &[]).stderr(Stdio::inherit()).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("the fuzz targets do not build, see above; libFuzzer needs a C++ compiler".into());
    }
    println!("==> {} s for each of {}\n", each.as_secs(), TARGETS.join(", "));
    println!("target      executions   per s   edges  features  corpus");
    for target in TARGETS {
        let Figures { executions, per_second, edges, features, corpus } = run_target(target, each)?;
        println!("{target:<10} {executions:>11} {per_second:>7} {edges:>7} {features:>9}  {corpus}");
    }
    println!("\nno input broke a promise");
    Ok(())
}

/// As libFuzzer writes them.
#[derive(Default)]
struct Figures {
    executions: String,
    per_second: String,
    /// Of the program, that some input has taken.
    edges: String,
    /// Edges, how often they were taken, and values that were compared.
    features: String,
    /// Inputs that were kept, and their size.
    corpus: String,
}

fn run_target(target: &str, each: Duration) -> Result<Figures, String> {
    let folder = folder();
    // What is found goes into the first; what is committed is only read.
    let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    std::fs::create_dir_all(&corpus)
        .map_err(|error| format!("failed to create {}: {error}", corpus.display()))?;
    let mut command = fuzz("run", &[target]);
    command.args([&corpus, &seeds]).arg("--").arg("-print_final_stats=1");
    command.arg(format!("-max_total_time={}", each.as_secs()));
    command.arg(format!("-dict={}.dict", seeds.display()));
    let mut running = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("failed to start cargo fuzz: {error}"))?;
    let mut lines = Vec::new();
    if let Some(output) = running.stderr.take() {
        // An input may be shown as it is, which need not be text.
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("failed to read what {target} writes: {error}"))?;
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
    let status = running.wait().map_err(|error| format!("failed to wait for {target}: {error}"))?;
    if !status.success() {
        return Err(crash(target, &lines));
    }
    figures(&lines).ok_or_else(|| format!("{target} ended without its figures:\n{}", last(&lines)))
}

fn figures(lines: &[String]) -> Option<Figures> {
    let done = lines.iter().rfind(|line| line.contains("DONE"))?;
    let statistic = |name: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        found.map(|rest| rest.trim_start_matches(':').trim().to_owned())
    };
    let behind = |name: &str| {
        let mut words = done.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).map(str::to_owned)
    };
    Some(Figures {
        executions: statistic("number_of_executed_units")?,
        per_second: statistic("average_exec_per_sec")?,
        edges: behind("cov:")?,
        features: behind("ft:")?,
        corpus: behind("corp:")?,
    })
}

fn crash(target: &str, lines: &[String]) -> String {
    let input = lines.iter().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
    match input {
        Some(input) => format!(
            "{target} fails on {input}\n{}\nagain with: cargo fuzz run --sanitizer none {target} {input}",
            last(lines)
        ),
        None => format!("{target} fails without an input:\n{}", last(lines)),
    }
}

fn last(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn fuzz(command: &str, arguments: &[&str]) -> Command {
    let mut fuzz = cargo(&["fuzz", command, "--sanitizer", "none"]);
    fuzz.args(arguments).current_dir(folder());
    fuzz
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz")
}
