//! HTTP/1.1 as far as one request to an engine needs it: a connection per request, closed by the engine.
//!
//! Bodies may be chunked, counted, or end with the connection, and are read as a stream. A body that ends early is an
//! error: half a list would read as "nothing matches".

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Take, Write};

/// Longer than any line of an engine's header.
const LONGEST_LINE: u64 = 16 << 10;
/// More than a list of a hundred thousand containers, of which little is kept; a bound all the same, for an
/// answer without an end. Lower where it is met over and over.
pub(crate) const LONGEST_ANSWER: u64 = if cfg!(any(fuzzing, test)) { 64 << 10 } else { 1 << 30 };
/// Of what an engine says to a removal, a person reads this much.
const LONGEST_TEXT: u64 = 8 << 10;

/// An answer whose body is still to be read.
pub(crate) struct Answer<S> {
    pub(crate) status: u16,
    /// What the engine says that it is.
    pub(crate) server: String,
    pub(crate) body: Body<S>,
}

/// A body as a stream: an end before its end is an error.
pub(crate) struct Body<S> {
    stream: Take<BufReader<S>>,
    rest: Rest,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rest {
    /// Of the body, or of a chunk with others behind it.
    Bytes {
        left: u64,
        chunked: bool,
    },
    UntilClosed,
    Nothing,
}

/// Sends a request, its body JSON or empty, and reads the head of the answer. What is held for it is let go of in between.
pub(crate) fn request<S: Read + Write>(
    mut stream: S,
    method: &str,
    path: &str,
    body: &str,
    held: impl Sized,
) -> io::Result<Answer<S>> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    drop(held);
    answer(stream)
}

fn answer<S: Read>(stream: S) -> io::Result<Answer<S>> {
    let mut stream = BufReader::new(stream).take(LONGEST_ANSWER);
    loop {
        let (status, server, rest) = head(&mut stream)?;
        // 1xx announce another head.
        if status >= 200 {
            let rest = if matches!(status, 204 | 304) { Rest::Nothing } else { rest };
            return Ok(Answer { status, server, body: Body { stream, rest } });
        }
    }
}

fn head(stream: &mut Take<impl BufRead>) -> io::Result<(u16, String, Rest)> {
    let first = line(stream)?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status =
        status.and_then(|status| status.parse().ok()).ok_or_else(|| bad(format!("not HTTP: {first:?}")))?;
    let (mut rest, mut server, mut chunked) = (Rest::UntilClosed, String::new(), false);
    loop {
        let header = line(stream)?;
        let Some((name, value)) = header.split_once(':') else {
            if header.is_empty() {
                return Ok((status, server, rest));
            }
            return Err(bad(format!("not a header: {header:?}")));
        };
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" if value.to_ascii_lowercase().contains("chunked") => {
                chunked = true;
                // Before the first chunk is nothing of another.
                rest = Rest::Bytes { left: 0, chunked };
            }
            "content-length" if !chunked => {
                let left = value.trim().parse().map_err(|_| bad(format!("not a length: {value:?}")))?;
                rest = Rest::Bytes { left, chunked };
            }
            "server" => value.trim().clone_into(&mut server),
            _ => {}
        }
    }
}

fn line(stream: &mut Take<impl BufRead>) -> io::Result<String> {
    let mut line = Vec::new();
    stream.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\n") {
        Some(line) => Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()),
        None => Err(early(stream)),
    }
}

/// Nothing comes any more: by the engine, or by our own bound.
fn early(stream: &Take<impl BufRead>) -> io::Error {
    if stream.limit() == 0 {
        bad(format!("the answer is longer than {LONGEST_ANSWER} bytes"))
    } else {
        bad("the answer ends too early".into())
    }
}

/// Not `InvalidData`, which is what the body's reader says of a body that came whole and has no use.
fn bad(problem: String) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, problem)
}

impl<S: Read> Body<S> {
    /// The beginning of a text, as far as somebody would read it.
    pub(crate) fn text(self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.take(LONGEST_TEXT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The next chunk's size, with the end of the one before already taken.
    fn next_chunk(&mut self) -> io::Result<()> {
        let size = line(&mut self.stream)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let left = u64::from_str_radix(digits, 16);
        let left = left.map_err(|_| bad(format!("not the size of a chunk: {size:?}")))?;
        self.rest = Rest::Bytes { left, chunked: true };
        if left == 0 {
            // Trailers, if any, up to the empty line.
            while !line(&mut self.stream)?.is_empty() {}
            self.rest = Rest::Nothing;
        }
        Ok(())
    }
}

impl<S: Read> Read for Body<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.rest == (Rest::Bytes { left: 0, chunked: true }) {
            self.next_chunk()?;
        }
        match self.rest {
            Rest::Nothing | Rest::Bytes { left: 0, .. } => Ok(0),
            Rest::UntilClosed => match self.stream.read(into)? {
                // Cut off by our bound, it would look whole.
                0 if self.stream.limit() == 0 => Err(early(&self.stream)),
                count => Ok(count),
            },
            Rest::Bytes { left, chunked } => {
                let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let count = self.stream.read(&mut into[..most])?;
                if count == 0 {
                    return Err(early(&self.stream));
                }
                let left = left - count as u64;
                if left == 0 && chunked && !line(&mut self.stream)?.is_empty() {
                    return Err(bad("a chunk is longer than it says".into()));
                }
                self.rest = Rest::Bytes { left, chunked };
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        answer(bytes)?.body.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_framing() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        ] {
            assert_eq!(body(answer.as_bytes()).unwrap(), "hello", "{answer:?}");
        }
        assert_eq!(answer(&b"HTTP/1.1 404 Not Found\r\n\r\n"[..]).unwrap().status, 404);
    }

    #[test]
    fn the_engine_says_what_it_is() {
        let podman = answer(&b"HTTP/1.1 200 OK\r\nServer: Libpod/5.8.6 (linux)\r\n\r\n"[..]).unwrap();
        assert_eq!(podman.server, "Libpod/5.8.6 (linux)");
    }

    #[test]
    fn half_an_answer_is_an_error() {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(body(answer.as_bytes()).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn an_answer_without_an_end_is_an_error() {
        for (start, repeated) in [
            ("", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\n", "A: b\r\n"),
            ("HTTP/1.1 200 OK\r\n\r\n", "hello"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"),
        ] {
            let times = usize::try_from(LONGEST_ANSWER).unwrap() / repeated.len() + 1;
            let problem = body(format!("{start}{}", repeated.repeat(times)).as_bytes()).unwrap_err();
            assert!(problem.to_string().contains("longer than"), "{repeated:?}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = body(&bytes);
        }
    }
}
