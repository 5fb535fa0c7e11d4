//! A connection through the engine as a plain socket of this machine's, which it is to all who use it.
//!
//! What leads to a reaper is written from several threads, polled before `main`, and closed in a drop: all of that wants a
//! socket, and what leads through an engine is a stream of any kind in pieces of its own, which may be encrypted. So a thread with
//! a runtime joins it and one end of a connection over the loopback interface. A trait for all that uses one was
//! rejected: `Drop` needs a socket to close without waiting, and the keeper one to wait for beside the runner's end.
//!
//! Whatever ends, ends the other: the process with all its sockets at once, when it is killed. Who has said all that it
//! has to say shuts its half of the connection, and the end that it sees then means that the reaper has heard it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::connect_words::{BEAT, SILENCE_ENDS_AFTER};
use super::exec::{Exec, Opened};
use super::frames::Frames;
use super::worker::wait;

/// Four times as often as it has to.
const BEATS_EVERY: Duration = Duration::from_secs(SILENCE_ENDS_AFTER / 4);
/// For the reaper's last answers, once nothing more is said to it.
const LINGERS: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 4096;

/// A connection through the engine, once its other end has been reached; it ends where it stands when the future is dropped.
pub(super) async fn joined(exec: Exec, within: Duration) -> io::Result<TcpStream> {
    let stream = begin(exec, within)?.await.unwrap_or_else(|_| Err(ended()))?;
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// The same for who has no runtime.
pub(crate) fn joined_blocking(exec: Exec, within: Duration) -> io::Result<std::net::TcpStream> {
    wait(begin(exec, within)?).unwrap_or_else(|_| Err(ended()))
}

type Answer = oneshot::Receiver<io::Result<std::net::TcpStream>>;

fn begin(exec: Exec, within: Duration) -> io::Result<Answer> {
    let (answer, answered) = oneshot::channel();
    let work = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(open(exec, within, answer)),
        Err(error) => drop(answer.send(Err(error))),
    };
    thread::Builder::new().name("reaper-relay".into()).spawn(work)?;
    Ok(answered)
}

async fn open(exec: Exec, within: Duration, mut answer: oneshot::Sender<io::Result<std::net::TcpStream>>) {
    let opened = tokio::select! {
        opened = timeout(within, exec.open()) => opened.unwrap_or_else(|_| Err(late(within))),
        // Nobody waits for it any more.
        () = answer.closed() => return,
    };
    match opened.and_then(|opened| Ok((opened, pair()?))) {
        Ok((opened, (ours, theirs))) => {
            if answer.send(Ok(theirs)).is_ok() {
                // Either side's failure is the end of both, which who uses it sees.
                let _ = relay(ours, opened).await;
            }
        }
        Err(error) => drop(answer.send(Err(error))),
    }
}

/// Both ends of a connection inside this machine.
fn pair() -> io::Result<(TcpStream, std::net::TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let theirs = std::net::TcpStream::connect(listener.local_addr()?)?;
    let own = theirs.local_addr()?;
    let ours = loop {
        let (ours, from) = listener.accept()?;
        // Anybody on this machine could have been faster.
        if from == own {
            break ours;
        }
    };
    ours.set_nodelay(true)?;
    theirs.set_nodelay(true)?;
    ours.set_nonblocking(true)?;
    Ok((TcpStream::from_std(ours)?, theirs))
}

async fn relay(ours: TcpStream, opened: Opened) -> io::Result<()> {
    let Opened { stream, frames, said } = opened;
    let (from_reaper, to_reaper) = tokio::io::split(stream);
    let (from_client, mut to_client) = ours.into_split();
    to_client.write_all(&said).await?;
    let answers = answers(from_reaper, to_client, frames);
    tokio::pin!(answers);
    tokio::select! {
        ended = &mut answers => return ended,
        said = words(from_client, to_reaper) => said?,
    }
    timeout(LINGERS, answers).await.unwrap_or_else(|_| Err(late(LINGERS)))
}

/// What the reaper says, to its end.
async fn answers<R: AsyncRead + Unpin>(
    mut from: R,
    mut to: OwnedWriteHalf,
    mut frames: Frames,
) -> io::Result<()> {
    let (mut bytes, mut said) = ([0; AT_ONCE], Vec::new());
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            if !frames.complaint.is_empty() {
                let complaint = String::from_utf8_lossy(&frames.complaint);
                tracing::debug!(complaint = complaint.trim(), "the connection through the engine ended");
            }
            return to.shutdown().await;
        }
        frames.take_apart(&bytes[..count], &mut said)?;
        to.write_all(&said).await?;
        said.clear();
    }
}

