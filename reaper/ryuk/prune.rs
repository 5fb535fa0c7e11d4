//! Removes what the filters match, and looks again until nothing does.
//!
//! Looking again is what catches a container whose creation the engine had only begun when its test was
//! killed. What cannot be removed is said, with the engine's reason: nobody else will tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use crate::docker::{Docker, Kind, Removal};
use crate::filter::Filter;
use crate::log;
use crate::settings::Settings;

/// Removals in flight.
const WORKERS: usize = 8;

pub(crate) fn prune(engine: &Docker, filters: &[Filter], settings: &Settings) {
    let mut removed = BTreeMap::new();
    let mut patience = settings.remove_retries;
    loop {
        let before = total(&removed);
        let round = round(engine, filters, &mut removed);
        if round.seen == 0 && round.problems.is_empty() {
            break;
        }
        // A round that removed nothing new, although something matches, waits for the engine.
        let settled = round.problems.is_empty() && !round.under_way && total(&removed) > before;
        if !settled {
            if patience == 0 {
                for problem in &round.problems {
                    log::line(format_args!("left behind: {problem}"));
                }
                break;
            }
            patience -= 1;
            thread::sleep(settings.changes_retry_interval);
        }
    }
    let count = |kind: Kind| removed.get(kind.name()).map_or(0, BTreeSet::len);
    log::line(format_args!(
        "removed containers={} networks={} volumes={} images={}",
        count(Kind::Container),
        count(Kind::Network),
        count(Kind::Volume),
        count(Kind::Image)
    ));
}

fn total(removed: &Removed) -> usize {
    removed.values().map(BTreeSet::len).sum()
}

#[derive(Default)]
struct Round {
    seen: usize,
    under_way: bool,
    problems: Vec<String>,
}

type Removed = BTreeMap<&'static str, BTreeSet<String>>;

/// Each kind once, in order: containers let go of networks and volumes, and of images.
fn round(engine: &Docker, filters: &[Filter], removed: &mut Removed) -> Round {
    let mut round = Round::default();
    for kind in Kind::ALL {
        let mut matching = BTreeSet::new();
        for filter in filters {
            match engine.list(kind, filter) {
                Ok(ids) => matching.extend(ids),
                Err(problem) => {
                    round.problems.push(format!("{}s could not be listed: {problem}", kind.name()));
                }
            }
        }
        round.seen += matching.len();
        for (id, removal) in remove_all(engine, kind, matching) {
            match removal {
                Removal::Removed => {
                    log::line(format_args!("{}={id} removed", kind.name()));
                    removed.entry(kind.name()).or_default().insert(id);
                }
                Removal::UnderWay => round.under_way = true,
                Removal::Failed(problem) => {
                    log::line(format_args!("{}={id} not removed: {problem}", kind.name()));
                    round.problems.push(format!("{} {id}: {problem}", kind.name()));
                }
            }
        }
    }
    round
}

fn remove_all(engine: &Docker, kind: Kind, ids: BTreeSet<String>) -> Vec<(String, Removal)> {
    let workers = WORKERS.min(ids.len());
    let queue = Mutex::new(ids.into_iter());
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                loop {
                    // Taken in a statement of its own, so that the lock is not held while removing.
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some(id) = next else { return };
                    let removal = engine.remove(kind, &id);
                    // The receiver outlives the scope.
                    let _ = sender.send((id, removal));
                }
            });
        }
    });
    drop(sender);
    results.into_iter().collect()
}
