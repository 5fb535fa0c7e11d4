//! An engine through its raw API, over its socket.
//!
//! A client library was rejected: what is said of the engine should not go through what the library under test goes
//! through.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Cursor, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where Docker has its socket: the engine of who names no other.
const USUAL: &str = "/var/run/docker.sock";

/// How long the engine may be silent: one that is asked by many at once takes its time, and on an image it works
/// for a while.
const SILENT: Duration = Duration::from_secs(180);
/// The same where it is only asked whether it is there.
const SILENT_PING: Duration = Duration::from_secs(10);

/// For something to be removed over which Podman stumbles meanwhile.
const STUMBLING: Duration = Duration::from_secs(10);
const BETWEEN_STUMBLES: Duration = Duration::from_millis(50);

/// What went wrong, with the request and the engine's words.
pub type Result<T> = std::result::Result<T, String>;

/// An engine, by its socket. Nothing is kept open between two requests.
#[derive(Debug, Clone)]
pub struct Client(PathBuf);

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Nothing.
    Nothing,
    /// An object.
    Json(&'a Value),
    /// An archive, or what else is sent as one.
    Bytes(&'a [u8]),
    /// The archive in this file.
    File(&'a Path),
}

/// An answer whose body has still to be read. It ends with the connection.
#[derive(Debug)]
pub struct Answer {
    /// The request, as errors name it.
    request: String,
    /// What the engine says of it.
    pub status: u16,
    body: BufReader<UnixStream>,
}

impl Client {
    /// The engine that listens at this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self(socket.into())
    }

    /// The one that all tests use which have none of their own: what `DOCKER_HOST` names, else the system's Docker.
    ///
    /// # Panics
    ///
    /// When `DOCKER_HOST` names no socket of this machine: to go on with another engine would test what nobody asked for.
    #[must_use]
    pub fn system() -> Self {
        let Ok(host) = std::env::var("DOCKER_HOST") else { return Self::at(USUAL) };
        match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Self::at(path),
            _ => panic!(
                "DOCKER_HOST is {host:?}, but the tests ask an engine over a socket of this machine: unix:///path"
            ),
        }
    }

    /// Where it is, as `DOCKER_HOST` says it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.0.display())
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.0
    }

    /// Whether it answers at all.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.ask("GET", "/_ping", Body::Nothing, SILENT_PING).is_ok_and(|answer| answer.status == 200)
    }

    /// One request, whatever the engine says to it. What changes nothing is asked again if the answer is 500: Podman's, to a list
    /// or a look-up, where something else is removed at that moment, which says nothing of what was asked for.
    pub fn send(&self, method: &str, path: &str, body: Body<'_>) -> Result<Answer> {
        let deadline = Instant::now() + STUMBLING;
        loop {
            let answer = self.ask(method, path, body, SILENT)?;
            if method != "GET" || answer.status != 500 || Instant::now() > deadline {
                return Ok(answer);
            }
            thread::sleep(BETWEEN_STUMBLES);
        }
    }

    /// One request that has to succeed; gives the object that it is answered with, or null.
    pub fn request(&self, method: &str, path: &str, body: Body<'_>) -> Result<Value> {
        let text = self.send(method, path, body)?.successful()?.text()?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Something on the engine, by its path.
    pub fn inspect(&self, path: &str) -> Result<Value> {
        self.request("GET", path, Body::Nothing)
    }

    /// All containers, running or not, that carry a label: `key=value`.
    pub fn containers(&self, label: &str) -> Result<Vec<Value>> {
        self.list("/containers/json?all=1", label)
    }

    /// The same of any kind, by the path of its list.
    pub fn list(&self, path: &str, label: &str) -> Result<Vec<Value>> {
        let filter = format!("{{\"label\":[\"{label}\"]}}");
        if path == "/networks" && self.is_podman() {
            return self.podmans_networks(&filter);
        }
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut listed = self.inspect(&format!("{path}{separator}filters={}", encoded(&filter)))?;
        if path.starts_with("/volumes") {
            listed = listed["Volumes"].take();
        }
        match listed {
            // What some engines say where there is none.
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => Ok(items),
            other => Err(format!("the engine's answer to {path} is no list: {other}")),
        }
    }

    /// In Podman's own words. Where it is asked in Docker's, it inspects every container there is for each network, with all their
    /// locks: many tests that ask again and again keep it so busy that it does nothing else.
    fn podmans_networks(&self, filter: &str) -> Result<Vec<Value>> {
        let path = format!("/v4.0.0/libpod/networks/json?filters={}", encoded(filter));
        let Value::Array(mut networks) = self.inspect(&path)? else { return Ok(Vec::new()) };
        for network in &mut networks {
            for (key, theirs) in [("Name", "name"), ("Id", "id"), ("Labels", "labels")] {
                network[key] = network[theirs].take();
            }
        }
        Ok(networks)
    }

    /// Whether it is Podman, by its having Podman's own words.
    #[must_use]
    pub fn is_podman(&self) -> bool {
        /// What is known already of the engine at a socket.
        static KNOWN: Mutex<BTreeMap<PathBuf, bool>> = Mutex::new(BTreeMap::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(is_podman) = known().get(&self.0) {
            return *is_podman;
        }
        // One that does not answer now is asked again.
        let Ok(answer) = self.send("GET", "/v4.0.0/libpod/_ping", Body::Nothing) else { return false };
        known().insert(self.0.clone(), answer.status == 200);
        answer.status == 200
    }

    /// A request that is answered with a line for each thing that the engine does, of which `each` is told; gives
    /// the last, and fails with the line that says that it failed.
    pub fn follow(&self, path: &str, body: Body<'_>, mut each: impl FnMut(&Value)) -> Result<Value> {
        let answer = self.send("POST", path, body)?.successful()?;
        let mut last = Value::Null;
        for line in answer.body.lines() {
            let line = line.map_err(|error| unanswered(&answer.request, &error))?;
            let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
            // Before the first line of progress the answer's status may say that all is well.
            if let Some(problem) = value["error"].as_str().or_else(|| value["message"].as_str()) {
                return Err(problem.to_owned());
            }
            each(&value);
            last = value;
        }
        Ok(last)
    }

    /// Writes what the engine answers into a file.
    pub fn download(&self, path: &str, file: &Path) -> Result<u64> {
        let mut answer = self.send("GET", path, Body::Nothing)?.successful()?;
        let copied = File::create(file).and_then(|mut file| io::copy(&mut answer.body, &mut file));
        copied.map_err(|error| unanswered(&answer.request, &error))
    }

    /// HTTP/1.0, so that the body ends with the connection and needs no decoding.
    fn ask(&self, method: &str, path: &str, body: Body<'_>, silent: Duration) -> Result<Answer> {
        let request = format!("{method} {path}");
        let exchange = || -> io::Result<_> {
            let mut stream = UnixStream::connect(&self.0)?;
            stream.set_read_timeout(Some(silent))?;
            let (kind, length, mut content) = body.open()?;
            write!(
                stream,
                "{request} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            )?;
            io::copy(&mut content, &mut stream)?;
            let mut answer = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && answer.read_line(&mut head)? > 0 {}
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| io::Error::other(format!("it answered {head:?}")))?;
            Ok((status, answer))
        };
        let (status, body) = exchange().map_err(|error| unanswered(&request, &error))?;
        Ok(Answer { request, status, body })
    }
}

impl Body<'_> {
    /// Its type, its length, and itself.
    fn open(&self) -> io::Result<(&'static str, u64, Box<dyn Read + '_>)> {
        let sized = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        Ok(match self {
            Self::Nothing => ("application/json", 0, Box::new(io::empty())),
            Self::Json(value) => {
                let text = value.to_string();
                ("application/json", sized(text.len()), Box::new(Cursor::new(text)))
            }
            Self::Bytes(bytes) => ("application/x-tar", sized(bytes.len()), Box::new(*bytes)),
            Self::File(path) => {
                let file = File::open(path)?;
                ("application/x-tar", file.metadata()?.len(), Box::new(file))
            }
        })
    }
}

