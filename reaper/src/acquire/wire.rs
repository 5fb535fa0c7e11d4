//! The Ryuk protocol: one line per filter, one line as the answer.
//!
//! A line is `label=<key>=<value>`, with `&` before each further label; percent-encoded, because official Ryuk
//! parses it as a URL query. The answer must be read: official Ryuk acknowledges lines it could not parse,
//! the embedded one answers them with an error, and a published port accepts before anybody listens behind it. What only the
//! embedded server understands is in `hello`.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::hello::{self, Hello, ScopeWord};
use super::key_words;
use super::proof::Expected;
use crate::engine::percent_encode;
use crate::session::Filter;

/// No answer of any Ryuk comes near; what is longer is not Ryuk.
const LONGEST_ANSWER: usize = 4096;

/// How the embedded server's word to a client that it has removed things under ends.
pub(super) const GREET_AGAIN: &str = "greet again";

/// Why a filter is not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The reaper is there and will not have this filter: trying again does not help.
    #[error("the reaper refused the filter: {answer}")]
    Refused { answer: String },
    /// Somebody else answers.
    #[error("what answers is not the reaper of this session: it said {answer:?}")]
    Foreign { answer: String },
    /// No whole answer came.
    #[error("the reaper did not acknowledge the filter")]
    Broken(#[from] io::Error),
}

/// Sends the filter and returns once it was acknowledged.
pub(crate) async fn register<S>(stream: &mut S, filter: &Filter) -> Result<(), WireError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    understood(&ask(stream, &encode(filter)).await?)
}

fn understood(answer: &str) -> Result<(), WireError> {
    match answer {
        "ACK" => Ok(()),
        // It has removed what there was since it was greeted: whoever comes again is told so.
        answer if answer.ends_with(GREET_AGAIN) => Err(io::Error::other(answer.to_owned()).into()),
        answer => Err(WireError::Refused { answer: answer.to_owned() }),
    }
}

/// Greets, and gives what the server has said.
pub(super) async fn greet<S>(stream: &mut S, expected: &Expected) -> Result<Hello, WireError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = ask(stream, &hello::greeting()).await?;
    expected.said(&answer).ok_or(WireError::Foreign { answer })
}

/// Says something of a scope, to a server that knows the word; returns once it was acknowledged.
pub(crate) async fn scope<S>(stream: &mut S, word: ScopeWord, filter: &Filter) -> Result<(), WireError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    understood(&ask(stream, &scope_line(word, filter)).await?)
}

/// The line that says it.
pub(crate) fn scope_line(word: ScopeWord, filter: &Filter) -> String {
    hello::scope(word, &encode(filter))
}

/// Has a server that keeps values forget them all.
pub(crate) async fn forget_values<S>(stream: &mut S, token: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    acknowledged(&ask(stream, &key_words::forget(token)).await?)
}

/// Asks how many others the reaper counts as the session's clients.
#[cfg(feature = "cli")]
pub(crate) async fn count_clients<S>(stream: &mut S) -> io::Result<u32>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = ask(stream, &hello::ask_clients()).await?;
    hello::read_clients(&answer).ok_or_else(|| io::Error::other(format!("the reaper answered {answer:?}")))
}

/// Says that the session's run is over, so that the reaper waits for another client no longer than this; to a server that
/// was greeted.
#[cfg(any(test, feature = "cli"))]
pub(crate) async fn end_run<S>(stream: &mut S, wait: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    acknowledged(&ask(stream, &hello::reconnection_timeout(wait)).await?)
}

async fn ask<S>(stream: &mut S, line: &str) -> io::Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(line.as_bytes()).await?;
    stream.flush().await?;
    read_line(stream).await
}

/// Says a line over a blocking stream and gives the answer, for who has no runtime.
///
/// The stream's own timeouts bound it.
pub(super) fn say_blocking(mut stream: &std::net::TcpStream, line: &str) -> io::Result<String> {
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER as u64)).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

