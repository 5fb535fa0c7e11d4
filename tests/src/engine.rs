//! The engine through its raw API, over its socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::until;

/// The engine's socket.
pub const SOCKET: &str = "/var/run/docker.sock";
/// Everything of a session carries this label.
pub const SESSION: &str = "org.testcontainers.sessionId";

/// One request; gives the status and the body, which is null where it is not JSON.
///
/// # Panics
///
/// When the engine does not answer.
#[must_use = "the status tells whether it was done"]
pub fn request(method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(method, path, "application/json", body.as_bytes())
}

/// The same with a body of any type.
///
/// # Panics
///
/// When the engine does not answer.
#[must_use = "the status tells whether it was done"]
pub fn send(method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    let exchange = || -> io::Result<String> {
        let mut stream = UnixStream::connect(SOCKET)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        // Version 1.0, so that the answer ends with the connection and comes in one piece.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{method} {path}: {answer:?}"));
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// An object on the engine, by its API path; none if there is no such thing.
#[must_use]
pub fn inspect(path: &str) -> Option<Value> {
    let (status, body) = request("GET", path, &Value::Null);
    (status == 200).then_some(body)
}

/// The containers of a session, the reaper's among them.
#[must_use]
pub fn containers(session: &str) -> Vec<Value> {
    list("/containers/json?all=1&filters=", session)
}

/// Everything that carries the session's label, sorted: `kind name-or-id`.
#[must_use]
pub fn resources(session: &str) -> Vec<String> {
    let of = |kind: &str, path: &str, name: &str| -> Vec<String> {
        let named = |item: &Value| format!("{kind} {}", item[name].as_str().unwrap_or("?"));
        list(path, session).iter().map(named).collect()
    };
    let mut all = of("container", "/containers/json?all=1&filters=", "Id");
    all.extend(of("network", "/networks?filters=", "Name"));
    all.extend(of("volume", "/volumes?filters=", "Name"));
    all.extend(of("image", "/images/json?filters=", "Id"));
    // The engine's order is of no meaning, and changes.
    all.sort();
    all
}

/// What a container has written so far.
///
/// # Panics
///
/// When there is no docker command.
#[must_use]
pub fn log(container: &str) -> String {
    let output = std::process::Command::new("docker").args(["logs", container]).output().expect("docker");
    crate::suite::text(&output)
}

/// Waits until nothing of a session is left.
///
/// # Panics
///
/// When something is.
#[track_caller]
pub fn until_gone(session: &str, within: Duration) {
    until(&format!("nothing of session {session} is left"), within, || {
        let left = resources(session);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

fn list(path: &str, session: &str) -> Vec<Value> {
    let filter = format!("{{\"label\":[\"{SESSION}={session}\"]}}");
    let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (status, body) = request("GET", &format!("{path}{encoded}"), &Value::Null);
    assert_eq!(status, 200, "{body}");
    let items = if path.starts_with("/volumes") { &body["Volumes"] } else { &body };
    items.as_array().cloned().unwrap_or_default()
}
