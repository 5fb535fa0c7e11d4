//! What ended sessions left because their reaper was killed with nobody there to replace it: their orphans.
//!
//! Whoever creates a session's reaper looks once. An orphan is what carries the mark of a runner and of a process
//! that have both provably ended (see `owner`), and whose session has no reaper that runs or is about to. It is
//! told to the new reaper at once, so that it goes at the end of this session at the latest, and removed
//! meanwhile. Looking in every process was rejected: it would cost each test a list.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::reap::{Spared, reap};
use crate::engine::{Inventory, Removal, Resource, Sought};
use crate::session::{Filter, KEEP, PROCESS, RUNNER, SESSION, owner_is_gone};
use crate::settings::Sweep;

/// What nobody else will remove.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Orphans {
    /// What their processes made, a filter for each process: one process kept all or nothing.
    pub(crate) filters: Vec<Filter>,
    /// Reaper containers that were created and never started, or have ended and were not removed.
    pub(crate) reapers: Vec<String>,
}

/// Looks for orphans of other sessions than this.
pub(crate) async fn look<I: Inventory>(engine: &I, session: &str, sweep: Sweep) -> io::Result<Orphans> {
    if sweep == Sweep::Nothing {
        return Ok(Orphans::default());
    }
    let mut sessions: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
    let listed = engine.list_all(Sought::Key(PROCESS)).await.map_err(|unlisted| unlisted.problem)?;
    for resource in listed {
        if let Some(of) = resource.labels.get(SESSION).filter(|of| *of != session) {
            sessions.entry(of.clone()).or_default().push(resource);
        }
    }
    let mut orphans = Orphans::default();
    for (session, resources) in sessions {
        orphans.add(&session, &resources, sweep);
    }
    Ok(orphans)
}

/// The mark of the process that made a resource, if that and its runner have provably ended.
///
/// Of a reaper that does not run the process is enough where nobody knows the runner: it guards nothing, and who
/// comes to its session after all makes another.
fn maker(resource: &Resource) -> Option<&String> {
    let gone = |label| resource.labels.get(label).map(|mark| owner_is_gone(mark));
    let over = gone(RUNNER).unwrap_or(resource.is_reaper() && !resource.runs());
    (over && gone(PROCESS) == Some(true)).then(|| resource.labels.get(PROCESS))?
}

impl Orphans {
    /// The orphans among all that is there of a session.
    #[cfg(feature = "cli")]
    pub(crate) fn of(session: &str, resources: &[Resource]) -> Self {
        let mut orphans = Self::default();
        orphans.add(session, resources, Sweep::Orphans);
        orphans
    }

    fn add(&mut self, session: &str, resources: &[Resource], sweep: Sweep) {
        // A reaper at work, or about to be, knows better: it may be held by a process that made nothing here.
        let tended =
            |resource: &Resource| resource.is_reaper() && (resource.runs() || maker(resource).is_none());
        if resources.iter().any(tended) {
            return;
        }
        let mut processes = BTreeSet::new();
        for resource in resources {
            let Some(process) = maker(resource) else { continue };
            if resource.is_reaper() {
                self.reapers.push(resource.id.clone());
            } else if sweep == Sweep::All || !resource.labels.contains_key(KEEP) {
                processes.insert(process);
            }
        }
        let filter = |process: &String| Filter::of_session(session, PROCESS, process);
        self.filters.extend(processes.into_iter().map(filter));
    }

    /// Whether it is one of them.
    #[cfg(feature = "cli")]
    pub(crate) fn include(&self, resource: &Resource) -> bool {
        if resource.is_reaper() {
            return self.reapers.contains(&resource.id);
        }
        self.filters.iter().any(|filter| filter.matches(&resource.labels))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.reapers.is_empty()
    }

