//! Removing a session, or its orphans alone.
//!
//! The reaper container goes last: should this process be ended half-way, or something not go, it is still there to
//! remove the rest. Asking the reaper to do it all was rejected: it does so only when nobody is connected any more.

use std::io;

use super::listing::{Resource, Session, resource, resources};
use crate::engine::{self, Inventory, Kind, Sought};
use crate::removal::reap::{Spared, reap_what_goes};
use crate::removal::sweep::Orphans;
use crate::session::Filter;

/// How removing a session ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal {
    /// What is gone, in the order of [`Kind`]; the reaper container among it.
    pub removed: Vec<Resource>,
    /// What is not, and why, a line each.
    pub left: Vec<String>,
}

impl Session {
    /// Removes everything of it, its reaper container last; takes up to a minute where something will not go.
    ///
    /// What still runs of the session is not asked. Where one of its processes is connected to the reaper, it makes
    /// another one.
    pub async fn remove(&self) -> Removal {
        self.remove_from(&self.engine).await
    }

    /// Removes its orphans, as [`Session::orphans`] gives them; of the reaper containers those that nobody has started
    /// since.
    pub async fn remove_orphans(&self) -> Removal {
        self.remove_orphans_from(&self.engine).await
    }

    async fn remove_orphans_from<I: Inventory>(&self, engine: &I) -> Removal {
        let orphans = Orphans::of(&self.id, &self.found);
        let (reaped, left) = reap_what_goes(engine, &orphans.filters, Spared::Reapers).await;
        let mut removal = Removal { removed: resources(&reaped), left };
        let reapers = self.found.iter().filter(|found| orphans.reapers.contains(&found.id));
        for reaper in reapers {
            match engine.remove_idle(&reaper.id).await {
                engine::Removal::Removed => removal.removed.push(resource(reaper)),
                // Not an orphan any more, or somebody else's to tell of.
                engine::Removal::UnderWay => {}
                engine::Removal::Failed(error) => removal.leave(reaper, &error),
            }
        }
        removal
    }

    async fn remove_from<I: Inventory>(&self, engine: &I) -> Removal {
        let filters = [Filter::found_session(&self.id)];
        let (reaped, left) = reap_what_goes(engine, &filters, Spared::WhatIsReapers).await;
        let mut removal = Removal { removed: resources(&reaped), left };
        if !removal.left.is_empty() {
            removal.left.push("the reaper container, which tries again when the session is over".to_owned());
            return removal;
        }
        match engine.list(Kind::Container, Sought::AnyOf(&filters)).await {
            Ok(found) => {
                for reaper in found.iter().filter(|found| found.is_reaper()) {
                    removal.remove(engine, reaper).await;
                }
            }
            Err(error) => removal.left.push(format!("the list of containers: {error}")),
        }
        // A network of the reaper's own has nobody on it now.
        let (reaped, left) = reap_what_goes(engine, &filters, Spared::Reapers).await;
        removal.removed.extend(resources(&reaped));
        removal.left.extend(left);
        removal
    }
}

impl Removal {
    async fn remove<I: Inventory>(&mut self, engine: &I, found: &engine::Resource) {
        match engine.remove(found.kind, &found.id).await {
            engine::Removal::Removed | engine::Removal::UnderWay => self.removed.push(resource(found)),
            engine::Removal::Failed(error) => self.leave(found, &error),
        }
    }

    fn leave(&mut self, found: &engine::Resource, why: &io::Error) {
        self.left.push(format!("{} {}: {why}", found.kind, resource(found)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::{Shelf, resource as thing};
    use crate::engine::{Place, State};
    use crate::session::{Owner, PROCESS, REAPER, RYUK, SESSION};

    fn session() -> Session {
        Session { id: "ours".into(), found: Vec::new(), engine: Place::Tcp("nowhere:1".into()) }
    }

    fn shelf() -> Shelf {
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().extend([
            thing(Kind::Container, "c", &[(SESSION, "ours")]),
            thing(Kind::Container, "reaper", &[(SESSION, "ours"), (REAPER, "true"), (RYUK, "true")]),
            thing(Kind::Network, "reaper's", &[(SESSION, "ours"), (REAPER, "true")]),
            thing(Kind::Volume, "v", &[(SESSION, "ours")]),
            thing(Kind::Volume, "theirs", &[(SESSION, "ours-too")]),
        ]);
        shelf
    }

    #[tokio::test(start_paused = true)]
    async fn the_reaper_goes_last_and_its_network_after_it() {
        let shelf = shelf();
        let removal = session().remove_from(&shelf).await;
        let expected = ["container c", "volume v", "container reaper", "network reaper's"];
        assert_eq!(*shelf.order.borrow(), expected);
        assert_eq!((removal.removed.len(), removal.left), (4, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reaper_that_was_started_while_somebody_was_asked_stays() {
        let here = Owner::this().expect("this platform tells");
        let gone = format!("{}.1@{}", std::process::id(), here.split_once('@').unwrap().1);
        let half_made =
            |id| thing(Kind::Container, id, &[(SESSION, "ours"), (PROCESS, &gone), (RYUK, "true")]);
        let session = Session { found: vec![half_made("started"), half_made("idle")], ..session() };
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().extend(session.found.clone());
        shelf.resources.borrow_mut()[0].state = Some(State::Running);
        let removal = session.remove_orphans_from(&shelf).await;
        assert_eq!(*shelf.order.borrow(), ["container idle"]);
        assert_eq!((removal.removed.len(), removal.left), (1, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reaper_stays_while_something_is_left_for_it() {
        let shelf = shelf();
        let busy = || ("v", engine::Removal::Failed(io::Error::other("volume is in use")));
        shelf.scripted.borrow_mut().extend((0..1000).map(|_| busy()));
        let removal = session().remove_from(&shelf).await;
        assert!(removal.left[0].contains("volume v: volume is in use"), "{removal:?}");
        assert!(!shelf.order.borrow().contains(&"container reaper".to_owned()), "{removal:?}");
        assert_eq!(removal.removed.len(), 1, "{removal:?}");
    }
}
