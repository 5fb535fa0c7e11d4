//! The few requests a reaper makes: list by filter, remove by id. Unversioned paths, so that nothing has
//! to be negotiated.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::filter::Filter;
use crate::http::{self, Response};
use crate::json::{self, Value};
use crate::settings::Settings;

/// Ryuk never removes a container with this label: the first would be itself.
const PROTECTED: &str = "org.testcontainers.ryuk";

/// What there is to remove, in the order in which it lets go of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Network,
    Volume,
    Image,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Container, Self::Network, Self::Volume, Self::Image];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Image => "image",
        }
    }

    fn list(self) -> &'static str {
        match self {
            Self::Container => "/containers/json?all=1&filters=",
            Self::Network => "/networks?filters=",
            Self::Volume => "/volumes?filters=",
            Self::Image => "/images/json?filters=",
        }
    }

    fn remove(self, id: &str) -> String {
        let id = encode(id);
        match self {
            // Forced, with the anonymous volumes that are the container's own.
            Self::Container => format!("/containers/{id}?force=1&v=1"),
            Self::Network => format!("/networks/{id}"),
            Self::Volume => format!("/volumes/{id}?force=1"),
            Self::Image => format!("/images/{id}?force=1"),
        }
    }
}

/// How a removal ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Removal {
    Removed,
    /// Somebody else is at it; the next list tells whether it went.
    UnderWay,
    Failed(Problem),
}

/// Why the engine did not do what it was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    /// It said no, or what makes no sense.
    Refused(String),
    /// It was not there, or not done in time.
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
    /// The container of this server, as the engine knows it by; none where it is no container.
    own_container: Option<String>,
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

trait Stream: Read + Write {}

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
        // The name that an engine gives is the beginning of the id.
        let own_container = settings.host_name.clone();
        let own_container = own_container.filter(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(Self { place, timeout: settings.request_timeout, own_container })
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

    /// The ids of all resources of a kind that the filter matches.
    pub(crate) fn list(&self, kind: Kind, filter: &Filter) -> Result<Vec<String>, Problem> {
        let path = format!("{}{}", kind.list(), encode(&filter.to_json()));
        let Response { status, body } = self.request("GET", &path, "").map_err(Problem::Unanswered)?;
        if status != 200 {
            return Err(refusal(status, &body));
        }
        listed(kind, &body).map_err(Problem::Refused)
    }

    pub(crate) fn remove(&self, kind: Kind, id: &str) -> Removal {
        match self.try_to_remove(kind, id) {
            // The network may have been made for this server, where the engine has none. Nobody is to
            // reach it any more once it removes things, so it goes first.
            Removal::Failed(_) if kind == Kind::Network && self.leave(id) => self.try_to_remove(kind, id),
            removal => removal,
        }
    }

    fn try_to_remove(&self, kind: Kind, id: &str) -> Removal {
        match self.request("DELETE", &kind.remove(id), "") {
            Ok(Response { status: 200..=299 | 404, .. }) => Removal::Removed,
            Ok(Response { status: 409, body }) if body.contains("already in progress") => Removal::UnderWay,
            Ok(Response { status, body }) => Removal::Failed(refusal(status, &body)),
            Err(problem) => Removal::Failed(Problem::Unanswered(problem)),
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

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Response, String> {
        let stream = self.connect().map_err(|error| format!("failed to reach the engine: {error}"))?;
        http::request(stream, method, path, body)
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
    let mut problem = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

fn refusal(status: u16, answer: &str) -> Problem {
    Problem::Refused(format!("the engine answered {status}: {}", answer.trim()))
}

/// What may be removed of the engine's list of a kind.
fn listed(kind: Kind, answer: &str) -> Result<Vec<String>, String> {
    let value = json::parse(answer)?;
    let listed = if kind == Kind::Volume { value.member("Volumes") } else { Some(&value) };
    let listed = listed.and_then(Value::elements).ok_or("the engine's answer is not a list")?;
    let name = if kind == Kind::Volume { "Name" } else { "Id" };
    let unprotected = listed.iter().filter(|item| !is_protected(item));
    unprotected
        .map(|item| {
            let id = item.member(name).and_then(Value::text).filter(|id| !id.is_empty());
            id.map(str::to_owned).ok_or_else(|| format!("a {} without {name} in the list", kind.name()))
        })
        .collect()
}

fn is_protected(item: &Value) -> bool {
    item.member("Labels").and_then(|labels| labels.member(PROTECTED)).and_then(Value::text) == Some("true")
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
