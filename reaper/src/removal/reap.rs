//! Removes what filters match, now and from here, and looks again until nothing does.
//!
//! The reaper does the same at the end of a session, but only then: its protocol has no word for "now", and an
//! official Ryuk acknowledges any line, so asking it would be answered and not done. So what cannot wait is
//! removed by who wants it gone, by the reaper's own rules: no reaper container is touched, and what was matched
//! is gone when a list says so, not when the removal was asked for. What somebody else uses stays, and is said (`users`).

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};

use super::users::Users;
use crate::engine::{Inventory, Kind, Removal, Resource, Sought, TASK_OF};
use crate::error::{Error, Result};
use crate::session::{Filter, REAPER};

/// Removals in flight: as many as the embedded server has.
const AT_ONCE: usize = 8;

/// For the engine to remove what it has begun to remove, or what something else holds.
const DEADLINE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// What was removed from the engine, by [`Reaper::reap_now`](crate::Reaper::reap_now): ids, and names of volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaped {
    /// The ids of a swarm's services.
    pub services: Vec<String>,
    /// The containers' ids.
    pub containers: Vec<String>,
    /// The networks' ids.
    pub networks: Vec<String>,
    /// The volumes' names.
    pub volumes: Vec<String>,
    /// The images' ids.
    pub images: Vec<String>,
    /// The ids of a swarm's configs.
    pub configs: Vec<String>,
    /// The ids of a swarm's secrets.
    pub secrets: Vec<String>,
    /// The same as the engine described them.
    pub(crate) found: Vec<Resource>,
}

impl Reaped {
    /// How many things were removed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found.len()
    }

    fn from_found(found: BTreeMap<(Kind, String), Resource>) -> Self {
        let mut reaped = Self::default();
        for (kind, id) in found.keys().cloned() {
            match kind {
                Kind::Service => reaped.services.push(id),
                Kind::Container => reaped.containers.push(id),
                Kind::Network => reaped.networks.push(id),
                Kind::Volume => reaped.volumes.push(id),
                Kind::Image => reaped.images.push(id),
                Kind::Config => reaped.configs.push(id),
                Kind::Secret => reaped.secrets.push(id),
            }
        }
        reaped.found = found.into_values().collect();
        reaped
    }
}

/// What is not removed although a filter matches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spared {
    /// The reaper containers.
    Reapers,
    /// The same and what they need, such as a network of their own: one of them is at work.
    WhatIsReapers,
}

impl Spared {
    fn includes(self, resource: &Resource) -> bool {
        resource.is_reaper() || (self == Self::WhatIsReapers && resource.labels.contains_key(REAPER))
    }
}

/// Removes everything that any of the filters matches and that is not spared.
pub(crate) async fn reap<I: Inventory>(engine: &I, filters: &[Filter], spared: Spared) -> Result<Reaped> {
    match reap_what_goes(engine, filters, spared).await {
        (reaped, left) if left.is_empty() => Ok(reaped),
        (_, left) => Err(Error::LeftBehind { left }),
    }
}

/// The same; gives what is gone, and what is still there after a minute, with the reason.
pub(crate) async fn reap_what_goes<I: Inventory>(
    engine: &I,
    filters: &[Filter],
    spared: Spared,
) -> (Reaped, Vec<String>) {
    let began = Instant::now();
    let delays =
        ExponentialBuilder::new().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY).with_jitter();
    let mut delays = delays.without_max_times().build();
    let mut removed = BTreeMap::new();
    loop {
        let before = removed.len();
        let round = round(engine, filters, spared, &mut removed).await;
        if !round.seen && round.problems.is_empty() {
            return (Reaped::from_found(removed), Vec::new());
        }
        if round.problems.is_empty() && !round.under_way && removed.len() > before {
            continue;
        }
        if began.elapsed() > DEADLINE {
            let left = round.problems.iter().map(|(what, problem)| format!("{what}: {problem}"));
            let left: Vec<_> = left.collect();
            let seen =
                || vec!["something of it is still being removed, or appears again and again".to_owned()];
            return (Reaped::from_found(removed), if left.is_empty() { seen() } else { left });
        }
        sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
    }
}

#[derive(Default)]
struct Round {
    seen: bool,
    under_way: bool,
    /// By what they are about.
    problems: BTreeMap<String, String>,
}

