//! HTTP/1.1 as far as one request to an engine needs it: a connection per request, closed by the engine.
//!
//! Bodies may be chunked, counted, or end with the connection. A body that ends early is an error: half
//! a list would read as "nothing matches".

use std::io::{BufRead, BufReader, Read, Write};

/// Longer than any line of an engine's header.
const LONGEST_LINE: u64 = 16 << 10;
/// More than a list of thousands of containers; a bound all the same, since memory is limited.
const LONGEST_BODY: u64 = 16 << 20;

#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a request without a body and reads the whole answer.
pub(crate) fn request(stream: impl Read + Write, method: &str, path: &str) -> Result<Response, String> {
    exchange(stream, method, path).map_err(|error| format!("{method} {path}: {error}"))
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str) -> Result<Response, String> {
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).map_err(|error| error.to_string())?;
    read(BufReader::new(stream))
}

fn read(mut stream: impl BufRead) -> Result<Response, String> {
    let (status, framing) = loop {
        let (status, framing) = head(&mut stream)?;
        // 1xx announce another head.
        if status >= 200 {
            break (status, framing);
        }
    };
    let body = match framing {
        _ if matches!(status, 204 | 304) => Vec::new(),
        Framing::Counted(length) => exactly(&mut stream, length)?,
        Framing::Chunked => chunks(&mut stream)?,
        Framing::UntilClosed => {
            let mut body = Vec::new();
            stream.take(LONGEST_BODY).read_to_end(&mut body).map_err(|error| error.to_string())?;
            body
        }
    };
    Ok(Response { status, body: String::from_utf8(body).map_err(|_| "the answer is not UTF-8")? })
}

enum Framing {
    Counted(u64),
    Chunked,
    UntilClosed,
}

fn head(stream: &mut impl BufRead) -> Result<(u16, Framing), String> {
    let first = line(stream)?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status =
        status.and_then(|status| status.parse().ok()).ok_or_else(|| format!("not HTTP: {first:?}"))?;
    let mut framing = Framing::UntilClosed;
    loop {
        let header = line(stream)?;
        let Some((name, value)) = header.split_once(':') else {
            return if header.is_empty() {
                Ok((status, framing))
            } else {
                Err(format!("not a header: {header:?}"))
            };
        };
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" if value.to_ascii_lowercase().contains("chunked") => {
                framing = Framing::Chunked;
            }
            "content-length" if !matches!(framing, Framing::Chunked) => {
                let length = value.trim().parse().map_err(|_| format!("not a length: {value:?}"))?;
                framing = Framing::Counted(length);
            }
            _ => {}
        }
    }
}

fn line(stream: &mut impl BufRead) -> Result<String, String> {
    let mut line = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    match line.strip_suffix(b"\n") {
        Some(line) => Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()),
        None => Err("the answer ends too early".into()),
    }
}

fn exactly(stream: &mut impl BufRead, length: u64) -> Result<Vec<u8>, String> {
    if length > LONGEST_BODY {
        return Err(format!("an answer of {length} bytes is too long"));
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body).map_err(|error| error.to_string())?;
    if body.len() as u64 == length { Ok(body) } else { Err("the answer ends too early".into()) }
}

fn chunks(stream: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let size = line(stream)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let length =
            u64::from_str_radix(digits, 16).map_err(|_| format!("not the size of a chunk: {size:?}"))?;
        if length == 0 {
            // Trailers, if any, up to the empty line.
            while !line(stream)?.is_empty() {}
            return Ok(body);
        }
        body.extend(exactly(stream, length)?);
        if body.len() as u64 > LONGEST_BODY || !line(stream)?.is_empty() {
            return Err("a chunk is longer than it says".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(answer: &str) -> Result<String, String> {
        read(answer.as_bytes()).map(|response| response.body)
    }

    #[test]
    fn every_framing() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        ] {
            assert_eq!(body(answer).as_deref(), Ok("hello"), "{answer:?}");
        }
        assert_eq!(read(&b"HTTP/1.1 404 Not Found\r\n\r\n"[..]).unwrap().status, 404);
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
            assert!(body(answer).is_err(), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(bytes.as_slice());
        }
    }
}
