//! Which engine: the endpoint that a setting names, else the first well-known socket that answers.
//!
//! Nearly always it is the first candidate, a socket that is there; the look-up that follows tells whether
//! an engine answers at it, so that is not asked beforehand. Otherwise an endpoint counts if it accepts a
//! connection; asking each for its version was rejected, since the look-up says the same.
//! A setting that names an endpoint is the only candidate: silently using another engine than the one
//! asked for would leave containers where nobody looks.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, iter};

#[cfg(unix)]
use socket2::{Domain, SockAddr, Socket, Type};

use super::endpoint::{DEFAULT_SOCKET, Endpoint};
use super::place::{self, Place};
use super::pluggable::{Direct, Handed};
use super::secured::Secured;
use super::ssh;
use crate::error::{Attempt, Error, Result};
use crate::settings::Config;

/// For a host that does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For a host that has to start a program, too.
const LOGGED_IN_WITHIN: Duration = Duration::from_secs(15);

/// The first candidate, if it is a socket that is there, or a host to log in to, which is done twice for nothing otherwise: not
/// probed yet.
pub(crate) fn likely(config: &Config) -> Result<Option<Endpoint>> {
    let first = candidates(config)?.next().map(|(place, _)| place);
    let likely = first.filter(|place| is_there(place) || matches!(place, Place::Ssh(_)));
    Ok(likely.map(|place| Endpoint { probed: false, ..Endpoint::at(config, place) }))
}

/// The engine that was handed over, at the address that it names; not probed.
pub(crate) fn handed_over(config: &Config, handed: Handed) -> Result<Option<Endpoint>> {
    let named = place::named(config)?;
    Ok(named.map(|place| Endpoint { probed: false, handed: Some(handed), ..Endpoint::at(config, place) }))
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
            Ok(()) => return Ok(Endpoint::at(config, place)),
            Err(error) => {
                attempts.push(Attempt { endpoint: place.to_string(), origin, problem: problem(&error) });
            }
        }
    }
    Err(Error::NoEngine { attempts })
}

impl Direct {
    /// The engine that the reaper would find by itself, as [`endpoint`](crate::endpoint()) does.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a setting that is wrong, [`Error::NoEngine`] where none could be reached.
    pub fn discover() -> Result<Self> {
        Ok(Self::at(&discover(&Config::load()?)?.place))
    }
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
    let candidates = candidates(config)?;
    #[cfg(feature = "tls")]
    let candidates = with_certificates(candidates)?;
    Ok(candidates.map(|(place, origin)| Probed { outcome: probe(&place), place, origin }))
}

/// Reads the certificates of a place with TLS, which is named and therefore the only one.
#[cfg(feature = "tls")]
fn with_certificates(candidates: Candidates<'_>) -> Result<impl Iterator<Item = (Place, String)>> {
    let mut candidates = candidates.peekable();
    if let Some((Place::Tls(secured), _)) = candidates.peek() {
        secured.ready()?;
    }
    Ok(candidates)
}

/// Places, each with who named it.
type Candidates<'a> = Box<dyn Iterator<Item = (Place, String)> + 'a>;

/// What is named, or else what may be there, in order. The first one is nearly always enough, so the others are not put together
/// before they are asked for: a folder is read for them.
fn candidates(config: &Config) -> Result<Candidates<'_>> {
    if let Some(found) = &config.docker_host {
        let place = place::parse(found, config)?;
        return Ok(Box::new(iter::once((place, found.to_string()))));
    }
    if cfg!(windows) {
        return Ok(Box::new(pipes()));
    }
    let usual = iter::once((PathBuf::from(DEFAULT_SOCKET), "Docker's usual socket"));
    let sockets = usual.chain(iter::once_with(|| other_sockets(config)).flatten());
    Ok(Box::new(sockets.map(|(path, origin)| (Place::Socket(path), origin.to_owned()))))
}

fn other_sockets(config: &Config) -> Vec<(PathBuf, &'static str)> {
    let mut sockets = Vec::new();
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
    sockets
}

/// Docker Desktop's, by its two names, and a Podman machine's.
fn pipes() -> impl Iterator<Item = (Place, String)> {
    let pipes = [
        ("docker_engine", "Docker's usual pipe"),
        ("dockerDesktopLinuxEngine", "Docker Desktop"),
        ("podman-machine-default", "Podman machine"),
    ];
    pipes.into_iter().map(|(name, origin)| (Place::Pipe(format!("//./pipe/{name}")), origin.to_owned()))
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
    iter::once(usual).chain(others).collect()
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
        Place::Pipe(path) if cfg!(windows) => {
            std::fs::OpenOptions::new().read(true).write(true).open(path).map(drop)
        }
        Place::Pipe(_) => Err(io::Error::other("named pipes are for Windows")),
        Place::Ssh(destination) => ssh::probe(destination, LOGGED_IN_WITHIN),
        Place::Tcp(address) | Place::Tls(Secured { address, .. }) => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Found;

    fn config(docker_host: &str) -> Config {
        let found =
            Found { name: "DOCKER_HOST".into(), origin: "the environment".into(), value: docker_host.into() };
        Config { docker_host: Some(found), host: None, socket: None, ..Config::load().unwrap() }
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
        let place = place::named(&config).unwrap().unwrap();
        let endpoint = Endpoint::at(&config, place);
        assert_eq!((endpoint.host.as_str(), endpoint.local), ("build.example", false));
        assert_eq!(endpoint.socket, DEFAULT_SOCKET);
    }
}
