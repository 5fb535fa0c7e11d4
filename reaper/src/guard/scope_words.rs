//! What the thread says to the reaper of scopes: which begin, which are held again over the next connection, which have ended.

use std::io::{self, Write as _};
use std::sync::Arc;

use tokio::time::timeout;

use super::connection::lock;
use super::supervisor::{ACKNOWLEDGED_WITHIN, Supervisor};
use crate::acquire::{Plan, ScopeWord, WireError, answers, scope};
use crate::error::{Error, Result};
use crate::session::Filter;

/// Somebody whose connection breaks in the middle of a word says it over the next one, and no more than that.
const ATTEMPTS_OVER_ONE_CONNECTION: usize = 2;

impl Supervisor {
    /// Holds a scope for one guard more. What is to be ended is said before, for it may be the same.
    pub(super) async fn begin_scope(&mut self, filter: Filter) -> Result<()> {
        self.end_scopes().await;
        if lock(&self.line).scopes.join(&filter) {
            return Ok(());
        }
        for _ in 0..ATTEMPTS_OVER_ONE_CONNECTION {
            match timeout(ACKNOWLEDGED_WITHIN, scope(&mut self.stream, ScopeWord::Begin, &filter)).await {
                Ok(Ok(())) => {
                    let mut line = lock(&self.line);
                    let mark = line.mark();
                    line.scopes.begun(filter, mark);
                    return Ok(());
                }
                Ok(Err(WireError::Refused { answer })) => {
                    return Err(Error::FilterRefused { filter: filter.to_string(), answer });
                }
                Err(_) | Ok(Err(WireError::Broken(_) | WireError::Foreign { .. })) => self.restore().await?,
            }
        }
        let source = Arc::new(io::Error::from(io::ErrorKind::BrokenPipe));
        Err(Error::Engine { operation: "tell the reaper of a scope".into(), source })
    }

    /// Has the next connection hold what the last one held.
    pub(super) async fn hold_scopes_again(&mut self) {
        let (reaper, scopes) = {
            let line = lock(&self.line);
            let reaper = line.mark();
            let scopes = line.scopes.held(&reaper);
            (reaper, scopes)
        };
        for (filter, is_known) in scopes {
            let word = if is_known { ScopeWord::Again } else { ScopeWord::Begin };
            match timeout(ACKNOWLEDGED_WITHIN, scope(&mut self.stream, word, &filter)).await {
                Ok(Ok(())) => lock(&self.line).scopes.told(&filter, &reaper),
                Ok(Err(WireError::Refused { answer })) => {
                    lock(&self.line).scopes.lose(&filter);
                    warn_lost(&self.plan, &filter, &answer);
                }
                // The end of the stream is seen next, and all of it is said again then.
                Err(_) | Ok(Err(WireError::Broken(_) | WireError::Foreign { .. })) => return,
            }
        }
    }

    /// Says which scopes have ended. What is not heard of is over with the connection.
    pub(super) async fn end_scopes(&mut self) {
        for _ in 0..ATTEMPTS_OVER_ONE_CONNECTION {
            match self.say_ends().await {
                Ok(()) => return,
                Err(_) if lock(&self.line).released => return,
                Err(error) => {
                    tracing::debug!(session = %self.plan.session, %error, "the end of a scope is said again");
                    // That there is no connection is seen, and told, by who reads from it next.
                    if self.restore().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn say_ends(&mut self) -> io::Result<()> {
        let owed = {
            let mut line = lock(&self.line);
            // Whoever dropped the last guard has said it.
            if line.released {
                return Ok(());
            }
            let unsaid = line.scopes.say();
            if line.socket_takes(unsaid.as_bytes())? { line.scopes.owed() } else { 0 }
        };
        let answered = timeout(ACKNOWLEDGED_WITHIN, answers(&mut self.stream, owed)).await??;
        lock(&self.line).scopes.answered();
        if let Some(answer) = answered.iter().find(|answer| *answer != "ACK") {
            tracing::warn!(session = %self.plan.session, answer, "a scope goes with the session");
        }
        Ok(())
    }
}

/// Past the harness, which shows what a test prints only when that fails: what the test works with is gone.
fn warn_lost(plan: &Plan, filter: &Filter, answer: &str) {
    tracing::error!(session = %plan.session, %filter, answer, "what a test created was removed while it runs");
    // Nobody may be there to read it.
    let _ = writeln!(
        io::stderr(),
        "warning: a test of session {} was away from its reaper for longer than that waits, and what it had created is \
         removed: it was stopped, or the engine was ({filter})",
        plan.session,
    );
}
