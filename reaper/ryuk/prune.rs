//! Removes what the filters match, and looks again until nothing does.
//!
//! On a thread of its own, which is told what to do and says what came of it, so that the one that serves clients goes on
//! meanwhile and decides. A pass ends when nothing matches, when what is left will not go, or when somebody is waiting to be
//! let in. What cannot be removed is said, with the reason: nobody else will tell.
//!
//! An engine that refuses is asked as often as `RYUK_REMOVE_RETRIES` says. One that is slow has refused nothing:
//! what hundreds of other removals hold up, or a restart of the engine, takes it longer than those are meant for. All of
//! it ends with `RYUK_SHUTDOWN_TIMEOUT`, whatever goes on.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::brake::{Brake, Stop};
use crate::round::{Round, Tally, Wanted};
use crate::scopes::Swept;
use crate::settings::Settings;

/// How a pass ended.
#[derive(Debug)]
pub(crate) enum End {
    NothingMatches,
    /// What there is still, and why.
    LeftBehind(Vec<String>),
    Interrupted,
}

/// What came of a pass.
pub(crate) struct Passed {
    pub(crate) end: End,
    /// Whether anything was there, removed or not.
    pub(crate) has_seen: bool,
    /// All that was removed so far.
    pub(crate) removed: String,
}

/// What came of what was told.
pub(crate) enum Outcome {
    Session(Passed),
    Scopes(Swept),
}

/// What to do next.
enum Order {
    /// To go on until nothing matches.
    Session { wanted: Vec<Wanted>, until: Instant, brake: Arc<Brake> },
    /// One round. When there is another is for the scopes to say (`scopes`), since more of them may have ended by then.
    Scopes { wanted: Vec<Wanted>, brake: Arc<Brake> },
}

/// The thread that removes.
pub(crate) struct Pruner {
    orders: Sender<Order>,
    outcomes: Receiver<Outcome>,
    /// Can be read when something has come of it.
    pub(crate) bell: PipeReader,
}

impl Pruner {
    /// Started before anything is promised: where the system grants no thread, it is known then.
    pub(crate) fn start(mut tally: Tally, settings: &Settings) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel::<Order>();
        let (sender, outcomes) = mpsc::channel();
        let (bell, rope) = io::pipe()?;
        let (retries, interval) = (settings.remove_retries, settings.changes_retry_interval);
        thread::Builder::new().spawn(move || {
            for order in ordered {
                let outcome = match order {
                    Order::Session { wanted, until, brake } => {
                        let bounds = Bounds { retries, interval, until };
                        Outcome::Session(pass(&wanted, &bounds, &brake, &mut tally))
                    }
                    Order::Scopes { wanted, brake } => {
                        let began = Instant::now();
                        let round = tally.round(&wanted, &brake);
                        let cut_short = brake.is_pulled(Stop::Now);
                        Outcome::Scopes(Swept { wanted, round, began, cut_short })
                    }
                };
                if sender.send(outcome).is_err() || ring(&rope).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, outcomes, bell })
    }

    /// Begins a pass; the brake ends it early.
    pub(crate) fn begin(&self, wanted: Vec<Wanted>, until: Instant) -> Arc<Brake> {
        let brake = Arc::new(Brake::default());
        self.order(Order::Session { wanted, until, brake: Arc::clone(&brake) });
        brake
    }

    /// Begins a round for scopes that have ended; the brake ends it early.
    pub(crate) fn sweep(&self, wanted: Vec<Wanted>) -> Arc<Brake> {
        let brake = Arc::new(Brake::default());
        self.order(Order::Scopes { wanted, brake: Arc::clone(&brake) });
        brake
    }

    fn order(&self, order: Order) {
        // The thread is there as long as this end of the channel.
        let _ = self.orders.send(order);
    }

    /// What came of that whose bell rang.
    pub(crate) fn outcome(&mut self) -> io::Result<Outcome> {
        io::Read::read_exact(&mut self.bell, &mut [0])?;
        self.outcomes.recv().map_err(io::Error::other)
    }
}

fn ring(mut rope: &PipeWriter) -> io::Result<()> {
    io::Write::write_all(&mut rope, b"x")
}

struct Bounds {
    retries: u32,
    interval: Duration,
    until: Instant,
}

fn pass(wanted: &[Wanted], bounds: &Bounds, brake: &Brake, tally: &mut Tally) -> Passed {
    let Bounds { retries, interval, until } = *bounds;
    let mut left_retries = retries;
    let (mut has_seen, mut was_late) = (false, false);
    let end = loop {
        let Round { seen, advanced, waits, mut left, .. } = tally.round(wanted, brake);
        has_seen |= seen;
        let is_late = Instant::now() >= until;
        if brake.is_pulled(Stop::AfterRound) && (seen || !left.is_empty()) {
            break End::Interrupted;
        }
        if !seen && left.is_empty() {
            break End::NothingMatches;
        }
        if advanced {
            left_retries = retries;
        }
        // The time is over, and all that was listed has gone: one look whether that was all.
        if is_late && !was_late && left.is_empty() {
            was_late = true;
            continue;
        }
        if is_late || !(waits || advanced || left_retries > 0) {
            if left.is_empty() {
                left.push(
                    "what somebody goes on creating: every list had more, until the time was over".into(),
                );
            }
            break End::LeftBehind(left);
        }
        // Whatever matches and was removed is looked for once more, at once.
        if advanced && left.is_empty() {
            continue;
        }
        if !(waits || advanced) {
            left_retries -= 1;
        }
        brake.rest(interval.min(until.saturating_duration_since(Instant::now())));
        if brake.is_pulled(Stop::AfterRound) {
            break End::Interrupted;
        }
    };
    Passed { end, has_seen, removed: tally.counts().to_string() }
}
