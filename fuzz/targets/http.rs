//! The reader of the engine's HTTP: no answer makes it panic, hang, or take more memory than it may, and
//! the same body is the same however it is framed and in whichever pieces it arrives.
//!
//! The first byte chooses what the rest is: an answer as it stands, the beginning of one that never ends,
//! or a body to be framed in every way.

#![no_main]

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the text of a refusal is not used")]
#[path = "../../reaper/ryuk/http.rs"]
mod http;

use http::LONGEST_ANSWER;

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice {
        0..=31 => without_end(rest),
        32..=127 => as_it_stands(rest),
        _ => in_every_framing(rest),
    }
});

fn as_it_stands(answer: &[u8]) {
    let whole = ask(answer, answer.len());
    if let Ok((status, body)) = &whole {
        assert!(*status >= 200 && body.len() <= answer.len());
    }
    for piece in [1, 7] {
        assert_eq!(ask(answer, piece), whole, "in pieces of {piece}");
    }
}

fn without_end(beginning: &[u8]) {
    let (start, repeated) = beginning.split_at(beginning.len() / 2);
    if repeated.is_empty() {
        return;
    }
    // Byte by byte, so that what is taken is what was read.
    let mut stream = Engine { answer: start, repeated, at: 0, piece: 1, taken: 0 };
    let answer = whole(&mut stream);
    assert!(stream.taken <= LONGEST_ANSWER, "{} bytes were read", stream.taken);
    assert!(answer.is_err() || stream.taken < LONGEST_ANSWER, "a cut answer was taken for a whole one");
}

/// The first byte is the size of the chunks and of the cut, the rest is the body.
fn in_every_framing(data: &[u8]) {
    let Some((size, body)) = data.split_first() else { return };
    let size = usize::from(*size) + 1;
    let chunks: Vec<u8> = body.chunks(size).flat_map(chunk).chain(*b"0\r\n\r\n").collect();
    let chunked = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunks[..]].concat();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let counted = [head.as_bytes(), body].concat();
    let closed = [b"HTTP/1.1 200 OK\r\n\r\n", body].concat();
    for answer in [&chunked, &counted, &closed] {
        let read = ask(answer, size);
        assert_eq!(read.as_ref().ok().map(|(_, read)| read.as_slice()), Some(body), "{read:?}");
    }
    for answer in [&chunked, &counted] {
        let cut = &answer[..answer.len() - size.min(answer.len())];
        // Of an empty body nothing can be missing but the head.
        assert!(ask(cut, usize::MAX).is_err(), "half an answer was taken for a whole one");
    }
}

fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

fn ask(answer: &[u8], piece: usize) -> Result<(u16, Vec<u8>), String> {
    whole(Engine { answer, repeated: &[], at: 0, piece, taken: 0 })
}

fn whole(stream: impl Read + Write) -> Result<(u16, Vec<u8>), String> {
    let mut answer = http::request(stream, "GET", "/", "", ()).map_err(|error| error.to_string())?;
    let mut body = Vec::new();
    answer.body.read_to_end(&mut body).map_err(|error| error.to_string())?;
    Ok((answer.status, body))
}

/// Says what it is told to, then the same thing over and over, in pieces.
struct Engine<'a> {
    answer: &'a [u8],
    repeated: &'a [u8],
    at: usize,
    piece: usize,
    taken: u64,
}

impl Read for Engine<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.answer.len() {
            (self.answer, self.at) = (self.repeated, 0);
        }
        let rest = &self.answer[self.at..];
        let count = rest.len().min(self.piece.max(1)).min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        self.taken += count as u64;
        // A reader that never stops shows as one that reads too much.
        if self.taken > 2 * LONGEST_ANSWER { Err(io::ErrorKind::TimedOut.into()) } else { Ok(count) }
    }
}

impl Write for Engine<'_> {
    fn write(&mut self, request: &[u8]) -> io::Result<usize> {
        Ok(request.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
