//! A hundred tests that clean nothing up, with the containers gone at the end of the run, of the test, or by their handles.
//!
//! The engine is asked for their containers every twentieth of a second, and tells when each was destroyed. What the tests
//! say of themselves is when they began and ended; every tenth is killed. The plot of it is in the README.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reaper_tests_engine::{Body, Client};
use serde_json::Value;

use crate::figures::median;
use crate::plot::{Line, svg};
use crate::progress::{done, progress};
use crate::step::{build_examples, cargo, printed};

const TESTS: usize = 100;
const LABEL: &str = "scopes-bench";
const SAMPLED_EVERY: Duration = Duration::from_millis(50);
/// For the containers to go when all tests have ended.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// By hand, for comparison.
const BY_HAND: usize = 20;

/// With what the containers go, as the tests understand it.
const WAYS: [(&str, &str); 3] = [
    ("session", "reaper, scope = \"session\""),
    ("test", "reaper, scope = \"test\""),
    ("drop", "testcontainers' own Drop"),
];

/// What was seen of the tests in one way.
struct Seen {
    way: &'static str,
    name: &'static str,
    took: Duration,
    /// Seconds since the first test began, its containers, and the tests that ran.
    samples: Vec<(f64, usize, usize)>,
    /// From a test's end to its container's, in milliseconds: of those that returned, and of those that were killed.
    returned: Vec<u64>,
    killed: Vec<u64>,
    left: usize,
}

pub(crate) fn run() -> Result<(), String> {
    println!("==> building what is looked at");
    build_examples()?;
    let mut all = Vec::new();
    for (way, name) in WAYS {
        let seen = look(way, name);
        done();
        all.push(seen?);
    }
    let by_hand = by_hand()?;
    print(&all, &by_hand);
    let path = "docs/scopes.svg";
    std::fs::write(path, plot(&all)).map_err(|error| format!("failed to write {path}: {error}"))?;
    println!("\nthe plot is in {path}");
    judge(&all)
}

/// Runs the tests in one way, and looks on.
fn look(way: &'static str, name: &'static str) -> Result<Seen, String> {
    let bench = format!("{way}-{}", std::process::id());
    let label = format!("{LABEL}={bench}");
    let log = std::env::temp_dir().join(format!("reaper-{LABEL}-{bench}"));
    let mut events = Events::follow(&label)?;
    let mut command = cargo(&[
        "nextest",
        "run",
        "-p",
        "reaper-examples",
        "--test",
        "scopes",
        "--run-ignored",
        "only",
        "--no-fail-fast",
        "--test-threads",
        "4",
    ]);
    command.env("SCOPES_WAY", way).env("SCOPES_BENCH", &bench).env("SCOPES_LOG", &log);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let runner = std::thread::spawn(move || command.output().map(|output| (output, began.elapsed())));
    let (client, mut counted) = (Client::system(), Vec::new());
    let mut ended_at: Option<Instant> = None;
    loop {
        let count = client.containers(&label)?.len();
        counted.push((now(), count));
        progress(&format!("{name}: {} s, {count} containers", began.elapsed().as_secs()));
        if runner.is_finished() {
            let since = ended_at.get_or_insert_with(Instant::now).elapsed();
            // What a killed test's handle has not dropped stays for ever.
            if count == 0 || since > GONE_WITHIN || (way == "drop" && since > Duration::from_secs(3)) {
                break;
            }
        }
        std::thread::sleep(SAMPLED_EVERY);
    }
    let ended = runner.join().map_err(|_| "the thread of the runner has panicked")?;
    let (output, took) = ended.map_err(|error| format!("failed to start cargo: {error}"))?;
    check(name, &output)?;
    let destroyed = events.end();
    let left = client.containers(&label)?;
    for container in &left {
        remove(&client, container["Id"].as_str().unwrap_or_default())?;
    }
    let noted = Noted::read(&log)?;
    let _ = std::fs::remove_file(&log);
    let start = noted.began.values().min().copied().unwrap_or_default();
    let samples = counted.iter().filter(|(at, _)| *at >= start);
    let samples = samples.map(|(at, count)| (seconds(*at - start), *count, noted.running_at(*at))).collect();
    let mut seen = Seen { way, name, took, samples, returned: vec![], killed: vec![], left: left.len() };
    for (number, at) in destroyed {
        let Some(ended) = noted.ended.get(&number) else { continue };
        let late = at.saturating_sub(*ended);
        if number % 10 == 9 { seen.killed.push(late) } else { seen.returned.push(late) }
    }
    Ok(seen)
}

