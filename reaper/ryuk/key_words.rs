//! The words for what a session makes once: who asks for a key is told the value, or that it is to make it.
//!
//! ```text
//! client   %claim 70ce…n redis-1f 0 process 12 (test x)   a token, a key, a value that is worth nothing, and who asks
//! server   VALUE 7 {…}                     the value, and which one it is
//! server   TURN                            there is none: this connection is to make it, for as long as it is there
//! server   WAIT 12 process 9 (test y)      who has been making it for 12 s; one of the three follows
//! client   %keep {…}                       who has the turn has made it
//! server   KEPT 8                          all who wait are told
//! client   %forget 70ce…n                  what all values stand for has been removed
//! server   ACK
//! ```
//!
//! A connection asks for one key at a time. It lets go by ending, and the next who waits has the turn then.
//!
//! Values may have a password in them, and a port is open to all users of a machine. So the container's creator puts a token into
//! its environment (`TOKEN`), which the server never says: who knows it may ask the engine for what is in a container. Without
//! one the server keeps nothing.
//!
//! Words of the protocol of `hello`, from its version `KEYS` on; shared with the library, too.

/// The variable in the container's environment that holds the token.
#[cfg_attr(not(test), allow(dead_code, reason = "not for who only reads the words"))]
pub(crate) const TOKEN: &str = "REAPER_TOKEN";

/// Keys are names of the library's making, which has their hash in them.
const LONGEST_KEY: usize = 128;
/// A value and what is said of it: with the word it fits into a line.
pub(crate) const LONGEST_VALUE: usize = 60 << 10;
/// Of who asks.
const LONGEST_NAME: usize = 512;

const CLAIM: &str = "%claim ";
const KEEP: &str = "%keep ";
const FORGET: &str = "%forget ";

/// How an answer goes on behind `ERROR `, where a value is too long to be kept.
pub(crate) const TOO_LONG: &str = "the value is too long";

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) token: String,
    pub(crate) key: String,
    /// The number of a value that is known to be worth nothing; 0 where none is.
    pub(crate) worthless: u64,
    /// For those who wait for it.
    pub(crate) who: String,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    Value {
        number: u64,
        text: T,
    },
    Turn,
    /// For how many seconds who has been making it.
    Wait {
        seconds: u64,
        who: String,
    },
}

impl Ask {
    /// A client's line. What a name has too much, and what would end the line, is left out.
    pub(crate) fn line(&self) -> String {
        let mut who: String = self.who.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        who.truncate((0..=LONGEST_NAME).rev().find(|end| who.is_char_boundary(*end)).unwrap_or(0));
        format!("{CLAIM}{} {} {} {who}\n", self.token, self.key, self.worthless)
    }

    /// What a client's line, without its end, asks for; none where it is another line.
    pub(crate) fn read(line: &[u8]) -> Option<Result<Self, String>> {
        let rest = line.strip_prefix(CLAIM.as_bytes())?;
        let asked = std::str::from_utf8(rest).ok().and_then(|rest| {
            let mut words = rest.splitn(4, ' ');
            let (token, key) = (words.next()?.to_owned(), words.next()?);
            let (worthless, who) = (words.next()?, words.next()?);
            let is_plain = who.len() <= LONGEST_NAME && !who.chars().any(char::is_control);
            let (key, who) = (is_key(key).then(|| key.to_owned())?, is_plain.then(|| who.to_owned())?);
            Some(Self { token, key, worthless: number(worthless)?, who })
        });
        let usage = || {
            format!(
                "behind %claim there are a token, a key of 1 to {LONGEST_KEY} letters, digits, - and _, a number, and who asks"
            )
        };
        Some(asked.ok_or_else(usage))
    }
}

fn is_key(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(is_plain)
}

/// A client's line, by which it hands over a value of one line.
pub(crate) fn keep(text: &str) -> String {
    format!("{KEEP}{text}\n")
}

/// The value in a client's line, without its end; none where it is another line.
pub(crate) fn keep_in(line: &[u8]) -> Option<Result<&str, String>> {
    let text = line.strip_prefix(KEEP.as_bytes())?;
    Some(std::str::from_utf8(text).map_err(|_| "the value behind %keep is no UTF-8".to_owned()))
}

/// A client's line, by which all values are forgotten.
pub(crate) fn forget(token: &str) -> String {
    format!("{FORGET}{token}\n")
}

/// The token in such a line, which comes without its end; none where it is another line.
pub(crate) fn forget_in(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.strip_prefix(FORGET)
}

