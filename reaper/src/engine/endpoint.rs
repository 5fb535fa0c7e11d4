//! An engine that was found: its address, and how the containers on it are reached.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::place::Place;
use super::pluggable::{Direct, Handed, Provider};
use crate::settings::Config;

pub(super) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The engine on which a session's reaper runs, for handing on to clients that find engines by less.
///
/// As text it is what `DOCKER_HOST` takes, like `unix:///var/run/docker.sock`. The docker command, testcontainers and
/// bollard find it by [`Endpoint::variables`].
///
/// ```no_run
/// use std::process::Command;
///
/// fn docker() -> reaper::Result<Command> {
///     let mut docker = Command::new("docker");
///     reaper::endpoint()?.set_for(&mut docker);
///     Ok(docker)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
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
    /// What answers for it, where that was handed over.
    pub(crate) handed: Option<Handed>,
}

impl Endpoint {
    /// What there is to know of an engine at this place.
    pub(crate) fn at(config: &Config, place: Place) -> Self {
        let host = config.host.as_ref().map_or_else(|| place.host(), |found| found.value.clone());
        let local = matches!(host.as_str(), "127.0.0.1" | "localhost" | "::1");
        let socket = match (&config.socket, &place) {
            (Some(found), _) => found.value.clone(),
            // Desktop's socket leads into a virtual machine, where the engine has the usual one.
            (None, Place::Socket(path)) if !path.to_string_lossy().contains("/.") => {
                path.to_string_lossy().into_owned()
            }
            (None, Place::Ssh(destination)) => {
                destination.socket.clone().unwrap_or_else(|| DEFAULT_SOCKET.to_owned())
            }
            (None, _) => DEFAULT_SOCKET.to_owned(),
        };
        let named = config.docker_host.as_ref().map(ToString::to_string);
        let origin = named.unwrap_or_else(|| "found at a usual place".to_owned());
        Self { place, origin, host, local, socket, probed: true, handed: None }
    }

    /// What answers for it.
    pub(super) fn provider(&self) -> Arc<dyn Provider> {
        match &self.handed {
            Some(Handed(provider)) => Arc::clone(provider),
            None => Arc::new(Direct::at(&self.place)),
        }
    }

    /// The address of the engine's host on which ports are published; empty for all of its addresses.
    pub(crate) fn publish_on(&self) -> &'static str {
        if self.local { "127.0.0.1" } else { "" }
    }

    /// What `DOCKER_HOST` takes.
    #[must_use]
    pub fn docker_host(&self) -> String {
        self.place.to_string()
    }

    /// Who named it: a setting and its source, or that it was found at a usual place.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The folder with `ca.pem`, `cert.pem` and `key.pem`, where the engine is reached over TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Path> {
        match &self.place {
            Place::Tls(secured) => Some(Path::new(&secured.files.folder.value)),
            _ => None,
        }
    }

    /// The variables by which other clients find this engine, with their values; none for what must not be set.
    ///
    /// `DOCKER_HOST`, and for an engine with TLS `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`. For any other `DOCKER_TLS_VERIFY` and
    /// `DOCKER_TLS` must not be set: the docker command would look for certificates, even for a socket.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, Option<OsString>)> {
        let on = |is_on: bool| is_on.then(|| "1".into());
        let tls = match &self.place {
            Place::Tls(secured) => Some(&secured.files),
            Place::Socket(_) | Place::Pipe(_) | Place::Tcp(_) | Place::Ssh(_) => None,
        };
        let mut variables = vec![
            ("DOCKER_HOST", Some(self.docker_host().into())),
            ("DOCKER_TLS_VERIFY", on(tls.is_some_and(|files| files.verified))),
            // To the docker command it means TLS with whoever answers.
            ("DOCKER_TLS", on(tls.is_some_and(|files| !files.verified))),
        ];
        variables.extend(tls.map(|files| ("DOCKER_CERT_PATH", Some(files.folder.value.clone().into()))));
        variables
    }

    /// Sets [`Endpoint::variables`] for a command.
    pub fn set_for(&self, command: &mut Command) {
        set(command, self.variables());
    }
}

/// Sets variables for a command; none for what must not be there.
pub(crate) fn set(command: &mut Command, variables: Vec<(&'static str, Option<OsString>)>) {
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(formatter)
    }
}