fn check(name: &str, output: &Output) -> Result<(), String> {
    let printed = printed(output);
    let expected = format!("{TESTS} tests run: {} passed", TESTS - TESTS / 10);
    if printed.contains(&expected) { Ok(()) } else { Err(format!("\"{name}\": not {expected}:\n{printed}")) }
}

/// When the tests began and ended, in milliseconds of the Unix epoch.
#[derive(Default)]
struct Noted {
    began: BTreeMap<usize, u64>,
    ended: BTreeMap<usize, u64>,
}

impl Noted {
    fn read(path: &PathBuf) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut noted = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [at, what, number] = words[..] else { return Err(format!("a line that is none: {line}")) };
            let (Ok(at), Ok(number)) = (at.parse(), number.parse()) else { continue };
            let into = if what == "begins" { &mut noted.began } else { &mut noted.ended };
            into.insert(number, at);
        }
        Ok(noted)
    }

    fn running_at(&self, at: u64) -> usize {
        let began = self.began.values().filter(|began| **began <= at).count();
        began - self.ended.values().filter(|ended| **ended <= at).count()
    }
}

/// What the engine tells of the end of containers.
struct Events {
    process: Child,
    destroyed: Receiver<(usize, u64)>,
}

impl Events {
    fn follow(label: &str) -> Result<Self, String> {
        let mut command = Command::new("docker");
        command.args(["events", "--filter", "type=container", "--filter", "event=destroy", "--filter"]);
        command.arg(format!("label={label}")).args(["--format", "{{json .}}"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut process = process.map_err(|error| format!("failed to start docker: {error}"))?;
        let output = process.stdout.take().ok_or("docker tells nothing")?;
        let (told, destroyed) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                let number = event["Actor"]["Attributes"][format!("{LABEL}.test")].as_str();
                let number = number.and_then(|number| number.parse().ok());
                let at = event["timeNano"].as_u64().map(|at| at / 1_000_000);
                if let (Some(number), Some(at)) = (number, at) {
                    let _ = told.send((number, at));
                }
            }
        });
        Ok(Self { process, destroyed })
    }

    /// All that was told.
    fn end(&mut self) -> Vec<(usize, u64)> {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Ends with the thread, which ends with the process.
        self.destroyed.iter().collect()
    }
}

