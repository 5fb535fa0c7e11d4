//! A request to the engine's own interface, written out.
//!
//! For what bollard is left aside for: the look-up, which every test process waits for and for which a general
//! client in a debug build took twice the request's time; and lists, of which three words an item are wanted,
//! while their models differ between the two releases of bollard that this crate works with. HTTP/1.0, so that
//! the answer ends with the connection and is never chunked.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::discover::Place;
use super::verdict;

/// Removing a container waits for its processes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What the engine answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The error for an answer that nobody can use.
    pub(super) fn unusable(&self) -> io::Error {
        verdict::unusable(self.status, &self.body)
    }
}

/// Sends a request without a body and reads the whole answer.
pub(super) async fn ask(place: &Place, method: &str, path: &str) -> io::Result<Answer> {
    send(place, format!("{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n")).await
}

/// The same with a body of JSON.
#[cfg(feature = "cli")]
pub(super) async fn post(place: &Place, path: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    let headers = format!("Host: docker\r\nContent-Type: application/json\r\nContent-Length: {length}");
    send(place, format!("POST {path} HTTP/1.0\r\n{headers}\r\n\r\n{body}")).await
}

async fn send(place: &Place, request: String) -> io::Result<Answer> {
    // As much as an engine says of a reaper, and some.
    let mut answer = Vec::with_capacity(16 << 10);
    open(place, &request).await?.read_to_end(&mut answer).await?;
    read(&answer)
}

/// Sends a request; the answer is what comes until the end.
pub(super) async fn open(place: &Place, request: &str) -> io::Result<Box<dyn AsyncRead + Unpin>> {
    async fn ask<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        mut engine: S,
        request: &str,
    ) -> io::Result<Box<dyn AsyncRead + Unpin>> {
        engine.write_all(request.as_bytes()).await?;
        Ok(Box::new(engine))
    }
    match place {
        #[cfg(unix)]
        Place::Socket(socket) => ask(tokio::net::UnixStream::connect(socket).await?, request).await,
        #[cfg(not(unix))]
        Place::Socket(_) => Err(io::ErrorKind::Unsupported.into()),
        Place::Tcp(address) => ask(TcpStream::connect(address).await?, request).await,
    }
}

/// [`ask`], for those who have no deadline of their own.
pub(super) async fn bounded(place: &Place, method: &str, path: &str) -> io::Result<Answer> {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, ask(place, method, path)).await;
    answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

pub(super) fn read(answer: &[u8]) -> io::Result<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.map_or(answer.len(), |end| end + 4));
    let head = String::from_utf8_lossy(head);
    let first = head.lines().next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| verdict::not_http(answer))?;
    Ok(Answer { status, body: body.to_vec() })
}

pub(super) fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
