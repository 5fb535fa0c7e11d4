//! The engine, seen from outside: over its socket, never through the library that is being shown.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

const SOCKET: &str = "/var/run/docker.sock";
/// How long the engine may be silent: about a list it answers at once, on an image it works for a while.
const SILENT_LIST: Duration = Duration::from_secs(10);
const SILENT_WORK: Duration = Duration::from_secs(180);

/// What a request carries.
pub(crate) enum Body<'a> {
    Nothing,
    Json(&'a Value),
    /// The content of an archive.
    Archive(&'a Path),
}

/// Whether an engine answers.
pub(crate) fn answers() -> bool {
    get("/_ping").is_ok()
}

/// All containers that carry a label, running or not.
pub(crate) fn containers(label: &str) -> Result<Vec<Value>, String> {
    let filter = format!("{{\"label\":[\"{label}\"]}}");
    let body = get(&format!("/containers/json?all=1&filters={}", encoded(&filter)))?;
    serde_json::from_str(&body).map_err(|error| format!("failed to read the engine's list: {error}"))
}

/// A container or an image in full, by its path in the engine's interface.
pub(crate) fn inspect(path: &str) -> Result<Value, String> {
    serde_json::from_str(&get(path)?).map_err(|error| format!("failed to read {path}: {error}"))
}

/// One request that is answered with one object, or with nothing.
pub(crate) fn request(method: &str, path: &str, body: &Body<'_>) -> Result<Value, String> {
    let mut text = String::new();
    let mut answer = send(method, path, body, SILENT_WORK)?;
    answer.read_to_string(&mut text).map_err(|error| unanswered(path, &error))?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// A request that the engine answers with a line for each thing it does; fails with the line that says so.
pub(crate) fn follow(path: &str, body: &Body<'_>, mut each: impl FnMut(&Value)) -> Result<Value, String> {
    let mut last = Value::Null;
    for line in send("POST", path, body, SILENT_WORK)?.lines() {
        let line = line.map_err(|error| unanswered(path, &error))?;
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
pub(crate) fn download(path: &str, file: &Path) -> Result<u64, String> {
    let copy = |answer: &mut BufReader<UnixStream>| io::copy(answer, &mut File::create(file)?);
    copy(&mut send("GET", path, &Body::Nothing, SILENT_WORK)?).map_err(|error| unanswered(path, &error))
}

/// Text as it stands in a path's query.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

fn get(path: &str) -> Result<String, String> {
    let mut body = String::new();
    let mut answer = send("GET", path, &Body::Nothing, SILENT_LIST)?;
    answer.read_to_string(&mut body).map_err(|error| unanswered(path, &error))?;
    Ok(body)
}

/// HTTP/1.0, so that the body ends with the connection and needs no decoding. What is given back stands
/// at the answer's body.
fn send(
    method: &str,
    path: &str,
    body: &Body<'_>,
    silent: Duration,
) -> Result<BufReader<UnixStream>, String> {
    let exchange = || -> io::Result<_> {
        let mut stream = UnixStream::connect(SOCKET)?;
        stream.set_read_timeout(Some(silent))?;
        let (kind, length, mut content): (_, _, Box<dyn Read>) = match body {
            Body::Nothing => ("application/json", 0, Box::new(io::empty())),
            Body::Json(value) => {
                let text = value.to_string();
                ("application/json", text.len() as u64, Box::new(io::Cursor::new(text)))
            }
            Body::Archive(path) => {
                let file = File::open(path)?;
                ("application/x-tar", file.metadata()?.len(), Box::new(file))
            }
        };
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        io::copy(&mut content, &mut stream)?;
        let mut answer = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && answer.read_line(&mut head)? > 0 {}
        Ok((head, answer))
    };
    let (head, mut answer) = exchange().map_err(|error| unanswered(path, &error))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') {
        return Ok(answer);
    }
    let mut text = String::new();
    answer.read_to_string(&mut text).map_err(|error| unanswered(path, &error))?;
    let message = serde_json::from_str::<Value>(&text).ok();
    let message = message.and_then(|value| value["message"].as_str().map(str::to_owned)).unwrap_or(text);
    Err(format!("the engine answered {path} with {status}: {}", message.trim()))
}

fn unanswered(path: &str, error: &io::Error) -> String {
    format!("failed to ask the engine for {path}: {error}")
}
