//! The mode in which this program is a connection: its standard input and output, joined with the server of the container.
//!
//! The engine starts it (`docker exec`) for a client that no port leads to, and hands on what it says. It goes to the server over
//! the loopback interface, which a container has on no network at all, too. A Unix socket was rejected: the
//! container's root is read-only, and an abstract one is seen by whatever shares the network's namespace just as well.
//!
//! The end of either side is the other's. Where the engine forgets a client, as one does that is restarted without its
//! containers, nobody ends this program's input: so a client beats, and one that is silent for too long is gone. The
//! beats end here.
//!
//! One thread and poll(2): each of many clients has such a process, and a container may have so many threads.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::connect_words::{BEAT, OPEN, SILENCE_ENDS_AFTER};
use crate::duration;
use crate::platform::{self, Wish};
use crate::settings::Settings;

/// What a pipe takes without a pause once it takes anything.
const AT_ONCE: usize = 4096;
/// What is kept for a side that does not take it.
const MOST_PENDING: usize = 64 << 10;

/// Its whole life. The argument is how long a client may be silent, where that is not as usual.
pub(crate) fn main(silence: Option<String>) -> ExitCode {
    match connect(silence) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Where nobody reads it, nobody is there.
            let _ = writeln!(io::stderr(), "{problem}");
            ExitCode::FAILURE
        }
    }
}

fn connect(silence: Option<String>) -> Result<(), String> {
    let silence = match silence {
        None => Duration::from_secs(SILENCE_ENDS_AFTER),
        Some(text) => duration::parse(&text)
            .ok()
            .and_then(|nanoseconds| u64::try_from(nanoseconds).ok())
            .map(Duration::from_nanos)
            .ok_or_else(|| format!("{text:?} is no duration such as 20s"))?,
    };
    let port = Settings::from_environment(|name| std::env::var(name).ok())?.port;
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()];
    let server = TcpStream::connect(&addresses[..])
        .map_err(|error| format!("the reaper does not listen on port {port}: {error}"))?;
    let joined = || {
        server.set_nonblocking(true)?;
        server.set_nodelay(true)?;
        // Past the standard library's buffers, of which poll(2) knows nothing.
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Joined::new(input, output, &server).run(silence)
    };
    match joined() {
        Ok(End::OfAll) => Ok(()),
        Ok(End::OfPatience) => Err(format!("the client was silent for {silence:?}")),
        Err(error) => Err(format!("the connection broke off: {error}")),
    }
}

/// How a connection ends.
enum End {
    /// One side has ended, and the other has all that it said.
    OfAll,
    /// The client has said nothing for too long.
    OfPatience,
}

struct Joined<'a> {
    /// None at its end.
    input: Option<File>,
    output: File,
    server: &'a TcpStream,
    beats: Beats,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// Whether the server was told that the client says no more.
    is_told: bool,
    has_server_ended: bool,
}

impl<'a> Joined<'a> {
    fn new(input: File, output: File, server: &'a TcpStream) -> Self {
        Self {
            input: Some(input),
            output,
            server,
            beats: Beats::default(),
            to_server: Vec::new(),
            to_client: OPEN.as_bytes().to_vec(),
            is_told: false,
            has_server_ended: false,
        }
    }

    fn run(mut self, silence: Duration) -> io::Result<End> {
        let mut heard_at = Instant::now();
        loop {
            if self.has_server_ended && self.to_client.is_empty() {
                return Ok(End::OfAll);
            }
            if self.input.is_none() && self.to_server.is_empty() && !self.is_told {
                self.is_told = true;
                // Fails where the server was faster.
                let _ = self.server.shutdown(Shutdown::Write);
            }
            let Some(left) = silence.checked_sub(heard_at.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok(End::OfPatience);
            };
            let [input, output, server] = self.wait(left)?;
            if output && !self.hand_on() {
                // Nobody reads it any more: the client is gone.
                return Ok(End::OfAll);
            }
            if server {
                self.exchange()?;
            }
            if input {
                heard_at = Instant::now();
                self.listen()?;
            }
        }
    }

