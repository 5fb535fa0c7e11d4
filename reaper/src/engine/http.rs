//! A request to the engine's own interface, written out.
//!
//! HTTP/1.1 with one request for each connection, which the engine closes. HTTP/1.0 would need no chunks to be understood
//! on paper; but then the end of a log or of a pull is the end of the connection, and one that breaks off looks like
//! one that is done. Rejected: hyper, and a client with a model of all that an engine can say: see `ARCHITECTURE.md`.

use std::io;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::answer::{Answer, Failure, Incoming};
use super::connector::{authority, connect};
use super::place::Place;
use super::stream::Stream;

/// Removing a container waits for its processes.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// As often as that it is asked again, and after twice as long each time.
const STUMBLES: usize = 5;
const STUMBLED: Duration = Duration::from_millis(20);

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Nothing,
    Json(&'a Value),
    /// An archive of an image.
    Tar(&'a [u8]),
    /// JSON, after which the connection is no longer HTTP's but a process's.
    Upgrade(&'a Value),
}

/// Sends a request without a body and reads the whole answer, for those who have a deadline.
pub(super) async fn ask(place: &Place, method: &str, path: &str) -> io::Result<Answer> {
    open(place, method, path, Body::Nothing).await?.answer().await
}

/// [`ask`], for those who have no deadline of their own.
pub(super) async fn bounded(place: &Place, method: &str, path: &str) -> io::Result<Answer> {
    timeout(REQUEST_TIMEOUT, ask(place, method, path)).await.unwrap_or_else(|_| Err(too_long()))
}

/// [`bounded`], for what is looked at and not changed: an engine that stumbles over it is asked again.
///
/// Podman reads the names of what there is and then each of them, and answers with 500 where one was removed between the two: of
/// the lists of images one in twenty where four tests remove some.
pub(super) async fn look(place: &Place, path: &str) -> io::Result<Answer> {
    let mut delays = ExponentialBuilder::new().with_min_delay(STUMBLED).with_max_times(STUMBLES).build();
    loop {
        let answer = bounded(place, "GET", path).await?;
        match delays.next() {
            Some(delay) if answer.status == 500 => sleep(delay).await,
            _ => return Ok(answer),
        }
    }
}

/// Has something done, within a minute; gives the body of the answer. An answer other than that it is done is an error
/// with the engine's words.
pub(super) async fn demand(
    place: &Place,
    method: &str,
    path: &str,
    body: Body<'_>,
) -> Result<Vec<u8>, Failure> {
    let done = async { Ok(open(place, method, path, body).await?.done().await?.whole().await?) };
    timeout(REQUEST_TIMEOUT, done).await.unwrap_or_else(|_| Err(too_long().into()))
}

/// Sends a request and reads the head of the answer; for what takes as long as it takes, and is bounded by whoever waits.
pub(super) async fn open(
    place: &Place,
    method: &str,
    path: &str,
    body: Body<'_>,
) -> io::Result<Incoming<Stream>> {
    exchange(connect(place).await?, &written(authority(place), method, path, body)).await
}

async fn exchange(mut engine: Stream, request: &[u8]) -> io::Result<Incoming<Stream>> {
    let sent = async {
        engine.write_all(request).await?;
        // TLS keeps what it could not send at once until it is told to.
        engine.flush().await
    };
    match (sent.await, Incoming::read(engine).await) {
        // Who refuses early does not take the rest of a body, and has said why.
        (Err(unsent), Err(unread)) => {
            // Of a stream that has ended already; why it has is known where it is read.
            Err(if unsent.kind() == io::ErrorKind::BrokenPipe { unread } else { unsent })
        }
        (_, answer) => answer,
    }
}

/// The whole request, in one piece: a second one would wait on TCP until the first has been acknowledged.
fn written(host: &str, method: &str, path: &str, body: Body<'_>) -> Vec<u8> {
    let json;
    let connection = match body {
        Body::Upgrade(_) => "Upgrade\r\nUpgrade: tcp",
        Body::Nothing | Body::Json(_) | Body::Tar(_) => "close",
    };
    let (kind, body) = match body {
        Body::Nothing => ("", &[][..]),
        Body::Json(value) | Body::Upgrade(value) => {
            json = value.to_string();
            ("Content-Type: application/json\r\n", json.as_bytes())
        }
        Body::Tar(archive) => ("Content-Type: application/x-tar\r\n", archive),
    };
    // Of none there is no length to tell, but where one is expected.
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n{kind}{length}\r\n");
    [head.as_bytes(), body].concat()
}

fn too_long() -> io::Error {
    let problem = format!("the engine did not answer within {REQUEST_TIMEOUT:?}");
    io::Error::new(io::ErrorKind::TimedOut, problem)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, BufStream};

    use super::*;
    #[cfg(unix)]
    use crate::engine::doubles::scripted;

    #[tokio::test]
    async fn what_a_stream_keeps_until_it_is_told_to_send_it_is_sent_before_the_answer_is_waited_for() {
        let (client, mut engine) = tokio::io::duplex(8192);
        let asked = tokio::spawn(async move {
            let answer = exchange(Box::new(BufStream::new(client)), b"GET / HTTP/1.1\r\n\r\n").await?;
            answer.answer().await
        });
        let mut request = [0; 18];
        let read = timeout(Duration::from_secs(20), engine.read_exact(&mut request)).await;
        read.expect("nothing was sent").unwrap();
        engine.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap().status, 200);
    }

    #[test]
    fn a_request_is_as_the_engine_reads_it() {
        let text = |method, body| String::from_utf8(written("docker", method, "/x?y=1", body)).unwrap();
        let json = json!({"A": 1});
        let begin = "/x?y=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n";
        assert_eq!(text("GET", Body::Nothing), format!("GET {begin}\r\n"));
        assert_eq!(text("DELETE", Body::Nothing), format!("DELETE {begin}\r\n"));
        assert_eq!(text("POST", Body::Nothing), format!("POST {begin}Content-Length: 0\r\n\r\n"));
        assert_eq!(
            text("POST", Body::Json(&json)),
            format!("POST {begin}Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{{\"A\":1}}")
        );
        assert_eq!(
            text("POST", Body::Tar(b"abc")),
            format!("POST {begin}Content-Type: application/x-tar\r\nContent-Length: 3\r\n\r\nabc")
        );
        let begin = begin.replace("close", "Upgrade\r\nUpgrade: tcp");
        assert_eq!(
            text("POST", Body::Upgrade(&json)),
            format!("POST {begin}Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{{\"A\":1}}")
        );
    }

    #[cfg(unix)]
    async fn looked(answers: &[(&str, &str)]) -> (Answer, usize) {
        let (answer, requests) = scripted(answers, async |place| look(&place, "/images/json").await).await;
        (answer.unwrap(), requests.len())
    }

    /// As a Podman does that removes an image meanwhile.
    #[cfg(unix)]
    #[tokio::test]
    async fn an_engine_that_stumbles_is_asked_again_and_one_that_cannot_answer_is_not_for_ever() {
        let stumbles = ("500 X", "{\"message\":\"retrieving label for image: image not known\"}");
        let (answer, given) = looked(&[stumbles, stumbles, ("200 OK", "[]")]).await;
        assert_eq!((answer.status, answer.body, given), (200, b"[]".to_vec(), 3));
        let (answer, given) = looked(&[stumbles; 9]).await;
        assert_eq!((answer.status, given), (500, 1 + STUMBLES));
        let (answer, given) = looked(&[("403 X", "forbidden"), ("200 OK", "[]")]).await;
        assert_eq!((answer.status, given), (403, 1));
    }
}
