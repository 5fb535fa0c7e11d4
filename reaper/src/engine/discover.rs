//! Which engine: the endpoint that a setting names, else the first well-known socket that answers.
//!
//! Nearly always it is the first candidate, a socket that is there; the look-up that follows tells whether
//! an engine answers at it, so that is not asked beforehand. Otherwise an endpoint counts if it accepts a
//! connection; asking each for its version was rejected, since the look-up says the same.
//! A setting that names an endpoint is the only candidate: silently using another engine than the one
//! asked for would leave containers where nobody looks.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(unix)]
use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::{Attempt, Error, Result};
use crate::settings::{self, Config, Found};

/// For a host that does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where an engine listens that has no TLS, unless its address says where.
const PLAIN_PORT: u16 = 2375;

pub(super) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// An engine's address, and how the containers on it are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) place: Place,
    /// Who named that: a setting and its source, or nobody.
    pub(crate) origin: String,
    /// The host on which the engine publishes ports.
    pub(crate) host: String,
    /// Whether that host is this one, so that ports need not be published to the world.
    pub(crate) local: bool,
    /// The engine's socket as its own host sees it.
    pub(crate) socket: String,
    /// Whether it has accepted a connection.
    pub(crate) probed: bool,
}

impl Endpoint {
    /// The address of the engine's host on which ports are published; empty for all of its addresses.
    pub(crate) fn publish_on(&self) -> &'static str {
        if self.local { "127.0.0.1" } else { "" }
    }
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Socket(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
        }
    }
}

/// The first candidate, if it is a socket that is there: not probed yet.
pub(crate) fn likely(config: &Config) -> Result<Option<Endpoint>> {
    let first = candidates(config)?.into_iter().next();
    let socket = first.map(|(place, _)| place).filter(is_there);
    Ok(socket.map(|place| Endpoint { probed: false, ..endpoint(config, place) }))
}

pub(super) fn is_there(place: &Place) -> bool {
    match place {
        #[cfg(unix)]
        Place::Socket(path) => {
            use std::os::unix::fs::FileTypeExt as _;
            std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
        }
        _ => false,
    }
}

/// The first endpoint that accepts a connection.
pub(crate) fn discover(config: &Config) -> Result<Endpoint> {
    let mut attempts = Vec::new();
    for Probed { place, origin, outcome } in probes(config)? {
        match outcome {
            Ok(()) => return Ok(endpoint(config, place)),
            Err(error) => {
                attempts.push(Attempt { endpoint: place.to_string(), origin, problem: problem(&error) });
            }
        }
    }
    Err(Error::NoEngine { attempts })
}

/// A candidate, and whether it accepted a connection.
pub(crate) struct Probed {
    pub(crate) place: Place,
    /// Who named it.
    pub(crate) origin: String,
    pub(crate) outcome: io::Result<()>,
}

/// Every candidate in order, each tried when it is asked for.
pub(crate) fn probes(config: &Config) -> Result<impl Iterator<Item = Probed>> {
    let candidates = candidates(config)?.into_iter();
    Ok(candidates.map(|(place, origin)| Probed { outcome: probe(&place), place, origin }))
}

