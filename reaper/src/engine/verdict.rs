//! Whether an engine that does not do what it was asked may do it later, by what it says.
//!
//! Engines have no word for it: a status tells who is to blame, and the rest is prose. So there are three verdicts: what
//! never passes, what is known to pass, and what is not known; that it passes is found out by asking again. The lists are
//! short on purpose: a word that is in none of them costs a second.

use std::fmt;
use std::io;

/// An answer that will not be another, and what leads out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hopeless {
    pub(super) problem: String,
    pub(super) advice: &'static str,
}

impl fmt::Display for Hopeless {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problem)
    }
}

impl std::error::Error for Hopeless {}

impl Hopeless {
    pub(super) fn found_in(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Hopeless> for io::Error {
    fn from(hopeless: Hopeless) -> Self {
        Self::new(io::ErrorKind::InvalidData, hopeless)
    }
}

const TLS: &str = "it expects TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem; or name \
                   a socket, or a port without TLS, such as DOCKER_HOST=unix:///var/run/docker.sock";
const FORBIDDEN: &str = "have whoever guards the engine let this user look up, create, start and remove containers, or \
                         name another engine, such as DOCKER_HOST=unix:///var/run/docker.sock";
const NO_ENGINE: &str = "what answers there is no container engine; name one, such as \
                         DOCKER_HOST=unix:///var/run/docker.sock";
const REFUSED: &str = "see the engine's own log, or name another engine with DOCKER_HOST";
const IMAGE: &str = "the image cannot run on this engine, for another architecture perhaps: choose another with \
                     TESTCONTAINERS_RYUK_CONTAINER_IMAGE, or unset that";
/// Behind what was said again and again.
const AGAIN: &str = "the engine says so again and again: see its own log, name another engine with DOCKER_HOST, or switch \
                     the reaper off with TESTCONTAINERS_RYUK_DISABLED=true";

/// Words of what is over when somebody else has let go, or the engine has come to itself.
const PASSES: [&str; 14] = [
    "already allocated",
    "already in use",
    "already in progress",
    "timeout",
    "timed out",
    "deadline exceeded",
    "connection refused",
    "connection reset",
    "closing",
    "shutting down",
    "temporarily unavailable",
    "is locked",
    // Other people's networks have all the addresses.
    "non-overlapping",
    "fully subnetted",
];

/// What stands in the way of a creation or a start, and can be had or waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is another's.
    Name,
    Image,
    Network,
    /// The engine's own, on its host.
    Socket,
    /// It is gone already.
    Container,
}

/// 404 says image, network or container; the message tells which, and has for ten years of engines.
pub(super) fn missing(status: u16, words: &str) -> Option<Missing> {
    let words = words.to_ascii_lowercase();
    let has = |expected: &str| words.contains(expected);
    match status {
        409 => Some(Missing::Name),
        // Podman answers a name that is taken, and a network that is missing, with 500.
        500 if has("already in use") && has("name") => Some(Missing::Name),
        404 | 500 if has("network") && has("not found") => Some(Missing::Network),
        404 if has("image") => Some(Missing::Image),
        // Docker's words, and Podman's.
        400 | 500 if has("bind source path does not exist") => Some(Missing::Socket),
        400 | 500 if has("statfs") && has("no such file or directory") => Some(Missing::Socket),
        404 if has("container") => Some(Missing::Container),
        // Podman's words for one that is removed while it is asked for.
        500 if has("no such container") || has("has already been removed") => Some(Missing::Container),
        _ => None,
    }
}

/// What will be true of the next answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passes,
    /// Asking again shows it. What to do where it stays.
    Unclear(&'static str),
    Never(&'static str),
}

/// The verdict on a status and the words that came with it.
pub(super) fn verdict(status: u16, words: &str) -> Verdict {
    let words = words.to_ascii_lowercase();
    let has = |word: &&str| words.contains(*word);
    match status {
        400 if words.contains("https server") => Verdict::Never(TLS),
        // Of Docker's, about the addresses of two networks that are made at once.
        403 if words.contains("overlapping ipv") => Verdict::Passes,
        401 | 403 | 407 => Verdict::Never(FORBIDDEN),
        408 | 425 | 429 => Verdict::Passes,
        400 | 500 if PASSES.iter().any(has) => Verdict::Passes,
        _ if words.contains("exec format error") => Verdict::Never(IMAGE),
        400..=499 => Verdict::Never(REFUSED),
        500 => Verdict::Unclear(AGAIN),
        501 | 505 => Verdict::Never(NO_ENGINE),
        // Of a proxy whose engine is away.
        502..=599 => Verdict::Passes,
        _ => Verdict::Never(NO_ENGINE),
    }
}

/// The error for an answer to a look-up that nobody can use.
pub(super) fn unusable(status: u16, body: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(body);
    let problem = format!("the engine answered {status}: {}", shortened(&text));
    match verdict(status, &text) {
        Verdict::Never(advice) => Hopeless { problem, advice }.into(),
        // An engine that cannot even look is restarting, or on fire.
        Verdict::Passes | Verdict::Unclear(_) => invalid(problem),
    }
}

/// The error for what is not even HTTP.
pub(super) fn not_http(answer: &[u8]) -> io::Error {
    let first = String::from_utf8_lossy(answer).lines().next().unwrap_or_default().to_owned();
    match answer {
        // A connection that was closed, perhaps half-way through the first word.
        begun if may_be_http(begun) => invalid(format!("the engine answered {first:?}")),
        // A record of TLS: an alert.
        [0x15, 3, ..] => {
            Hopeless { problem: "it answered with an alert of TLS".to_owned(), advice: TLS }.into()
        }
        _ => no_engine(format!("it answered {:?}", shortened(&first))),
    }
}

/// Whether an answer that begins so may become one of HTTP.
pub(super) fn may_be_http(begun: &[u8]) -> bool {
    b"HTTP/".starts_with(begun) || begun.starts_with(b"HTTP/")
}

/// The error for what is said by whoever is no engine.
pub(super) fn no_engine(problem: String) -> io::Error {
    Hopeless { problem, advice: NO_ENGINE }.into()
}

/// Fails with a body that is not even the beginning of JSON, whatever the status says.
pub(super) fn not_json(body: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('{') || text.is_empty() {
        return Ok(());
    }
    Err(no_engine(format!("it answered {:?}", shortened(text))))
}

/// The error for a body that is JSON to its end, and of somebody else.
pub(super) fn not_described(error: &serde_json::Error) -> io::Error {
    let problem = format!("the engine's answer has no use: {error}");
    if error.is_eof() { invalid(problem) } else { no_engine(problem) }
}

/// The error for what makes no sense, and may be otherwise the next time.
pub(super) fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Whole pages are not for an error's text.
pub(super) fn shortened(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(300) {
        line.truncate(end);
        line.push_str(" …");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hopeless(error: &io::Error, part: &str) -> bool {
        Hopeless::found_in(error).is_some_and(|found| found.advice.contains(part))
    }

    #[test]
    fn what_never_passes_says_what_leads_out() {
        for (status, words, advice) in [
            (400, "Client sent an HTTP request to an HTTPS server.", TLS),
            (401, "unauthorized", FORBIDDEN),
            (403, "authorization denied by plugin", FORBIDDEN),
            (400, "invalid mount config", REFUSED),
            (404, "<html>", REFUSED),
            (500, "exec /reaper-ryuk: exec format error: unknown", IMAGE),
            (302, "", NO_ENGINE),
            (400, "no such option", REFUSED),
            (501, "Unsupported method", NO_ENGINE),
        ] {
            assert_eq!(verdict(status, words), Verdict::Never(advice), "{status} {words}");
        }
    }

    #[test]
    fn what_is_missing_is_told_in_words() {
        let conflict = "Conflict. The container name \"/reaper_x\" is already in use by container \"abc\".";
        let bind = "invalid mount config for type \"bind\": bind source path does not exist: /nowhere";
        for (status, words, expected) in [
            (409, conflict, Some(Missing::Name)),
            (500, "the container name \"reaper_x\" is already in use", Some(Missing::Name)),
            (404, "No such image: reaper-ryuk:1", Some(Missing::Image)),
            (404, "network bridge not found", Some(Missing::Network)),
            (404, "No such container: abc", Some(Missing::Container)),
            (500, "no container with ID abc found in database: no such container", Some(Missing::Container)),
            (400, bind, Some(Missing::Socket)),
            (500, "statfs /nowhere: no such file or directory", Some(Missing::Socket)),
            (400, "invalid mount config", None),
            (500, "driver failed: port is already allocated", None),
        ] {
            assert_eq!(missing(status, words), expected, "{status} {words}");
        }
    }

    #[test]
    fn what_may_pass_is_asked_again() {
        let port = "driver failed: Bind for 127.0.0.1:32768 failed: port is already allocated";
        for (status, words) in
            [(500, port), (503, "<html>"), (429, "slow down"), (500, "context deadline exceeded")]
        {
            assert_eq!(verdict(status, words), Verdict::Passes, "{status} {words}");
        }
        let addresses =
            "cannot create network 7 (br-7): conflicts with network 2 (br-2): networks have overlapping IPv4";
        assert_eq!(verdict(403, addresses), Verdict::Passes);
        assert_eq!(verdict(500, "on fire"), Verdict::Unclear(AGAIN));
    }

    #[test]
    fn what_is_no_engine_is_told_from_one_that_broke_off() {
        assert!(is_hopeless(&not_http(b"\x15\x03\x01\x00\x02\x02\x46"), "TLS"));
        assert!(is_hopeless(&not_http(b"SSH-2.0-OpenSSH_9.2\r\n"), "no container engine"));
        for broken in [&b""[..], b"HT", b"HTTP/1.1 2"] {
            assert_eq!(Hopeless::found_in(&not_http(broken)), None, "{broken:?}");
        }
        assert!(is_hopeless(&not_json(b"<html>").unwrap_err(), "no container engine"));
        assert!(not_json(b"{\"message\":\"no su").is_ok());
        let odd = serde_json::from_str::<u8>("{}").unwrap_err();
        let half = serde_json::from_str::<u8>("").unwrap_err();
        assert!(
            is_hopeless(&not_described(&odd), "no container engine")
                && !is_hopeless(&not_described(&half), "")
        );
    }
}