/// How long the engine takes to remove such a container when it is asked to, in milliseconds.
fn by_hand() -> Result<Vec<u64>, String> {
    let client = Client::system();
    let image = workload()?;
    let mut took = Vec::new();
    for round in 0..BY_HAND {
        progress(&format!("by hand: {round} of {BY_HAND}"));
        let body = serde_json::json!({ "Image": image });
        let created = client.request("POST", "/containers/create", Body::Json(&body))?;
        let id = created["Id"].as_str().ok_or("a container without an id")?;
        client.send("POST", &format!("/containers/{id}/start"), Body::Nothing)?.successful()?;
        let began = Instant::now();
        let removed = Command::new("docker").args(["rm", "--force", id]).output();
        if !removed.is_ok_and(|output| output.status.success()) {
            remove(&client, id)?;
            return Err("docker rm did not".into());
        }
        took.push(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
    done();
    Ok(took)
}

/// The image of the tests' containers, which is on the engine still.
fn workload() -> Result<String, String> {
    let images = Client::system().inspect("/images/json")?;
    let tags = images.as_array().into_iter().flatten().filter_map(|image| image["RepoTags"].as_array());
    let mut tags = tags.flatten().filter_map(Value::as_str);
    tags.find(|tag| tag.starts_with("reaper-workload:"))
        .map(str::to_owned)
        .ok_or("the workload's image is gone".into())
}

fn remove(client: &Client, id: &str) -> Result<(), String> {
    client.send("DELETE", &format!("/containers/{id}?force=1&v=1"), Body::Nothing)?.successful().map(drop)
}

fn print(all: &[Seen], by_hand: &[u64]) {
    println!("\n{TESTS} tests, each with a container and no clean-up, every tenth killed, four at a time");
    println!("{:<28} {:>8} {:>16} {:>16} {:>6}", "", "wall", "most containers", "above those run", "left");
    for seen in all {
        println!(
            "{:<28} {:>6.1} s {:>16} {:>16} {:>6}",
            seen.name,
            seen.took.as_secs_f64(),
            seen.most(),
            seen.most_above_running(),
            seen.left
        );
    }
    println!("\n{:<28} {:>16} {:>16}", "test's end to container's", "median", "worst");
    let row = |name: &str, samples: &[u64]| match samples {
        [] => println!("{name:<28} {:>16} {:>16}", "-", "-"),
        _ => println!("{name:<28} {:>13} ms {:>13} ms", median(samples), samples.iter().max().unwrap_or(&0)),
    };
    for seen in all {
        row(&format!("{}, returned", seen.way), &seen.returned);
        row(&format!("{}, killed", seen.way), &seen.killed);
    }
    row("docker rm -f by hand", by_hand);
}

impl Seen {
    fn most(&self) -> usize {
        self.samples.iter().map(|(_, containers, _)| *containers).max().unwrap_or_default()
    }

    /// What was there beside the containers of tests that ran: those of which the tests had ended.
    fn most_above_running(&self) -> usize {
        self.samples
            .iter()
            .map(|(_, containers, running)| containers.saturating_sub(*running))
            .max()
            .unwrap_or_default()
    }
}

/// The figures that the documents promise.
fn judge(all: &[Seen]) -> Result<(), String> {
    for seen in all.iter().filter(|seen| seen.way != "drop") {
        if seen.left > 0 {
            return Err(format!("{}: {} containers were left", seen.name, seen.left));
        }
        if seen.returned.len() + seen.killed.len() != TESTS {
            return Err(format!("{}: not all of {TESTS} containers were seen to go", seen.name));
        }
    }
    let most = |way| all.iter().find(|seen| seen.way == way).map_or(0, Seen::most);
    // Those of killed tests stay for a second, and the engine takes its time to remove one.
    if most("test") * 3 > most("session") {
        return Err(format!(
            "{} containers at once, beside {} with the session",
            most("test"),
            most("session")
        ));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of one run")]
fn plot(all: &[Seen]) -> String {
    let containers = |seen: &Seen| seen.samples.iter().map(|(at, count, _)| (*at, *count as f64)).collect();
    let mut lines = Vec::new();
    for (seen, colour) in all.iter().zip(["#cf222e", "#1a7f37", "#9a6700"]) {
        let name = match seen.way {
            "session" => "scope = \"session\"",
            "test" => "scope = \"test\"",
            _ => "testcontainers alone",
        };
        lines.push(Line { name, colour, points: containers(seen) });
    }
    if let Some(seen) = all.iter().find(|seen| seen.way == "test") {
        let running = seen.samples.iter().map(|(at, _, running)| (*at, *running as f64)).collect();
        lines.push(Line { name: "tests that run", colour: "#8c959f", points: running });
    }
    svg("Containers on the engine: 100 tests, one each, every tenth killed", "seconds", &lines)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1e3
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(now).unwrap_or(u64::MAX)
}