impl<T: AsRef<str>> Answer<T> {
    /// A server's line.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Value { number, text } => format!("VALUE {number} {}\n", text.as_ref()),
            Self::Turn => "TURN\n".to_owned(),
            Self::Wait { seconds, who } => format!("WAIT {seconds} {who}\n"),
        }
    }
}

impl Answer<String> {
    /// What a server has said; none where it is another line.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line == "TURN" {
            return Some(Self::Turn);
        }
        let mut words = line.splitn(3, ' ');
        let (word, number, rest) = (words.next()?, number(words.next()?)?, words.next()?.to_owned());
        match word {
            "VALUE" => Some(Self::Value { number, text: rest }),
            "WAIT" => Some(Self::Wait { seconds: number, who: rest }),
            _ => None,
        }
    }
}

/// A server's line about a value that it has taken.
pub(crate) fn kept(number: u64) -> String {
    format!("KEPT {number}\n")
}

/// Whether a server has said that.
pub(crate) fn is_kept(line: &str) -> bool {
    line.trim_end_matches(['\r', '\n']).strip_prefix("KEPT ").and_then(number).is_some()
}

/// Digits alone: `parse` takes a sign, too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(key: &str, worthless: u64, who: &str) -> Ask {
        Ask { token: "70ce".into(), key: key.into(), worthless, who: who.into() }
    }

    #[test]
    fn both_ends_agree_on_what_is_asked_for() {
        let asked = ask("redis-1f_0C", 7, "process 12 (test a::b)");
        assert_eq!(asked.line(), "%claim 70ce redis-1f_0C 7 process 12 (test a::b)\n");
        assert_eq!(Ask::read(asked.line().trim_end().as_bytes()), Some(Ok(asked)));
        assert_eq!(Ask::read(b"%claim 70ce a 0 "), Some(Ok(ask("a", 0, ""))));
        for other in ["%claim", "%claims t a 0 x", "label=a", ""] {
            assert_eq!(Ask::read(other.as_bytes()), None, "{other}");
        }
        let long = format!("%claim t {} 0 x", "k".repeat(129));
        for wrong in [
            "%claim ",
            "%claim t a",
            "%claim t a 0",
            "%claim t a -1 x",
            "%claim t a/b 0 x",
            "%claim t  0 x",
            &long,
        ] {
            assert!(matches!(Ask::read(wrong.as_bytes()), Some(Err(_))), "{wrong}");
        }
        for wrong in [&b"%claim t a 0 \xff"[..], b"%claim t a 0 x\ty"] {
            assert!(matches!(Ask::read(wrong), Some(Err(_))), "{wrong:?}");
        }
    }

    /// Two bytes each, so that the limit is in the middle of one.
    #[test]
    fn a_name_of_any_length_is_one_that_is_taken() {
        for who in ["x".repeat(2000), format!("x{}", "ä".repeat(2000)), "one\ntwo\r\0".into()] {
            let line = ask("a", 0, &who).line();
            assert_eq!(line.lines().count(), 1, "{line:?}");
            let read = Ask::read(line.trim_end_matches('\n').as_bytes()).unwrap().unwrap();
            assert!(read.who.len() >= LONGEST_NAME.min(who.len()) - 1 && read.who.len() <= LONGEST_NAME);
        }
    }

    #[test]
    fn both_ends_agree_on_every_answer() {
        let value = Answer::Value { number: 7, text: "{\"a\": 1}\t2".to_owned() };
        let wait = Answer::Wait { seconds: 12, who: "process 9 (test y)".into() };
        for (answer, line) in [
            (value, "VALUE 7 {\"a\": 1}\t2\n"),
            (Answer::Turn, "TURN\n"),
            (wait, "WAIT 12 process 9 (test y)\n"),
        ] {
            assert_eq!(answer.line(), line);
            assert_eq!(Answer::read(line), Some(answer));
        }
        for other in ["", "ACK", "VALUE", "VALUE 7", "VALUE x y", "WAIT -1 x", "TURN 1", "ERROR no"] {
            assert_eq!(Answer::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_value_is_kept_and_forgotten_in_the_same_words() {
        assert_eq!(keep_in(keep("{} 1").trim_end().as_bytes()), Some(Ok("{} 1")));
        assert!(matches!(keep_in(b"%keep \xff"), Some(Err(_))));
        assert_eq!((keep_in(b"%keep"), keep_in(b"%keeper 1")), (None, None));
        assert!(is_kept(&kept(8)) && !is_kept("KEPT") && !is_kept("KEPT x") && !is_kept("ACK"));
        assert_eq!(forget_in(forget("70ce").trim_end().as_bytes()), Some("70ce"));
        assert_eq!((forget_in(b"%forget"), forget_in(b"%forget \xff")), (None, None));
    }
}
