//! Whether an engine that is named by an address is spoken to over TLS, and with which files.

use super::sources::{Found, Sources};
use crate::error::Result;

/// What the settings say of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificates {
    /// `DOCKER_TLS_VERIFY`, `docker.tls.verify`: `tcp://` means TLS. Of a context: whether it has files for it.
    pub(crate) demanded: bool,
    /// `DOCKER_CERT_PATH`, `docker.cert.path`, else the folder of the docker command's own files.
    pub(crate) folder: Option<Found>,
    /// Whether it matters whose certificate the engine has; a context may say that it does not.
    pub(crate) verified: bool,
}

impl Certificates {
    /// Of an engine that has none.
    pub(super) const NONE: Self = Self { demanded: false, folder: None, verified: true };

    pub(super) fn find(sources: &Sources<'_>) -> Result<Self> {
        Ok(Self {
            demanded: sources.switch(&["DOCKER_TLS_VERIFY"], "docker.tls.verify", false)?,
            folder: sources.find(&["DOCKER_CERT_PATH"], &["docker.cert.path"]).map(super::as_absolute),
            verified: true,
        })
    }
}