pub(super) fn acknowledged(answer: &str) -> io::Result<()> {
    if answer == "ACK" { Ok(()) } else { Err(io::Error::other(format!("the reaper answered {answer:?}"))) }
}

/// A filter as the line that registers it.
pub(crate) fn encode(filter: &Filter) -> String {
    let mut line = String::new();
    for (key, value) in filter.labels() {
        line.push_str(if line.is_empty() { "label=" } else { "&label=" });
        percent_encode(key, &mut line);
        line.push('=');
        percent_encode(value, &mut line);
    }
    line.push('\n');
    line
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    next_answer(stream, &mut Vec::with_capacity(64)).await
}

/// The next whole answer. What has come behind it, where several lines were said, stays in `heard` for the next call.
pub(crate) async fn next_answer<S: AsyncRead + Unpin>(
    stream: &mut S,
    heard: &mut Vec<u8>,
) -> io::Result<String> {
    loop {
        if let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
        }
        if heard.len() >= LONGEST_ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer has no end"));
        }
        if stream.read_buf(heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(reply: &[u8]) -> (Result<(), WireError>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(8192);
        server.write_all(reply).await.unwrap();
        let filter = Filter::label("a b&c", "ü=+%").unwrap();
        server.shutdown().await.unwrap();
        let result = register(&mut client, &filter).await;
        drop(client);
        let mut sent = Vec::new();
        server.read_to_end(&mut sent).await.unwrap();
        (result, sent)
    }

    #[tokio::test]
    async fn everything_that_could_mean_something_else_is_encoded() {
        let (result, sent) = answer(b"ACK\n").await;
        result.unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), "label=a%20b%26c=%C3%BC%3D%2B%25\n");
    }

    #[test]
    fn labels_of_one_filter_share_a_line() {
        let filter = Filter::label("a", "b").unwrap().and("c", "d=e").unwrap();
        assert_eq!(encode(&filter), "label=a=b&label=c=d%3De\n");
    }

    #[tokio::test]
    async fn the_end_of_a_run_is_acknowledged_or_not_known() {
        for (reply, known) in [("ACK\n", true), ("ERROR no\n", false), ("", false)] {
            let (mut client, mut server) = tokio::io::duplex(8192);
            server.write_all(reply.as_bytes()).await.unwrap();
            server.shutdown().await.unwrap();
            assert_eq!(end_run(&mut client, "1s").await.is_ok(), known, "{reply}");
            drop(client);
            let mut sent = String::new();
            server.read_to_string(&mut sent).await.unwrap();
            assert_eq!(sent, "%reconnection-timeout 1s\n");
        }
    }

    #[tokio::test]
    async fn an_error_line_is_a_refusal() {
        let (result, _) = answer(b"ERROR no such key\r\n").await;
        assert!(matches!(result, Err(WireError::Refused { answer }) if answer == "ERROR no such key"));
        for almost in [&b"ERROR no ACK\n"[..], b"ACK \n", b"ACKNOWLEDGED\n", b"\n"] {
            let (result, _) = answer(almost).await;
            assert!(matches!(result, Err(WireError::Refused { .. })), "{result:?}");
        }
    }

    #[cfg(feature = "cli")]
    #[tokio::test]
    async fn clients_are_counted_where_the_reaper_tells() {
        for (reply, expected) in [("CLIENTS 2\n", Some(2)), ("ACK\n", None), ("ERROR no\n", None), ("", None)]
        {
            let (mut client, mut server) = tokio::io::duplex(8192);
            server.write_all(reply.as_bytes()).await.unwrap();
            server.shutdown().await.unwrap();
            assert_eq!(count_clients(&mut client).await.ok(), expected, "{reply}");
        }
    }

    #[tokio::test]
    async fn an_end_before_the_answer_is_not_an_answer() {
        for reply in [&b""[..], b"ACK", &[b'x'; 8000]] {
            let (result, _) = answer(reply).await;
            assert!(matches!(result, Err(WireError::Broken(_))), "{result:?}");
        }
    }
}
