//! The engine, seen from outside: over its socket, never through the library that is being shown.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

const SOCKET: &str = "/var/run/docker.sock";

/// Whether an engine answers.
pub(crate) fn answers() -> bool {
    get("/_ping").is_ok()
}

/// All containers that carry a label, running or not.
pub(crate) fn containers(label: &str) -> Result<Vec<Value>, String> {
    let filter = format!("{{\"label\":[\"{label}\"]}}");
    let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = get(&format!("/containers/json?all=1&filters={encoded}"))?;
    serde_json::from_str(&body).map_err(|error| format!("failed to read the engine's list: {error}"))
}

/// A container or an image in full, by its path in the engine's interface.
pub(crate) fn inspect(path: &str) -> Result<Value, String> {
    serde_json::from_str(&get(path)?).map_err(|error| format!("failed to read {path}: {error}"))
}

/// HTTP/1.0, so that the body ends with the connection and needs no decoding.
fn get(path: &str) -> Result<String, String> {
    let exchange = || {
        let mut stream = UnixStream::connect(SOCKET)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange().map_err(|error| format!("failed to ask the engine for {path}: {error}"))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => Err(format!("the engine answered {path} with {}", answer.lines().next().unwrap_or_default())),
    }
}