/// Each kind once, in order: services let go of their tasks, and containers of networks and volumes, and of images.
async fn round<I: Inventory>(
    engine: &I,
    filters: &[Filter],
    spared: Spared,
    removed: &mut BTreeMap<(Kind, String), Resource>,
) -> Round {
    let mut round = Round::default();
    let sought = Sought::AnyOf(filters);
    // Looked for when the first thing needs it, when all containers were tried.
    let mut users = None;
    let mut has_swarm = true;
    for kind in Kind::ALL {
        if kind.is_of_swarm() && !has_swarm {
            continue;
        }
        let mut matching = match engine.kept(kind, sought).await {
            Ok(Some(matching)) => matching,
            Ok(None) => {
                has_swarm = false;
                continue;
            }
            Err(error) => {
                round.problems.insert(format!("the list of {kind}s"), error.to_string());
                continue;
            }
        };
        matching.retain(|found| !spared.includes(found));
        round.seen |= !matching.is_empty();
        if !matching.is_empty() && users.is_none() && matches!(kind, Kind::Network | Kind::Image) {
            users = match Users::look(engine, sought).await {
                Ok(users) => Some(users),
                Err(error) => {
                    round.problems.insert("the list of who uses what".to_owned(), error.to_string());
                    continue;
                }
            };
        }
        let removals = matching.into_iter().map(|found| remove(engine, found, users.as_ref()));
        let mut removals = futures_util::stream::iter(removals).buffer_unordered(AT_ONCE);
        while let Some((found, removal)) = removals.next().await {
            match removal {
                Removal::Removed => drop(removed.insert((kind, found.id.clone()), found)),
                Removal::UnderWay => round.under_way = true,
                Removal::Failed(error) => {
                    round.problems.insert(format!("{kind} {}", found.id), error.to_string());
                }
            }
        }
    }
    await_tasks(engine, removed, &mut round).await;
    round
}

/// Tasks without labels of their own are the engine's to end, which gives them the time that their service asked for; what they
/// use is held until then.
async fn await_tasks<I: Inventory>(
    engine: &I,
    removed: &BTreeMap<(Kind, String), Resource>,
    round: &mut Round,
) {
    let is_gone = |service: &String| removed.contains_key(&(Kind::Service, service.clone()));
    if !removed.keys().any(|(kind, _)| *kind == Kind::Service) {
        return;
    }
    match engine.ask(Kind::Container, Some(TASK_OF)).await {
        Ok(tasks) => {
            let tasks = tasks.unwrap_or_default();
            let there = tasks.iter().any(|task| task.labels.get(TASK_OF).is_some_and(is_gone));
            round.seen |= there;
            round.under_way |= there;
        }
        Err(error) => drop(round.problems.insert("the list of tasks".to_owned(), error.to_string())),
    }
}

