//! The main job, shown: parallel test processes, one of them killed, and an engine with nothing left on it.
//!
//! Everything printed was read from the engine or from nextest; nothing is known beforehand.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reaper_tests_engine::Client;
use serde_json::Value;

use crate::step::cargo;

const SESSION: &str = "org.testcontainers.sessionId";
const REAPER: &str = "org.testcontainers.reaper";
/// Begins with the pid of the runner whose tests made a container.
const RUNNER: &str = "test-reaper.runner";
/// The label under which the example that waits to be killed writes its pid.
const VICTIM: &str = "example.killed.pid";
/// The examples that need nothing but an engine. Of the others some want `cargo xtask images` first, and some are
/// `cargo xtask bench`'s. With the workspace's features, which all tests are built with: those of one package are others, for
/// which most dependencies were built once more.
const EXAMPLES: &str = "nextest run --workspace --all-features --test asynchronous --test blocking --test compose --test killed \
                        --test rstest_cases";
/// Some two seconds are usual: the reaper's timeout of one, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(40);

pub(crate) fn run() -> Result<(), String> {
    println!("==> building the examples (the first time about two minutes on two cores)");
    let examples: Vec<&str> = EXAMPLES.split_whitespace().collect();
    let mut build = cargo(&examples);
    build.arg("--no-run");
    if !std::io::stderr().is_terminal() {
        build.stderr(Stdio::null());
    }
    let status = build.status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(format!("the examples do not build; see `cargo {EXAMPLES}`"));
    }
    println!("==> cargo {EXAMPLES} --run-ignored all");
    println!(
        "    one of these tests will be killed with SIGKILL, so one will fail: that is the demonstration\n"
    );
    let mut arguments = [&examples[..], &["--run-ignored", "all"]].concat();
    // What failed was killed on purpose, and need not be shown once more at the end.
    arguments.extend(["--no-fail-fast", "--hide-progress-bar", "--failure-output", "immediate"]);
    arguments.extend(["--color", if std::io::stderr().is_terminal() { "always" } else { "never" }]);
    let mut runner = cargo(&arguments)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("failed to start cargo nextest: {error}"))?;
    let said = runner.stderr.take().ok_or("nextest says nothing")?;
    let summary = std::thread::spawn(move || passed_on(said));

    // Whoever runs tests on this engine beside us has a runner of his own.
    let mark = format!("{}.", runner.id());
    let of_this_run = || {
        let containers = Client::system().containers(SESSION)?;
        let is_ours =
            |container: &Value| label(container, RUNNER).is_some_and(|runner| runner.starts_with(&mark));
        Ok::<Vec<Value>, String>(containers.into_iter().filter(is_ours).collect())
    };
    let mut seen: Vec<Value> = Vec::new();
    let mut killed = None;
    let ended = loop {
        for container in of_this_run()? {
            if !seen.iter().any(|other| id(other) == id(&container)) {
                seen.push(container);
            }
        }
        if killed.is_none() {
            let victim = seen.iter().find(|container| label(container, VICTIM).is_some());
            killed = victim.map(|container| (id(container), kill(container)));
        }
        if let Some(status) = runner.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let Some((victim, pid)) = killed else { return Err(format!("no test was there to be killed ({ended})")) };
    let pid = pid?;

    let summary = summary.join().map_err(|_| "the thread that reads what nextest says has panicked")?;
    if !summary.contains(" 1 failed") {
        return Err(format!("more has failed than the test that was killed: {summary}"));
    }
    println!("\nthe one failure is the test process {pid}, which this demonstration killed");
    println!("\nstarted by this run, as the engine saw it:");
    for container in &seen {
        let role = if label(container, REAPER).is_some() {
            "reaper of the session".to_owned()
        } else if id(container) == victim {
            format!("of the test process {pid}, which got SIGKILL")
        } else {
            "of a test".to_owned()
        };
        println!("  {}  {:<34} {role}", &id(container)[..12], text(container, "Image"));
    }
    let sessions: BTreeSet<_> = seen.iter().filter_map(|container| label(container, SESSION)).collect();
    let reapers = seen.iter().filter(|container| label(container, REAPER).is_some()).count();
    println!("\n{} containers, {} session, {reapers} reaper", seen.len(), sessions.len());
    if sessions.len() != 1 || reapers != 1 || seen.len() < 3 {
        return Err("expected one session with one reaper and several containers".into());
    }

    let began = Instant::now();
    let mut told = false;
    loop {
        let left = of_this_run()?;
        let passed = began.elapsed().as_secs_f64();
        if left.is_empty() {
            println!("{passed:.1} s after the run: the reaper is gone, too; it has looked once more");
            return Ok(());
        }
        if !told && left.iter().all(|container| label(container, REAPER).is_some()) {
            println!("{passed:.1} s after the run: nothing that it made is left on the engine");
            told = true;
        }
        if began.elapsed() > GONE_WITHIN {
            let left: Vec<_> = left.iter().map(id).collect();
            return Err(format!("left on the engine after {GONE_WITHIN:?}: {left:?}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Passes on what nextest says, and gives its summary, without colours.
fn passed_on(said: impl std::io::Read) -> String {
    let mut summary = String::new();
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        eprintln!("{line}");
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        // A colour ends with the first `m`.
        let plain = parts.filter_map(|part| part.split_once('m')).fold(first, |text, (_, rest)| text + rest);
        if plain.trim_start().starts_with("Summary") {
            summary = plain;
        }
    }
    summary
}

fn kill(container: &Value) -> Result<String, String> {
    let pid = label(container, VICTIM).unwrap_or_default();
    let status = Command::new("kill").args(["-KILL", &pid]).status();
    match status {
        Ok(status) if status.success() => Ok(pid),
        other => Err(format!("failed to kill the test process {pid}: {other:?}")),
    }
}

fn id(container: &Value) -> String {
    text(container, "Id")
}

fn text(container: &Value, name: &str) -> String {
    container[name].as_str().unwrap_or_default().to_owned()
}

fn label(container: &Value, name: &str) -> Option<String> {
    container["Labels"][name].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_with_and_without_colours() {
        let plain = "     Summary [   1.2s] 8 tests run: 7 passed, 1 failed, 0 skipped";
        let coloured = "\u{1b}[31;1m     Summary\u{1b}[0m [   1.2s] \u{1b}[1m8\u{1b}[0m tests run: \u{1b}[1m7\u{1b}[0m \
                        \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m1\u{1b}[0m \u{1b}[31;1mfailed\u{1b}[0m, 0 skipped";
        for said in [plain, coloured] {
            assert_eq!(passed_on(format!("a line\n{said}\nanother\n").as_bytes()), plain);
        }
    }
}
