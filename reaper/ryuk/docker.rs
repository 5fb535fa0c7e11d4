//! The few requests a reaper makes: list a kind, look at a network, remove by id. Unversioned paths, so that nothing has
//! to be negotiated.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::http::{self, Answer};
use crate::kind::Kind;
use crate::listing::{self, Item};
use crate::living::Living;
use crate::own;
use crate::settings::Settings;

/// How a removal ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Removal {
    Removed,
    /// Somebody else is at it; the next list tells whether it went.
    UnderWay,
    /// A scope names it that lives.
    Kept,
    Failed(Problem),
}

/// Why the engine did not do what it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Problem {
    /// It said no, or what makes no sense.
    Refused(String),
    /// It was not there, or not done in time. It may do it all the same.
    Unanswered(String),
}

impl Display for Problem {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (Self::Refused(why) | Self::Unanswered(why)) = self;
        formatter.write_str(why)
    }
}

pub(crate) struct Docker {
    place: Place,
    timeout: Duration,
    /// The container of this server; none where it is in none.
    own_container: Option<String>,
    /// Podman asks a container to end before it kills it, and waits for ten seconds.
    is_podman: AtomicBool,
}

enum Place {
    Socket(PathBuf),
    Tcp(String),
}

impl Display for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => write!(formatter, "unix://{}", socket.display()),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
        }
    }
}

pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

