//! The way to a session's reaper, for those who have no runtime: where it was reached, and what it has to say there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::Duration;

use super::hello::Hello;
use super::proof::Expected;
use super::wire;
use crate::engine::{Exec, Place, joined_blocking};

const EXEC: &str = "exec";
/// In the place of what is expected, where nothing is; no secret has it.
const NOT_GREETED: &str = ".";

/// Where a reaper was reached, and how it is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) route: Route,
    /// None where it is not greeted.
    pub(crate) expected: Option<Expected>,
}

/// What leads to a reaper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Address(SocketAddr),
    /// The engine, which runs a process for it in the reaper's container.
    Exec(Exec),
}

impl Route {
    fn connect(&self, within: Duration) -> io::Result<TcpStream> {
        match self {
            Self::Address(address) => TcpStream::connect_timeout(address, within),
            Self::Exec(exec) => joined_blocking(exec.clone(), within),
        }
    }

    /// A word for it that is another's for another way to the same container.
    #[cfg(unix)]
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Address(address) => address.port().to_string(),
            Self::Exec(_) => EXEC.to_owned(),
        }
    }
}

/// For people.
impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Exec(exec) => exec.fmt(formatter),
        }
    }
}

impl Way {
    /// Connects, and returns once the filter's line was acknowledged by this reaper and no other.
    pub(crate) fn register(&self, line: &str, within: Duration) -> io::Result<TcpStream> {
        let (stream, _) = self.greeted(within)?;
        wire::acknowledged(&wire::say_blocking(&stream, line)?)?;
        Ok(stream)
    }

    /// Connects, and returns once this reaper tells over it what it removes.
    #[cfg(any(unix, feature = "cli"))]
    pub(crate) fn report(&self, within: Duration) -> io::Result<TcpStream> {
        if self.expected.is_none() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the image has no word for it"));
        }
        let (stream, _) = self.greeted(within)?;
        wire::acknowledged(&wire::say_blocking(&stream, &super::hello::ask_report())?)?;
        Ok(stream)
    }

    /// A connection to this reaper and no other, where that can be told, and what it has said.
    pub(super) fn greeted(&self, within: Duration) -> io::Result<(TcpStream, Option<Hello>)> {
        let stream = self.route.connect(within)?;
        stream.set_read_timeout(Some(within))?;
        let Some(expected) = &self.expected else { return Ok((stream, None)) };
        let answer = wire::say_blocking(&stream, &super::hello::greeting())?;
        match expected.said(&answer) {
            Some(said) => Ok((stream, Some(said))),
            None => Err(io::Error::other(format!("another reaper answers at {}: {answer:?}", self.route))),
        }
    }

    /// Whether the end of the run can be said to the reaper.
    #[cfg(any(unix, test, feature = "cli"))]
    pub(crate) fn takes_words(&self) -> bool {
        self.expected.is_some()
    }

    /// Says over a registered connection that the session's run is over, so that the reaper waits for another client no longer
    /// than this.
    #[cfg(unix)]
    pub(crate) fn end_run(stream: &TcpStream, wait: &str) -> io::Result<()> {
        wire::acknowledged(&wire::say_blocking(stream, &super::hello::reconnection_timeout(wait))?)
    }
}

/// On one line: the address, and the word that is expected; or the word [`EXEC`], what is expected, the container, the program and
/// the engine's place, which may have blanks in it.
impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.expected.as_ref().map(Expected::word);
        match &self.route {
            Route::Address(address) => {
                address.fmt(formatter)?;
                word.map_or(Ok(()), |word| write!(formatter, " {word}"))
            }
            Route::Exec(Exec { place, container, program }) => {
                let word = word.unwrap_or(NOT_GREETED);
                write!(formatter, "{EXEC} {word} {container} {program} {}", place.write())
            }
        }
    }
}

