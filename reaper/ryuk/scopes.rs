//! Which scopes there are, who holds them, and which of them have ended. Nothing here knows a socket or a clock.
//!
//! ```text
//! held     the last who holds it lets go ──▶ ending
//!          the connections of those who hold it are lost ──▶ in grace
//! grace    somebody holds it again ──▶ held
//!          it is over ──▶ ending
//! ending   nothing of it is there, and was seen late enough ──▶ forgotten
//!          nothing of it is there, and somebody begins it anew ──▶ held
//!          somebody comes back to it, too late ──▶ the session's
//!          what is left will not go ──▶ left, for the session's end
//! ```
//!
//! A scope is its filter. What a held one or one in grace names is in `Living`, and is not removed for another. So is what one
//! names that is the session's: whoever came back too late knows that what he had is gone, and goes on with the same labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ending::{Ending, Next, Patience, Sweep};
use crate::filter::Filter;
use crate::hello::{SCOPE_HAS_ENDED, ScopeWord};
use crate::living::Living;
use crate::report::Why;
use crate::round::{Round, Wanted};
use crate::settings::MOMENT;

/// How long a scope waits for somebody whose connection was lost: a killed test's things go within a second, and a client
/// that lives has a new connection long before.
pub(crate) const GRACE: Duration = Duration::from_millis(900);
/// Looks at the door, and at what was said, before a grace that is found over counts as over: one to let somebody in, and
/// one to read his first line. It may be the server that is late.
const LAST_LOOKS: u32 = 2;

/// Of all states, and for their filters: what clients can make this server remember.
const MOST: usize = 4096;
const MOST_BYTES: usize = 2 << 20;
/// By all connections altogether.
const MOST_HOLDS: usize = 4 * MOST;

/// A connection, among those that hold scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder(u64);

#[derive(Debug)]
enum State {
    Held(BTreeSet<Holder>),
    Grace(Grace),
    Ending(Ending),
    /// What would not go is tried once more at the session's end.
    Left(Why),
    /// Whoever came back to it goes on, and what he makes goes at the session's end.
    Sessions,
}

#[derive(Debug)]
struct Grace {
    since: Instant,
    until: Instant,
    /// How often was looked since it was found over, and when it was.
    looks: u32,
    seen_over_at: Instant,
    is_extended: bool,
}

/// What a round came to, and for what.
pub(crate) struct Swept {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) round: Round,
    pub(crate) began: Instant,
    /// It was ended before all was tried.
    pub(crate) cut_short: bool,
}

pub(crate) struct Scopes {
    all: BTreeMap<Filter, State>,
    living: Arc<Living>,
    patience: Patience,
    bytes: usize,
    holds: usize,
    holders: u64,
    swept_at: Option<Instant>,
}

impl Scopes {
    pub(crate) fn new(living: Arc<Living>, patience: Patience) -> Self {
        Self { all: BTreeMap::new(), living, patience, bytes: 0, holds: 0, holders: 0, swept_at: None }
    }

    /// A holder who is nobody else.
    pub(crate) fn holder(&mut self) -> Holder {
        self.holders += 1;
        Holder(self.holders)
    }

    /// Begins a scope, or holds one that lives; `Again` the second alone. Where that is refused, nothing more of the scope is removed
    /// before the session's end, and all of it then: it may name what has no label of the session's.
    pub(crate) fn hold(&mut self, word: ScopeWord, filter: &Filter, holder: Holder) -> Result<(), String> {
        let has_room = self.holds < MOST_HOLDS;
        let lives = matches!(self.all.get(filter), Some(State::Held(_) | State::Grace(_)));
        if word == ScopeWord::Again && !lives {
            self.enter(filter, State::Sessions)?;
            return Err(has_ended());
        }
        match self.all.get_mut(filter) {
            Some(State::Held(holders)) if holders.contains(&holder) => return Ok(()),
            // The next of several tests may name what the one before it did. Something late would be his, and go with him.
            Some(State::Ending(ending)) if !ending.is_clean() => return Err(has_ended()),
            _ if !has_room => return Err(too_many()),
            Some(State::Held(holders)) => {
                holders.insert(holder);
            }
            _ => self.enter(filter, State::Held([holder].into()))?,
        }
        self.holds += 1;
        Ok(())
    }

    /// Has it among the living from now on, where there is room.
    fn enter(&mut self, filter: &Filter, state: State) -> Result<(), String> {
        if !self.all.contains_key(filter) {
            if self.all.len() >= MOST || self.bytes + filter.size() > MOST_BYTES {
                return Err(too_many());
            }
            self.bytes += filter.size();
        }
        self.living.add(filter.clone());
        self.all.insert(filter.clone(), state);
        Ok(())
    }

    /// Lets go of a scope; whether it was the last who held it.
    pub(crate) fn end(&mut self, filter: &Filter, holder: Holder, now: Instant) -> Result<bool, String> {
        let Some(State::Held(holders)) = self.all.get_mut(filter) else { return Err(not_held()) };
        if !holders.remove(&holder) {
            return Err(not_held());
        }
        self.holds -= 1;
        if !holders.is_empty() {
            return Ok(false);
        }
        let ending = Ending::new(Why::ScopeEnded, now, now, &self.patience);
        self.all.insert(filter.clone(), State::Ending(ending));
        self.living.remove(filter);
        Ok(true)
    }

