//! What a search does about a reaper of its own that ends, or that works for nobody with the hardening it has.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::aftermath::{AFTERMATH, undone};
use super::patience::ASKED_AGAIN_AFTER;
use super::search::{FIRST_DELAY, LONGEST_DELAY, Round, Search};
use crate::engine::{Concessions, Container, Engine};
use crate::error::{Error, Result};

impl<E: Engine> Search<'_, E> {
    /// Waits before the next round, or until the reaper that this process created has ended.
    pub(super) async fn pause(&mut self) -> Result<()> {
        let delay = self.backoff.next().unwrap_or(LONGEST_DELAY);
        let delay = if self.refusals.are_pending() { delay.min(ASKED_AGAIN_AFTER) } else { delay };
        let Some(said) = &mut self.said else {
            sleep(delay).await;
            return Ok(());
        };
        let Ok(said) = timeout(delay, said).await else { return Ok(()) };
        (self.created, self.said) = (None, None);
        if self.concede(&said.join("\n")) {
            return Ok(());
        }
        if let Some(error) = self.endings.stay(&self.image, &said) {
            return Err(error);
        }
        sleep(FIRST_DELAY).await;
        Ok(())
    }

    /// Leaves more out of the hardening, if what was said is due to it; gives whether it does.
    pub(super) fn concede(&mut self, said: &str) -> bool {
        let made = self.concessions;
        let more = Some(said).filter(|_| self.plan.hardens(&self.image)).and_then(|said| made.after(said));
        if let Some(more) = more {
            tracing::info!(
                container = self.name,
                concessions = more.write(),
                "the hardening is too much here"
            );
            self.concessions = more;
            self.plan.remember(more);
        }
        more.is_some()
    }

    /// Removes a container of ours that has not acknowledged anything to us. One of the embedded server ends by itself; of
    /// another image it may be anything, and run for ever.
    pub(super) async fn remove_what_never_answered(&mut self) {
        let Some(id) = self.created.take().filter(|_| !self.image.is_embedded()) else { return };
        if let Some(problem) = undone(timeout(AFTERMATH, self.engine.remove_by_force(&id)).await) {
            tracing::warn!(container = self.name, problem, "a container that is no reaper may be left");
        }
    }

    /// Replaces a reaper that cannot reach its engine for the hardening's sake; it has acknowledged nothing to anybody.
    pub(super) async fn replace_useless(
        &mut self,
        container: &Container,
        error: Error,
    ) -> Result<Round<E::Stream>> {
        let made = Concessions::of(&container.labels);
        self.concessions = self.concessions.and(made);
        if made.after(&error.report()).is_none() || !self.plan.hardens(&self.image) {
            return Err(error);
        }
        self.concede(&error.report());
        (self.created, self.said) = (None, None);
        match self.engine.remove_by_force(&container.id).await {
            Ok(()) => Ok(Round::Again),
            Err(error) => Ok(Round::Later(Arc::new(error))),
        }
    }

    /// Whether the engine has refused it again and again.
    pub(super) fn stays(&mut self, error: &Error) -> bool {
        self.refusals.stay(error, &self.plan.memory, || self.plan.owning_runner())
    }

    /// Something could not be brought: later, unless the engine refuses it again and again.
    pub(super) fn missing(&mut self, error: Error) -> Result<Round<E::Stream>> {
        match error {
            Error::Refused { .. } if self.stays(&error) => Err(error),
            _ => Ok(Round::Later(Arc::new(error))),
        }
    }
}
