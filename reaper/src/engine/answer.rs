//! What an engine answers, as it comes: its head, and its body in pieces.
//!
//! A body ends with its length, with its last chunk, or with the connection. The last is left to those who say neither;
//! the others tell what broke off from what is whole. Engines send chunks, and so may a proxy before one, whatever
//! the version of the request.

use std::io;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use super::verdict::{self, invalid};

/// As much as an engine says of a reaper, and some.
const AT_ONCE: usize = 16 << 10;
/// Of a head, which is under one kilobyte from any engine.
const MOST_OF_HEAD: usize = 64 << 10;
/// Of a line between two chunks.
const MOST_OF_LINE: u64 = 4 << 10;

/// An answer that was read to its end.
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

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The engine says so.
    #[error("the engine answered {status}: {message}")]
    Said { status: u16, message: String },
    /// There was no answer that could be read.
    #[error(transparent)]
    Broken(#[from] io::Error),
}

#[cfg(any(test, feature = "bollard"))]
impl Failure {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Said { status, .. } => Some(*status),
            Self::Broken(_) => None,
        }
    }
}

/// An answer whose head has been read.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    pub(super) status: u16,
    engine: BufReader<R>,
    rest: Rest,
}

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Whatever comes until the connection ends.
    Everything,
    Length(u64),
    /// A line with the size of the next chunk.
    Size,
    Chunk(u64),
    Nothing,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// Reads the head of an answer.
    pub(super) async fn read(engine: R) -> io::Result<Self> {
        let mut engine = BufReader::with_capacity(AT_ONCE, engine);
        loop {
            let head = head(&mut engine).await?;
            let (status, rest) = understood(&head)?;
            // An answer before the answer; but from 101 on the connection is the container's.
            if !(100..=199).contains(&status) || status == 101 {
                return Ok(Self { status, engine, rest });
            }
        }
    }

    /// The answer to what is done; else an error with the engine's words.
    pub(super) async fn done(self) -> Result<Self, Failure> {
        match self.status {
            // The second says that it was so before.
            200..=299 | 304 => Ok(self),
            status => Err(Failure::Said { status, message: words(&self.whole().await?) }),
        }
    }

    /// The next piece of the body; none at its end.
    pub(super) async fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.rest == Rest::Size {
            self.rest = self.next_chunk().await?;
        }
        let most = match self.rest {
            Rest::Nothing | Rest::Size | Rest::Length(0) => return Ok(None),
            Rest::Everything => usize::MAX,
            Rest::Length(left) | Rest::Chunk(left) => usize::try_from(left).unwrap_or(usize::MAX),
        };
        let found = self.engine.fill_buf().await?;
        if found.is_empty() {
            return if self.rest == Rest::Everything { Ok(None) } else { Err(broken_off()) };
        }
        let piece = found[..found.len().min(most)].to_vec();
        self.engine.consume(piece.len());
        let taken = piece.len() as u64;
        match &mut self.rest {
            Rest::Length(left) => *left -= taken,
            Rest::Chunk(left) if *left > taken => *left -= taken,
            Rest::Chunk(_) => {
                // The end of the line that the chunk is.
                self.line().await?;
                self.rest = Rest::Size;
            }
            Rest::Everything | Rest::Size | Rest::Nothing => {}
        }
        Ok(Some(piece))
    }

    /// The connection, which is no longer HTTP's.
    pub(super) fn into_stream(self) -> io::Result<BufReader<R>> {
        match self.rest {
            Rest::Everything => Ok(self.engine),
            rest => Err(invalid(format!("the connection is not handed over, but answered with {rest:?}"))),
        }
    }

    /// All that is left of the body.
    pub(super) async fn whole(mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity(AT_ONCE);
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The answer with all of its body.
    pub(super) async fn answer(self) -> io::Result<Answer> {
        Ok(Answer { status: self.status, body: self.whole().await? })
    }

    async fn next_chunk(&mut self) -> io::Result<Rest> {
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        // A sign would be taken for part of a number.
        let size = Some(size).filter(|size| size.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
        match size {
            Some(0) => Ok(Rest::Nothing),
            Some(size) => Ok(Rest::Chunk(size)),
            None => Err(invalid(format!("the engine's answer has a chunk of {line:?} bytes"))),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.engine).take(MOST_OF_LINE).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(broken_off());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// Everything to the first empty line.
async fn head<R: AsyncRead + Unpin>(engine: &mut BufReader<R>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let (known, found) = (head.len(), engine.fill_buf().await?);
        if found.is_empty() {
            return Err(verdict::not_http(&head));
        }
        head.extend_from_slice(found);
        let end = head.windows(4).position(|window| window == b"\r\n\r\n").map(|end| end + 4);
        head.truncate(end.unwrap_or(head.len()));
        engine.consume(head.len() - known);
        if end.is_some() {
            return Ok(head);
        }
        // Others may wait for us to speak, for ever.
        if !verdict::may_be_http(&head) {
            return Err(verdict::not_http(&head));
        }
        if head.len() > MOST_OF_HEAD {
            return Err(verdict::no_engine(format!("it answered with a head of over {MOST_OF_HEAD} bytes")));
        }
    }
}

fn understood(head: &[u8]) -> io::Result<(u16, Rest)> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| verdict::not_http(head))?;
    if matches!(status, 204 | 304) {
        return Ok((status, Rest::Nothing));
    }
    let mut rest = Rest::Everything;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") && value.to_ascii_lowercase().ends_with("chunked") {
            // It counts before any length.
            return Ok((status, Rest::Size));
        }
        if name.eq_ignore_ascii_case("content-length") {
            let length =
                value.parse().map_err(|_| invalid(format!("the engine's answer has {value:?} bytes")))?;
            rest = Rest::Length(length);
        }
    }
    Ok((status, rest))
}

