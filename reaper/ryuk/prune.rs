//! Removes what the filters match, and looks again until nothing does.
//!
//! Looking again is what catches a container whose creation the engine had only begun when its test was
//! killed. A busy engine finishes it a second or two after, when there may be nothing else left to remove; so
//! the last look is one some seconds after the last client has gone. What cannot be removed is said, with the
//! engine's reason: nobody else will tell.
//!
//! An engine that refuses is asked as often as `RYUK_REMOVE_RETRIES` says. One that is slow has refused nothing:
//! what hundreds of other removals hold up, or a restart of the engine, takes it longer than those are meant for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::clients::Served;
use crate::docker::{Docker, Kind, Problem, Removal};
use crate::filter::Filter;
use crate::log;
use crate::settings::Settings;

/// Removals in flight.
const WORKERS: usize = 8;

/// How many of the intervals between retries an engine may go on with what it was asked by somebody who is gone:
/// with the usual second, three times what was seen of an engine that a thousand killed tests kept busy.
const SETTLED: u32 = 4;

pub(crate) fn prune(engine: &Docker, served: &Served, settings: &Settings) {
    let mut removed = BTreeMap::new();
    let mut retries = settings.remove_retries;
    let began = Instant::now();
    let settled = settings.changes_retry_interval * SETTLED;
    let mut quiet_since = served.alone_since;
    let mut was_empty = false;
    loop {
        let before = total(&removed);
        let round = round(engine, &served.filters, &mut removed);
        if round.seen == 0 && round.left.is_empty() {
            let rest = settled.saturating_sub(quiet_since.elapsed());
            // Nobody has asked for anything where nothing is registered.
            if rest.is_zero() || served.filters.is_empty() {
                break;
            }
            log::line(format_args!("nothing matches, looking once more in {} ms", rest.as_millis()));
            thread::sleep(rest);
            was_empty = true;
            continue;
        }
        if was_empty {
            // The engine is late, and may have more to do.
            quiet_since = Instant::now();
            was_empty = false;
        }
        let advanced = total(&removed) > before;
        if advanced {
            retries = settings.remove_retries;
        }
        // Whatever matches and was removed is looked for once more, at once.
        if advanced && round.left.is_empty() {
            continue;
        }
        let exhausted = if round.waits {
            began.elapsed() >= settings.shutdown_timeout
        } else {
            !advanced && retries == 0
        };
        if exhausted {
            for problem in &round.left {
                log::line(format_args!("left behind: {problem}"));
            }
            break;
        }
        if !(round.waits || advanced) {
            retries -= 1;
        }
        thread::sleep(settings.changes_retry_interval);
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
    /// The engine has not answered, or not finished: what it refused meanwhile may hang on that.
    waits: bool,
    /// What there may be still, and why.
    left: Vec<String>,
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
                    round.waits |= matches!(problem, Problem::Unanswered(_));
                    round.left.push(format!("{}s that could not be listed: {problem}", kind.name()));
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
                Removal::UnderWay => {
                    round.waits = true;
                    round.left.push(format!("{} {id}: its removal is under way", kind.name()));
                }
                Removal::Failed(problem) => {
                    log::line(format_args!("{}={id} not removed: {problem}", kind.name()));
                    round.waits |= matches!(problem, Problem::Unanswered(_));
                    round.left.push(format!("{} {id}: {problem}", kind.name()));
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
    let work = || {
        loop {
            // Taken in a statement of its own, so that the lock is not held while removing.
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some(id) = next else { return };
            let removal = engine.remove(kind, &id);
            // The receiver outlives the scope.
            let _ = sender.send((id, removal));
        }
    };
    thread::scope(|scope| {
        // This thread is one of them, so that all is done also where the system grants no other.
        for _ in 1..workers {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    drop(sender);
    results.into_iter().collect()
}