impl Docker {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let host = &settings.docker_host;
        let place = match host.split_once("://") {
            Some(("unix", path)) => Place::Socket(path.into()),
            Some(("tcp" | "http", address)) => Place::Tcp(address.trim_end_matches('/').to_owned()),
            _ => {
                return Err(format!(
                    "DOCKER_HOST is {host:?}, but must be unix://<path> or tcp://<host>:<port>"
                ));
            }
        };
        let (timeout, own_container) = (settings.request_timeout, own::container());
        Ok(Self { place, timeout, own_container, is_podman: AtomicBool::new(false) })
    }

    /// Whether a container is the one that this server runs in.
    pub(crate) fn is_own(&self, container: &Item) -> bool {
        self.own_container.as_ref() == Some(&container.id)
    }

    /// Whether somebody listens where the engine is said to be. It is asked nothing.
    pub(crate) fn reach(&self) -> Result<(), String> {
        self.connect().map(drop).map_err(|error| {
            format!(
                "the engine cannot be reached at {}: {error}; see whether \
                 TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE names its socket, and whether a container may use that \
                 (TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED=true)",
                self.place
            )
        })
    }

    /// What there is of a kind, with the engine's `filters`, one at a time; false where the engine keeps none of the kind.
    /// Nothing of it counts where this fails.
    pub(crate) fn list(&self, kind: Kind, filters: &str, each: impl FnMut(Item)) -> Result<bool, Problem> {
        let path = format!("{}{}", kind.list(), encode(filters));
        let answer = self.request("GET", &path, "")?;
        if kind.is_not_kept(answer.status) {
            return Ok(false);
        }
        if answer.status != 200 {
            return Err(refusal(answer));
        }
        listing::read(kind, answer.body, each).map(|()| true).map_err(|error| problem("GET", &path, &error))
    }

    /// The containers that are on a network now; none where the network is gone.
    pub(crate) fn attached(&self, network: &str) -> Result<Option<Vec<String>>, Problem> {
        let path = format!("/networks/{}", encode(network));
        let answer = self.request("GET", &path, "")?;
        match answer.status {
            200 => listing::attached(answer.body).map(Some).map_err(|error| problem("GET", &path, &error)),
            404 => Ok(None),
            _ => Err(refusal(answer)),
        }
    }

    /// Removes one, whoever uses it: whether it may be removed is decided before. What lives is looked at once more.
    pub(crate) fn remove(&self, kind: Kind, item: &Item, living: &Living) -> Removal {
        if kind == Kind::Container && item.runs && self.is_podman.load(Ordering::Relaxed) {
            let path = format!("/containers/{}/kill?signal=KILL", encode(&item.id));
            // Whether it could is told by the removal.
            let _ = self.request_with("POST", &path, "", || living.permit(&item.labels));
        }
        match self.try_to_remove(kind, item, living) {
            // The network may have been made for this server, where the engine has none. Nobody is to
            // reach it any more once it removes things, so it goes first.
            Removal::Failed(_) if kind == Kind::Network && self.leave(&item.id) => {
                self.try_to_remove(kind, item, living)
            }
            removal => removal,
        }
    }

    fn try_to_remove(&self, kind: Kind, item: &Item, living: &Living) -> Removal {
        let path = kind.removal(&encode(&item.id));
        let answer = match self.request_with("DELETE", &path, "", || living.permit(&item.labels)) {
            Ok(Some(answer)) => answer,
            Ok(None) => return Removal::Kept,
            Err(problem) => return Removal::Failed(problem),
        };
        match (answer.status, refusal(answer)) {
            // Broken off, it is not believed: the next list tells.
            (_, Problem::Unanswered(why)) => Removal::Failed(Problem::Unanswered(why)),
            (200..=299 | 404, _) => Removal::Removed,
            (409, Problem::Refused(why)) if why.contains("already in progress") => Removal::UnderWay,
            // A network of a swarm that is gone, and on this node not before its last task has let go.
            (500, Problem::Refused(why)) if kind == Kind::Network && why.contains("not found") => {
                Removal::UnderWay
            }
            (_, problem) => Removal::Failed(problem),
        }
    }

    /// Takes this server's container off a network; false where it is not on it.
    fn leave(&self, network: &str) -> bool {
        let Some(container) = &self.own_container else { return false };
        let path = format!("/networks/{}/disconnect", encode(network));
        let body = format!("{{\"Container\":\"{container}\",\"Force\":true}}");
        // Why it could not is of no interest: the network's own answer is what is told.
        self.request("POST", &path, &body).is_ok_and(|answer| (200..300).contains(&answer.status))
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Answer<Box<dyn Stream>>, Problem> {
        let answer = self.request_with(method, path, body, || Some(()))?;
        answer.ok_or_else(|| Problem::Refused(format!("{method} {path} was not permitted")))
    }

    /// Asks where there is a permit once the engine is reached; it is held until the request is written.
    fn request_with<P>(
        &self,
        method: &str,
        path: &str,
        body: &str,
        permit: impl FnOnce() -> Option<P>,
    ) -> Result<Option<Answer<Box<dyn Stream>>>, Problem> {
        let stream = self
            .connect()
            .map_err(|error| Problem::Unanswered(format!("failed to reach the engine: {error}")))?;
        let Some(permit) = permit() else { return Ok(None) };
        let answer = http::request(stream, method, path, body, permit)
            .map_err(|error| problem(method, path, &error))?;
        if answer.server.starts_with("Libpod") {
            self.is_podman.store(true, Ordering::Relaxed);
        }
        Ok(Some(answer))
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let timeout = Some(self.timeout);
        match &self.place {
            Place::Socket(socket) => {
                let stream = UnixStream::connect(socket)?;
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)?;
                Ok(Box::new(stream))
            }
            Place::Tcp(address) => {
                let stream = dial(address, self.timeout)?;
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Connects to the first of its addresses that lets us.
fn dial(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut problem = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// What came whole and has no use is the engine's word; all else may be otherwise the next time.
fn problem(method: &str, path: &str, error: &io::Error) -> Problem {
    let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let why = if late { "no answer in time".to_owned() } else { error.to_string() };
    let told = format!("{method} {path}: {why}");
    if error.kind() == ErrorKind::InvalidData { Problem::Refused(told) } else { Problem::Unanswered(told) }
}

fn refusal(answer: Answer<impl Read>) -> Problem {
    let status = answer.status;
    match answer.body.text() {
        Ok(text) => Problem::Refused(format!("the engine answered {status}: {}", text.trim())),
        Err(error) => Problem::Unanswered(format!("the engine answered {status}, and broke off: {error}")),
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
