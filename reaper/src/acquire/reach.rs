//! What a search does about a reaper that runs: goes one of the ways to it, and registers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::proof::Expected;
use super::route::{Lead, Registration, is_foreign, lead, program, register};
use super::search::{Acquired, Round, Search, cause};
use crate::engine::{Container, Engine, Exec};
use crate::error::{Error, Result};
use crate::settings::Transport;

const LONGEST_PATIENCE: Duration = Duration::from_secs(10);

/// For what goes through the engine: it starts a process, and may have others to start.
const ENGINES_PATIENCE: Duration = Duration::from_secs(10);

impl<E: Engine> Search<'_, E> {
    /// Whether a reaper that runs has to be made again with a network, to be reached.
    pub(super) fn needs_network(&self, container: &Container) -> bool {
        let is_joined = self.plan.config.transport == Transport::Exec;
        !container.connected && container.publishes && !is_joined
    }

    /// Connects to a reaper that runs, and registers.
    pub(super) async fn connect(&mut self, container: Container) -> Result<Round<E::Stream>> {
        let tried = self.tried.of(&container.id);
        let is_first = tried.fruitless == 0;
        let is_in_vain = tried.is_in_vain() || (is_first && self.plan.is_dialled_in_vain());
        let lead = match lead(self.plan.config.transport, &container, is_in_vain) {
            Ok(Some(lead)) => lead,
            Ok(None) => {
                self.tried.note();
                return Ok(Round::Later(cause("the reaper's port is not published yet".into())));
            }
            Err(problem) => return Err(self.unreachable(&container, problem).await),
        };
        self.follow(lead, container).await
    }

    async fn follow(&mut self, lead: Lead, container: Container) -> Result<Round<E::Stream>> {
        let expected = Expected::of(&container);
        let joined = match &lead {
            Lead::Port(_) => None,
            Lead::Program(program) => Some(Box::new(Exec {
                place: self.plan.endpoint.place.clone(),
                container: container.id.clone(),
                program: program.clone(),
            })),
        };
        let patience = self.patience * u32::try_from(self.filters.len().max(1)).unwrap_or(u32::MAX);
        let patience = if joined.is_some() { patience.max(ENGINES_PATIENCE) } else { patience };
        let at = lead.to_string();
        let id = container.id.clone();
        let mut registration: Registration<'_, E::Stream> =
            Box::pin(register(self.engine, self.filters, lead, id, expected.clone()));
        match timeout(patience, &mut registration).await {
            Ok(Ok((stream, said))) => {
                let created = self.created.as_deref() == Some(container.id.as_str());
                let greeted = expected.zip(said);
                if joined.is_some() && self.plan.config.transport == Transport::Auto && container.publishes {
                    tracing::info!(container = self.name, "no port leads to the reaper, but the engine does");
                    self.plan.remember_vain_dialling();
                }
                Ok(Round::Acquired(Acquired { stream, joined, container: container.id, greeted, created }))
            }
            Ok(Err(error @ Error::FilterRefused { .. })) => self.replace_useless(&container, error).await,
            Ok(Err(error)) => {
                // Where another reaper answers, whoever chose the address has to know.
                if !is_foreign(&error) {
                    self.tried.of(&container.id).note();
                }
                Ok(Round::Later(Arc::new(error)))
            }
            Err(_) => {
                self.unanswered = Some(registration);
                self.patience = LONGEST_PATIENCE.min(self.patience * 2);
                self.tried.of(&container.id).note();
                Ok(Round::Later(cause(format!("the reaper did not answer {at} within {patience:?}"))))
            }
        }
    }

    /// Reaches through the engine what has no network and gets none; none where it has no program for that.
    pub(super) async fn join_disconnected(
        &mut self,
        container: Container,
    ) -> Option<Result<Round<E::Stream>>> {
        if self.plan.config.transport == Transport::Tcp {
            return None;
        }
        let program = program(&container)?.to_owned();
        Some(self.follow(Lead::Program(program), container).await)
    }

    /// The error for a reaper that cannot be reached as it was asked for; what was made for that goes.
    async fn unreachable(&mut self, container: &Container, problem: &'static str) -> Error {
        if self.created.take_if(|created| *created == container.id).is_some()
            && let Err(error) = self.engine.remove_by_force(&container.id).await
        {
            tracing::warn!(container = self.name, error = error.report(), "a useless reaper may be left");
        }
        let (name, image) = (self.name.clone(), container.image.clone());
        Error::Unreachable { name, image, problem }
    }
}