impl Answer {
    /// Itself, or an error with the engine's words where these are a refusal.
    pub fn successful(self) -> Result<Self> {
        if (200..400).contains(&self.status) {
            return Ok(self);
        }
        let (request, status) = (self.request.clone(), self.status);
        let text = self.text()?;
        let message = serde_json::from_str::<Value>(&text).ok();
        let message = message.and_then(|value| value["message"].as_str().map(str::to_owned)).unwrap_or(text);
        Err(format!("the engine answered {request} with {status}: {}", message.trim()))
    }

    /// All of its body.
    pub fn text(self) -> Result<String> {
        let mut bytes = Vec::new();
        let Self { request, mut body, .. } = self;
        body.read_to_end(&mut bytes).map_err(|error| unanswered(&request, &error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Its body as it comes; where `for_ever`, however long the engine is silent between two pieces.
    pub fn stream(self, for_ever: bool) -> Result<impl Read + Send> {
        if for_ever {
            let endless = self.body.get_ref().set_read_timeout(None);
            endless.map_err(|error| unanswered(&self.request, &error))?;
        }
        Ok(self.body)
    }
}

/// Text as it stands in a path's query.
#[must_use]
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

fn unanswered(request: &str, error: &io::Error) -> String {
    format!("failed to ask the engine for {request}: {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What comes of a request to an engine that gives these answers, one to each connection, and how many it has given.
    fn asked(method: &str, answers: &'static [u16]) -> (u16, usize) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = thread::spawn(move || {
            let mut given = 0;
            for (answer, stream) in answers.iter().zip(listener.incoming()) {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
                if head.is_empty() {
                    break;
                }
                write!(stream.get_mut(), "HTTP/1.0 {answer} so\r\n\r\n{{}}").unwrap();
                given += 1;
            }
            given
        });
        let status = Client::at(&socket).send(method, "/containers/json", Body::Nothing).unwrap().status;
        // Ends an engine that waits for one more.
        drop(UnixStream::connect(&socket));
        (status, engine.join().unwrap())
    }

    #[test]
    fn what_changes_nothing_is_asked_again_where_podman_stumbles() {
        assert_eq!(asked("GET", &[500, 500, 200]), (200, 3));
        assert_eq!(asked("GET", &[404, 200]), (404, 1));
        assert_eq!(asked("POST", &[500, 200]), (500, 1));
    }
}