/// What the client says, to its end, and between two lines that it is there.
async fn words<W: AsyncWrite + Unpin>(mut from: OwnedReadHalf, mut to: W) -> io::Result<()> {
    let mut bytes = [0; AT_ONCE];
    let mut beat = interval_at(Instant::now() + BEATS_EVERY, BEATS_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_between_lines = true;
    loop {
        let said = tokio::select! {
            // An end without a farewell is one, too.
            count = from.read(&mut bytes) => &bytes[..count.unwrap_or(0)],
            _ = beat.tick(), if is_between_lines => BEAT.as_bytes(),
        };
        to.write_all(said).await?;
        to.flush().await?;
        match said.last() {
            Some(last) => is_between_lines = *last == b'\n',
            None => return to.shutdown().await,
        }
    }
}

fn late(within: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nobody answered through the engine within {within:?}"))
}

fn ended() -> io::Error {
    io::Error::other("the thread for a connection through the engine has ended")
}

#[cfg(test)]
mod tests {
    use tokio::io::{BufReader, DuplexStream};

    use super::*;
    use crate::engine::frames::piece;

    /// A client's end, and what is at the engine's.
    fn joined() -> (TcpStream, DuplexStream) {
        let (stream, engine) = tokio::io::duplex(1 << 16);
        let (ours, theirs) = pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let opened = Opened {
            stream: BufReader::new(Box::new(stream)),
            frames: Frames::default(),
            said: b"first".into(),
        };
        tokio::spawn(relay(ours, opened));
        (TcpStream::from_std(theirs).unwrap(), engine)
    }

    async fn read<R: AsyncRead + Unpin>(from: &mut R, count: usize) -> String {
        let mut bytes = vec![0; count];
        from.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    async fn rest<R: AsyncRead + Unpin>(from: &mut R) -> String {
        let mut text = String::new();
        from.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn what_is_said_goes_both_ways_and_complaints_do_not() {
        let (mut client, mut engine) = joined();
        assert_eq!(read(&mut client, 5).await, "first");
        client.write_all(b"label=a=b\n").await.unwrap();
        assert_eq!(read(&mut engine, 10).await, "label=a=b\n");
        engine.write_all(&[piece(2, b"no"), piece(1, b"ACK\n")].concat()).await.unwrap();
        assert_eq!(read(&mut client, 4).await, "ACK\n");
    }

    #[tokio::test]
    async fn the_end_of_the_engines_stream_is_the_clients() {
        let (mut client, mut engine) = joined();
        engine.write_all(&piece(1, b"bye")).await.unwrap();
        drop(engine);
        assert_eq!(rest(&mut client).await, "firstbye");
    }

    /// The last word of a guard, and what the reaper says to it.
    #[tokio::test]
    async fn what_was_said_before_the_end_arrives_and_so_does_the_answer() {
        let (mut client, mut engine) = joined();
        client.write_all(b"%scope-end label=a=b\n").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut engine).await, "%scope-end label=a=b\n");
        engine.write_all(&piece(1, b"ACK\n")).await.unwrap();
        drop(engine);
        assert_eq!(rest(&mut client).await, "firstACK\n");
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_an_end_for_the_engine() {
        let (mut client, mut engine) = joined();
        client.write_all(b"half a li").await.unwrap();
        drop(client);
        assert_eq!(rest(&mut engine).await, "half a li");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_said_to_be_there_but_never_within_a_line() {
        let (stream, mut engine) = tokio::io::duplex(1 << 16);
        let (ours, mut theirs) = pair().unwrap();
        let (from, _to) = ours.into_split();
        tokio::spawn(words(from, stream));
        let began = Instant::now();
        assert_eq!(read(&mut engine, 12).await, "%here\n%here\n");
        assert_eq!(began.elapsed().as_secs(), 2 * BEATS_EVERY.as_secs());
        std::io::Write::write_all(&mut theirs, b"half").unwrap();
        assert_eq!(read(&mut engine, 4).await, "half");
        tokio::time::advance(3 * BEATS_EVERY).await;
        std::io::Write::write_all(&mut theirs, b" a line\n").unwrap();
        assert_eq!(read(&mut engine, 8 + 6).await, " a line\n%here\n");
    }
}
