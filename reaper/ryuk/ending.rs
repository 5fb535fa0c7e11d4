//! A scope that has ended: when to look for what it had, how often what is refused is asked for, and when all of it is over.
//!
//! As for the session: an engine that refuses is asked as often as `RYUK_REMOVE_RETRIES` says, one that is slow is waited
//! for until `RYUK_SHUTDOWN_TIMEOUT`, and once nothing is there any more, there is one look when the engine has settled.
//! What is late makes it look once more after that.

use std::time::{Duration, Instant};

use crate::report::Why;
use crate::round::{Counts, Share};
use crate::settings::Settings;

/// The settings that bound it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) retries: u32,
    pub(crate) interval: Duration,
    pub(crate) settled: Duration,
    pub(crate) timeout: Duration,
}

impl Patience {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            retries: settings.remove_retries,
            interval: settings.changes_retry_interval,
            settled: settings.settled(),
            timeout: settings.shutdown_timeout,
        }
    }
}

/// What a round was like for all that it looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweep<'a> {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// The engine is not done with something, on which the rest may hang.
    pub(crate) waits: bool,
    pub(crate) cut_short: bool,
    pub(crate) unlisted: &'a [String],
}

#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) why: Why,
    decided_at: Instant,
    /// Since when the engine has nothing to do for it.
    quiet_since: Instant,
    look_at: Instant,
    retries: u32,
    last: Last,
    /// Nothing was there once: what comes then is late.
    was_empty: bool,
    was_late: bool,
    removed: Counts,
    is_told: bool,
}

/// What the last look came to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    /// Nothing was there.
    Clean,
    /// What was there has gone, or it was not looked for yet.
    Gone,
    /// The engine said no.
    Refused,
    /// The engine is not done.
    Waits,
}

/// What follows from a look.
#[derive(Debug)]
pub(crate) enum Next {
    LookAgain,
    /// Everything that was seen is gone; how much, and how long it took.
    Clean {
        removed: Counts,
        took: Duration,
        is_settled: bool,
    },
    /// Nothing more comes of it.
    Settled,
    LeftBehind(Vec<String>),
}

impl Ending {
    pub(crate) fn new(why: Why, quiet_since: Instant, now: Instant, patience: &Patience) -> Self {
        Self {
            why,
            decided_at: now,
            quiet_since,
            look_at: now,
            retries: patience.retries,
            last: Last::Gone,
            was_empty: false,
            was_late: false,
            removed: Counts::default(),
            is_told: false,
        }
    }

    /// Whether nothing was there at the last look, which is not yet the one that counts.
    pub(crate) fn is_clean(&self) -> bool {
        self.last == Last::Clean
    }

    /// Whether what it had waits for the engine.
    pub(crate) fn waits(&self) -> bool {
        self.last == Last::Waits
    }

    /// When to look. Last looks are for many at once, and so not more often than this.
    pub(crate) fn look_at(&self, next_last_look: Option<Instant>) -> Instant {
        match next_last_look {
            Some(at) if self.last == Last::Clean => at.max(self.look_at),
            _ => self.look_at,
        }
    }

    /// Whether to look for it with others at a moment: what is refused, or stuck, has a rest, so that it does not hold up what
    /// goes at once.
    pub(crate) fn may_be_looked_for(&self, now: Instant) -> bool {
        self.last == Last::Clean || self.look_at <= now
    }

    pub(crate) fn take(&mut self, share: Share, sweep: Sweep<'_>, patience: &Patience) -> Next {
        let advanced = !share.removed.is_empty();
        self.removed.add(&share.removed);
        self.is_told &= !advanced;
        if self.was_empty && share.seen {
            // The engine is late, and may have more to do.
            self.quiet_since = sweep.began;
        }
        if sweep.cut_short {
            (self.last, self.look_at) = (Last::Gone, sweep.ended);
            return Next::LookAgain;
        }
        let has_failed = !share.left.is_empty() || !sweep.unlisted.is_empty();
        self.last = match (share.seen, has_failed) {
            (false, false) => Last::Clean,
            (true, false) => Last::Gone,
            (_, true) if sweep.waits => Last::Waits,
            (_, true) => Last::Refused,
        };
        if self.last == Last::Clean {
            return self.rest(sweep, patience);
        }
        if advanced {
            self.retries = patience.retries;
        }
        let is_late = sweep.ended.duration_since(self.decided_at) >= patience.timeout;
        if !has_failed {
            if is_late && self.was_late {
                return Next::LeftBehind(vec![
                    "what somebody goes on creating: every list had more, until the time was over".into(),
                ]);
            }
            // Whatever was removed is looked for once more, at once.
            (self.was_late, self.look_at) = (is_late, sweep.ended);
            return Next::LookAgain;
        }
        if is_late || !(sweep.waits || advanced || self.retries > 0) {
            return Next::LeftBehind(share.left.into_iter().chain(sweep.unlisted.iter().cloned()).collect());
        }
        if !(sweep.waits || advanced) {
            self.retries -= 1;
        }
        // What is stuck makes a round long. It has no more than half of the time.
        let took = sweep.ended.duration_since(sweep.began);
        self.look_at = sweep.ended + patience.interval.max(if self.waits() { took } else { Duration::ZERO });
        Next::LookAgain
    }

    /// Nothing is there: it is over when that was seen late enough.
    fn rest(&mut self, sweep: Sweep<'_>, patience: &Patience) -> Next {
        self.was_empty = true;
        self.look_at = self.quiet_since + patience.settled;
        let is_settled = sweep.began >= self.look_at;
        if !self.is_told {
            self.is_told = true;
            let took = sweep.ended.duration_since(self.decided_at);
            return Next::Clean { removed: self.removed.clone(), took, is_settled };
        }
        if is_settled { Next::Settled } else { Next::LookAgain }
    }
}
