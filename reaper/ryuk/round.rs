//! One time through all kinds: what matches is listed, judged and removed, several at once.
//!
//! One list for each kind, whatever the number of filters: the engine is asked for what all of them have in common, and
//! which of that is meant is decided here (`filter`). A list that could not be read to its end counts for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::brake::{Brake, Stop};
use crate::docker::{Docker, Problem, Removal};
use crate::filter::{self, Filter};
use crate::kind::{Kind, TASK_OF};
use crate::listing::Item;
use crate::living::Living;
use crate::log;
use crate::report::{Reports, Why};
use crate::users::Users;

/// Removals in flight.
const WORKERS: usize = 8;

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    pub(crate) why: Why,
}

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Whether anything was there.
    pub(crate) seen: bool,
    /// Whether anything went.
    pub(crate) advanced: bool,
    /// The engine has not answered, or not finished: what it refused meanwhile may hang on that.
    pub(crate) waits: bool,
    /// What there may be still, and why.
    pub(crate) left: Vec<String>,
    /// Kinds of which nothing is known, and why; in `left` as well.
    pub(crate) unlisted: Vec<String>,
    /// What of it was meant by each that was wanted, in their order.
    pub(crate) shares: Vec<Share>,
}

/// What a round came to for one filter.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) seen: bool,
    pub(crate) removed: Counts,
    pub(crate) left: Vec<String>,
}

/// How many of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<Kind, usize>);