    /// A connection is gone, and has not said that its scopes have ended.
    pub(crate) fn lose(&mut self, holder: Holder, now: Instant) {
        for state in self.all.values_mut() {
            let State::Held(holders) = state else { continue };
            self.holds -= usize::from(holders.remove(&holder));
            if holders.is_empty() {
                let (until, looks, is_extended) = (now + GRACE, 0, false);
                *state = State::Grace(Grace { since: now, until, looks, seen_over_at: now, is_extended });
            }
        }
    }

    /// Ends those whose grace is over, and gives their filters. To be called before each wait: a grace that is found over is
    /// judged by the third call. `returned_at` is when somebody last came, greeted or took up what was his: who did so since it
    /// was found over has a moment for the rest of what he has to say.
    pub(crate) fn judge(&mut self, now: Instant, returned_at: Option<Instant>) -> Vec<Filter> {
        let mut lost = Vec::new();
        for (filter, state) in &mut self.all {
            let State::Grace(grace) = state else { continue };
            if grace.until > now {
                continue;
            }
            if grace.looks == 0 {
                grace.seen_over_at = now;
            }
            if grace.looks < LAST_LOOKS {
                grace.looks += 1;
            } else if !grace.is_extended && returned_at.is_some_and(|at| at >= grace.seen_over_at) {
                grace.until = grace.seen_over_at + MOMENT;
                (grace.looks, grace.is_extended) = (0, true);
            } else {
                *state = State::Ending(Ending::new(Why::ScopeLost, grace.since, now, &self.patience));
                self.living.remove(filter);
                lost.push(filter.clone());
            }
        }
        lost
    }

    /// When a grace is over.
    pub(crate) fn grace_ends_at(&self) -> Option<Instant> {
        let until = |state: &State| if let State::Grace(grace) = state { Some(grace.until) } else { None };
        self.all.values().filter_map(until).min()
    }

    /// When to look for what ended scopes had.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        let next_last_look = self.swept_at.map(|at| at + self.patience.interval);
        self.endings().map(|(_, ending)| ending.look_at(next_last_look)).min()
    }

    /// What to look for, where it is time.
    pub(crate) fn due(&self, now: Instant) -> Option<Vec<Wanted>> {
        self.look_at().filter(|at| *at <= now)?;
        let due = self.endings().filter(|(_, ending)| ending.may_be_looked_for(now));
        Some(due.map(|(filter, ending)| Wanted { filter: filter.clone(), why: ending.why }).collect())
    }

    /// Takes in what a round came to, and gives what is to be told of it.
    pub(crate) fn take(&mut self, swept: Swept, now: Instant) -> Vec<String> {
        let Swept { wanted, round, began, cut_short } = swept;
        self.swept_at = Some(began);
        let waits = round.waits || self.endings().any(|(_, ending)| ending.waits());
        let sweep = Sweep { began, ended: now, waits, cut_short, unlisted: &round.unlisted };
        let mut told = Vec::new();
        for (Wanted { filter, .. }, share) in wanted.into_iter().zip(round.shares) {
            let Some(State::Ending(ending)) = self.all.get_mut(&filter) else { continue };
            let why = ending.why;
            let name = || filter.to_json();
            let is_over = match ending.take(share, sweep, &self.patience) {
                Next::LookAgain => false,
                Next::Clean { removed, took, is_settled } => {
                    let word = if why == Why::ScopeLost { "lost" } else { "ended" };
                    told.push(format!(
                        "scope={} {word}, removed {removed} in {} ms",
                        name(),
                        took.as_millis()
                    ));
                    is_settled
                }
                Next::Settled => true,
                Next::LeftBehind(left) => {
                    told.extend(left.into_iter().map(|left| format!("scope={} left behind: {left}", name())));
                    told.push(format!("scope={} is given up until the session's end", name()));
                    self.all.insert(filter.clone(), State::Left(why));
                    false
                }
            };
            if is_over {
                self.bytes -= filter.size();
                self.all.remove(&filter);
            }
        }
        told
    }

    /// The session has ended, and all of them with it. What they had is wanted, unless it is known to be gone.
    pub(crate) fn end_all(&mut self, now: Instant) -> Vec<Wanted> {
        for state in self.all.values_mut() {
            let quiet_since = match state {
                State::Held(_) | State::Sessions => now,
                State::Grace(grace) => grace.since,
                State::Ending(_) | State::Left(_) => continue,
            };
            *state = State::Ending(Ending::new(Why::SessionEnded, quiet_since, now, &self.patience));
        }
        self.holds = 0;
        self.living.clear();
        let why = |state: &State| match state {
            State::Ending(ending) => ending.why,
            State::Left(why) => *why,
            State::Held(_) | State::Grace(_) | State::Sessions => Why::SessionEnded,
        };
        self.all.iter().map(|(filter, state)| Wanted { filter: filter.clone(), why: why(state) }).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn endings(&self) -> impl Iterator<Item = (&Filter, &Ending)> {
        self.all.iter().filter_map(|(filter, state)| {
            if let State::Ending(ending) = state { Some((filter, ending)) } else { None }
        })
    }
}

fn has_ended() -> String {
    format!("{SCOPE_HAS_ENDED}: what it had is gone or going; begin another, or this one once it is gone")
}

pub(crate) fn not_held() -> String {
    "this connection does not hold that scope".into()
}

fn too_many() -> String {
    format!(
        "there are too many scopes: at most {MOST}, held {MOST_HOLDS} times, with {MOST_BYTES} bytes of filters; wait until \
         some have ended"
    )
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