/// Removes something, unless somebody else uses it.
async fn remove<I: Inventory>(engine: &I, found: Resource, users: Option<&Users>) -> (Resource, Removal) {
    let kept = match users {
        Some(users) => users.keep(engine, &found).await,
        None => Ok(None),
    };
    let removal = match kept {
        Ok(None) => engine.remove(found.kind, &found.id).await,
        Ok(Some(why)) => Removal::Failed(std::io::Error::other(why)),
        Err(error) => Removal::Failed(error),
    };
    (found, removal)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::engine::doubles::{Shelf, resource};
    use crate::session::RYUK;

    fn filter() -> [Filter; 1] {
        [Filter::label("s", "1").unwrap()]
    }

    #[tokio::test(start_paused = true)]
    async fn what_matches_goes_in_order_and_nothing_else() {
        let ours = [("s", "1")];
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().extend([
            resource(Kind::Image, "i", &ours),
            resource(Kind::Network, "n", &ours),
            resource(Kind::Container, "c", &ours),
            resource(Kind::Volume, "v", &ours),
            resource(Kind::Container, "theirs", &[("s", "2")]),
            resource(Kind::Container, "reaper", &[("s", "1"), (RYUK, "true")]),
        ]);
        let reaped = reap(&shelf, &filter(), Spared::Reapers).await.unwrap();
        assert_eq!(*shelf.order.borrow(), ["container c", "network n", "volume v", "image i"]);
        assert_eq!((reaped.containers, reaped.images), (vec!["c".to_owned()], vec!["i".to_owned()]));
        let left: Vec<_> = shelf.resources.borrow().iter().map(|left| left.id.clone()).collect();
        assert_eq!(left, ["theirs", "reaper"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_appears_meanwhile_goes_too_and_what_fails_is_tried_again() {
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().push(resource(Kind::Container, "c", &[("s", "1")]));
        shelf.appears.borrow_mut().replace(resource(Kind::Container, "late", &[("s", "1")]));
        shelf
            .scripted
            .borrow_mut()
            .extend([("c", Removal::UnderWay), ("late", Removal::Failed(io::Error::other("busy")))]);
        assert_eq!(reap(&shelf, &filter(), Spared::Reapers).await.unwrap().containers, ["c", "late"]);
    }

    /// As Podman 4.3 lists volumes by two labels, and no image at all.
    #[tokio::test(start_paused = true)]
    async fn what_the_engine_lists_and_no_filter_matches_stays() {
        let shelf = Shelf { lists_all: true, ..Shelf::default() };
        let both = [("s", "1"), ("process", "7")];
        for kind in Kind::ALL {
            shelf.resources.borrow_mut().extend([
                resource(kind, "ours", &both),
                resource(kind, "of another process", &[("s", "1"), ("process", "8")]),
                resource(kind, "of a living session", &[("s", "2"), ("process", "7")]),
                resource(kind, "like a pattern", &[("session", "1"), ("process", "7")]),
                resource(kind, "bare", &[]),
            ]);
        }
        let filter = Filter::label("s", "1").unwrap().and("process", "7").unwrap();
        let pattern = Filter::label("s*", "1").unwrap();
        reap(&shelf, &[filter, pattern], Spared::Reapers).await.unwrap();
        let expected = Kind::ALL.map(|kind| format!("{kind} ours"));
        assert_eq!(*shelf.order.borrow(), expected);
    }

    /// Tasks that do not say whose they are end by themselves, and are not removed from here.
    #[tokio::test(start_paused = true)]
    async fn the_tasks_of_a_service_are_waited_for() {
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().extend([
            resource(Kind::Service, "s", &[("s", "1")]),
            resource(Kind::Container, "task", &[(TASK_OF, "s")]),
            resource(Kind::Container, "their task", &[(TASK_OF, "theirs")]),
        ]);
        let filters = filter();
        let mut reaped = Box::pin(reap(&shelf, &filters, Spared::Reapers));
        tokio::select! {
            _ = &mut reaped => panic!("the task is there still"),
            () = sleep(Duration::from_secs(20)) => {}
        }
        shelf.resources.borrow_mut().retain(|resource| resource.id != "task");
        assert_eq!(reaped.await.unwrap().services, ["s"]);
        assert_eq!(*shelf.order.borrow(), ["service s"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_manages_no_swarm_is_asked_for_services_alone() {
        let shelf = Shelf { has_no_swarm: true, ..Shelf::default() };
        reap(&shelf, &filter(), Spared::Reapers).await.unwrap();
        assert_eq!(shelf.asked.borrow().len(), 5, "{:?}", shelf.asked);
        shelf.asked.borrow_mut().clear();
        let filters = [Filter::label("s", "1").unwrap(), Filter::label("s", "2").unwrap()];
        assert!(shelf.list_all(Sought::AnyOf(&filters)).await.unwrap().is_empty());
        // For each filter a list of what an engine has, and once for services.
        assert_eq!(shelf.asked.borrow().len(), 4 * 2 + 1, "{:?}", shelf.asked);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_else_uses_stays_and_is_said_and_all_else_goes() {
        let ours = [("s", "1")];
        let shelf = Shelf::default();
        let foreign = Resource {
            image: "i".into(),
            networks: vec!["n".into()],
            ..resource(Kind::Container, "foreign", &[("s", "2")])
        };
        let tagged = Resource {
            tags: vec!["ours:1".into(), "theirs:1".into()],
            ..resource(Kind::Image, "tagged", &ours)
        };
        shelf.resources.borrow_mut().extend([
            foreign,
            tagged,
            resource(Kind::Network, "n", &ours),
            resource(Kind::Network, "free", &ours),
            resource(Kind::Image, "i", &ours),
            resource(Kind::Image, "unused", &ours),
        ]);
        let text = reap(&shelf, &filter(), Spared::Reapers).await.unwrap_err().to_string();
        assert_eq!(*shelf.order.borrow(), ["network free", "image unused"]);
        for said in ["network n: it is used by container foreign", "image i: it is used", "ours:1, theirs:1"]
        {
            assert!(text.contains(said), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reaper_at_work_keeps_what_it_needs() {
        let shelf = Shelf::default();
        let reapers = [("s", "1"), (REAPER, "true")];
        shelf.resources.borrow_mut().extend([
            resource(Kind::Network, "reaper's", &reapers),
            resource(Kind::Volume, "v", &[("s", "1")]),
        ]);
        reap(&shelf, &filter(), Spared::WhatIsReapers).await.unwrap();
        assert_eq!(*shelf.order.borrow(), ["volume v"]);
        reap(&shelf, &filter(), Spared::Reapers).await.unwrap();
        assert_eq!(*shelf.order.borrow(), ["volume v", "network reaper's"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_is_named_with_the_engines_words() {
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().push(resource(Kind::Network, "n", &[("s", "1")]));
        let busy = || ("n", Removal::Failed(io::Error::other("has active endpoints")));
        shelf.scripted.borrow_mut().extend((0..1000).map(|_| busy()));
        let text = reap(&shelf, &filter(), Spared::Reapers).await.unwrap_err().to_string();
        assert!(text.contains("network n: has active endpoints"), "{text}");
    }
}
