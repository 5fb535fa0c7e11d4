//! What is created by who knows nothing of sessions is a session's: by its labels, and by one more.
//!
//! The one more is for those who have a session id of their own, as other clients of the family do: theirs stays, and what
//! they create is removed with this session all the same.

use std::ffi::OsString;
use std::sync::Arc;

use super::creation::Labels;
use super::socket::Socket;
use crate::engine::Endpoint;
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::session::{ADOPTED, Filter, KEEP};
use crate::settings::{Config, FAMILY_HOST, Keep};

/// By which users of other clients often switch these clients' own reapers off.
const DISABLED: &str = "TESTCONTAINERS_RYUK_DISABLED";

/// A socket whose users' things are the session's, for as long as this is held.
#[derive(Debug)]
pub(crate) struct Adoption {
    socket: Socket,
    engine: Endpoint,
    filter: Filter,
}

impl Adoption {
    /// Opens a socket in front of the session's engine.
    pub(crate) fn begin(reaper: &Reaper, keep: Keep) -> Result<Self> {
        if reaper.endpoint().is_none() {
            return Err(Error::Setting {
                name: DISABLED.into(),
                origin: "the environment or the properties file".into(),
                value: "true".into(),
                expected: format!(
                    "absent, since nothing that is adopted would be removed; for a command alone: `reaper run --adopt -- env \
                     {DISABLED}=true <command>`"
                ),
            });
        }
        if let Some(named) = Config::load()?.docker_host.filter(|found| found.name == FAMILY_HOST) {
            return Err(named.refuse(
                "absent, since clients that obey it go past the socket for what is adopted: name the engine with \
                 DOCKER_HOST or docker.host",
            ));
        }
        let engine = reaper.engine()?;
        let mut labels: Labels = reaper.session_labels().iter().collect();
        labels.set(ADOPTED, reaper.session().as_str());
        if keep == Keep::OnFailure {
            // Not the mark of this process, which lets pass what it made itself.
            labels.set(KEEP, &format!("on-failure.{}", reaper.session()));
        }
        let filter = Filter::label(ADOPTED, reaper.session().as_str())?;
        let socket =
            Socket::open(&engine, labels).map_err(|error| Error::Adoption { source: Arc::new(error) })?;
        Ok(Self { socket, engine, filter })
    }

    /// What matches all that was created over the socket.
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What has to be in the environment of whoever is to use the socket; none for what must not be there.
    pub(crate) fn variables(&self) -> Vec<(&'static str, Option<OsString>)> {
        let mut address = OsString::from("unix://");
        address.push(self.socket.path());
        let mut variables = vec![
            ("DOCKER_HOST", Some(address)),
            // A Ryuk of another client is a container, and so has to have the engine's own socket.
            ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", Some(self.engine.socket.clone().into())),
            // The socket is plain, whatever the engine is reached by.
            ("DOCKER_TLS_VERIFY", None),
            ("DOCKER_TLS", None),
            ("DOCKER_CERT_PATH", None),
        ];
        if !self.engine.local {
            variables.push(("TESTCONTAINERS_HOST_OVERRIDE", Some(self.engine.host.clone().into())));
        }
        variables
    }
}