fn candidates(config: &Config) -> Result<Vec<(Place, String)>> {
    if let Some(found) = &config.docker_host {
        return Ok(vec![(parse(found)?, format!("{} from {}", found.name, found.origin))]);
    }
    let mut sockets = vec![(PathBuf::from(DEFAULT_SOCKET), "Docker's usual socket")];
    if let Some(directory) = &config.runtime_directory {
        sockets.push((directory.join(".docker/run/docker.sock"), "Docker Desktop"));
    }
    if let Some(home) = &config.home {
        sockets.push((home.join(".docker/run/docker.sock"), "Docker Desktop"));
        sockets.push((home.join(".docker/desktop/docker.sock"), "Docker Desktop for Linux"));
    }
    if let Some(directory) = &config.runtime_directory {
        sockets.push((directory.join("docker.sock"), "rootless Docker"));
    }
    if let Some(home) = &config.home {
        sockets.extend(colima(home).into_iter().map(|socket| (socket, "Colima")));
        sockets.push((home.join(".rd/docker.sock"), "Rancher Desktop"));
        sockets.push((home.join(".orbstack/run/docker.sock"), "OrbStack"));
    }
    if let Some(directory) = &config.runtime_directory {
        sockets.push((directory.join("podman/podman.sock"), "rootless Podman"));
    }
    if let Some(home) = &config.home {
        let machine = home.join(".local/share/containers/podman/machine/podman.sock");
        sockets.push((machine, "Podman machine"));
    }
    sockets.push((PathBuf::from("/run/podman/podman.sock"), "Podman"));
    Ok(sockets.into_iter().map(|(path, origin)| (Place::Socket(path), origin.to_owned())).collect())
}

/// The sockets of Colima's profiles, its usual one first.
fn colima(home: &Path) -> Vec<PathBuf> {
    let folder = home.join(".colima");
    let usual = folder.join("default/docker.sock");
    let profiles = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
    let mut others: Vec<_> = profiles.map(|profile| profile.path().join("docker.sock")).collect();
    // Whatever else has a folder there is no profile.
    others.retain(|socket| *socket != usual && socket.exists());
    others.sort();
    std::iter::once(usual).chain(others).collect()
}

/// The engine that a setting names, if one does.
pub(super) fn named(config: &Config) -> Result<Option<Place>> {
    config.docker_host.as_ref().map(parse).transpose()
}

fn parse(found: &Found) -> Result<Place> {
    let refusal = || found.refuse("an address such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375");
    let (scheme, address) = found.value.split_once("://").ok_or_else(refusal)?;
    match scheme {
        "unix" if address.starts_with('/') => Ok(Place::Socket(address.into())),
        "tcp" | "http" => {
            let address = address.trim_end_matches('/');
            let (host, port) = match address.rsplit_once(':') {
                // The colons of an address in brackets are its own.
                Some((host, port)) if !port.contains(']') => {
                    (host, port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(refusal)?)
                }
                _ => (address, PLAIN_PORT),
            };
            let bracketed = host.starts_with('[');
            let host = settings::host(host).ok_or_else(refusal)?;
            match (host.contains(':'), bracketed) {
                (true, true) => Ok(Place::Tcp(format!("[{host}]:{port}"))),
                (false, _) => Ok(Place::Tcp(format!("{host}:{port}"))),
                // Where the address ends and the port begins is anybody's guess.
                (true, false) => Err(found.refuse("an IPv6 address in brackets, such as tcp://[::1]:2375")),
            }
        }
        _ => Err(refusal()),
    }
}

fn probe(place: &Place) -> io::Result<()> {
    match place {
        #[cfg(unix)]
        Place::Socket(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // Bounds the connecting, too: where the listener's queue is full it would wait for ever.
            socket.set_write_timeout(Some(CONNECT_TIMEOUT))?;
            socket.connect(&SockAddr::unix(path)?).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("nobody took the connection within {CONNECT_TIMEOUT:?}"),
                ),
                _ => error,
            })
        }
        #[cfg(not(unix))]
        Place::Socket(_) => Err(io::Error::other("Unix sockets are not to be had on this platform")),
        Place::Tcp(address) => {
            let mut last = io::Error::other("the name has no address");
            for address in resolve(address)? {
                match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

/// The addresses of a host and a port; the system may ask for a name for as long as it likes, so on a thread of its own.
fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let asked = address.to_owned();
    let ask = move || drop(sender.send(asked.to_socket_addrs().map(Vec::from_iter)));
    std::thread::Builder::new().name("reaper-resolver".into()).spawn(ask)?;
    receiver.recv_timeout(CONNECT_TIMEOUT).unwrap_or_else(|_| {
        let problem = format!("the host has no address within {CONNECT_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, problem))
    })
}

fn problem(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{error}; join the group that owns the socket, usually `docker`")
        }
        _ => error.to_string(),
    }
}

