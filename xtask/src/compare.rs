//! One PostgreSQL for a whole run, beside what people do without it: a hundred tests three times over.
//!
//! The tests differ in nothing but where their database comes from. How many servers, migrations and databases
//! there were is read from the engine and from the servers' logs, never from the tests, so that what is measured
//! is what is meant. Nothing is repeated: the times are seconds, and the differences a multiple.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use reaper_tests_engine::Client;

use crate::figures::bar;
use crate::progress::{done, progress};
use crate::step::{build_examples, cargo, printed};

const SESSION: &str = "org.testcontainers.sessionId";
const IMAGE: &str = "reaper-examples/postgres";
const TESTS: usize = 100;
/// What stands in a server's log each time that the tables are made, and for each database.
const MIGRATED: &str = "CREATE TABLE orders";
const CLONED: &str = "CREATE DATABASE \"order_";

/// A way to come by a database.
struct Way {
    name: &'static str,
    arguments: &'static [&'static str],
    servers: usize,
    /// How many migrations and clones its one server has logged; none where there is a server each.
    logged: Option<(usize, usize)>,
}

const WAYS: [Way; 3] = [
    Way {
        name: "reaper.shared, nextest",
        arguments: &["nextest", "run", "-p", "reaper-examples", "--test", "shared_postgres"],
        servers: 1,
        logged: Some((1, TESTS)),
    },
    Way {
        name: "OnceCell, cargo test",
        arguments: &[
            "test",
            "-p",
            "reaper-examples",
            "--test",
            "once_postgres",
            "--",
            "--ignored",
            "--test-threads=4",
        ],
        servers: 1,
        logged: Some((1, TESTS)),
    },
    Way {
        name: "a container each, nextest",
        arguments: &[
            "nextest",
            "run",
            "-p",
            "reaper-examples",
            "--run-ignored=only",
            "--test",
            "own_postgres",
        ],
        servers: TESTS,
        logged: None,
    },
];

/// Runs the tests in each way, and shows the times as bars.
pub(crate) fn run() -> Result<(), String> {
    println!("==> building what is compared");
    build_examples()?;
    let mut times = Vec::new();
    for way in &WAYS {
        let took = way.measured();
        done();
        times.push(took?.as_secs_f64());
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    println!("\n{TESTS} tests, each with a PostgreSQL database of its own, four at a time");
    for (way, took) in WAYS.iter().zip(&times) {
        let (servers, ratio) = (way.servers, took / times[0]);
        let plural = if servers == 1 { "" } else { "s" };
        println!("{:<26} {took:>6.1} s  {ratio:>5.2} x  {}", way.name, bar(took / slowest));
        println!("    {servers} server{plural}, as the engine saw it");
    }
    Ok(())
}

impl Way {
    /// The time of the run, which was seen to have started what this way means.
    fn measured(&self) -> Result<Duration, String> {
        let before = servers()?;
        let mut command = cargo(self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let runner = std::thread::spawn(move || command.output().map(|output| (output, began.elapsed())));
        let mut seen = BTreeSet::new();
        while !runner.is_finished() {
            seen.extend(servers()?.difference(&before).cloned());
            progress(&format!("{}: {} s, {} servers", self.name, began.elapsed().as_secs(), seen.len()));
            std::thread::sleep(Duration::from_millis(50));
        }
        let ended = runner.join().map_err(|_| "the thread of the runner has panicked")?;
        let (output, took) = ended.map_err(|error| format!("failed to start cargo: {error}"))?;
        self.check(&output, &seen.into_iter().collect::<Vec<_>>())?;
        Ok(took)
    }

    fn check(&self, output: &Output, servers: &[String]) -> Result<(), String> {
        let told = printed(output);
        if !output.status.success() || !told.contains(&format!("{TESTS} passed")) {
            return Err(format!("not all tests of \"{}\" have passed:\n{told}", self.name));
        }
        if servers.len() != self.servers {
            return Err(format!(
                "\"{}\" has started {} servers, not {}",
                self.name,
                servers.len(),
                self.servers
            ));
        }
        // The reaper waits a second before it takes the server away, and its log with it.
        let (Some(expected), [server]) = (self.logged, servers) else { return Ok(()) };
        let log = Command::new("docker").args(["logs", server]).output();
        let log = log.map_err(|error| format!("failed to start docker: {error}"))?;
        let log = printed(&log);
        let logged = (log.matches(MIGRATED).count(), log.matches(CLONED).count());
        if logged == expected {
            return Ok(());
        }
        Err(format!(
            "the server of \"{}\" has logged {logged:?} migrations and databases, not {expected:?}",
            self.name
        ))
    }
}

/// The servers of all sessions on the engine.
fn servers() -> Result<BTreeSet<String>, String> {
    let text = |container: &serde_json::Value, name| container[name].as_str().unwrap_or_default().to_owned();
    let all = Client::system().containers(SESSION)?;
    let all = all.iter().map(|container| (text(container, "Id"), text(container, "Image")));
    Ok(all.filter(|(_, image)| image == IMAGE).map(|(id, _)| id).collect())
}