impl FromStr for Way {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let mut words = text.splitn(5, ' ');
        let (first, word) = (words.next().ok_or_else(invalid)?, words.next());
        let expected = match word.filter(|word| *word != NOT_GREETED) {
            Some(word) => Some(Expected::from_word(word).ok_or_else(invalid)?),
            None => None,
        };
        let route = if first == EXEC {
            let mut next = || words.next().ok_or_else(invalid);
            let (container, program) = (next()?.to_owned(), next()?.to_owned());
            Route::Exec(Exec { place: Place::read(next()?)?, container, program })
        } else {
            Route::Address(first.parse().map_err(io::Error::other)?)
        };
        Ok(Self { route, expected })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// What becomes of registering where these are the answers, and what was said there.
    fn registered(word: &str, answers: &'static [&'static str]) -> (io::Result<()>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut said = Vec::new();
            for answer in answers {
                said.extend(lines.next().and_then(Result::ok));
                (&stream).write_all(format!("{answer}\n").as_bytes()).unwrap();
            }
            said.extend(lines.map_while(Result::ok));
            said
        });
        let way: Way = format!("{address}{word}").parse().unwrap();
        assert_eq!(way.to_string(), format!("{address}{word}"));
        let outcome = way.register("label=a=b\n", Duration::from_secs(60)).map(drop);
        (outcome, server.join().unwrap())
    }

    #[test]
    fn nothing_is_registered_with_another_reaper() {
        let (outcome, said) = registered(" 5eed", &["HELLO 2 5eed 0", "ACK"]);
        outcome.unwrap();
        assert_eq!(said, ["%hello 3", "label=a=b"]);
        for others in [&["ACK"][..], &["HELLO 1 other 0"], &["HELLO 1 - 0"]] {
            let (outcome, said) = registered(" 5eed", others);
            assert!(outcome.unwrap_err().to_string().contains("another reaper"), "{others:?}");
            assert_eq!(said, ["%hello 3"], "{others:?}");
        }
        let (outcome, said) = registered("", &["ACK"]);
        outcome.unwrap();
        assert_eq!(said, ["label=a=b"]);
    }

    #[test]
    fn a_way_through_an_engine_is_read_as_it_was_written() {
        for (word, expected) in
            [("5eed", Expected::from_word("5eed")), ("-", Expected::from_word("-")), (".", None)]
        {
            let text = format!("exec {word} abc /reaper-ryuk unix:///home/of somebody/docker.sock");
            let way: Way = text.parse().unwrap();
            assert_eq!((way.to_string(), &way.expected), (text, &expected));
            let Route::Exec(Exec { place, container, program }) = way.route else { panic!("{word}") };
            assert_eq!(place.to_string(), "unix:///home/of somebody/docker.sock");
            assert_eq!((container.as_str(), program.as_str()), ("abc", "/reaper-ryuk"));
        }
        for other in
            ["", "exec", "exec . abc", "exec . abc /p", "exec . abc /p nowhere", "exec a=b abc /p tcp://h:1"]
        {
            assert!(other.parse::<Way>().is_err(), "{other}");
        }
    }

    /// An official Ryuk would acknowledge the words, and take them for a filter.
    #[test]
    fn only_what_was_greeted_is_told_of_the_end() {
        let takes_words = |way: &str| way.parse::<Way>().unwrap().takes_words();
        assert!(takes_words("127.0.0.1:1 5eed") && takes_words("127.0.0.1:1 -"));
        assert!(!takes_words("127.0.0.1:1"));
    }

    #[test]
    fn who_accepts_and_is_silent_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (done, is_done)) = (listener.local_addr().unwrap(), std::sync::mpsc::channel());
        for expected in [None, Expected::from_word("5eed")] {
            let (way, done) = (Way { route: Route::Address(address), expected }, done.clone());
            std::thread::spawn(move || {
                done.send(way.register("label=a=b\n", Duration::from_millis(50)).is_err())
            });
            assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(true));
        }
    }
}
