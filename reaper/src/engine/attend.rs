//! Listening to a container from before its start to its end: what a reaper says that ends at once is gone with it,
//! since the engine removes it.
//!
//! Written out, like the look-up: the answer to an attach has no end of HTTP's, it ends with the container. Asking for
//! the log afterwards was rejected: the engine is faster in removing it.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::discover::Place;
use super::http::{invalid, open};

/// Gives the lines that a container wrote, once it has ended.
pub(crate) type Said = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// More than anybody reads; a reaper that lives long is not listened to for long.
const MOST: u64 = 64 << 10;

/// Begins to listen; the container has been created, and nothing that it says from now on is missed.
pub(super) async fn attend(place: &Place, id: &str) -> io::Result<Said> {
    let path = format!("/containers/{id}/attach?stream=1&logs=1&stdout=1&stderr=1");
    let request = format!("POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
    let mut engine = open(place, &request).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 4096 {
            return Err(invalid("the head of the answer has no end".to_owned()));
        }
        head.push(engine.read_u8().await?);
    }
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    match first.split(' ').nth(1) {
        Some("200" | "101") => Ok(Box::pin(listen(engine))),
        _ => Err(invalid(format!("the engine answered {first:?}"))),
    }
}

async fn listen(engine: impl AsyncRead + Unpin) -> Vec<String> {
    let mut bytes = Vec::new();
    // What came before an error is still what it said.
    let _ = engine.take(MOST).read_to_end(&mut bytes).await;
    lines(&bytes)
}

/// The engine puts a head of eight bytes before each piece: from which stream it is, and how long.
fn lines(mut bytes: &[u8]) -> Vec<String> {
    let mut text = Vec::new();
    while let [0..=2, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (piece, next) = rest.split_at(length.min(rest.len()));
        text.extend_from_slice(piece);
        bytes = next;
    }
    text.extend_from_slice(bytes);
    String::from_utf8_lossy(&text).lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_again() {
        let pieces = b"\x02\0\0\0\0\0\0\x05exec \x02\0\0\0\0\0\0\x0dformat error\n\x01\0\0\0\0\0\0\x02ok";
        assert_eq!(lines(pieces), ["exec format error", "ok"]);
        assert_eq!(lines(b"plain\r\ntext"), ["plain", "text"]);
        assert_eq!(lines(b""), Vec::<String>::new());
    }
}
