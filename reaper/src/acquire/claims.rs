//! Asking a reaper for what its session makes once: a connection for each claim, which lets go by ending.
//!
//! Not over the connection that holds the session: a claim waits for minutes, and has to be let go alone. Blocking, since it is
//! a thread's that does nothing else.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::key_words::{self, Answer, Ask, LONGEST_VALUE};
use super::way::Way;
use super::wire::GREET_AGAIN;
use crate::platform;

/// For an answer that does not have to be waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// For the words around a value.
const MARGIN: usize = 1024;

/// A reaper that keeps what its session makes once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyServer {
    pub(crate) way: Way,
    /// What it has to be told by who asks.
    pub(crate) token: String,
    /// How often it has removed what its clients had made, as this process was told.
    pub(crate) generation: u32,
    /// What stands or falls with it is told apart by this.
    pub(crate) mark: String,
}

/// A connection for claims, one after the other.
#[derive(Debug)]
pub(crate) struct Claims(BufReader<TcpStream>);

/// What became of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    Value {
        number: u64,
        text: String,
    },
    /// For as long as the connection is there.
    Turn,
}

/// Why nothing became of it.
#[derive(Debug)]
pub(crate) enum Unclaimed {
    /// The reaper does not take it.
    Refused(String),
    /// The time is over; who makes it, and for how many seconds.
    Late { who: String, seconds: u64 },
    /// The connection is lost, or what the session had was removed: to be asked again.
    Lost(io::Error),
}

impl From<io::Error> for Unclaimed {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl KeyServer {
    /// Connects to it, and makes sure that it is the one that this process knows.
    pub(crate) fn connect(&self) -> io::Result<Claims> {
        let (stream, said) = self.way.greeted(ANSWERED_WITHIN)?;
        if said.is_none_or(|said| said.generation != self.generation) {
            return Err(io::Error::other("it has removed what there was"));
        }
        stream.set_nodelay(true)?;
        platform::keep_alive(&SockRef::from(&stream))?;
        Ok(Claims(BufReader::new(stream)))
    }
}

impl Claims {
    /// What ends a wait from another thread.
    pub(crate) fn ending(&self) -> io::Result<impl FnOnce() + Send + use<>> {
        let stream = self.0.get_ref().try_clone()?;
        // Fails only where the other end was faster.
        Ok(move || drop(stream.shutdown(Shutdown::Both)))
    }

    /// Asks, and waits for the value or the turn until then.
    pub(crate) fn claim(&mut self, ask: &Ask, deadline: Instant) -> Result<Claimed, Unclaimed> {
        self.say(&ask.line())?;
        let mut line = self.hear(ANSWERED_WITHIN)?;
        loop {
            match Answer::read(&line) {
                Some(Answer::Value { number, text }) => return Ok(Claimed::Value { number, text }),
                Some(Answer::Turn) => return Ok(Claimed::Turn),
                Some(Answer::Wait { seconds, who }) => {
                    let told = Instant::now();
                    line = match self.hear(deadline.saturating_duration_since(told)) {
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                            return Err(Unclaimed::Late { who, seconds: seconds + told.elapsed().as_secs() });
                        }
                        line => line?,
                    };
                }
                None => return Err(refusal(line)),
            }
        }
    }

    /// Hands over the value that this connection has the turn to make.
    pub(crate) fn keep(&mut self, text: &str) -> Result<(), Unclaimed> {
        // It would be sent in vain.
        if text.len() > LONGEST_VALUE {
            let problem = format!("{}: {} bytes, at most {LONGEST_VALUE}", key_words::TOO_LONG, text.len());
            return Err(Unclaimed::Refused(problem));
        }
        self.say(&key_words::keep(text))?;
        let line = self.hear(ANSWERED_WITHIN)?;
        if key_words::is_kept(&line) { Ok(()) } else { Err(refusal(line)) }
    }

    fn say(&self, line: &str) -> io::Result<()> {
        self.0.get_ref().write_all(line.as_bytes())
    }

