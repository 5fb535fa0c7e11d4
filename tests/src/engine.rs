//! An engine through its raw API, over its socket. The functions without an engine ask the system's.
//!
//! A client library was rejected: what the tests say of the engine should not go through what the library
//! under test goes through.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::until;

/// The system's engine.
pub const SOCKET: &str = "/var/run/docker.sock";
/// Everything of a session carries this label.
pub const SESSION: &str = "org.testcontainers.sessionId";

/// For one request: an engine that is asked by many at once takes its time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);

/// An engine, by its socket.
#[derive(Debug, Clone)]
pub struct Engine(PathBuf);

impl Engine {
    /// The engine that listens at this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self(socket.into())
    }

    /// The system's own.
    #[must_use]
    pub fn system() -> Self {
        Self::at(SOCKET)
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.0
    }

    /// Whether it answers at all.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.exchange("GET", "/_ping", "text/plain", &[]).is_ok_and(|(status, _)| status == 200)
    }

    /// One request; gives the status and the body, which is null where it is not JSON.
    ///
    /// # Panics
    ///
    /// When the engine does not answer.
    #[must_use = "the status tells whether it was done"]
    pub fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "application/json", body.as_bytes())
    }

    /// The same with a body of any type.
    ///
    /// # Panics
    ///
    /// When the engine does not answer.
    #[must_use = "the status tells whether it was done"]
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
        let answer = self.exchange(method, path, content_type, body);
        let (status, body) = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// A request that has to succeed; gives the answer's body.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "that it was done is what most ask for")]
    pub fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request(method, path, body);
        assert!((200..400).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Loads an archive of images.
    ///
    /// # Panics
    ///
    /// When the engine refuses it.
    pub fn load(&self, archive: &[u8]) {
        let answer = self.exchange("POST", "/images/load?quiet=1", "application/x-tar", archive);
        let (status, body) = answer.unwrap_or_else(|error| panic!("loading an image: {error}"));
        assert!(status == 200 && !body.contains("errorDetail"), "loading an image: {status} {body}");
    }

    /// An object on the engine, by its API path; none if there is no such thing.
    #[must_use]
    pub fn inspect(&self, path: &str) -> Option<Value> {
        let (status, body) = self.request("GET", path, &Value::Null);
        (status == 200).then_some(body)
    }

    /// The containers of a session, the reaper's among them.
    #[must_use]
    pub fn containers(&self, session: &str) -> Vec<Value> {
        self.list("/containers/json?all=1&filters=", SESSION, session)
    }

    /// Everything that carries the session's label, sorted: `kind name-or-id`.
    #[must_use]
    pub fn resources(&self, session: &str) -> Vec<String> {
        self.labelled(SESSION, session)
    }

    /// The same for any label.
    #[must_use]
    pub fn labelled(&self, key: &str, value: &str) -> Vec<String> {
        let of = |kind: &str, path: &str, name: &str| -> Vec<String> {
            let named = |item: &Value| format!("{kind} {}", item[name].as_str().unwrap_or("?"));
            self.list(path, key, value).iter().map(named).collect()
        };
        let mut all = of("container", "/containers/json?all=1&filters=", "Id");
        all.extend(of("network", "/networks?filters=", "Name"));
        all.extend(of("volume", "/volumes?filters=", "Name"));
        all.extend(of("image", "/images/json?filters=", "Id"));
        // The engine's order is of no meaning, and changes.
        all.sort();
        all
    }

    /// What a container has written so far; empty when there is no such container.
    #[must_use]
    pub fn log(&self, container: &str) -> String {
        let path = format!("/containers/{container}/logs?stdout=1&stderr=1");
        let Ok(mut stream) = self.ask("GET", &path, "text/plain", &[]) else { return String::new() };
        let mut bytes = Vec::new();
        // What came before an error is still what it wrote.
        let _ = stream.read_to_end(&mut bytes);
        crate::log::text(&bytes)
    }

    /// Waits until nothing of a session is left.
    ///
    /// # Panics
    ///
    /// When something is.
    #[track_caller]
    pub fn until_gone(&self, session: &str, within: Duration) {
        until(&format!("nothing of session {session} is left"), within, || {
            let left = self.resources(session);
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    /// Sends a request, and leaves the whole answer to be read.
    pub(crate) fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        // Version 1.0, so that the answer ends with the connection and comes in one piece.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        Ok(stream)
    }

    fn exchange(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<(u16, String)> {
        let mut answer = Vec::new();
        self.ask(method, path, kind, body)?.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("{answer:?}")))?;
        Ok((status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())))
    }

    fn list(&self, path: &str, key: &str, value: &str) -> Vec<Value> {
        let filter = format!("{{\"label\":[\"{key}={value}\"]}}");
        let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, body) = self.request("GET", &format!("{path}{encoded}"), &Value::Null);
        assert_eq!(status, 200, "{body}");
        let items = if path.starts_with("/volumes") { &body["Volumes"] } else { &body };
        items.as_array().cloned().unwrap_or_default()
    }
}

/// [`Engine::request`], of the system's engine.
#[must_use = "the status tells whether it was done"]
pub fn request(method: &str, path: &str, body: &Value) -> (u16, Value) {
    Engine::system().request(method, path, body)
}

/// [`Engine::send`], of the system's engine.
#[must_use = "the status tells whether it was done"]
pub fn send(method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    Engine::system().send(method, path, content_type, body)
}

/// [`Engine::inspect`], of the system's engine.
#[must_use]
pub fn inspect(path: &str) -> Option<Value> {
    Engine::system().inspect(path)
}

/// [`Engine::containers`], of the system's engine.
#[must_use]
pub fn containers(session: &str) -> Vec<Value> {
    Engine::system().containers(session)
}

/// [`Engine::resources`], of the system's engine.
#[must_use]
pub fn resources(session: &str) -> Vec<String> {
    Engine::system().resources(session)
}

/// [`Engine::log`], of the system's engine.
#[must_use]
pub fn log(container: &str) -> String {
    Engine::system().log(container)
}

/// [`Engine::until_gone`], of the system's engine.
#[track_caller]
pub fn until_gone(session: &str, within: Duration) {
    Engine::system().until_gone(session, within);
}
