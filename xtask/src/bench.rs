//! The figures that this project promises, each beside its floor, measured in the same run.
//!
//! Samples of a figure and of its floor take turns, so that whatever else the machine does meets both. The
//! limits are ratios within one run, since times alone say more about a machine than about this code.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reaper_tests_engine::Client;

use crate::figures::{Table, median, milliseconds};
use crate::step::cargo;
use crate::tests;
use crate::tls::SecuredEngine;

const LOADS: usize = 200;
const ATTACHES: usize = 100;
const JOINS: usize = 40;
const CREATIONS: usize = 15;
const FIRST_RUNS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn run() -> Result<(), String> {
    println!("==> building what is measured");
    let bench = Bench {
        programs: programs(&["-p", "reaper-tests"])?,
        session: format!("bench-{}", std::process::id()),
        client: Client::system(),
        host: "127.0.0.1".to_owned(),
        settings: Vec::new(),
    };
    let mut table = Table::default();
    bench.at_load(&mut table)?;
    bench.attach(&mut table)?;
    bench.size(&mut table)?;
    bench.create(&mut table)?;
    table.finish()
}

/// What goes to the engine, each beside its floor, where that is asked over TLS.
pub(crate) fn run_over_tls() -> Result<(), String> {
    println!("==> building what is measured");
    // The library with its feature for it, and all as the tests have it.
    let programs = programs(&tests::ALL)?;
    println!("==> starting an engine that speaks TLS");
    let engine = SecuredEngine::start(programs.get("engine_with_tls").ok_or("there is no such engine")?)?;
    let bench = Bench {
        programs,
        session: format!("bench-tls-{}", std::process::id()),
        client: engine.client.clone(),
        host: engine.host.clone(),
        settings: engine.settings.clone(),
    };
    let mut table = Table::default();
    let mut holder = bench.acquire(&bench.session)?;
    let (mut ours, mut floor) = (vec![], vec![]);
    for round in 0..ATTACHES {
        progress("attach", round, ATTACHES);
        ours.push(bench.printed("attach")?);
        floor.push(bench.printed("by_hand")?);
    }
    table.ratio("attach over TLS", "by hand", &ours, &floor, 2.0);
    bench.attach_through_the_engine(&mut table)?;
    holder.end()?;
    bench.create(&mut table)?;
    table.finish()
}

/// An engine, and what asks it.
struct Bench {
    programs: BTreeMap<String, String>,
    session: String,
    /// For what is not measured.
    client: Client,
    /// Where its ports are published.
    host: String,
    /// With which it is the engine of the measured programs.
    settings: Vec<(&'static str, String)>,
}

impl Bench {
    /// What every process pays for linking the library, under each runner.
    fn at_load(&self, table: &mut Table) -> Result<(), String> {
        for (runner, variable) in [("nextest", Some("NEXTEST_RUN_ID")), ("cargo test", None)] {
            let (mut ours, mut floor) = (vec![], vec![]);
            for round in 0..LOADS {
                progress("at load", round, LOADS);
                for (name, samples) in [("at_load", &mut ours), ("at_load_floor", &mut floor)] {
                    let mut program = self.program(name)?;
                    program.env_remove("TESTCONTAINERS_SESSION_ID");
                    program.envs(variable.map(|name| (name, &self.session)));
                    samples.push(printed(name, &mut program)?);
                }
            }
            let extra = (milliseconds(median(&ours)) - milliseconds(median(&floor))) * 1e3;
            table.limit(
                &format!("the hook at load, under {runner}"),
                extra,
                20.0,
                "µs",
                "first constructor to last",
            );
        }
        Ok(())
    }