/// What there is to know of an engine at this place.
pub(crate) fn endpoint(config: &Config, place: Place) -> Endpoint {
    let host = match (&config.host, &place) {
        (Some(found), _) => found.value.clone(),
        (None, Place::Socket(_)) => "127.0.0.1".to_owned(),
        (None, Place::Tcp(address)) => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            host.trim_matches(['[', ']']).to_owned()
        }
    };
    let local = matches!(host.as_str(), "127.0.0.1" | "localhost" | "::1");
    let socket = match (&config.socket, &place) {
        (Some(found), _) => found.value.clone(),
        // Desktop's socket leads into a virtual machine, where the engine has the usual one.
        (None, Place::Socket(path)) if !path.to_string_lossy().contains("/.") => {
            path.to_string_lossy().into_owned()
        }
        (None, _) => DEFAULT_SOCKET.to_owned(),
    };
    let named = config.docker_host.as_ref().map(|found| format!("{} from {}", found.name, found.origin));
    let origin = named.unwrap_or_else(|| "found at a usual place".to_owned());
    Endpoint { place, origin, host, local, socket, probed: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(docker_host: &str) -> Config {
        let found =
            Found { name: "DOCKER_HOST".into(), origin: "the environment".into(), value: docker_host.into() };
        Config { docker_host: Some(found), host: None, socket: None, ..Config::load().unwrap() }
    }

    #[test]
    fn a_malformed_address_is_refused_with_an_example() {
        for bad in [
            "localhost",
            "unix://relative.sock",
            "tcp://:1",
            "tcp://h:port",
            "tcp://h:0",
            "tcp://h:2375/v1.41",
            "tcp://two words:2375",
            "tcp://user@h:2375",
            "tcp://::1:2375",
            "tcp://[h]:2375",
            "ssh://h",
        ] {
            let text = discover(&config(bad)).unwrap_err().to_string();
            assert!(text.contains(&format!("DOCKER_HOST from the environment is {bad:?}")), "{text}");
        }
    }

    #[test]
    fn a_port_that_is_not_named_is_the_plain_one() {
        for (named, place) in [
            ("tcp://build.example", "build.example:2375"),
            ("tcp://[::1]", "[::1]:2375"),
            ("http://10.0.0.1/", "10.0.0.1:2375"),
            ("tcp://[::1]:1", "[::1]:1"),
        ] {
            let found = config(named).docker_host.unwrap();
            assert_eq!(parse(&found).unwrap(), Place::Tcp(place.into()), "{named}");
        }
    }

    #[test]
    fn every_profile_of_colima_is_a_candidate_and_the_usual_one_the_first() {
        let home = tempfile::tempdir().unwrap();
        for profile in ["work", "default", "_lima"] {
            std::fs::create_dir_all(home.path().join(".colima").join(profile)).unwrap();
        }
        let socket = |profile: &str| home.path().join(".colima").join(profile).join("docker.sock");
        std::fs::write(socket("work"), "").unwrap();
        assert_eq!(colima(home.path()), [socket("default"), socket("work")]);
    }

    #[test]
    fn the_engine_that_was_named_is_the_only_candidate() {
        let Err(Error::NoEngine { attempts }) = discover(&config("unix:///nowhere/docker.sock")) else {
            panic!("there is no engine at /nowhere");
        };
        assert_eq!(attempts.len(), 1, "{attempts:?}");
    }

    #[test]
    fn a_remote_engine_has_its_own_host_and_socket() {
        let config = config("tcp://build.example:2375");
        let place = parse(config.docker_host.as_ref().unwrap()).unwrap();
        let endpoint = endpoint(&config, place);
        assert_eq!((endpoint.host.as_str(), endpoint.local), ("build.example", false));
        assert_eq!(endpoint.socket, DEFAULT_SOCKET);
    }
}
