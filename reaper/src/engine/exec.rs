//! A connection to a reaper through the engine: a process in its container whose input and output are the connection.
//!
//! The way that is left where no port of the container can be dialled. It goes wherever the engine's own interface does, costs
//! two requests and a process, and ends with the engine's connection.

use std::fmt;
use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, BufReader};

use super::connect_words::{MODE, OPEN};
use super::frames::Frames;
use super::http::{Body, demand, open};
use super::place::Place;
use super::stream::Stream;
use super::verdict::{invalid, shortened};

/// A first line that is longer is none that a server says.
const MOST_OF_FIRST_LINE: usize = 4 << 10;

/// What has to be run for a connection, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exec {
    /// The engine.
    pub(crate) place: Place,
    /// The id of the reaper's container.
    pub(crate) container: String,
    /// The path of the server's program in it.
    pub(crate) program: String,
}

/// A connection whose other end has been reached.
pub(super) struct Opened {
    pub(super) stream: BufReader<Stream>,
    pub(super) frames: Frames,
    /// What was said already.
    pub(super) said: Vec<u8>,
}

impl fmt::Display for Exec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let container: String = self.container.chars().take(12).collect();
        write!(formatter, "an exec session in the container {container}")
    }
}

impl Exec {
    /// Starts the process, and returns once it has reached the server.
    pub(super) async fn open(&self) -> io::Result<Opened> {
        let Self { place, container, program } = self;
        let process = json!({
            "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": false,
            "Cmd": [program, MODE],
        });
        let path = format!("/containers/{container}/exec");
        let created = demand(place, "POST", &path, Body::Json(&process)).await.map_err(io::Error::other)?;
        let created: Value = serde_json::from_slice(&created)?;
        let id = created["Id"].as_str().ok_or_else(|| invalid("the exec session has no id".to_owned()))?;
        let attached = json!({ "Detach": false, "Tty": false });
        let answer = open(place, "POST", &format!("/exec/{id}/start"), Body::Upgrade(&attached)).await?;
        // Podman may say that all is well in place of that it changes the protocol.
        let answer =
            if answer.status == 101 { answer } else { answer.done().await.map_err(io::Error::other)? };
        first_line(answer.into_stream()?).await
    }
}

/// Waits for the word by which the process says that it is connected.
async fn first_line(mut stream: BufReader<Stream>) -> io::Result<Opened> {
    let (mut frames, mut said) = (Frames::default(), Vec::new());
    let mut bytes = [0; 1024];
    loop {
        let count = stream.read(&mut bytes).await?;
        let read = &bytes[..count];
        frames.take_apart(read, &mut said).map_err(|error| {
            // An engine that cannot start the process may say why in no pieces.
            io::Error::new(error.kind(), format!("{error}: {}", shortened(&String::from_utf8_lossy(read))))
        })?;
        if said.starts_with(OPEN.as_bytes()) {
            said.drain(..OPEN.len());
            return Ok(Opened { stream, frames, said });
        }
        if count == 0 || said.len() > MOST_OF_FIRST_LINE {
            return Err(io::Error::other(unopened(&said, &frames.complaint)));
        }
    }
}

/// Why the process is no connection: what it says, or the engine in its place.
fn unopened(said: &[u8], complaint: &[u8]) -> String {
    let text = shortened(&String::from_utf8_lossy(&[complaint, said].concat()));
    if text.is_empty() { "the process for the connection ended without a word".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::engine::frames::piece;

    async fn opened(says: &[u8]) -> io::Result<Opened> {
        let (client, mut engine) = tokio::io::duplex(8192);
        engine.write_all(says).await.unwrap();
        drop(engine);
        first_line(BufReader::new(Box::new(client))).await
    }

    #[tokio::test]
    async fn a_connection_is_one_once_its_process_says_so() {
        let opened = opened(&[piece(1, b"OP"), piece(1, b"EN\nHELLO")].concat()).await;
        assert_eq!(opened.unwrap().said, b"HELLO");
    }

    #[tokio::test]
    async fn why_there_is_no_connection_is_what_was_said_in_its_place() {
        for (says, expected) in [
            (piece(2, b"the reaper does not listen\n"), "the reaper does not listen"),
            // As Docker says it, over the stream of the output.
            (piece(1, b"OCI runtime exec failed: no such file\r\n"), "OCI runtime exec failed: no such file"),
            (piece(1, b"OPEN"), "OPEN"),
            (Vec::new(), "the process for the connection ended without a word"),
        ] {
            let error = opened(&says).await.map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let error = opened(b"container is not running").await.map(|_| ()).unwrap_err();
        assert!(error.to_string().ends_with(": container is not running"), "{error}");
    }
}
