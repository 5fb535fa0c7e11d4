//! A network for the reaper that is not the engine's usual one: that of the tests' own container, from where nothing else may be
//! reached; or one made by whoever creates the reaper, where the engine has no usual one.

use std::sync::Arc;

use super::search::{Round, Search, cause, short};
use crate::engine::{Container, Engine};
use crate::error::Result;

/// The networks by which containers are reached without joining any, and what is none: Docker's, and Podman's.
const USUAL: [&str; 4] = ["bridge", "podman", "host", "none"];

impl<E: Engine> Search<'_, E> {
    /// Finds the network of the container that this process runs in, once: only for whoever creates a reaper.
    pub(super) async fn look_around(&mut self) {
        if std::mem::replace(&mut self.looked_around, true) || self.own_network.is_some() {
            return;
        }
        let Some(own) = self.plan.own_container() else { return };
        match self.engine.inspect(own).await {
            Ok(Some(container)) => {
                let mut networks = container.networks;
                networks.sort();
                self.own_network = networks.into_iter().find(|name| !USUAL.contains(&name.as_str()));
            }
            // It is another engine's: tests in a container that has an engine of its own.
            Ok(None) => {}
            Err(error) => tracing::debug!(own, %error, "the networks of this container are not known"),
        }
    }

    pub(super) async fn provide_network(&mut self) -> Result<()> {
        if self.own_network.is_none() {
            let (name, labels) = (self.plan.network_name(), self.plan.network_labels());
            self.own_network = Some(self.engine.create_network(&name, &labels).await?);
        }
        Ok(())
    }

    /// Makes room for a reaper with a network: one that has none cannot be reached, and never will be.
    ///
    /// Where none can be made, what is left is the way through the engine, which takes none.
    pub(super) async fn replace_disconnected(&mut self, container: Container) -> Result<Round<E::Stream>> {
        let id = &container.id.clone();
        let is_ours = self.created.as_deref() == Some(id.as_str());
        let had_network = self.own_network.is_some();
        if is_ours || self.is_abandoned(id) {
            // First the network, so that the name is free for no longer than it takes to create again.
            if let Err(error) = self.provide_network().await {
                let later = || Ok(Round::Later(Arc::new(error)));
                return self.join_disconnected(container).await.unwrap_or_else(later);
            }
            if let Err(error) = self.engine.remove_by_force(id).await {
                return Ok(Round::Later(Arc::new(error)));
            }
            // It has not ended by itself.
            (self.created, self.said) = (None, None);
            if !(is_ours && had_network) {
                return Ok(Round::Again);
            }
        }
        Ok(Round::Later(cause(format!("the engine gave the reaper container {} no network", short(id)))))
    }
}
