//! The greeting, by which a client knows that it has reached the server in the container that it inspected.
//!
//! An `ACK` proves a Ryuk, and not whose: behind a forwarded socket an address may be anybody's. So the container's creator
//! puts a secret into its environment (`SECRET`), whoever looks the container up reads it there, and the server says it to
//! whoever greets. A container whose server knows the greeting has the label `LABEL`, by its image.
//!
//! ```text
//! client   %hello 3                       the highest version that it speaks
//! server   HELLO 3 5eed…c0de 0            the version that both speak, the secret, how often it has removed things
//! client   %clients                       who has greeted may ask how many others hold the session
//! server   CLIENTS 2                      a server of before the word answers with an error
//! ```
//!
//! The last number is there because a server may let a client in after it has removed what the clients before had made:
//! what was made under another number is gone. A server that was given no secret says `-` in its place.
//!
//! And there is one more word after the greeting. A container is created with the usual time for a client to come back, which
//! nobody can change from outside; so whoever has seen the end of the run says that no more clients are to be expected:
//!
//! ```text
//! client   %reconnection-timeout 1s       how long to wait after the last client, until another one registers
//! server   ACK
//! ```
//!
//! From version 2 on there are scopes: what has gone with a test and not with the session. A scope is a filter that ends with
//! the connections that hold it.
//!
//! ```text
//! client   %scope label=…&label=…         what matches this is removed as soon as nobody holds it any more
//! server   ACK                            or an error, while what a scope of this filter had is being removed
//! client   %scope-again label=…           the same, on another connection after one was lost
//! server   ACK                            or an error: the time to come back was over, what it had is gone or going,
//!                                         and what it names from now on goes with the session
//! client   %scope-end label=…             this connection lets go of it; the last to do so ends it at once
//! server   ACK                            before anything is removed
//! client   %report                        tell me of all that is removed from now on, until the end
//! server   ACK
//! server   REMOVED {"kind":"container",…} a line for each; who only listens does not hold the session
//! ```
//!
//! From version 3 on there are keys: what the session's processes make once. See `key_words`.
//!
//! Where no port leads to the server there is one more, which the server never hears: see `connect_words`.
//!
//! A word of this protocol begins with `%` and no two hexadecimal digits. Official Ryuk takes such a line for a filter that
//! it cannot parse, acknowledges it, and registers nothing.
//!
//! Shared with the library, so that both ends agree.

/// The version of the protocol, and the value of [`LABEL`].
pub(crate) const VERSION: u32 = 3;
/// The version from which on there are scopes and reports.
#[cfg_attr(not(test), allow(dead_code, reason = "the client asks"))]
pub(crate) const SCOPES: u32 = 2;
/// The version from which on the server keeps what is made once.
#[cfg_attr(not(test), allow(dead_code, reason = "the client asks"))]
pub(crate) const KEYS: u32 = 3;
/// The label of a container, and of its image, whose server knows the greeting.
pub(crate) const LABEL: &str = "test-reaper.protocol";
/// The variable in the container's environment that holds the secret.
pub(crate) const SECRET: &str = "REAPER_SECRET";

const CLIENTS: &str = "%clients";

const LONGEST_SECRET: usize = 128;

/// What a server says to a greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The highest version that both speak.
    pub(crate) version: u32,
    /// None where the server was given none: then nothing is proved.
    pub(crate) secret: Option<String>,
    /// How often the server has removed what its clients had made, and then let others in.
    pub(crate) generation: u32,
}

/// Whether a text can be a secret: 1 to 128 letters, digits, `-` and `_`, and not `-` alone.
pub(crate) fn is_secret(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_SECRET).contains(&text.len()) && text != "-" && text.bytes().all(is_plain)
}

/// A client's line.
pub(crate) fn greeting() -> String {
    format!("%hello {VERSION}\n")
}

/// How a line begins that says how long to wait for another client.
const RECONNECTION_TIMEOUT: &str = "%reconnection-timeout ";

/// A client's line, with a duration such as `1s`.
pub(crate) fn reconnection_timeout(duration: &str) -> String {
    format!("{RECONNECTION_TIMEOUT}{duration}\n")
}

/// The duration in such a line, which comes without its end; none where it is another line.
pub(crate) fn reconnection_timeout_in(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.strip_prefix(RECONNECTION_TIMEOUT)
}

/// A client's line, by which it asks how many others hold the session.
pub(crate) fn ask_clients() -> String {
    format!("{CLIENTS}\n")
}

/// Whether a client's line, without its end, asks that.
pub(crate) fn is_about_clients(line: &[u8]) -> bool {
    line == CLIENTS.as_bytes()
}

/// A server's line.
pub(crate) fn answer_clients(others: usize) -> String {
    format!("CLIENTS {others}\n")
}

