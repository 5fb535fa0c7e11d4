//! One time through all kinds: what matches is listed, judged and removed, several at once.
//!
//! One list for each kind, whatever the number of filters: the engine is asked for what all of them have in common, and
//! which of that is meant is decided here (`filter`). A list that could not be read to its end counts for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use crate::docker::{Docker, Problem, Removal};
use crate::filter::{self, Filter};
use crate::kind::Kind;
use crate::listing::Item;
use crate::log;
use crate::prune::{Brake, Stop};
use crate::users::Users;

/// Removals in flight.
const WORKERS: usize = 8;

/// What a round came to.
#[derive(Default)]
pub(crate) struct Round {
    /// Whether anything was there.
    pub(crate) seen: bool,
    /// Whether anything went.
    pub(crate) advanced: bool,
    /// The engine has not answered, or not finished: what it refused meanwhile may hang on that.
    pub(crate) waits: bool,
    /// What there may be still, and why.
    pub(crate) left: Vec<String>,
}

/// What went, in all rounds.
#[derive(Default)]
pub(crate) struct Tally {
    removed: BTreeMap<Kind, BTreeSet<String>>,
    /// The engine was asked and has not answered: it may do it all the same, and the next list tells.
    unanswered: BTreeSet<(Kind, String)>,
}

impl Tally {
    /// Each kind once, in order: containers let go of networks and volumes, and of images.
    pub(crate) fn round(&mut self, engine: &Docker, filters: &[Filter], brake: &Brake) -> Round {
        let mut round = Round::default();
        let asked = filter::common(filters);
        // Looked for when the first thing needs it, when all containers were tried.
        let mut users = None;
        for kind in Kind::ALL {
            if brake.is_pulled(Stop::Now) {
                // What was not looked for may be there.
                round.seen = true;
                break;
            }
            let mut matching = Vec::new();
            let is_meant = |item: &Item| filters.iter().any(|filter| filter.matches(&item.labels));
            let listed = engine.list(kind, &asked, |item| {
                if is_meant(&item) && !item.is_protected() && !engine.is_own(&item) {
                    matching.push(item);
                }
            });
            if let Err(problem) = listed {
                round.waits |= matches!(problem, Problem::Unanswered(_));
                round.left.push(format!("{kind}s that could not be listed: {problem}"));
                continue;
            }
            self.count_late_answers(kind, &matching, &mut round);
            round.seen |= !matching.is_empty();
            if !matching.is_empty() && matches!(kind, Kind::Network | Kind::Image) {
                users.get_or_insert_with(|| Users::look(engine, filters));
            }
            // What kept the engine waiting the last time must not hold up the others.
            matching.sort_by_key(|item| self.unanswered.contains(&(kind, item.id.clone())));
            let work = |item: &Item| match keep(engine, kind, item, users.as_ref()) {
                Some(problem) => Removal::Failed(problem),
                None => engine.remove(kind, item),
            };
            for (id, removal) in each(matching, brake, work) {
                self.note(kind, id, removal, &mut round);
            }
        }
        round
    }

    /// What was asked for without an answer, and is not there any more, has gone.
    fn count_late_answers(&mut self, kind: Kind, matching: &[Item], round: &mut Round) {
        let there: BTreeSet<_> = matching.iter().map(|item| item.id.as_str()).collect();
        let gone: Vec<_> = self
            .unanswered
            .iter()
            .filter(|(of, id)| *of == kind && !there.contains(id.as_str()))
            .cloned()
            .collect();
        for (_, id) in gone {
            self.note(kind, id, Removal::Removed, round);
        }
    }

    fn note(&mut self, kind: Kind, id: String, removal: Removal, round: &mut Round) {
        if removal != Removal::UnderWay {
            self.unanswered.remove(&(kind, id.clone()));
        }
        match removal {
            Removal::Removed => {
                log::line(format_args!("{kind}={id} removed"));
                if self.removed.entry(kind).or_default().insert(id.clone()) {
                    round.advanced = true;
                } else {
                    round.left.push(format!("{kind} {id}: it was removed before, and is there again"));
                }
            }
            Removal::UnderWay => {
                round.waits = true;
                round.left.push(format!("{kind} {id}: its removal is under way"));
            }
            Removal::Failed(problem) => {
                log::line(format_args!("{kind}={id} not removed: {problem}"));
                round.left.push(format!("{kind} {id}: {problem}"));
                if matches!(problem, Problem::Unanswered(_)) {
                    round.waits = true;
                    self.unanswered.insert((kind, id));
                }
            }
        }
    }
}

impl Display for Tally {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            let count = self.removed.get(&kind).map_or(0, BTreeSet::len);
            write!(formatter, "{}{kind}s={count}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Why it is not to be removed. `users` are there for the kinds that have any.
fn keep(engine: &Docker, kind: Kind, item: &Item, users: Option<&Result<Users, Problem>>) -> Option<Problem> {
    let users = match (kind, users?) {
        (Kind::Container | Kind::Volume, _) => return None,
        (_, Err(problem)) => return Some(problem.clone()),
        (_, Ok(users)) => users,
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
fn each(items: Vec<Item>, brake: &Brake, work: impl Fn(&Item) -> Removal + Sync) -> Vec<(String, Removal)> {
    let workers = WORKERS.min(items.len());
    let queue = Mutex::new(items.into_iter());
    let (sender, results) = mpsc::channel();
    let work = || {
        while !brake.is_pulled(Stop::Now) {
            // Taken in a statement of its own, so that the lock is not held while removing.
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some(item) = next else { return };
            let removal = work(&item);
            // The receiver outlives the scope.
            let _ = sender.send((item.id, removal));
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
