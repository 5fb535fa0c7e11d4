//! Removing now, because somebody asked for it: past the reaper, which has no word for that, on the thread that holds the connection.

use std::time::Duration;

use tokio::time::timeout;

use super::connection::lock;
use super::supervisor::{ACKNOWLEDGED_WITHIN, Supervisor};
use crate::acquire::forget_values;
use crate::error::{Error, Result};
use crate::removal::{Reaped, Spared, Why, reap};
use crate::session::Filter;

/// For removing what this process registered: what does not go is said after half of it, unless the engine is silent.
const REAPED_WITHIN: Duration = Duration::from_secs(120);

impl Supervisor {
    /// Removes what matches these, or what this process registered and all of its session.
    pub(super) async fn reap(&mut self, filters: Option<Vec<Filter>>, why: Why) -> Result<Reaped> {
        let is_all = filters.is_none();
        let all = || {
            let mut filters = self.filters.clone();
            // Whatever is to stay otherwise: this was asked for.
            filters.push(Filter::session(&self.plan.session));
            filters
        };
        let filters = filters.unwrap_or_else(all);
        let engine = &self.plan.endpoint;
        let reaped = timeout(REAPED_WITHIN, reap(engine, &filters, Spared::WhatIsReapers)).await;
        if let Ok(Ok(reaped)) = &reaped {
            self.write_down(reaped, why);
        }
        if is_all {
            self.forget_values().await;
        }
        let silent = || format!("what the engine has not answered about within {REAPED_WITHIN:?}");
        reaped.unwrap_or_else(|_| Err(Error::LeftBehind { left: vec![silent()] }))
    }

    /// What shared values stand for has been removed.
    async fn forget_values(&mut self) {
        let Some(token) = lock(&self.line).token() else { return };
        let forgotten =
            self.asks(async |stream| timeout(ACKNOWLEDGED_WITHIN, forget_values(stream, &token)).await).await;
        if let Err(error) = forgotten.map_err(std::io::Error::from).flatten() {
            // The end of the stream, or an answer that comes late, is seen next.
            tracing::warn!(session = %self.plan.session, %error, "shared values may be of what was removed");
        }
    }
}