impl Counts {
    pub(crate) fn count(&mut self, kind: Kind) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub(crate) fn add(&mut self, others: &Self) {
        for (kind, count) in &others.0 {
            *self.0.entry(*kind).or_default() += count;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Counts {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let count = |kind| *self.0.get(&kind).unwrap_or(&0);
        let (of_swarm, usual): (Vec<_>, Vec<_>) = Kind::ALL.into_iter().partition(|kind| kind.is_of_swarm());
        // Few engines are in a swarm.
        let told = usual.into_iter().chain(of_swarm.into_iter().filter(|kind| count(*kind) > 0));
        let told: Vec<_> = told.map(|kind| format!("{kind}s={}", count(kind))).collect();
        formatter.write_str(&told.join(" "))
    }
}

/// Removes, and remembers from round to round what it has to.
pub(crate) struct Tally {
    engine: Arc<Docker>,
    living: Arc<Living>,
    reports: Arc<Reports>,
    /// What went, in all rounds.
    counts: Counts,
    /// What went and was not missed in a list yet: what is listed once more has not gone.
    gone: BTreeSet<(Kind, String)>,
    /// The engine was asked and has not answered: it may do it all the same, and the next list tells.
    unanswered: BTreeMap<(Kind, String), Item>,
    /// Services that went and may have tasks still.
    ended: BTreeMap<String, Item>,
}

/// A thing, and which of those that are wanted mean it.
struct Found {
    item: Item,
    of: Vec<usize>,
}

impl Tally {
    pub(crate) fn new(engine: Arc<Docker>, living: Arc<Living>, reports: Arc<Reports>) -> Self {
        let (counts, gone, unanswered) = (Counts::default(), BTreeSet::new(), BTreeMap::new());
        Self { engine, living, reports, counts, gone, unanswered, ended: BTreeMap::new() }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Each kind once, in order: services let go of their tasks, and containers of networks and volumes, and of images.
    pub(crate) fn round(&mut self, wanted: &[Wanted], brake: &Brake) -> Round {
        let shares = wanted.iter().map(|_| Share::default()).collect();
        let mut round = Round { shares, ..Round::default() };
        let asked = filter::common(&wanted.iter().map(|wanted| &wanted.filter).collect::<Vec<_>>());
        // Looked for when the first thing needs it, when all containers were tried.
        let mut users = None;
        let mut has_swarm = true;
        for kind in Kind::ALL {
            if kind.is_of_swarm() && !has_swarm {
                continue;
            }
            if brake.is_pulled(Stop::Now) {
                // What was not looked for may be there.
                round.seen = true;
                break;
            }
            let (mut matching, mut there) = (Vec::new(), BTreeSet::new());
            let listed = self.engine.list(kind, &asked, |item| {
                let of = meant_by(wanted, &item);
                if of.is_empty() || item.is_protected() || self.engine.is_own(&item) {
                    return;
                }
                there.insert(item.id.clone());
                if !self.living.name(&item.labels) {
                    matching.push(Found { item, of });
                }
            });
            match listed {
                Ok(true) => {}
                Ok(false) => {
                    has_swarm = false;
                    continue;
                }
                Err(problem) => {
                    round.waits |= matches!(problem, Problem::Unanswered(_));
                    let why = format!("{kind}s that could not be listed: {problem}");
                    round.unlisted.push(why.clone());
                    round.left.push(why);
                    continue;
                }
            }
            self.gone.retain(|(of, id)| *of != kind || there.contains(id));
            self.count_late_answers(kind, wanted, &there, &mut round);
            round.seen |= !matching.is_empty();
            if !matching.is_empty() && matches!(kind, Kind::Network | Kind::Image) {
                users.get_or_insert_with(|| {
                    let goes = |container: &Item| {
                        !meant_by(wanted, container).is_empty() && !self.living.name(&container.labels)
                    };
                    Users::look(&self.engine, goes)
                });
            }
            // What kept the engine waiting the last time must not hold up the others.
            matching.sort_by_key(|found| self.unanswered.contains_key(&(kind, found.item.id.clone())));
            let work = |found: &Found| {
                let removal = match keep(&self.engine, kind, &found.item, users.as_ref()) {
                    Some(problem) => Removal::Failed(problem),
                    None => self.engine.remove(kind, &found.item, &self.living),
                };
                if removal == Removal::Removed && !self.gone.contains(&(kind, found.item.id.clone())) {
                    self.tell(kind, found, wanted);
                }
                removal
            };
            for (found, removal) in each(matching, brake, work) {
                self.note(kind, found, removal, &mut round);
            }
        }
        if !brake.is_pulled(Stop::Now) {
            self.await_tasks(wanted, &mut round);
        }
        round
    }

    /// Tasks without labels of their own are the engine's to end, which gives them the time that their service asked for; what
    /// they use is held until then.
    fn await_tasks(&mut self, wanted: &[Wanted], round: &mut Round) {
        if self.ended.values().all(|service| meant_by(wanted, service).is_empty()) {
            return;
        }
        let mut there = BTreeSet::new();
        let filters = format!("{{\"label\":[\"{TASK_OF}\"]}}");
        let listed = self.engine.list(Kind::Container, &filters, |task| {
            there.extend(task.label(TASK_OF).map(str::to_owned));
        });
        if listed.is_ok() {
            self.ended.retain(|service, _| there.contains(service));
        }
        for (id, service) in &self.ended {
            let of = meant_by(wanted, service);
            if of.is_empty() {
                continue;
            }
            let why = format!("service {id}: it is gone, and its tasks are being ended");
            for at in of {
                round.shares[at].left.push(why.clone());
            }
            round.left.push(why);
            round.waits = true;
        }
    }

    /// What was asked for without an answer, and is not there any more, has gone. Of what was not listed nothing is known.
    fn count_late_answers(
        &mut self,
        kind: Kind,
        wanted: &[Wanted],
        there: &BTreeSet<String>,
        round: &mut Round,
    ) {
        let is_gone = |(of, id): &(Kind, String), item: &Item| {
            *of == kind && !there.contains(id) && !meant_by(wanted, item).is_empty()
        };
        let gone: Vec<_> = self
            .unanswered
            .iter()
            .filter(|(key, item)| is_gone(key, item))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let Some(item) = self.unanswered.remove(&key) else { continue };
            let found = Found { of: meant_by(wanted, &item), item };
            self.tell(kind, &found, wanted);
            self.note(kind, found, Removal::Removed, round);
            // It was missed in the list.
            self.gone.remove(&key);
        }
    }

    fn tell(&self, kind: Kind, found: &Found, wanted: &[Wanted]) {
        log::line(format_args!("{kind}={} removed", found.item.id));
        let why = found.of.first().map_or(Why::SessionEnded, |first| wanted[*first].why);
        self.reports.tell(kind, &found.item, why);
    }

    fn note(&mut self, kind: Kind, found: Found, removal: Removal, round: &mut Round) {
        if removal == Removal::Kept {
            return;
        }
        let Found { item, of } = found;
        let key = (kind, item.id.clone());
        let left = |round: &mut Round, why: String| {
            for at in &of {
                round.shares[*at].left.push(why.clone());
            }
            round.left.push(why);
        };
        if removal != Removal::UnderWay {
            self.unanswered.remove(&key);
        }
        for at in &of {
            round.shares[*at].seen = true;
        }
        if kind == Kind::Service && removal == Removal::Removed {
            self.ended.insert(item.id.clone(), item.clone());
        }
        match removal {
            Removal::Kept => {}
            Removal::Removed => {
                if self.gone.insert(key) {
                    round.advanced = true;
                    self.counts.count(kind);
                    for at in &of {
                        round.shares[*at].removed.count(kind);
                    }
                } else {
                    left(round, format!("{kind} {}: it was removed before, and is there again", item.id));
                }
            }
            Removal::UnderWay => {
                round.waits = true;
                left(round, format!("{kind} {}: its removal is under way", item.id));
            }
            Removal::Failed(problem) => {
                log::line(format_args!("{kind}={} not removed: {problem}", item.id));
                left(round, format!("{kind} {}: {problem}", item.id));
                if matches!(problem, Problem::Unanswered(_)) {
                    round.waits = true;
                    self.unanswered.insert(key, item);
                }
            }
        }
    }
}

fn meant_by(wanted: &[Wanted], item: &Item) -> Vec<usize> {
    let means = |(at, wanted): (usize, &Wanted)| wanted.filter.matches(&item.labels).then_some(at);
    wanted.iter().enumerate().filter_map(means).collect()
}

/// Why it is not to be removed. `users` are there for the kinds that have any.
fn keep(engine: &Docker, kind: Kind, item: &Item, users: Option<&Result<Users, Problem>>) -> Option<Problem> {
    let users = match (kind, users?) {
        (Kind::Network | Kind::Image, Ok(users)) => users,
        (Kind::Network | Kind::Image, Err(problem)) => return Some(problem.clone()),
        _ => return None,
    };
    let why = if kind == Kind::Image {
        users.keep_image(item)
    } else {
        match engine.attached(&item.id) {
            Ok(attached) => users.keep_network(item, &attached.unwrap_or_default()),
            Err(problem) => return Some(problem),
        }
    };
    why.map(Problem::Refused)
}

/// Does the work on each, several at once, and no more when the brake is pulled.
fn each(items: Vec<Found>, brake: &Brake, work: impl Fn(&Found) -> Removal + Sync) -> Vec<(Found, Removal)> {
    let workers = WORKERS.min(items.len());
    let queue = Mutex::new(items.into_iter());
    let (sender, results) = mpsc::channel();
    let work = || {
        while !brake.is_pulled(Stop::Now) {
            // Taken in a statement of its own, so that the lock is not held while removing.
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some(found) = next else { return };
            let removal = work(&found);
            // The receiver outlives the scope.
            let _ = sender.send((found, removal));
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