/// What a server has said to it; none where it does not know the word.
pub(crate) fn read_clients(line: &str) -> Option<u32> {
    number(line.trim_end_matches(['\r', '\n']).strip_prefix("CLIENTS ")?)
}

/// How an answer goes on behind `ERROR `, where a scope may be begun once what it had is gone.
pub(crate) const SCOPE_HAS_ENDED: &str = "the scope has ended";

/// What a client says of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScopeWord {
    /// Begins it, or holds it besides others.
    Begin,
    /// Holds it again, after a connection was lost.
    Again,
    /// Lets go of it.
    End,
}

impl ScopeWord {
    const ALL: [Self; 3] = [Self::Begin, Self::Again, Self::End];

    fn word(self) -> &'static str {
        match self {
            Self::Begin => "%scope ",
            Self::Again => "%scope-again ",
            Self::End => "%scope-end ",
        }
    }
}

/// A client's line about a scope, by the line that would register its filter.
pub(crate) fn scope(word: ScopeWord, filter: &str) -> String {
    format!("{}{filter}", word.word())
}

/// What a client's line, without its end, says of a scope, and the scope's filter; none where it is another line.
pub(crate) fn scope_in(line: &[u8]) -> Option<(ScopeWord, &[u8])> {
    ScopeWord::ALL.into_iter().find_map(|word| Some((word, line.strip_prefix(word.word().as_bytes())?)))
}

const REPORT: &str = "%report";

/// A client's line, by which it asks to be told of all that is removed.
pub(crate) fn ask_report() -> String {
    format!("{REPORT}\n")
}

/// Whether a client's line, without its end, asks that.
pub(crate) fn is_about_report(line: &[u8]) -> bool {
    line == REPORT.as_bytes()
}

/// A server's line about something that it has removed, as an object of JSON on one line.
pub(crate) fn removed(object: &str) -> String {
    format!("REMOVED {object}\n")
}

/// What a server has said of it; none where it is another line.
pub(crate) fn read_removed(line: &str) -> Option<&str> {
    line.trim_end_matches(['\r', '\n']).strip_prefix("REMOVED ")
}

/// Whether a line, without its end, is a word of this protocol rather than a filter.
pub(crate) fn is_word(line: &[u8]) -> bool {
    let is_digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_hexdigit);
    line.first() == Some(&b'%') && !(is_digit(1) && is_digit(2))
}

/// The version that both speak, of a client's line without its end.
pub(crate) fn understand(line: &[u8]) -> Result<u32, String> {
    let version = line.strip_prefix(b"%hello ").ok_or(
        "the words are %hello <version>, %clients, %reconnection-timeout <duration>, %report, %scope, \
             %scope-again and %scope-end with a filter, %claim, %keep and %forget",
    )?;
    match number(std::str::from_utf8(version).unwrap_or_default()) {
        Some(version) if version > 0 => Ok(version.min(VERSION)),
        _ => Err("the version behind %hello must be a whole number from 1".into()),
    }
}

/// A server's line.
pub(crate) fn answer(hello: &Hello) -> String {
    let secret = hello.secret.as_deref().unwrap_or("-");
    format!("HELLO {} {secret} {}\n", hello.version, hello.generation)
}

/// What a server has said; none where it was no answer to a greeting, as official Ryuk's `ACK` is not.
pub(crate) fn read(line: &str) -> Option<Hello> {
    let mut words = line.trim_end_matches(['\r', '\n']).split(' ');
    let (word, version, secret, generation) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if word != "HELLO" || words.next().is_some() || !(secret == "-" || is_secret(secret)) {
        return None;
    }
    let version = number(version).filter(|version| (1..=VERSION).contains(version))?;
    let secret = Some(secret.to_owned()).filter(|secret| secret != "-");
    Some(Hello { version, secret, generation: number(generation)? })
}

