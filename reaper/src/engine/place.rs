//! Where an engine listens, as an address names it.

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "tls")]
use super::secured::{Files, SECURE_PORT};
use super::secured::{Secured, host};
use super::ssh::Destination;
use crate::error::Result;
use crate::settings::{self, Config, Found};

/// Where an engine listens that has no TLS, unless its address says where.
const PLAIN_PORT: u16 = 2375;

const ADDRESS: &str =
    "an address such as unix:///var/run/docker.sock, tcp://127.0.0.1:2375 or ssh://user@build.example";

/// A way to an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Socket(PathBuf),
    /// A named pipe of Windows, as `//./pipe/docker_engine`.
    Pipe(String),
    /// `host:port`.
    Tcp(String),
    /// Over TLS.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "refused where it is named"))]
    Tls(Secured),
    /// By the docker command of a host that is reached with `ssh`.
    Ssh(Destination),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(formatter, "unix://{}", path.display()),
            Self::Pipe(path) => write!(formatter, "npipe://{path}"),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Tls(secured) => write!(formatter, "tcp://{}", secured.address),
            Self::Ssh(destination) => destination.fmt(formatter),
        }
    }
}

impl Place {
    /// The host on which the engine publishes ports.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Socket(_) | Self::Pipe(_) => "127.0.0.1".to_owned(),
            Self::Tcp(address) | Self::Tls(Secured { address, .. }) => host(address).to_owned(),
            Self::Ssh(destination) => destination.host.clone(),
        }
    }
}

/// The engine that a setting names, if one does.
pub(super) fn named(config: &Config) -> Result<Option<Place>> {
    config.docker_host.as_ref().map(|found| parse(found, config)).transpose()
}

pub(super) fn parse(found: &Found, config: &Config) -> Result<Place> {
    let refusal = || found.refuse(ADDRESS);
    let (scheme, address) = found.value.split_once("://").ok_or_else(refusal)?;
    match scheme {
        "unix" if address.starts_with('/') => Ok(Place::Socket(address.into())),
        "npipe" if address.starts_with('/') => Ok(Place::Pipe(address.to_owned())),
        "ssh" => Destination::parse(address).map(Place::Ssh).ok_or_else(|| {
            found.refuse("ssh://user@host:port, without a password: ssh has keys and its own configuration")
        }),
        "https" => secured(found, address, config),
        "tcp" if config.certificates.demanded => secured(found, address, config),
        "tcp" | "http" => Ok(Place::Tcp(with_port(found, address, PLAIN_PORT)?)),
        _ => Err(refusal()),
    }
}

#[cfg(feature = "tls")]
fn secured(found: &Found, address: &str, config: &Config) -> Result<Place> {
    let address = with_port(found, address, SECURE_PORT)?;
    let home = || config.home.as_ref().map(|home| home.join(".docker").to_string_lossy().into_owned());
    let usual = || home().map(|folder| Found::named("the folder with certificates", "the default", folder));
    let folder = config.certificates.folder.clone().or_else(usual).ok_or_else(|| {
        found.refuse(
            "an engine without TLS: there is no home with certificates, and DOCKER_CERT_PATH names none",
        )
    })?;
    Ok(Place::Tls(Secured::new(address, Files { folder, verified: config.certificates.verified })))
}

#[cfg(not(feature = "tls"))]
fn secured(found: &Found, _: &str, _: &Config) -> Result<Place> {
    Err(found.refuse(
        "an engine without TLS, which takes the feature `tls`: add it to the features of test-reaper, or install the \
         command with `--features cli,tls`",
    ))
}

/// `host:port`, with the port that is meant where none is named.
fn with_port(found: &Found, address: &str, usual: u16) -> Result<String> {
    let refusal = || found.refuse(ADDRESS);
    let address = address.trim_end_matches('/');
    let (host, port) = match address.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(refusal)?)
        }
        _ => (address, usual),
    };
    let bracketed = host.starts_with('[');
    let host = settings::host(host).ok_or_else(refusal)?;
    match (host.contains(':'), bracketed) {
        (true, true) => Ok(format!("[{host}]:{port}")),
        (false, _) => Ok(format!("{host}:{port}")),
        // Where the address ends and the port begins is anybody's guess.
        (true, false) => Err(found.refuse("an IPv6 address in brackets, such as tcp://[::1]:2375")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(docker_host: &str) -> Config {
        let found =
            Found { name: "DOCKER_HOST".into(), origin: "the environment".into(), value: docker_host.into() };
        Config { docker_host: Some(found), ..Config::load().unwrap() }
    }

    #[test]
    fn a_malformed_address_is_refused_with_an_example() {
        for bad in [
            "localhost",
            "unix://relative.sock",
            "npipe://relative",
            "tcp://:1",
            "tcp://h:port",
            "tcp://h:0",
            "tcp://h:2375/v1.41",
            "tcp://two words:2375",
            "tcp://user@h:2375",
            "tcp://::1:2375",
            "tcp://[h]:2375",
            "ssh://",
            "ssh://user:password@h",
            "ssh://-oProxyCommand=x",
            "ssh://-l@h",
            "ssh://h:port",
            "ftp://h",
        ] {
            let text = named(&config(bad)).unwrap_err().to_string();
            let shown = bad.replace("password", "***");
            assert!(text.contains(&format!("DOCKER_HOST from the environment is {shown:?}")), "{text}");
        }
    }

    #[test]
    fn a_port_that_is_not_named_is_the_plain_one() {
        for (address, place) in [
            ("tcp://build.example", "build.example:2375"),
            ("tcp://[::1]", "[::1]:2375"),
            ("http://10.0.0.1/", "10.0.0.1:2375"),
            ("tcp://[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(named(&config(address)).unwrap(), Some(Place::Tcp(place.into())), "{address}");
        }
    }

    /// As the docker command has it: the scheme says so, or the variable.
    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_asked_for_by_the_scheme_or_by_the_variable_and_has_a_port_of_its_own() {
        let demanded = |address| {
            let mut config = config(address);
            config.certificates.demanded = true;
            config
        };
        for (config, address) in [
            (config("https://build.example"), "build.example:2376"),
            (demanded("tcp://build.example"), "build.example:2376"),
            (demanded("tcp://[::1]:1"), "[::1]:1"),
        ] {
            let Some(Place::Tls(secured)) = named(&config).unwrap() else { panic!("{address}") };
            assert_eq!(secured.address, address);
        }
        // These have none, whatever a variable says.
        assert!(matches!(named(&demanded("http://h")).unwrap(), Some(Place::Tcp(_))));
        assert!(matches!(named(&demanded("unix:///a")).unwrap(), Some(Place::Socket(_))));
    }
}
