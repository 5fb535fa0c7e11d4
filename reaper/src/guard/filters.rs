//! The session's filters: whoever registered one, it holds for the session, also where its reaper is lost.
//!
//! A process says its own again to the next reaper. Those of processes that have ended are found in the session's folder:
//! all of them where a keeper holds the reaper, so that it can only have been lost; else those of the reaper that this
//! process has lost. A session without a keeper may have had a reaper that has ended as it should, and what it was told
//! then must not be removed for a run that has not asked for it.

use std::path::PathBuf;

use crate::session::{Filter, REAPER, SessionId, folder};

/// What the processes of one session have registered.
#[derive(Debug, Clone)]
pub(super) struct SessionFilters {
    pub(super) session: SessionId,
    /// With whose end the session is over.
    pub(super) runner: Option<String>,
    /// Whether its reaper is held as long as the session goes on.
    pub(super) is_kept: bool,
}

impl SessionFilters {
    /// Writes down what this reaper is about to be told.
    pub(super) fn note(&self, reaper: &str, filters: &[Filter]) {
        let (session, runner) = (self.session.as_str(), self.runner.as_deref());
        // Everybody says this anyway, with each connection.
        let of_reapers = Filter::of_session(session, REAPER, "true");
        let filters: Vec<_> = filters.iter().filter(|filter| **filter != of_reapers).cloned().collect();
        if filters.is_empty() {
            return;
        }
        let noted = root().and_then(|root| folder::note(&root, session, runner, reaper, &filters));
        if let Err(error) = noted {
            tracing::warn!(
                %session, %error,
                "a filter holds as long as this process or this reaper: it cannot be written down for the next one"
            );
        }
    }

    /// What others have registered and this reaper does not know; `lost` is the one before it, on this connection.
    pub(super) fn untold(&self, reaper: &str, lost: Option<&str>) -> Vec<Filter> {
        let lost = match lost {
            _ if self.is_kept => None,
            Some(lost) => Some(lost),
            None => return Vec::new(),
        };
        let untold = root().and_then(|root| folder::untold(&root, self.session.as_str(), reaper, lost));
        untold.unwrap_or_else(|error| {
            let session = &self.session;
            tracing::warn!(%session, %error, "what earlier processes of the session registered is not known");
            Vec::new()
        })
    }
}

fn root() -> std::io::Result<PathBuf> {
    folder::folder()
}
