//! An engine through its raw API, in the words of tests: what does not work panics at the call. The functions
//! without an engine ask the system's, which is what `DOCKER_HOST` names, else the usual Docker.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reaper_tests_engine::{Answer, Body, Client};
use serde_json::Value;

use crate::until;

/// Everything of a session carries this label.
pub const SESSION: &str = "org.testcontainers.sessionId";

/// An engine, by its socket.
#[derive(Debug, Clone)]
pub struct Engine(Client);

impl Engine {
    /// The engine that listens at this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self(Client::at(socket))
    }

    /// The system's own, or what `DOCKER_HOST` names in its place.
    #[must_use]
    pub fn system() -> Self {
        Self(Client::system())
    }

    /// Where it is, as `DOCKER_HOST` says it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        self.0.docker_host()
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.0.socket()
    }

    /// Whether it answers at all.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.0.answers()
    }

    /// Whether it is Podman.
    #[must_use]
    pub fn is_podman(&self) -> bool {
        self.0.is_podman()
    }

    /// One request; gives the status and the body, which is null where it is not JSON.
    ///
    /// # Panics
    ///
    /// When the engine does not answer.
    #[track_caller]
    #[must_use = "the status tells whether it was done"]
    pub fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.exchange(method, path, if body.is_null() { Body::Nothing } else { Body::Json(body) })
    }

    /// The same with an archive.
    ///
    /// # Panics
    ///
    /// When the engine does not answer.
    #[track_caller]
    #[must_use = "the status tells whether it was done"]
    pub fn send(&self, method: &str, path: &str, archive: &[u8]) -> (u16, Value) {
        self.exchange(method, path, Body::Bytes(archive))
    }

    #[track_caller]
    fn exchange(&self, method: &str, path: &str, body: Body<'_>) -> (u16, Value) {
        let exchange = || {
            let answer = self.0.send(method, path, body)?;
            Ok((answer.status, answer.text()?))
        };
        let (status, body) = exchange().unwrap_or_else(|error: String| panic!("{error}"));
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
    #[track_caller]
    pub fn load(&self, archive: &[u8]) {
        let loaded = self.0.follow("/images/load?quiet=1", Body::Bytes(archive), |_| {});
        loaded.unwrap_or_else(|error| panic!("loading an image: {error}"));
    }

    /// An object on the engine, by its API path; none if there is no such thing.
    ///
    /// # Panics
    ///
    /// When the engine cannot say whether there is.
    #[track_caller]
    #[must_use]
    pub fn inspect(&self, path: &str) -> Option<Value> {
        match self.request("GET", path, &Value::Null) {
            (200, body) => Some(body),
            (500, body) => panic!("looking {path} up: {body}"),
            _ => None,
        }
    }

    /// The containers of a session, the reaper's among them.
    #[must_use]
    pub fn containers(&self, session: &str) -> Vec<Value> {
        self.list("/containers/json?all=1", SESSION, session)
    }

    /// The command lines of what runs in a container.
    ///
    /// # Panics
    ///
    /// When the engine does not tell.
    #[track_caller]
    #[must_use]
    pub fn commands(&self, container: &str) -> Vec<String> {
        // Docker asks the host's `ps`; Podman, if it is not told what to tell, the container's, which ours have not.
        let what = if self.is_podman() { "?ps_args=pid,args" } else { "" };
        let (status, top) = self.request("GET", &format!("/containers/{container}/top{what}"), &Value::Null);
        let processes = top["Processes"].as_array().unwrap_or_else(|| panic!("{container}: {status} {top}"));
        let command = |process: &Value| process.as_array()?.last()?.as_str().map(str::to_owned);
        processes.iter().filter_map(command).collect()
    }

    /// Everything that carries the session's label, sorted: `kind name-or-id`.
    #[must_use]
    pub fn resources(&self, session: &str) -> Vec<String> {
        self.labelled(SESSION, session)
    }

    /// The same for who can ask again.
    ///
    /// # Errors
    ///
    /// When the engine does not list something.
    pub fn try_resources(&self, session: &str) -> Result<Vec<String>, String> {
        self.try_labelled(SESSION, session)
    }

    /// The same for any label.
    ///
    /// # Panics
    ///
    /// When the engine does not list something.
    #[track_caller]
    #[must_use]
    pub fn labelled(&self, key: &str, value: &str) -> Vec<String> {
        self.try_labelled(key, value).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same for who asks again anyway.
    pub(crate) fn try_labelled(&self, key: &str, value: &str) -> Result<Vec<String>, String> {
        self.try_carrying(&format!("{key}={value}"))
    }

    fn try_carrying(&self, label: &str) -> Result<Vec<String>, String> {
        let of = |kind: &str, path: &str, name: &str| -> Result<Vec<String>, String> {
            let named = |item: &Value| format!("{kind} {}", item[name].as_str().unwrap_or("?"));
            Ok(self.0.list(path, label)?.iter().filter(|item| !self.is_ghost(item)).map(named).collect())
        };
        let mut all = of("container", "/containers/json?all=1", "Id")?;
        all.extend(of("network", "/networks", "Name")?);
        all.extend(of("volume", "/volumes", "Name")?);
        all.extend(of("image", "/images/json", "Id")?);
        // The engine's order is of no meaning, and changes.
        all.sort();
        Ok(all)
    }

    /// Whether a container is in the list alone: Docker 20.10 that was killed, and starts again, may at once remove what ends with
    /// it and read it in, and then lists as dead what it does not know, until it starts the next time.
    fn is_ghost(&self, listed: &Value) -> bool {
        let is_known = |id: &Value| self.inspect(&format!("/containers/{}/json", id.as_str()?)).map(drop);
        listed["State"] == "dead" && is_known(&listed["Id"]).is_none()
    }

    /// What a container has written so far; empty when there is no such container.
    #[must_use]
    pub fn log(&self, container: &str) -> String {
        let path = format!("/containers/{container}/logs?stdout=1&stderr=1");
        let Ok(answer) = self.ask(&path) else { return String::new() };
        let mut bytes = Vec::new();
        if let Ok(mut stream) = answer.stream(false) {
            // What came before an error is still what it wrote.
            let _ = stream.read_to_end(&mut bytes);
        }
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
            let left = self.try_labelled(SESSION, session)?;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    /// Asks for something, and leaves its body to be read.
    pub(crate) fn ask(&self, path: &str) -> reaper_tests_engine::Result<Answer> {
        self.0.send("GET", path, Body::Nothing)?.successful()
    }

    #[track_caller]
    fn list(&self, path: &str, key: &str, value: &str) -> Vec<Value> {
        self.0.list(path, &format!("{key}={value}")).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Where the system's engine listens.
#[must_use]
pub fn socket() -> PathBuf {
    Engine::system().socket().to_owned()
}

/// Where it is, as `DOCKER_HOST` says it.
#[must_use]
pub fn docker_host() -> String {
    Engine::system().docker_host()
}

/// [`Engine::request`], of the system's engine.
#[must_use = "the status tells whether it was done"]
pub fn request(method: &str, path: &str, body: &Value) -> (u16, Value) {
    Engine::system().request(method, path, body)
}

/// [`Engine::send`], of the system's engine.
#[must_use = "the status tells whether it was done"]
pub fn send(method: &str, path: &str, archive: &[u8]) -> (u16, Value) {
    Engine::system().send(method, path, archive)
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

/// Everything that carries a label with this key, of the system's engine, sorted: `kind name-or-id`.
///
/// # Panics
///
/// When the engine does not list something.
#[track_caller]
#[must_use]
pub fn carrying(key: &str) -> Vec<String> {
    Engine::system().try_carrying(key).unwrap_or_else(|error| panic!("{error}"))
}

/// [`Engine::labelled`], of the system's engine.
#[track_caller]
#[must_use]
pub fn labelled(key: &str, value: &str) -> Vec<String> {
    Engine::system().labelled(key, value)
}