/// What an engine says of a failure: `{"message": "…"}`. Who answers otherwise is a proxy, with a page.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let said = serde_json::from_slice(body).map(|Said { message }| message);
    said.unwrap_or_else(|_| verdict::shortened(&String::from_utf8_lossy(body)))
}

fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the engine's answer broke off")
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Hopeless;
    use super::*;

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n";

    async fn read(answer: &[u8]) -> io::Result<Answer> {
        Incoming::read(answer).await?.answer().await
    }

    async fn body(answer: &str) -> Result<String, io::ErrorKind> {
        let answer = read(answer.as_bytes()).await.map_err(|error| error.kind())?;
        Ok(String::from_utf8(answer.body).unwrap())
    }

    #[tokio::test]
    async fn a_body_ends_with_its_length_its_last_chunk_or_the_connection() {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\nhello".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more".to_owned(),
            "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello".to_owned(),
            format!("{CHUNKED}2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"),
            format!("{CHUNKED}05\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"),
            // Who says both means the chunks.
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello".to_owned(),
        ] {
            assert_eq!(body(&answer).await.as_deref(), Ok("hello"), "{answer}");
            // Wherever it is torn on its way.
            for cut in 0..answer.len() {
                let (first, second) = answer.as_bytes().split_at(cut);
                let torn = Incoming::read(first.chain(second)).await.unwrap();
                assert_eq!(torn.whole().await.unwrap(), b"hello", "{cut} of {answer}");
            }
        }
        assert_eq!(body("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").await.as_deref(), Ok(""));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_not_a_whole_one() {
        let whole = format!("{CHUNKED}5\r\nhello\r\n0\r\n");
        for cut in 0..whole.len() - 3 {
            assert!(read(&whole.as_bytes()[..cut]).await.is_err(), "{cut} of {whole}");
        }
        let end = Err(io::ErrorKind::UnexpectedEof);
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello").await, end);
        let odd = Err(io::ErrorKind::InvalidData);
        for size in ["", "x", "-5", "+5", "fffffffffffffffff"] {
            assert_eq!(body(&format!("{CHUNKED}{size}\r\nhello\r\n0\r\n\r\n")).await, odd, "{size}");
        }
        for length in ["", "x", "-5", "5 5"] {
            assert_eq!(body(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello")).await, odd);
        }
        let endless = format!("{CHUNKED}{}", "0".repeat(10_000));
        assert!(body(&endless).await.is_err());
    }

    /// A connection that stays open, as that of somebody who waits for us to go on.
    #[tokio::test]
    async fn what_is_no_engine_is_told_by_its_first_bytes_and_by_a_head_without_an_end() {
        use tokio::io::AsyncWriteExt as _;
        let header = format!("X: {}\r\n", "y".repeat(1000)).repeat(100);
        for said in [
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            "<html>".to_owned(),
            format!("HTTP/1.1 200 OK\r\n{header}"),
        ] {
            let (mut theirs, ours) = tokio::io::duplex(1 << 20);
            theirs.write_all(said.as_bytes()).await.unwrap();
            let error = Incoming::read(ours).await.unwrap_err();
            assert!(Hopeless::found_in(&error).is_some(), "{error}");
        }
        for broken in ["", "HT", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 ? OK\r\n\r\n"] {
            let error = read(broken.as_bytes()).await.unwrap_err();
            assert!(Hopeless::found_in(&error).is_none(), "{broken}: {error}");
        }
    }

    #[tokio::test]
    async fn a_failure_carries_the_engines_words() {
        let page = format!("<html>\n<title>{}</title>", "Bad Gateway ".repeat(100));
        for (status, body, expected) in [
            (409, "{\"message\":\"in use\"}", "the engine answered 409: in use"),
            (
                500,
                "{\"cause\":\"c\",\"message\":\"of Podman\",\"response\":500}",
                "the engine answered 500: of Podman",
            ),
            (404, "404 page not found\n", "the engine answered 404: 404 page not found"),
            (301, "", "the engine answered 301: "),
            (502, page.as_str(), "the engine answered 502: <html> <title>Bad Gateway Bad"),
        ] {
            let answer = format!("HTTP/1.1 {status} X\r\n\r\n{body}");
            let failure = Incoming::read(answer.as_bytes()).await.unwrap().done().await.unwrap_err();
            assert_eq!(failure.status(), Some(status));
            let text = failure.to_string();
            assert!(text.starts_with(expected) && text.len() < 400, "{text}");
        }
        for done in ["200 OK", "201 Created", "304 Not Modified"] {
            let answer = format!("HTTP/1.1 {done}\r\n\r\n");
            assert!(Incoming::read(answer.as_bytes()).await.unwrap().done().await.is_ok(), "{done}");
        }
    }
}