    /// Waits until something can be done about the input, the output, the server.
    fn wait(&self, left: Duration) -> io::Result<[bool; 3]> {
        let of_output = Wish { read: false, write: !self.to_client.is_empty() };
        let of_server = Wish {
            read: !self.has_server_ended && self.to_client.len() < MOST_PENDING,
            write: !self.to_server.is_empty(),
        };
        let mut fds = vec![(self.output.as_fd(), of_output)];
        // One that has ended would be ready all the time.
        let watches_server = !self.has_server_ended;
        if watches_server {
            fds.push((self.server.as_fd(), of_server));
        }
        let input = self.input.as_ref().filter(|_| self.to_server.len() < MOST_PENDING);
        fds.extend(input.map(|input| (input.as_fd(), Wish { read: true, write: false })));
        let mut ready = platform::ready(&fds, Some(left))?.into_iter();
        let mut next = |is_watched: bool| is_watched && ready.next().unwrap_or_default();
        let (output, server) = (next(true), next(watches_server));
        Ok([next(input.is_some()), output, server])
    }

    /// Hands on to the client; false once that cannot be.
    fn hand_on(&mut self) -> bool {
        if self.to_client.is_empty() {
            // Only its failure is told of then.
            return false;
        }
        let piece = &self.to_client[..self.to_client.len().min(AT_ONCE)];
        match self.output.write(piece) {
            Ok(count) => {
                self.to_client.drain(..count);
                true
            }
            Err(error) => is_passing(&error),
        }
    }

    /// Hands on to the server, and takes what it says.
    fn exchange(&mut self) -> io::Result<()> {
        if !self.to_server.is_empty() {
            match self.server.write(&self.to_server) {
                Ok(count) => drop(self.to_server.drain(..count)),
                Err(error) if is_passing(&error) => {}
                // It has ended, and may have said why.
                Err(_) => self.to_server.clear(),
            }
        }
        let mut bytes = [0; AT_ONCE];
        match self.server.read(&mut bytes) {
            Ok(0) => self.has_server_ended = true,
            Ok(count) => self.to_client.extend_from_slice(&bytes[..count]),
            Err(error) if is_passing(&error) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.has_server_ended = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn listen(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        let mut bytes = [0; AT_ONCE];
        match input.read(&mut bytes) {
            Ok(0) => {
                self.beats.end(&mut self.to_server);
                self.input = None;
            }
            Ok(count) => self.beats.take_out(&bytes[..count], &mut self.to_server),
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Takes the lines that are beats out of what a client says, however it is cut.
#[derive(Default)]
struct Beats {
    /// How much of a beat the line has been so far.
    matched: usize,
    is_within_line: bool,
}

impl Beats {
    fn take_out(&mut self, said: &[u8], rest: &mut Vec<u8>) {
        let beat = BEAT.as_bytes();
        for &byte in said {
            if !self.is_within_line {
                if byte == beat[self.matched] {
                    self.matched = (self.matched + 1) % beat.len();
                    continue;
                }
                self.end(rest);
            }
            rest.push(byte);
            self.is_within_line = byte != b'\n';
        }
    }

    /// What may have become a beat will not.
    fn end(&mut self, rest: &mut Vec<u8>) {
        rest.extend_from_slice(&BEAT.as_bytes()[..std::mem::take(&mut self.matched)]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without_beats<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut beats, mut rest) = (Beats::default(), Vec::new());
        for piece in pieces {
            beats.take_out(piece, &mut rest);
        }
        beats.end(&mut rest);
        rest
    }

    #[test]
    fn whole_lines_that_are_beats_are_taken_out_and_nothing_else() {
        for (said, rest) in [
            ("%here\nlabel=a=b\n%here\n", "label=a=b\n"),
            ("%here\n%here\n", ""),
            ("%heres\n%her", "%heres\n%her"),
            ("%here\r\n", "%here\r\n"),
            ("\n%here\n\n", "\n\n"),
            ("a%here\n", "a%here\n"),
            ("%%here\n%h%here\n", "%%here\n%h%here\n"),
        ] {
            assert_eq!(without_beats([said.as_bytes()]), rest.as_bytes(), "{said:?}");
        }
    }

    proptest! {
        /// However the pieces fall.
        #[test]
        fn a_beat_is_one_at_every_cut(
            lines in proptest::collection::vec("(%here|%her|%heres|label=a=%here|%scope-end label=a=b|)\n", 0..8),
            last in "(%her|%here|a|)",
            cuts in proptest::collection::vec(0_usize..200, 0..12),
        ) {
            let said = lines.concat() + &last;
            let lines = lines.iter().filter(|line| *line != BEAT);
            let expected = lines.cloned().collect::<String>() + &last;
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(said.len())).collect();
            cuts.extend([0, said.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|ends| &said.as_bytes()[ends[0]..ends[1]]);
            prop_assert_eq!(without_beats(pieces), expected.as_bytes());
        }
    }
}
