//! What the thread says to the reaper of scopes: which begin, which are held again over the next connection, which have ended;
//! and how it takes turns with the drops that say the last.

use std::io::{self, Write as _};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::asking::Asking;
use super::connection::lock;
use super::supervisor::{ACKNOWLEDGED_WITHIN, Supervisor};
use crate::acquire::{Plan, ScopeWord, WireError, next_answer, scope};
use crate::error::{Error, Result};
use crate::session::Filter;

/// Somebody whose connection breaks in the middle of a word says it over the next one, and no more than that.
const ATTEMPTS_OVER_ONE_CONNECTION: usize = 2;

impl Supervisor {
    /// Asks for something whose answer must not be taken for another's: drops say nothing meanwhile, and what they have said
    /// is answered before. Where it is not, the stream is broken, and this fails with it.
    pub(super) async fn asks<T>(&mut self, ask: impl AsyncFnOnce(&mut TcpStream) -> T) -> T {
        let _asking = loop {
            let asking = Asking::begin(&self.line);
            if asking.is_some() {
                break asking;
            }
            if self.hear_ends().await.is_err() {
                lock(&self.line).shut();
                break None;
            }
        };
        ask(&mut self.stream).await
    }

    /// Holds a scope for one guard more. What is to be ended is said before, for it may be the same.
    pub(super) async fn begin_scope(&mut self, filter: Filter) -> Result<()> {
        self.end_scopes().await;
        if lock(&self.line).scopes.join(&filter) {
            return Ok(());
        }
        for _ in 0..ATTEMPTS_OVER_ONE_CONNECTION {
            match self.says_of_scope(ScopeWord::Begin, &filter).await {
                Ok(()) => {
                    let mut line = lock(&self.line);
                    let mark = line.mark();
                    line.scopes.begun(filter, mark);
                    return Ok(());
                }
                Err(WireError::Refused { answer }) => {
                    return Err(Error::FilterRefused { filter: filter.to_string(), answer });
                }
                Err(WireError::Broken(_) | WireError::Foreign { .. }) => self.restore().await?,
            }
        }
        let source = Arc::new(io::Error::from(io::ErrorKind::BrokenPipe));
        Err(Error::Engine { operation: "tell the reaper of a scope".into(), source })
    }

    /// Has the next connection hold what the last one held. Nobody ends one of them before it is held again: that would
    /// never end.
    pub(super) async fn hold_scopes_again(&mut self) {
        let (reaper, scopes) = {
            let line = lock(&self.line);
            let reaper = line.mark();
            let scopes = line.scopes.held(&reaper);
            (reaper, scopes)
        };
        for (filter, is_known) in scopes {
            let word = if is_known { ScopeWord::Again } else { ScopeWord::Begin };
            match self.says_of_scope(word, &filter).await {
                Ok(()) => lock(&self.line).scopes.told(&filter, &reaper),
                Err(WireError::Refused { answer }) => {
                    lock(&self.line).scopes.lose(&filter);
                    warn_lost(&self.plan, &filter, &answer);
                }
                // The end of the stream is seen next, and all of it is said again then.
                Err(WireError::Broken(_) | WireError::Foreign { .. }) => return,
            }
        }
    }

    async fn says_of_scope(&mut self, word: ScopeWord, filter: &Filter) -> Result<(), WireError> {
        let asked =
            self.asks(async |stream| timeout(ACKNOWLEDGED_WITHIN, scope(stream, word, filter)).await).await;
        asked.unwrap_or_else(|late| Err(WireError::Broken(late.into())))
    }

    /// Has the reaper know which scopes have ended. What is not heard of is over with the connection.
    pub(super) async fn end_scopes(&mut self) {
        for _ in 0..ATTEMPTS_OVER_ONE_CONNECTION {
            lock(&self.line).say_ends();
            match self.hear_ends().await {
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

    /// Hears what is answered to the ends that were said, also to those that are said meanwhile.
    async fn hear_ends(&mut self) -> io::Result<()> {
        let mut heard = Vec::new();
        loop {
            {
                let line = lock(&self.line);
                if line.scopes.owed() == 0 {
                    return Ok(());
                }
                // Whoever dropped the last guard has said the last word.
                if line.released {
                    return Err(io::ErrorKind::NotConnected.into());
                }
            }
            let answer = timeout(ACKNOWLEDGED_WITHIN, next_answer(&mut self.stream, &mut heard)).await??;
            lock(&self.line).scopes.answered();
            if answer != "ACK" {
                tracing::warn!(session = %self.plan.session, answer, "a scope goes with the session");
            }
        }
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
