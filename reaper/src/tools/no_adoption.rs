//! Where there are no Unix sockets over which to create for a session.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::session::Filter;
use crate::settings::Keep;

/// Never had here.
#[derive(Debug)]
pub(crate) enum Adoption {}

impl Adoption {
    pub(crate) fn begin(_reaper: &Reaper, _keep: Keep) -> Result<Self> {
        let problem = "there are no Unix sockets on this platform";
        Err(Error::Adoption { source: Arc::new(io::Error::new(io::ErrorKind::Unsupported, problem)) })
    }

    pub(crate) fn filter(&self) -> &Filter {
        match *self {}
    }

    pub(crate) fn variables(&self) -> Vec<(&'static str, Option<OsString>)> {
        match *self {}
    }
}