    /// With a reaper that runs: attaching, an empty test, and the server's memory.
    fn attach(&self, table: &mut Table) -> Result<(), String> {
        let mut holder = self.acquire(&self.session)?;
        let (mut ours, mut floor, mut guarded, mut plain) = (vec![], vec![], vec![], vec![]);
        let mut scoped = vec![];
        for round in 0..ATTACHES {
            progress("attach", round, ATTACHES);
            ours.push(self.printed("attach")?);
            floor.push(self.printed("by_hand")?);
            guarded.push(self.test("guarded")?);
            scoped.push(self.test("scoped")?);
            plain.push(self.test("plain")?);
        }
        table.ratio("attach: one inspect, one connect, one ACK", "by hand", &ours, &floor, 2.0);
        self.attach_through_the_engine(table)?;
        let extra = milliseconds(median(&guarded)) - milliseconds(median(&plain));
        let (guarded, plain) = (milliseconds(median(&guarded)), milliseconds(median(&plain)));
        let detail = format!("{guarded:.2} ms with, {plain:.2} ms without");
        table.limit("an empty #[with_reaper] over an empty #[test]", extra, 5.0, "ms", &detail);

        let scoped = milliseconds(median(&scoped));
        let detail = format!("{scoped:.2} ms with the scope");
        table.limit("an empty scoped test over an empty guarded one", scoped - guarded, 1.0, "ms", &detail);

        let reaper = self.client.inspect(&format!("/containers/reaper_{}/json", self.session))?;
        let id = reaper["State"]["Pid"].to_string();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))
            .map_err(|error| format!("failed to read the server's memory: {error}"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        let resident = resident.ok_or("the kernel does not tell the server's memory")?;
        table.limit("the server's resident memory, idle", resident / 1024.0, 2.0, "MB", "VmRSS");
        holder.end()
    }

    /// To the reaper of the same session, by exec sessions in its container.
    fn attach_through_the_engine(&self, table: &mut Table) -> Result<(), String> {
        let (mut ours, mut floor) = (vec![], vec![]);
        for round in 0..JOINS {
            progress("attach through the engine", round, JOINS);
            ours.push(printed("attach", self.program("attach")?.env("REAPER_TRANSPORT", "exec"))?);
            floor.push(printed("by_hand", self.program("by_hand")?.arg("exec"))?);
        }
        table.ratio("attach through the engine: an exec session", "by hand", &ours, &floor, 1.5);
        Ok(())
    }

    fn size(&self, table: &mut Table) -> Result<(), String> {
        let image = self.client.inspect(&format!("/images/{}/json", self.image()?))?;
        let size = image["Size"].as_f64().ok_or("the engine does not tell the image's size")?;
        table.limit("the embedded image", size / 1e6, 1.5, "MB", "as the engine has it");
        Ok(())
    }

    /// Without a reaper: creating one, and the first on an engine that has no image.
    fn create(&self, table: &mut Table) -> Result<(), String> {
        let image = self.image()?;
        let (mut ours, mut floor, mut first) = (vec![], vec![], vec![]);
        for round in 0..CREATIONS {
            progress("create", round, CREATIONS);
            ours.push(self.created(&format!("{}-create-{round}", self.session))?);
            floor.push(self.docker_run(&image, &format!("{}-run-{round}", self.session))?);
        }
        for round in 0..FIRST_RUNS {
            progress("first run", round, FIRST_RUNS);
            let removed = self.docker().args(["rmi", "--force", &image]).output();
            if !removed.is_ok_and(|output| output.status.success()) {
                return Err(format!("the image {image} could not be removed to measure a first run"));
            }
            first.push(self.created(&format!("{}-first-{round}", self.session))?);
        }
        table.ratio("create, to the ACK", "docker run -d, to the ACK", &ours, &floor, 1.25);
        let extra = (median(&first).as_secs_f64() - median(&ours).as_secs_f64()).max(0.0);
        let detail = format!("{:.0} ms in all", milliseconds(median(&first)));
        table.limit("the first run on an engine, extra", extra, 0.5, "s", &detail);
        Ok(())
    }

    /// Starts a process that acquires a guard; the time is from its start to its word that it has one.
    fn acquire(&self, session: &str) -> Result<Holder, String> {
        let mut command = self.program("attach")?;
        command.env("TESTCONTAINERS_SESSION_ID", session);
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("failed to start `attach`: {error}"))?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no output to read")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let took = began.elapsed();
        if line.trim().parse::<u64>().is_err() {
            return Err("`attach` got no guard".into());
        }
        Ok(Holder { child, client: self.client.clone(), session: session.to_owned(), took })
    }

    fn created(&self, session: &str) -> Result<Duration, String> {
        let mut holder = self.acquire(session)?;
        holder.end()?;
        Ok(holder.took)
    }

    /// The time that a program says it took.
    fn printed(&self, name: &str) -> Result<Duration, String> {
        printed(name, &mut self.program(name)?)
    }

    /// The time of a whole test process, started as nextest starts it: the session is that of a run, and a
    /// keeper, which the first of these processes leaves behind, holds it until this command ends.
    fn test(&self, name: &str) -> Result<Duration, String> {
        let mut command = self.program("empty")?;
        command.args(["--exact", name, "--nocapture"]).stdin(Stdio::null());
        command.env_remove("TESTCONTAINERS_SESSION_ID").env("NEXTEST_RUN_ID", &self.session);
        let began = Instant::now();
        let output = command.output().map_err(|error| format!("failed to start a test: {error}"))?;
        let took = began.elapsed();
        if output.status.success() { Ok(took) } else { Err(format!("the test `{name}` failed")) }
    }

