//! The server's process: started with short timeouts, read line by line, ended in any case.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;

/// Of a debug build, on a machine that builds something else, too.
const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Ryuk {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    port: u16,
}

pub(crate) struct Client(TcpStream);

impl Ryuk {
    /// Started and listening; the settings win over the short timeouts of these tests.
    pub(crate) fn start(host: &str, settings: &[(&str, &str)]) -> Self {
        Self::run(command(host), settings)
    }

    /// The same with limits of the shell's, such as `-n 64`.
    pub(crate) fn start_limited(host: &str, limits: &str, settings: &[(&str, &str)]) -> Self {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit {limits} && exec \"$0\""), env!("CARGO_BIN_EXE_reaper-ryuk")]);
        Self::run(with_settings(limited, host), settings)
    }

    fn run(mut command: Command, settings: &[(&str, &str)]) -> Self {
        let mut child = command.envs(settings.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut ryuk = Self { child, log, port: 0 };
        let started = ryuk.until_logged(" Started!");
        let address = started.split("address=").nth(1).unwrap().trim_end_matches(" Started!");
        ryuk.port = address.rsplit(':').next().unwrap().parse().unwrap();
        ryuk
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn connect(&self) -> Client {
        self.connect_to("127.0.0.1")
    }

    pub(crate) fn connect_to(&self, address: &str) -> Client {
        Client::of(TcpStream::connect((address, self.port)).unwrap())
    }

    pub(crate) fn refuses_connections(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_err()
    }

    /// A client whose filter was acknowledged.
    pub(crate) fn registered(&self, filter: &str) -> Client {
        let mut client = self.connect();
        assert_eq!(client.say(filter), "ACK");
        client
    }

    /// The same where the server may have ended by then, since nobody came in time.
    pub(crate) fn registers(&self, filter: &str) -> Option<Client> {
        let mut client = Client::of(TcpStream::connect(("127.0.0.1", self.port)).ok()?);
        let is_heard = client.sends(format!("{filter}\n").as_bytes()) && client.answer() == "ACK";
        is_heard.then_some(client)
    }

    /// A client that has greeted, and so may speak of scopes.
    #[track_caller]
    pub(crate) fn greeted(&self) -> Client {
        let mut client = self.connect();
        let answer = client.say("%hello 3");
        assert!(answer.starts_with("HELLO 3 "), "{answer}");
        client
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The first line with this text, once it is there.
    #[track_caller]
    pub(crate) fn until_logged(&self, text: &str) -> String {
        self.until(&format!("{text:?} in the log"), || {
            self.log.lock().unwrap().iter().find(|line| line.contains(text)).cloned()
        })
    }

    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < DEADLINE, "{what} within {DEADLINE:?}; the log: {:#?}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A line of the kernel's about the process, in kibibytes.
    pub(crate) fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let found = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        found.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The exit code, once the process has ended by itself.
    #[track_caller]
    pub(crate) fn ended(mut self) -> i32 {
        let began = Instant::now();
        while self.is_running() {
            assert!(began.elapsed() < DEADLINE, "still running; the log: {:#?}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
        self.child.wait().unwrap().code().unwrap()
    }
}

/// Serves one client with these filters, prunes, and gives back the log and the exit code.
pub(crate) fn prune(engine: &Engine, filters: &[&str], settings: &[(&str, &str)]) -> (String, i32) {
    let ryuk = Ryuk::start(&engine.host(), settings);
    let mut client = ryuk.connect();
    for filter in filters {
        assert_eq!(client.say(filter), "ACK");
    }
    drop(client);
    let _ = ryuk.until_logged("removed containers=");
    let log = ryuk.log().join("\n");
    (log, ryuk.ended())
}

/// The same where nothing is to be left behind; gives back the log.
#[track_caller]
pub(crate) fn prune_all(engine: &Engine, filters: &[&str], settings: &[(&str, &str)]) -> String {
    let (log, code) = prune(engine, filters, settings);
    assert_eq!(code, 0, "{log}");
    log
}

impl Drop for Ryuk {
    fn drop(&mut self) {
        // It has ended by itself in a test that passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Whether it could be sent.
    pub(crate) fn sends(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// One line of answer; empty when the server has closed.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.0.read(&mut byte).is_ok_and(|count| count == 1) && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// An answer is there, and stays unread.
    pub(crate) fn until_answered(&self) {
        assert_eq!(self.0.peek(&mut [0]).unwrap(), 1);
    }

    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes());
        self.answer()
    }
}

/// The server with nothing but these settings in its environment.
pub(crate) fn command(host: &str) -> Command {
    with_settings(Command::new(env!("CARGO_BIN_EXE_reaper-ryuk")), host)
}

fn with_settings(mut command: Command, host: &str) -> Command {
    command.env_clear().env("RYUK_PORT", "0").env("DOCKER_HOST", host).stdin(Stdio::null());
    command.env("RYUK_RECONNECTION_TIMEOUT", "100ms").env("RYUK_CHANGES_RETRY_INTERVAL", "10ms");
    command
}
