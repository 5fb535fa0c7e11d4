//! Values at the session's reaper, which all of its processes reach, on whichever machine and in whichever container they are.
//!
//! A turn is a connection's, and so its end is seen at the reaper when its process ends, its machine too. What is lost with a
//! connection alone is tried once more when the value is there: an engine's restart ends all connections through its ports, and
//! the reaper lives. What is lost with the reaper is made anew at the next one, as all that it has kept.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::claimant::{Claim, Claimant};
use super::made::{Made, Which, failed, name_of};
use crate::acquire::{Ask, Claimed, Claims, KeyServer, Unclaimed};
use crate::error::Result;

/// As long as the reaper is there and answers the process's other connection.
const ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// While it lives, nobody else makes the value; what it is dropped without is as if it had never been.
#[derive(Debug)]
pub(super) struct Turn {
    claims: Claims,
    server: KeyServer,
    ask: Ask,
}

/// Asks for the value until the deadline; none where the reaper keeps none.
pub(super) fn claim(claimant: &Claimant) -> Result<Option<Claim<Turn>>> {
    let deadline = Instant::now() + claimant.config.shared_timeout;
    let (mut attempts, mut pause) = (0, FIRST_PAUSE);
    loop {
        let Some(server) = claimant.reaper.key_server() else { return Ok(None) };
        let lost = match attempt(claimant, &server, deadline) {
            Ok(claim) => return Ok(Some(claim)),
            Err(Unclaimed::Refused(problem)) => return Err(claimant.failed(refused(&problem))),
            Err(Unclaimed::Late { who, seconds }) => {
                return Err(claimant.late(format!("{who} has been making it for {seconds} s")));
            }
            Err(Unclaimed::Lost(error)) => error,
        };
        attempts += 1;
        if claimant.cancel.is_cancelled() || attempts == ATTEMPTS {
            return Err(claimant.failed(lost));
        }
        tracing::debug!(key = claimant.key, error = %lost, "the reaper is asked again for a shared value");
        claimant.ask_the_reaper()?;
        if claimant.reaper.key_server().as_ref() == Some(&server) {
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

fn attempt(claimant: &Claimant, server: &KeyServer, deadline: Instant) -> Result<Claim<Turn>, Unclaimed> {
    let worthless = match claimant.worthless.as_ref().map(|made| &made.which) {
        Some(Which::AtReaper { mark, number }) if *mark == server.mark => *number,
        _ => 0,
    };
    let mut ask =
        Ask { token: server.token.clone(), key: name_of(&claimant.key), worthless, who: who(claimant) };
    let mut claims = server.connect()?;
    let _wait = claimant.cancel.wait(claims.ending()?)?;
    loop {
        let (number, text) = match claims.claim(&ask, deadline)? {
            Claimed::Turn => return Ok(Claim::Turn(Turn { claims, server: server.clone(), ask })),
            Claimed::Value { number, text } => (number, text),
        };
        let which = Which::AtReaper { mark: server.mark.clone(), number };
        match Made::read(&claimant.key, which, &text) {
            Some(made) => return Ok(Claim::Made(made)),
            None => ask.worthless = number,
        }
    }
}

impl Turn {
    /// Keeps what was written of the value. Where its connection was lost meanwhile, and it is somebody else's turn, it stays
    /// its maker's alone.
    pub(super) fn keep(mut self, key: &str, text: &str) -> Result<()> {
        let kept = self.claims.keep(text).or_else(|unclaimed| match unclaimed {
            Unclaimed::Lost(_) => self.keep_again(text),
            other => Err(other),
        });
        match kept {
            Err(Unclaimed::Refused(problem)) => Err(failed(key, refused(&problem))),
            Err(Unclaimed::Lost(_) | Unclaimed::Late { .. }) => {
                tracing::info!(
                    key,
                    "the connection was lost under which a shared value was made: others make another"
                );
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn keep_again(&self, text: &str) -> Result<(), Unclaimed> {
        let mut claims = self.server.connect()?;
        match claims.claim(&self.ask, Instant::now())? {
            Claimed::Turn => claims.keep(text),
            Claimed::Value { .. } => Err(Unclaimed::Lost(io::ErrorKind::AlreadyExists.into())),
        }
    }
}

fn refused(problem: &str) -> io::Error {
    io::Error::other(format!("the reaper does not keep it: {problem}"))
}

/// A pid alone means nothing on another machine.
fn who(claimant: &Claimant) -> String {
    let process = format!("process {} ({})", std::process::id(), claimant.test);
    // On Linux; elsewhere there is no such file.
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(host) => format!("{process} on {}", host.trim()),
        Err(_) => process,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    type Answers = &'static [&'static str];

    /// What becomes of a value whose maker had the turn over the first of these connections, each of which ends with its last
    /// answer; and what was said over the last of them.
    fn kept(connections: Vec<Answers>) -> (Result<()>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way = format!("{} 5eed", listener.local_addr().unwrap()).parse().unwrap();
        let reaper = thread::spawn(move || {
            let mut said = Vec::new();
            for answers in connections {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&stream).lines();
                said.clear();
                for answer in answers {
                    said.extend(lines.next().and_then(io::Result::ok));
                    (&stream).write_all(format!("{answer}\n").as_bytes()).unwrap();
                }
            }
            said
        });
        let server = KeyServer { way, token: "70ce".into(), generation: 1, mark: "reaper.1".into() };
        let ask = Ask { token: "70ce".into(), key: "redis".into(), worthless: 0, who: "this".into() };
        let mut claims = server.connect().unwrap();
        let claimed = claims.claim(&ask, Instant::now() + Duration::from_secs(60)).unwrap();
        assert_eq!(claimed, Claimed::Turn);
        let outcome = Turn { claims, server, ask }.keep("redis", "{}\t1");
        (outcome, reaper.join().unwrap())
    }

    const HELLO: &str = "HELLO 3 5eed 1";
    const TURN: Answers = &[HELLO, "TURN"];

    #[test]
    fn what_was_made_under_a_connection_that_is_lost_is_said_again_while_it_is_nobodys() {
        let (outcome, said) = kept(vec![TURN, &[HELLO, "TURN", "KEPT 7"]]);
        outcome.unwrap();
        assert_eq!(said, ["%hello 3", "%claim 70ce redis 0 this", "%keep {}\t1"]);
    }

    /// A maker has its value all the same.
    #[test]
    fn what_somebody_else_makes_or_has_made_meanwhile_stays_his() {
        let (made, under_way): (Answers, Answers) = (&[HELLO, "VALUE 7 {}\t2"], &[HELLO, "WAIT 0 x"]);
        for others in [made, under_way] {
            let (outcome, said) = kept(vec![TURN, others]);
            outcome.unwrap();
            assert_eq!(said, ["%hello 3", "%claim 70ce redis 0 this"]);
        }
    }

    /// It has removed what the value may stand for, or is another.
    #[test]
    fn a_reaper_that_is_not_the_same_any_more_is_told_nothing() {
        let (later, another): (Answers, Answers) = (&["HELLO 3 5eed 2"], &["HELLO 3 other 1"]);
        for reaper in [later, another] {
            let (outcome, said) = kept(vec![TURN, reaper]);
            outcome.unwrap();
            assert_eq!(said, ["%hello 3"]);
        }
    }

    #[test]
    fn what_the_reaper_refuses_is_an_error_with_its_words() {
        let (outcome, _) = kept(vec![&[HELLO, "TURN", "ERROR the value is too long: no room"]]);
        let report = outcome.unwrap_err().report();
        assert!(report.contains("the reaper does not keep it: the value is too long: no room"), "{report}");
    }
}
