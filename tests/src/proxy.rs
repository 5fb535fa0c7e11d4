//! The engine's socket with a script in between, for an engine that is slow, breaks off, refuses, or is
//! watched.
//!
//! Every request is an exchange of its own: whatever the client meant to do with its connection, the
//! engine is asked to close it after the answer, so that an answer is what comes until the end and nothing
//! has to be counted. Keeping connections alive was rejected: the proxy would need a whole HTTP client, and no
//! fault is about that. An engine of our own was rejected, too: what is tested here are real containers, of which
//! only some answers go wrong.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::engine;

/// However a test fails, nobody is held for longer.
const HELD_AT_MOST: Duration = Duration::from_secs(120);

/// A socket that stands for the engine's; removed when dropped.
pub struct Proxy {
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Request>>>,
}

/// What a client asks.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first line, without its end.
    pub line: String,
    /// Everything up to the body, without the first line.
    headers: Vec<String>,
    body: Vec<u8>,
}

/// What becomes of a request. What is to happen before the engine is asked, the script does before it decides.
pub enum Decision {
    /// The engine's answer, as it comes.
    Pass,
    /// The engine's answer, that much later.
    Delay(Duration),
    /// The engine has answered; this is done, and then the client has its answer.
    Then(Box<dyn FnOnce() + Send>),
    /// The engine has answered, and the client has the first half of it.
    Cut,
    /// The engine has answered, and the client has this instead.
    Change(Box<dyn FnOnce(String) -> String + Send>),
    /// The engine is not asked: a status, and the message in the form that an engine gives it.
    Refuse(u16, String),
    /// The engine is not asked: another would answer so.
    Answer(serde_json::Value),
}

impl Proxy {
    /// Starts to listen; the script decides on every request, on the request's own thread.
    ///
    /// # Panics
    ///
    /// When there is no room for a socket.
    #[must_use]
    pub fn new(script: impl Fn(&Request) -> Decision + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("engine.sock")).expect("a socket");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, kept) = (Arc::new(script), Arc::clone(&seen));
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                thread::spawn(move || {
                    if let Err(error) = exchange(client, &*script, &kept) {
                        eprintln!("proxy: {error}");
                    }
                });
            }
        });
        Self { folder, seen }
    }

    /// Where it is, as `DOCKER_HOST` says it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Has a command take this for the engine; the reaper's container still gets the engine's own socket.
    pub fn serve<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("DOCKER_HOST", self.endpoint());
        command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::socket())
    }

    /// What was asked so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.seen).clone()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }
}

impl Request {
    /// Whether it is this method, on a path that begins so.
    #[must_use]
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.line.starts_with(&format!("{method} {path}"))
    }

    /// Whether it creates a reaper container.
    #[must_use]
    pub fn creates_reaper(&self) -> bool {
        self.is("POST", "/containers/create?name=reaper_")
    }

    /// Whether it starts a container.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.is("POST", "/containers/") && self.line.contains("/start")
    }

    /// What kind of request it is, the same for every id: `POST create`, `GET json`, `DELETE`.
    #[must_use]
    pub fn route(&self) -> String {
        let mut words = self.line.split([' ', '?']);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let last = path.rsplit('/').next().filter(|last| last.chars().all(|c| c.is_ascii_lowercase()));
        format!("{method} {}", last.unwrap_or_default()).trim_end().to_owned()
    }

    /// The body, where it is JSON; else null.
    #[must_use]
    pub fn body(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// None when the client has closed its connection without a word.
    fn read(client: &mut BufReader<UnixStream>) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line)? == 0 {
                return if lines.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            let found = lines
                .iter()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned())
        };
        if let Some(encoding) = header("transfer-encoding") {
            return Err(io::Error::other(format!(
                "a body in {encoding} form is more than this proxy understands"
            )));
        }
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        Ok(Some(Self { line: lines.remove(0), headers: lines, body }))
    }

    /// Asks the engine, which closes the connection after its answer.
    fn ask(&self) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(engine::socket())?;
        let is_about_the_connection =
            |header: &&String| header.to_ascii_lowercase().starts_with("connection:");
        let headers = self.headers.iter().filter(|header| !is_about_the_connection(header));
        let headers: String = headers.map(|header| format!("{header}\r\n")).collect();
        write!(stream, "{}\r\n{headers}Connection: close\r\n\r\n", self.line)?;
        stream.write_all(&self.body)?;
        Ok(stream)
    }

    fn answer(&self) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.ask()?.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn exchange(
    mut client: UnixStream,
    script: &(impl Fn(&Request) -> Decision + ?Sized),
    seen: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let Some(request) = Request::read(&mut BufReader::new(client.try_clone()?))? else { return Ok(()) };
    lock(seen).push(request.clone());
    let answer = match script(&request) {
        Decision::Pass => {
            // A client that has gone meanwhile is one of the faults.
            let _ = io::copy(&mut request.ask()?, &mut client);
            return Ok(());
        }
        Decision::Delay(delay) => {
            let answer = request.answer()?;
            thread::sleep(delay);
            answer
        }
        Decision::Then(act) => {
            let answer = request.answer()?;
            act();
            answer
        }
        Decision::Cut => {
            let mut answer = request.answer()?;
            answer.truncate(answer.len() / 2);
            answer
        }
        Decision::Change(change) => {
            // A body in one piece, as the engine gives it to this version.
            let request = Request { line: request.line.replace(" HTTP/1.1", " HTTP/1.0"), ..request };
            let answer = String::from_utf8_lossy(&request.answer()?).into_owned();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(500);
            scripted(status, &change(body.to_owned()))
        }
        Decision::Refuse(status, message) => scripted(status, &json!({"message": message}).to_string()),
        Decision::Answer(body) => scripted(200, &body.to_string()),
    };
    let _ = client.write_all(&answer);
    Ok(())
}

fn scripted(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Holds whoever comes to it until the test lets them go on.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<Held>, Condvar)>);

#[derive(Default)]
struct Held {
    reached: bool,
    open: bool,
}

impl Gate {
    /// Waits here until the gate is open; once it is, for nobody any more.
    pub fn hold(&self) {
        let (held, changed) = &*self.0;
        let mut held = lock(held);
        held.reached = true;
        changed.notify_all();
        let _open = changed.wait_timeout_while(held, HELD_AT_MOST, |held| !held.open);
    }

    /// Returns when somebody is held.
    ///
    /// # Panics
    ///
    /// When nobody comes.
    #[track_caller]
    pub fn until_reached(&self) {
        let (held, changed) = &*self.0;
        let waited = changed.wait_timeout_while(lock(held), HELD_AT_MOST, |held| !held.reached);
        let (held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(held.reached, "nobody came to the gate within {HELD_AT_MOST:?}");
    }

    /// Lets go whoever is held.
    pub fn open(&self) {
        let (held, changed) = &*self.0;
        lock(held).open = true;
        changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