    /// Removes them, as far as there is time.
    pub(crate) async fn remove<I: Inventory>(self, engine: &I) {
        for id in &self.reapers {
            if let Removal::Failed(error) = engine.remove_idle(id).await {
                tracing::warn!(container = id, %error, "the reaper of an ended session is left");
            }
        }
        match reap(engine, &self.filters, Spared::Reapers).await {
            Ok(reaped) => tracing::info!(
                services = reaped.services.len(),
                containers = reaped.containers.len(),
                networks = reaped.networks.len(),
                volumes = reaped.volumes.len(),
                images = reaped.images.len(),
                configs = reaped.configs.len(),
                secrets = reaped.secrets.len(),
                "what ended sessions left was removed"
            ),
            Err(error) => tracing::warn!(error = error.report(), "what ended sessions left is there still"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::{Shelf, resource};
    use crate::engine::{Kind, State};
    use crate::platform::Process;
    use crate::session::{Owner, RYUK};

    /// The marks of a process that runs and of one that has ended.
    fn marks() -> (String, String) {
        let here = Owner::this().expect("this platform tells");
        let (_, host) = here.split_once('@').unwrap();
        (here.clone(), format!("{}.1@{host}", Process::this().id))
    }

    fn labels<'a>(session: &'a str, runner: &'a str, process: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![(SESSION, session), (RUNNER, runner), (PROCESS, process)]
    }

    async fn swept(shelf: &Shelf, sweep: Sweep) -> Vec<String> {
        let orphans = look(shelf, "ours", sweep).await.unwrap();
        if !orphans.is_empty() {
            orphans.remove(shelf).await;
        }
        std::mem::take(&mut *shelf.order.borrow_mut())
    }

    #[tokio::test(start_paused = true)]
    async fn what_lost_its_runner_its_maker_and_its_reaper_goes() {
        let (_, gone) = marks();
        let shelf = Shelf::default();
        let dead = labels("dead", &gone, &gone);
        let mut reaper = dead.clone();
        reaper.push((RYUK, "true"));
        shelf.resources.borrow_mut().extend([
            resource(Kind::Container, "c", &dead),
            resource(Kind::Network, "n", &dead),
            resource(Kind::Volume, "v", &dead),
            resource(Kind::Image, "i", &dead),
            resource(Kind::Container, "reaper", &reaper),
        ]);
        assert_eq!(swept(&shelf, Sweep::Nothing).await, Vec::<String>::new());
        let all = ["container reaper", "container c", "network n", "volume v", "image i"];
        assert_eq!(swept(&shelf, Sweep::Orphans).await, all);
        assert_eq!(swept(&shelf, Sweep::Orphans).await, Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_somebody_may_still_want_stays() {
        let (alive, gone) = marks();
        let elsewhere = gone.replace('@', "@another-");
        let shelf = Shelf::default();
        let mut resources = vec![
            resource(Kind::Container, "runner lives", &labels("1", &alive, &gone)),
            resource(Kind::Container, "maker lives", &labels("2", &gone, &alive)),
            resource(Kind::Container, "elsewhere", &labels("3", &elsewhere, &elsewhere)),
            resource(Kind::Container, "our session", &labels("ours", &gone, &gone)),
            resource(Kind::Container, "named session", &[(SESSION, "4"), (PROCESS, &gone)]),
            resource(Kind::Container, "no session", &[(RUNNER, &gone), (PROCESS, &gone)]),
            resource(Kind::Container, "has a reaper", &labels("5", &gone, &gone)),
            resource(Kind::Container, "will have a reaper", &labels("6", &gone, &gone)),
        ];
        let mut runs = labels("5", &gone, &gone);
        runs.push((RYUK, "true"));
        let mut runs = resource(Kind::Container, "a reaper", &runs);
        runs.state = Some(State::Running);
        let mut created = labels("6", &gone, &alive);
        created.push((RYUK, "true"));
        resources.extend([runs, resource(Kind::Container, "a new reaper", &created)]);
        shelf.resources.borrow_mut().extend(resources);
        assert_eq!(swept(&shelf, Sweep::All).await, Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reaper_that_never_ran_goes_with_its_maker_also_where_the_session_was_named() {
        let (alive, gone) = marks();
        let shelf = Shelf::default();
        let reaper = |session, maker| [(SESSION, session), (PROCESS, maker), (RYUK, "true")];
        shelf.resources.borrow_mut().extend([
            resource(Kind::Container, "half-made", &reaper("1", &gone)),
            resource(Kind::Container, "being made", &reaper("2", &alive)),
        ]);
        assert_eq!(swept(&shelf, Sweep::Orphans).await, ["container half-made"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reaper_that_was_started_since_it_was_listed_stays() {
        let (_, gone) = marks();
        let shelf = Shelf::default();
        let reaper = [(SESSION, "1"), (PROCESS, gone.as_str()), (RYUK, "true")];
        shelf.resources.borrow_mut().push(resource(Kind::Container, "half-made", &reaper));
        let orphans = look(&shelf, "ours", Sweep::Orphans).await.unwrap();
        shelf.resources.borrow_mut()[0].state = Some(State::Running);
        orphans.remove(&shelf).await;
        assert_eq!(*shelf.order.borrow(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_kept_goes_when_that_is_asked_for() {
        let (_, gone) = marks();
        let shelf = Shelf::default();
        let mut kept = labels("dead", &gone, &gone);
        kept.push((KEEP, "always"));
        shelf.resources.borrow_mut().push(resource(Kind::Container, "kept", &kept));
        assert_eq!(swept(&shelf, Sweep::Orphans).await, Vec::<String>::new());
        assert_eq!(swept(&shelf, Sweep::All).await, ["container kept"]);
    }
}