    /// The next whole line.
    fn hear(&mut self, within: Duration) -> io::Result<String> {
        // None at all would be for ever.
        self.0.get_ref().set_read_timeout(Some(within.max(Duration::from_millis(1))))?;
        let mut line = String::new();
        let most = (LONGEST_VALUE + MARGIN) as u64;
        (&mut self.0).take(most).read_line(&mut line)?;
        if line.ends_with('\n') { Ok(line) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

/// What an answer is that is none of those that were waited for.
fn refusal(line: String) -> Unclaimed {
    match line.trim_end().strip_prefix("ERROR ") {
        Some(problem) if !problem.ends_with(GREET_AGAIN) => Unclaimed::Refused(problem.to_owned()),
        _ => Unclaimed::Lost(io::Error::other(line)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A reaper that answers each line with what is next, and what it was told.
    fn reaper(answers: &'static [&'static str]) -> (KeyServer, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way = format!("{} 5eed", listener.local_addr().unwrap()).parse().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut said = Vec::new();
            for answer in answers {
                said.extend(lines.next().and_then(Result::ok));
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
            let _ = stream.shutdown(Shutdown::Write);
            said.extend(lines.map_while(Result::ok));
            said
        });
        (KeyServer { way, token: "70ce".into(), generation: 1, mark: "reaper.1".into() }, server)
    }

    fn ask() -> Ask {
        Ask { token: "70ce".into(), key: "redis".into(), worthless: 7, who: "process 1".into() }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_value_is_waited_for_and_a_turn_is_used() {
        let (server, told) =
            reaper(&["HELLO 3 5eed 1\n", "WAIT 3 somebody\nWAIT 0 another\nVALUE 8 {}\t1\n"]);
        let claimed = server.connect().unwrap().claim(&ask(), soon()).unwrap();
        assert_eq!(claimed, Claimed::Value { number: 8, text: "{}\t1".into() });
        assert_eq!(told.join().unwrap(), ["%hello 3", "%claim 70ce redis 7 process 1"]);

        let (server, told) = reaper(&["HELLO 3 5eed 1\n", "TURN\n", "KEPT 9\n"]);
        let mut claims = server.connect().unwrap();
        assert_eq!(claims.claim(&ask(), soon()).unwrap(), Claimed::Turn);
        claims.keep("{}\t1").unwrap();
        drop(claims);
        assert_eq!(told.join().unwrap().last().unwrap(), "%keep {}\t1");
    }

    #[test]
    fn who_waits_for_too_long_is_told_for_whom() {
        let (server, told) = reaper(&["HELLO 3 5eed 1\n", "WAIT 3 somebody\nWAIT 12 another\n", ""]);
        let mut claims = server.connect().unwrap();
        let late = claims.claim(&ask(), Instant::now() + Duration::from_millis(50)).unwrap_err();
        assert!(matches!(&late, Unclaimed::Late { who, seconds: 12 } if who == "another"), "{late:?}");
        drop(claims);
        told.join().unwrap();
    }

    #[test]
    fn a_refusal_is_told_from_what_is_to_be_asked_again() {
        for (answer, is_refused) in [
            ("ERROR there are too many keys\n", true),
            ("ERROR what there was has been removed: greet again\n", false),
            ("ACK\n", false),
            ("TURN", false),
            ("", false),
        ] {
            let (server, told) = reaper(Box::leak(Box::new(["HELLO 3 5eed 1\n", answer])));
            let mut claims = server.connect().unwrap();
            let outcome = claims.claim(&ask(), soon()).unwrap_err();
            assert_eq!(matches!(outcome, Unclaimed::Refused(_)), is_refused, "{answer}: {outcome:?}");
            drop(claims);
            told.join().unwrap();
        }
    }

    #[test]
    fn nothing_is_asked_of_a_reaper_that_has_removed_what_there_was_or_is_another() {
        for answer in ["HELLO 3 5eed 2\n", "HELLO 3 other 1\n", "ACK\n"] {
            let (server, told) = reaper(Box::leak(Box::new([answer])));
            server.connect().unwrap_err();
            assert_eq!(told.join().unwrap(), ["%hello 3"]);
        }
    }

    #[test]
    fn a_wait_is_ended_from_elsewhere() {
        let (server, told) = reaper(&["HELLO 3 5eed 1\n", "WAIT 3 somebody\n", ""]);
        let mut claims = server.connect().unwrap();
        let end = claims.ending().unwrap();
        let waiting = std::thread::spawn(move || claims.claim(&ask(), soon()));
        end();
        assert!(matches!(waiting.join().unwrap(), Err(Unclaimed::Lost(_))));
        told.join().unwrap();
    }

    #[test]
    fn a_value_that_is_too_long_is_not_even_sent() {
        let (server, told) = reaper(&["HELLO 3 5eed 1\n", "TURN\n"]);
        let mut claims = server.connect().unwrap();
        claims.claim(&ask(), soon()).unwrap();
        let outcome = claims.keep(&"x".repeat(LONGEST_VALUE + 1)).unwrap_err();
        assert!(
            matches!(&outcome, Unclaimed::Refused(problem) if problem.contains("61441 bytes")),
            "{outcome:?}"
        );
        drop(claims);
        assert_eq!(told.join().unwrap().len(), 2);
    }
}
