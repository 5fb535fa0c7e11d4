//! A whole application's tests with a reaper and without: how many containers they start, how long they take, and what
//! stays of them when everything is killed.
//!
//! It is built by itself and by this command alone: it brings three times as many crates as everything else here. What is
//! counted is read from the engine, by a label that the tests put on each container; what stays is removed at the end.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reaper_tests_engine::Client;
use serde_json::Value;

use crate::step::{cargo, printed, root};

/// The tests put it on every container, with the value of [`RUN`].
const LABEL: &str = "example.application";
const RUN: &str = "APPLICATION_RUN";
const TESTS: usize = 60;
/// How many containers are there when everything is killed.
const KILLED_WITH: [usize; 2] = [2, 6];
const WITHIN: Duration = Duration::from_secs(300);
/// After this long nobody removes anything any more.
const LEFT_AFTER: Duration = Duration::from_secs(30);

/// A way to come by the services.
struct Way {
    name: &'static str,
    variable: Option<&'static str>,
    killed_with: usize,
}

const WAYS: [Way; 2] = [
    Way { name: "with reaper", variable: None, killed_with: KILLED_WITH[0] },
    Way { name: "testcontainers alone", variable: Some("WITHOUT_REAPER"), killed_with: KILLED_WITH[1] },
];

/// Runs the tests in both ways, and kills them in both.
pub(crate) fn run() -> Result<(), String> {
    println!("==> building the application and its tests (the first time about four minutes on two cores)");
    let built = nextest(&["--no-run"]).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("the application does not build, see above".into());
    }
    let mut rows = Vec::new();
    for way in &WAYS {
        rows.push(way.measured());
        remove(&way.label());
    }
    println!(
        "\n{TESTS} tests in five files, nextest, on one PostgreSQL and one Redis or on one of each for every test\n"
    );
    println!("{:<22} {:>10} {:>9} {:>24}", "", "containers", "wall", "left after kill -9");
    for (way, row) in WAYS.iter().zip(rows) {
        let Row { started, wall, at_the_kill, left } = row?;
        println!(
            "{:<22} {started:>10} {:>7.1} s {:>24}",
            way.name,
            wall.as_secs_f64(),
            format!("{left} of {at_the_kill}")
        );
        if way.variable.is_none() && (started, left) != (2, 0) {
            return Err(format!(
                "with reaper there are to be 2 containers and none left, not {started} and {left}"
            ));
        }
    }
    Ok(())
}

struct Row {
    started: usize,
    wall: Duration,
    at_the_kill: usize,
    left: usize,
}

impl Way {
    fn label(&self) -> String {
        format!("{}-{}", std::process::id(), if self.variable.is_none() { "with" } else { "without" })
    }

    fn measured(&self) -> Result<Row, String> {
        println!("==> {}", self.name);
        let mut events = self.events()?;
        let began = Instant::now();
        let output =
            self.command(&[]).output().map_err(|error| format!("failed to start nextest: {error}"))?;
        let wall = began.elapsed();
        // Not asked for afterwards: an engine remembers the last few hundred events of all its users.
        let _ = events.kill();
        let events = events.wait_with_output().map_err(|error| error.to_string())?;
        let started = String::from_utf8_lossy(&events.stdout).lines().count();
        if !printed(&output).contains(&format!("{TESTS} passed")) {
            return Err(format!(
                "not all {TESTS} tests of the application have passed:\n{}",
                printed(&output)
            ));
        }
        // What the run itself has not removed would be counted as left.
        until_at_most(&self.label(), 0, LEFT_AFTER)?;
        let (at_the_kill, left) = self.killed()?;
        Ok(Row { started, wall, at_the_kill, left })
    }

    /// nextest's own group with all tests, killed as soon as this many containers are there.
    fn killed(&self) -> Result<(usize, usize), String> {
        let mut command = self.command(&["--no-fail-fast"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut runner = command.spawn().map_err(|error| format!("failed to start nextest: {error}"))?;
        let began = Instant::now();
        while running(&self.label())? < self.killed_with {
            let has_ended = runner.try_wait().map_err(|error| error.to_string())?.is_some();
            if has_ended || began.elapsed() > WITHIN {
                return Err("the tests of the application had ended before they could be killed".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Each test is a group of its own: those first that would see the runner's end.
        for group in tests_of(runner.id()).into_iter().chain([runner.id()]) {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).output();
        }
        let _ = runner.wait();
        let at_the_kill = running(&self.label())?;
        until_at_most(&self.label(), 0, LEFT_AFTER).map(|left| (at_the_kill.max(left), left))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = nextest(arguments);
        command.env(RUN, self.label());
        command.envs(self.variable.map(|name| (name, "1")));
        command
    }

    /// A line for each container that the engine creates from now on.
    fn events(&self) -> Result<Child, String> {
        let label = format!("label={LABEL}={}", self.label());
        let mut events = Command::new("docker");
        events.args(["events", "--filter", "event=create", "--filter", "type=container", "--filter", &label]);
        events.stdout(Stdio::piped()).spawn().map_err(|error| format!("failed to start docker: {error}"))
    }
}

fn nextest(arguments: &[&str]) -> Command {
    let manifest = root().join("examples/application/Cargo.toml");
    let mut command = cargo(&["nextest", "run", "--locked", "--manifest-path"]);
    command.arg(manifest).arg("--target-dir").arg(root().join("target"));
    command.args(arguments);
    command
}

/// The children of nextest's, each of which runs a test in a group of its own.
fn tests_of(runner: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(runner)
    };
    processes.filter(is_child).collect()
}

fn containers(run: &str) -> Result<Vec<Value>, String> {
    Client::system().list("/containers/json?all=1", &format!("{LABEL}={run}"))
}

fn running(run: &str) -> Result<usize, String> {
    Ok(containers(run)?.iter().filter(|container| container["State"] == "running").count())
}

/// How many are left when there are so few, or this time is over.
fn until_at_most(run: &str, most: usize, within: Duration) -> Result<usize, String> {
    let began = Instant::now();
    loop {
        let left = containers(run)?.len();
        if left <= most || began.elapsed() > within {
            return Ok(left);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What stays is nobody's.
fn remove(run: &str) {
    for container in containers(run).unwrap_or_default() {
        let id = container["Id"].as_str().unwrap_or_default();
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", id]).output();
    }
}
