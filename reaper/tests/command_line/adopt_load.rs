//! The socket of `reaper run --adopt` under load: many clients, long streams, a large body, an engine that goes away.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reaper_tests::engine::{self, Engine};
use reaper_tests::process::Process;
use reaper_tests::suite::Run;
use reaper_tests::until;
use serde_json::{Value, json};

use crate::unique;

const GONE_WITHIN: Duration = Duration::from_secs(60);
const CLIENTS: usize = 256;

/// A socket for as long as a file is not there, and the process behind it.
struct Adopting {
    process: Process,
    socket: PathBuf,
    go_on: PathBuf,
}

impl Adopting {
    fn begin(run: &Run, session: &str, variables: &[(&str, &str)]) -> Self {
        let (ready, go_on) = (run.file("ready"), run.file("go-on"));
        let script = format!(
            "test $(ulimit -n) = 200 || exit 3; printf '%s\\n' \"$DOCKER_HOST\" > {ready}.new; mv {ready}.new {ready}; until test -e {go_on}; do sleep 0.05; done",
            ready = ready.display(),
            go_on = go_on.display()
        );
        // What many clients take is more than a user has until somebody asks for more, and the command is not to notice.
        let mut command = run.command("sh");
        command.args(["-c", "ulimit -S -n 200; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_reaper")]);
        command.args(["run", "--adopt", "--session", session, "--", "sh", "-c", &script]);
        let process = Process::start(command.envs(variables.iter().copied()));
        let host = until("there is a socket", GONE_WITHIN, || {
            std::fs::read_to_string(&ready).map_err(|error| error.to_string())
        });
        let socket = host.trim().strip_prefix("unix://").unwrap().into();
        Self { process, socket, go_on }
    }

    fn engine(&self) -> Engine {
        Engine::at(&self.socket)
    }

    /// The most memory that it has had so far.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    fn connections(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    fn end(self) -> String {
        std::fs::write(self.go_on, "").unwrap();
        self.process.succeed()
    }
}

fn ask(socket: &Path, head: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{head}\r\nHost: docker\r\n\r\n").as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Reads lines until one has this in it.
fn until_line(stream: &mut impl BufRead, part: &str) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "it ended without {part:?}: {all}");
        all.push_str(&line);
        if line.contains(part) {
            return all;
        }
    }
}

/// Each of them listens, and each of them creates.
#[test]
fn many_clients_at_once_see_everything_and_lose_nothing() {
    let (run, name) = (Run::unbuilt(), unique("adopt-many"));
    let adopting = Adopting::begin(&run, &name, &[]);
    let before = adopting.connections();
    let mut listening: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let filters = format!("%7B%22volume%22%3A%5B%22{name}%22%5D%7D");
            let mut events = ask(&adopting.socket, &format!("GET /events?filters={filters} HTTP/1.1"));
            let _ = until_line(&mut events, "200 OK");
            events
        })
        .collect();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let engine = adopting.engine();
            let name = &name;
            scope.spawn(move || {
                let volume = json!({ "Name": format!("{name}-{client}") });
                engine.done("POST", "/volumes/create", &volume);
            });
        }
    });
    assert_eq!(engine::resources(&name).len(), CLIENTS + 1);
    adopting.engine().done("POST", "/volumes/create", &json!({ "Name": name }));
    for events in &mut listening {
        let _ = until_line(events, "create");
    }
    drop(listening);
    // Whoever is gone leaves no connection to the engine behind.
    until("their connections have ended", GONE_WITHIN, || match adopting.connections() {
        now if now <= before + 8 => Ok(()),
        now => Err(format!("{now} of {before}")),
    });
    let said = adopting.end();
    assert!(said.contains(&format!("{} volumes", CLIENTS + 1)), "{said}");
    engine::until_gone(&name, GONE_WITHIN);
}

/// A build's context, of which a part may not be had at once.
#[test]
fn a_large_body_passes_without_being_kept() {
    const SIZE: u64 = 512 << 20;
    let (run, name) = (Run::unbuilt(), unique("adopt-large"));
    let adopting = Adopting::begin(&run, &name, &[]);
    let before = adopting.memory();
    let mut stream = UnixStream::connect(&adopting.socket).unwrap();
    let head = format!(
        "POST /build?t={name}&q=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
        SIZE + 4 * 512
    );
    stream.write_all(head.as_bytes()).unwrap();
    let dockerfile = "FROM scratch\nLABEL org.testcontainers.ryuk=\n";
    stream.write_all(&header("Dockerfile", dockerfile.len() as u64)).unwrap();
    let mut block = dockerfile.as_bytes().to_vec();
    block.resize(512, b'\n');
    stream.write_all(&block).unwrap();
    stream.write_all(&header("ballast", SIZE)).unwrap();
    let block = vec![7; 1 << 20];
    for _ in 0..SIZE >> 20 {
        stream.write_all(&block).unwrap();
    }
    stream.write_all(&[0; 512]).unwrap();
    let mut answer = BufReader::new(stream);
    let _ = until_line(&mut answer, "200 OK");
    // To its end: each engine says in words of its own that it is done.
    let mut said = String::new();
    answer.read_to_string(&mut said).unwrap();
    let grown = adopting.memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes for a body of {SIZE}");
    let image = engine::inspect(&format!("/images/{name}/json")).expect("it was built");
    assert_eq!(image["Config"]["Labels"][engine::SESSION], name, "{image}");
    let said = adopting.end();
    assert!(said.contains("1 image"), "{said}");
    engine::until_gone(&name, GONE_WITHIN);
}

fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..124].copy_from_slice(b"0000000\x000000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// The client is told by the words of an engine, and the next request may go well.
#[test]
fn an_engine_that_is_not_there_for_a_moment_is_told_and_costs_no_other_request() {
    let (run, name) = (Run::unbuilt(), unique("adopt-lost"));
    // A name for the engine's socket that can be taken away.
    let socket = run.file("engine.sock");
    std::os::unix::fs::symlink(engine::socket(), &socket).unwrap();
    let host = format!("unix://{}", socket.display());
    let own = engine::socket().display().to_string();
    let mounted = [("DOCKER_HOST", host.as_str()), ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", own.as_str())];
    let adopting = Adopting::begin(&run, &name, &mounted);
    std::fs::remove_file(&socket).unwrap();
    let (status, body) = adopting.engine().request("GET", "/version", &Value::Null);
    std::os::unix::fs::symlink(engine::socket(), &socket).unwrap();
    assert_eq!(status, 502, "{body}");
    assert!(body["message"].as_str().unwrap().starts_with("reaper: the engine at unix://"), "{body}");
    assert_eq!(adopting.engine().request("GET", "/version", &Value::Null).0, 200);
    let (status, body) = adopting.engine().request("POST", "/volumes/create", &json!("no object"));
    assert_eq!(status, 400, "{body}");
    assert!(body["message"].as_str().unwrap().contains("cannot be labelled"), "{body}");
    let _ = adopting.end();
    engine::until_gone(&name, GONE_WITHIN);
}
