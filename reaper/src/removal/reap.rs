//! Removes what filters match, now and from here, and looks again until nothing does.
//!
//! The reaper does the same at the end of a session, but only then: its protocol has no word for "now", and an
//! official Ryuk acknowledges any line, so asking it would be answered and not done. So what cannot wait is
//! removed by who wants it gone, by the reaper's own rules: no reaper container is touched, and what was matched
//! is gone when a list says so, not when the removal was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};

use crate::engine::{Inventory, Kind, Removal, Resource};
use crate::error::{Error, Result};
use crate::session::Filter;

/// Removals in flight: as many as the embedded server has.
const AT_ONCE: usize = 8;

/// For the engine to remove what it has begun to remove, or what something else holds.
const DEADLINE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// What was removed from the engine, by [`crate::Reaper::reap_now`]: ids, and names of volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaped {
    /// The containers' ids.
    pub containers: Vec<String>,
    /// The networks' ids.
    pub networks: Vec<String>,
    /// The volumes' names.
    pub volumes: Vec<String>,
    /// The images' ids.
    pub images: Vec<String>,
    /// What people call them, by kind and id.
    pub(crate) names: BTreeMap<(Kind, String), String>,
}

impl Reaped {
    /// How many things were removed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.containers.len() + self.networks.len() + self.volumes.len() + self.images.len()
    }

    fn from_found(found: BTreeMap<(Kind, String), String>) -> Self {
        let mut reaped = Self::default();
        for (kind, id) in found.keys().cloned() {
            match kind {
                Kind::Container => reaped.containers.push(id),
                Kind::Network => reaped.networks.push(id),
                Kind::Volume => reaped.volumes.push(id),
                Kind::Image => reaped.images.push(id),
            }
        }
        reaped.names = found;
        reaped
    }
}

/// Removes everything that any of the filters matches, reapers left out.
pub(crate) async fn reap<I: Inventory>(engine: &I, filters: &[Filter]) -> Result<Reaped> {
    match reap_what_goes(engine, filters).await {
        (reaped, left) if left.is_empty() => Ok(reaped),
        (_, left) => Err(Error::LeftBehind { left }),
    }
}

/// The same; gives what is gone, and what is still there after a minute, with the reason.
pub(crate) async fn reap_what_goes<I: Inventory>(engine: &I, filters: &[Filter]) -> (Reaped, Vec<String>) {
    let began = Instant::now();
    let delays =
        ExponentialBuilder::new().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY).with_jitter();
    let mut delays = delays.without_max_times().build();
    let mut removed = BTreeMap::new();
    loop {
        let before = removed.len();
        let round = round(engine, filters, &mut removed).await;
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
    /// By what they are about, so that two filters do not say the same.
    problems: BTreeMap<String, String>,
}

/// Each kind once, in order: containers let go of networks and volumes, and of images.
async fn round<I: Inventory>(
    engine: &I,
    filters: &[Filter],
    removed: &mut BTreeMap<(Kind, String), String>,
) -> Round {
    let mut round = Round::default();
    for kind in Kind::ALL {
        let mut matching = BTreeMap::new();
        for filter in filters {
            let labels: Vec<_> = filter.labels().map(|(key, value)| format!("{key}={value}")).collect();
            match engine.list(kind, &labels).await {
                Ok(found) => {
                    let found = found.into_iter().filter(|found| !found.is_reaper());
                    matching.extend(found.map(|Resource { id, name, .. }| (id, name)));
                }
                Err(error) => {
                    round.problems.insert(format!("the list of {kind}s"), error.to_string());
                }
            }
        }
        round.seen |= !matching.is_empty();
        let removals =
            matching.into_iter().map(async |(id, name)| (engine.remove(kind, &id).await, id, name));
        let mut removals = futures_util::stream::iter(removals).buffer_unordered(AT_ONCE);
        while let Some((removal, id, name)) = removals.next().await {
            match removal {
                Removal::Removed => drop(removed.insert((kind, id), name)),
                Removal::UnderWay => round.under_way = true,
                Removal::Failed(error) => {
                    round.problems.insert(format!("{kind} {id}"), error.to_string());
                }
            }
        }
    }
    round
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
        let reaped = reap(&shelf, &filter()).await.unwrap();
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
        assert_eq!(reap(&shelf, &filter()).await.unwrap().containers, ["c", "late"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_is_named_with_the_engines_words() {
        let shelf = Shelf::default();
        shelf.resources.borrow_mut().push(resource(Kind::Network, "n", &[("s", "1")]));
        let busy = || ("n", Removal::Failed(io::Error::other("has active endpoints")));
        shelf.scripted.borrow_mut().extend((0..1000).map(|_| busy()));
        let text = reap(&shelf, &filter()).await.unwrap_err().to_string();
        assert!(text.contains("network n: has active endpoints"), "{text}");
    }
}