    fn program(&self, name: &str) -> Result<Command, String> {
        let mut command =
            Command::new(self.programs.get(name).ok_or_else(|| format!("no program `{name}`"))?);
        command.env("TESTCONTAINERS_SESSION_ID", &self.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// `docker run` with the options that the library gives its reaper, to the ACK.
    fn docker_run(&self, image: &str, session: &str) -> Result<Duration, String> {
        let name = format!("reaper_{session}");
        let label = format!("org.testcontainers.sessionId={session}");
        let mut command = self.docker();
        command.args(["run", "--detach", "--rm", "--read-only", "--cap-drop", "ALL", "--pids-limit", "2048"]);
        command.args([
            "--security-opt",
            "no-new-privileges",
            "--memory",
            "64m",
            "--publish",
            &format!("{}::8080", self.host),
        ]);
        command.args(["--volume", "/var/run/docker.sock:/var/run/docker.sock", "--name", &name]);
        command.args(["--label", &label, "--label", "org.testcontainers=true"]);
        command.args([
            "--label",
            "org.testcontainers.ryuk=true",
            "--label",
            "org.testcontainers.reaper=true",
        ]);
        command.args(["--env", "RYUK_RECONNECTION_TIMEOUT=1s", image]).stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output().map_err(|error| format!("failed to start docker: {error}"))?;
        if !output.status.success() {
            return Err(format!("docker run: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let container = self.client.inspect(&format!("/containers/{name}/json"))?;
        let port = container["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str();
        let port = port.and_then(|port| port.parse().ok()).ok_or("no port is published")?;
        let client = loop {
            match acknowledged(&self.host, port, &label) {
                Ok(client) => break client,
                Err(error) if began.elapsed() > DEADLINE => return Err(format!("no ACK: {error}")),
                Err(_) => {}
            }
        };
        let took = began.elapsed();
        drop(client);
        until_gone(&self.client, session)?;
        Ok(took)
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The embedded image's name, as the reaper of this session has it.
    fn image(&self) -> Result<String, String> {
        let session = format!("{}-image", self.session);
        let mut holder = self.acquire(&session)?;
        let reaper = self.client.inspect(&format!("/containers/reaper_{session}/json"))?;
        holder.end()?;
        reaper["Config"]["Image"].as_str().map(str::to_owned).ok_or("a reaper without an image".into())
    }
}

/// The time that a program says it took.
fn printed(name: &str, program: &mut Command) -> Result<Duration, String> {
    let output = program.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().parse();
    text.map(Duration::from_nanos).map_err(|_| {
        format!("`{name}` did not say how long it took: {}", String::from_utf8_lossy(&output.stderr))
    })
}

/// A process that holds a guard.
struct Holder {
    child: Child,
    client: Client,
    session: String,
    took: Duration,
}

impl Holder {
    /// Lets go, and waits until the reaper has gone: the next measurement should not meet it.
    fn end(&mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        self.child.wait().map_err(|error| error.to_string())?;
        until_gone(&self.client, &self.session)
    }
}

fn acknowledged(host: &str, port: u16, label: &str) -> std::io::Result<TcpStream> {
    let mut client = TcpStream::connect((host, port))?;
    client.set_read_timeout(Some(Duration::from_millis(500)))?;
    client.write_all(format!("label={label}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(&client).read_line(&mut line)?;
    if line == "ACK\n" { Ok(client) } else { Err(std::io::Error::other(format!("answered {line:?}"))) }
}

fn until_gone(client: &Client, session: &str) -> Result<(), String> {
    let began = Instant::now();
    let label = format!("org.testcontainers.sessionId={session}");
    while !client.containers(&label)?.is_empty() {
        if began.elapsed() > DEADLINE {
            return Err(format!("the reaper of {session} is still there after {DEADLINE:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The measured programs by name, built as tests are.
fn programs(packages: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let examples = ["attach", "by_hand", "at_load", "at_load_floor", "engine_with_tls"];
    let examples = examples.map(|name| ["--example", name]);
    let targets = [&["--test", "empty"], examples.as_flattened()].concat();
    let arguments = ["test", "--no-run", "--message-format", "json-render-diagnostics"];
    executables(cargo(&[&arguments[..], &targets[..]].concat()).args(packages))
}

/// The programs that cargo builds, by their names; it has to be asked for messages.
pub(crate) fn executables(cargo: &mut Command) -> Result<BTreeMap<String, String>, String> {
    let output = cargo.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("failed to start cargo: {error}"))?;
    if !output.status.success() {
        return Err("what is to be measured does not build".into());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program = |message: serde_json::Value| {
        Some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.to_owned()))
    };
    Ok(messages.filter_map(program).collect())
}

fn progress(what: &str, round: usize, rounds: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let end = if round + 1 == rounds { "\n" } else { "" };
        let _ = write!(out, "\r{what}: {} of {rounds}{end}", round + 1);
    }
}
