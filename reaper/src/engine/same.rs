//! Whether two settings lead to one engine.
//!
//! Names are not compared: `DOCKER_HOST` may say what is found without it, and a test may set it for a program that it
//! starts. Where neither names one, they are the same: what was found first counts for the process.

use std::path::PathBuf;

use super::discover::likely;
use super::endpoint::DEFAULT_SOCKET;
use super::place::{Place, named};
use crate::error::Result;
use crate::settings::Config;

/// Whether an attempt with the other settings would come to the engine that these are for.
pub(crate) fn same(ours: &Config, theirs: &Config) -> Result<bool> {
    Ok(match (named(ours)?, named(theirs)?) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => place(&ours) == place(&theirs),
        (Some(named), None) => likely(theirs)?.is_some_and(|found| place(&found.place) == place(&named)),
        (None, Some(named)) => likely(ours)?.is_some_and(|found| place(&found.place) == place(&named)),
    })
}

/// Whether settings lead to the engine at this place, or name none.
pub(crate) fn leads_to(config: &Config, found: &Place) -> Result<bool> {
    Ok(named(config)?.is_none_or(|named| place(&named) == place(found)))
}

/// The engine that these settings name in a way that other clients may not know, such as bollard, which has the variable and the
/// usual socket: where it is, and who named it. None where they would come to the same.
pub(crate) fn hidden(config: &Config) -> Result<Option<(Place, String)>> {
    let Some(found) = config.docker_host.as_ref().filter(|found| !found.is_known_to_all()) else {
        return Ok(None);
    };
    let Some(named) = named(config)? else { return Ok(None) };
    let usual = Place::Socket(DEFAULT_SOCKET.into());
    Ok((place(&named) != place(&usual)).then(|| (named, found.to_string())))
}

/// Whether a client that knows `DOCKER_HOST` and the usual socket alone may come to another engine than this.
#[cfg(feature = "testcontainers")]
pub(crate) fn is_elsewhere(config: &Config, found: &Place) -> bool {
    match &config.docker_host {
        Some(named) => !named.is_variable(),
        None => place(found) != place(&Place::Socket(DEFAULT_SOCKET.into())),
    }
}

/// A place in one of its spellings.
fn place(place: &Place) -> Place {
    match place {
        // `/var/run` is a link to `/run` on most systems.
        Place::Socket(path) => Place::Socket(path.canonicalize().unwrap_or_else(|_| PathBuf::from(path))),
        Place::Tcp(address) => Place::Tcp(spelt(address)),
        Place::Tls(secured) => Place::Tls(secured.at(spelt(&secured.address))),
        Place::Pipe(_) | Place::Ssh(_) => place.clone(),
    }
}

/// `host:port` in one of its spellings.
fn spelt(address: &str) -> String {
    let address = address.to_ascii_lowercase();
    let port = address.strip_prefix("localhost:").or_else(|| address.strip_prefix("[::1]:"));
    port.map_or_else(|| address.clone(), |port| format!("127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Found;

    fn config(docker_host: Option<&str>) -> Config {
        let named = docker_host.map(|host| Found::built("with_docker_host", host.to_owned()));
        Config { docker_host: named, runtime_directory: None, ..Config::load().unwrap() }
    }

    #[test]
    fn only_what_others_would_not_find_is_hidden() {
        let named = |name: &str, origin: &str, value: &str| {
            let found = Found::named(name, origin, value.to_owned());
            let config = Config { docker_host: Some(found), ..Config::load().unwrap() };
            hidden(&config).unwrap().map(|(place, _)| place.to_string())
        };
        let usual = "unix:///var/run/docker.sock";
        assert_eq!(named("DOCKER_HOST", "the environment", "tcp://a:1"), None);
        assert_eq!(named("with_docker_host", "the builder", "tcp://a:1"), None);
        assert_eq!(named("context a", "DOCKER_CONTEXT (the environment)", usual), None);
        assert_eq!(named("context a", "DOCKER_CONTEXT (the environment)", "tcp://a:1").unwrap(), "tcp://a:1");
        assert_eq!(named("docker.host", "a file", "unix:///a.sock").unwrap(), "unix:///a.sock");
    }

    #[test]
    fn an_engine_is_the_same_under_each_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        let [socket, link] = [socket, link].map(|path| format!("unix://{}", path.display()));
        for (ours, theirs, expected) in [
            (None, None, true),
            (Some(socket.as_str()), Some(link.as_str()), true),
            (Some(&socket), Some("unix:///elsewhere.sock"), false),
            (Some("tcp://localhost:2375"), Some("http://127.0.0.1:2375"), true),
            (Some("tcp://localhost:2375"), Some("tcp://localhost:2376"), false),
            (Some(&socket), None, false),
        ] {
            for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
                let found = same(&config(ours), &config(theirs)).unwrap();
                assert_eq!(found, expected, "{ours:?} {theirs:?}");
            }
        }
        let place = Place::Socket(socket.trim_start_matches("unix://").into());
        assert!(leads_to(&config(None), &place).unwrap() && leads_to(&config(Some(&link)), &place).unwrap());
        assert!(!leads_to(&config(Some("tcp://127.0.0.1:2375")), &place).unwrap());
    }
}