/// Digits alone: `parse` takes a sign, too.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(secret: Option<&str>, generation: u32) -> Hello {
        Hello { version: 3, secret: secret.map(str::to_owned), generation }
    }

    #[test]
    fn both_ends_agree_on_every_byte() {
        assert_eq!((LABEL, SECRET), ("test-reaper.protocol", "REAPER_SECRET"));
        assert_eq!(greeting().as_bytes(), b"%hello 3\n");
        assert_eq!(understand(b"%hello 3"), Ok(3));
        for (said, line) in [
            (hello(Some("5eed_c0-de"), 0), &b"HELLO 3 5eed_c0-de 0\n"[..]),
            (hello(None, 3), b"HELLO 3 - 3\n"),
        ] {
            assert_eq!(answer(&said).as_bytes(), line);
            assert_eq!(read(std::str::from_utf8(line).unwrap()), Some(said));
        }
        assert_eq!(read("HELLO 3 x 0\r\n"), Some(hello(Some("x"), 0)));
    }

    #[test]
    fn a_last_word_is_read_as_it_was_written() {
        assert_eq!(reconnection_timeout("1s").as_bytes(), b"%reconnection-timeout 1s\n");
        assert!(is_word(b"%reconnection-timeout 1s"));
        assert_eq!(reconnection_timeout_in(b"%reconnection-timeout 1s"), Some("1s"));
        for line in [&b"%hello 1"[..], b"%reconnection-timeout", b"label=%reconnection-timeout 1s", b"\xff"] {
            assert_eq!(reconnection_timeout_in(line), None);
        }
    }

    #[test]
    fn both_ends_agree_on_the_number_of_clients() {
        assert!(is_word(b"%clients") && is_about_clients(b"%clients") && ask_clients() == "%clients\n");
        assert!(!is_about_clients(b"%clients 1") && !is_about_clients(b"%hello 1"));
        assert_eq!(answer_clients(12), "CLIENTS 12\n");
        assert_eq!(read_clients("CLIENTS 12\r\n"), Some(12));
        for other in ["", "ACK", "CLIENTS", "CLIENTS ", "CLIENTS -1", "CLIENTS 1 2", "ERROR no"] {
            assert_eq!(read_clients(other), None, "{other}");
        }
    }

    #[test]
    fn each_is_answered_in_the_version_that_both_speak() {
        assert_eq!(understand(b"%hello 1"), Ok(1));
        assert_eq!(read("HELLO 1 x 0").map(|said| said.version), Some(1));
        assert_eq!(understand(b"%hello 4"), Ok(3));
        assert_eq!(understand(b"%hello 4294967295"), Ok(3));
    }

    #[test]
    fn both_ends_agree_on_scopes_and_reports() {
        assert_eq!((SCOPES, understand(b"%hello 2")), (2, Ok(2)));
        for (word, line) in [
            (ScopeWord::Begin, "%scope label=a=b\n"),
            (ScopeWord::Again, "%scope-again label=a=b\n"),
            (ScopeWord::End, "%scope-end label=a=b\n"),
        ] {
            assert_eq!(scope(word, "label=a=b\n"), line);
            let line = line.trim_end().as_bytes();
            assert!(is_word(line));
            assert_eq!(scope_in(line), Some((word, &b"label=a=b"[..])));
        }
        for other in
            [&b"%scope"[..], b"%scopes label=a=b", b"label=%scope a", b"%scope-over label=a=b", b"\xff"]
        {
            assert_eq!(scope_in(other), None);
        }
        assert_eq!((VERSION, SCOPES, KEYS), (3, 2, 3));
        assert!(is_word(b"%report") && is_about_report(b"%report") && ask_report() == "%report\n");
        assert!(!is_about_report(b"%report 1"));
        assert_eq!(removed("{}"), "REMOVED {}\n");
        assert_eq!(read_removed("REMOVED {}\r\n"), Some("{}"));
        assert_eq!(read_removed("ACK"), None);
    }

    #[test]
    fn a_word_is_no_escape_and_no_filter() {
        for word in ["%hello 1", "%", "%f", "%fg", "%%41", "%scope begin"] {
            assert!(is_word(word.as_bytes()), "{word}");
        }
        for line in ["", "label=a=b", "%6cabel=a=b", "%ff", " %hello 1", "hello"] {
            assert!(!is_word(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_is_no_greeting_is_refused() {
        for line in [
            "%hello",
            "%hello ",
            "%hello 0",
            "%hello -1",
            "%hello +1",
            "%hello 1 ",
            "%hello  1",
            "%hello one",
            "%HELLO 1",
            "%hello 4294967296",
            "%goodbye 1",
        ] {
            assert!(understand(line.as_bytes()).is_err(), "{line}");
        }
        assert!(understand(b"%hello \xff").is_err());
    }

    #[test]
    fn what_is_no_answer_to_a_greeting_proves_nothing() {
        for line in [
            "",
            "ACK",
            "ERROR no",
            "HELLO",
            "HELLO 1",
            "HELLO 1 x",
            "HELLO 1 x 0 y",
            "HELLO 4 x 0",
            "HELLO 0 x 0",
            "HELLO 1  0",
            "HELLO 1 x -1",
            "HELLO 1 a\u{fc} 0",
            "hello 1 x 0",
            "HELLO 1 x 0\nACK",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_secret_is_a_word_of_bounded_length() {
        assert!(is_secret("a") && is_secret("--") && is_secret(&"f".repeat(128)));
        for text in ["", "-", "a b", "a\n", "\u{fc}", &"f".repeat(129)] {
            assert!(!is_secret(text), "{text:?}");
        }
    }
}
