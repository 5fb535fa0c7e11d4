//! HTTP/1.1 as far as one request to an engine needs it: a connection per request, closed by the engine.
//!
//! Bodies may be chunked, counted, or end with the connection. A body that ends early is an error: half
//! a list would read as "nothing matches".

use std::io::{BufRead, BufReader, Read, Write};

/// Longer than any line of an engine's header.
const LONGEST_LINE: u64 = 16 << 10;
/// More than a list of thousands of containers; a bound all the same, since memory is limited, and so is
/// the time for heads and trailers without an end. Lower where it is met over and over.
pub(crate) const LONGEST_ANSWER: u64 = if cfg!(any(fuzzing, test)) { 64 << 10 } else { 16 << 20 };

#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a request, its body JSON or empty, and reads the whole answer.
pub(crate) fn request(
    stream: impl Read + Write,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Response, String> {
    exchange(stream, method, path, body).map_err(|error| format!("{method} {path}: {error}"))
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str, body: &str) -> Result<Response, String> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    read(BufReader::new(stream))
}

fn read(stream: impl BufRead) -> Result<Response, String> {
    let mut stream = stream.take(LONGEST_ANSWER);
    let response = response(&mut stream);
    // Cut off there, a body that ends with the connection would look whole.
    if stream.limit() == 0 {
        return Err(format!("the answer is longer than {LONGEST_ANSWER} bytes"));
    }
    response
}

fn response(mut stream: impl BufRead) -> Result<Response, String> {
    let (status, framing) = loop {
        let (status, framing) = head(&mut stream)?;
        // 1xx announce another head.
        if status >= 200 {
            break (status, framing);
        }
    };
    let mut body = Vec::new();
    match framing {
        _ if matches!(status, 204 | 304) => {}
        Framing::Counted(length) => exactly(&mut stream, length, &mut body)?,
        Framing::Chunked => chunks(&mut stream, &mut body)?,
        Framing::UntilClosed => {
            stream.read_to_end(&mut body).map_err(|error| error.to_string())?;
        }
    }
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

fn exactly(stream: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Result<(), String> {
    let read = stream.take(length).read_to_end(body).map_err(|error| error.to_string())?;
    if read as u64 == length { Ok(()) } else { Err("the answer ends too early".into()) }
}

fn chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<(), String> {
    loop {
        let size = line(stream)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let length =
            u64::from_str_radix(digits, 16).map_err(|_| format!("not the size of a chunk: {size:?}"))?;
        if length == 0 {
            // Trailers, if any, up to the empty line.
            while !line(stream)?.is_empty() {}
            return Ok(());
        }
        exactly(stream, length, body)?;
        if !line(stream)?.is_empty() {
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
            let problem = body(&format!("{start}{}", repeated.repeat(times))).unwrap_err();
            assert!(problem.contains("longer than"), "{repeated:?}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(bytes.as_slice());
        }
    }
}
