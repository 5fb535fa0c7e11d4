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
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::docker::Docker;
use crate::filter::Filter;
use crate::round::{Round, Tally};
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

/// What to do next.
struct Order {
    filters: Vec<Filter>,
    until: Instant,
    brake: Arc<Brake>,
}

/// The thread that removes.
pub(crate) struct Pruner {
    orders: Sender<Order>,
    passed: Receiver<Passed>,
    /// Can be read when a pass has ended.
    pub(crate) bell: PipeReader,
}

impl Pruner {
    /// Started before anything is promised: where the system grants no thread, it is known then.
    pub(crate) fn start(engine: Arc<Docker>, settings: &Settings) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel::<Order>();
        let (outcomes, passed) = mpsc::channel();
        let (bell, rope) = io::pipe()?;
        let (retries, interval) = (settings.remove_retries, settings.changes_retry_interval);
        thread::Builder::new().spawn(move || {
            let mut tally = Tally::default();
            for order in ordered {
                let outcome = pass(&engine, &order, retries, interval, &mut tally);
                if outcomes.send(outcome).is_err() || ring(&rope).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, passed, bell })
    }

    /// Begins a pass; the brake ends it early.
    pub(crate) fn begin(&self, filters: &[Filter], until: Instant) -> Arc<Brake> {
        let brake = Arc::new(Brake::default());
        let order = Order { filters: filters.to_owned(), until, brake: Arc::clone(&brake) };
        // The thread is there as long as this end of the channel.
        let _ = self.orders.send(order);
        brake
    }

    /// What came of the pass whose bell rang.
    pub(crate) fn passed(&mut self) -> io::Result<Passed> {
        io::Read::read_exact(&mut self.bell, &mut [0])?;
        self.passed.recv().map_err(io::Error::other)
    }
}

fn ring(mut rope: &PipeWriter) -> io::Result<()> {
    io::Write::write_all(&mut rope, b"x")
}

/// Held by who decides, watched by who removes.
#[derive(Default)]
pub(crate) struct Brake {
    pulled: Mutex<Option<Stop>>,
    changed: Condvar,
}

/// When a pass is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// When all that is listed was tried.
    AfterRound,
    /// When what the engine is asked already was answered.
    Now,
}

impl Brake {
    pub(crate) fn pull(&self, stop: Stop) {
        let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        *pulled = (*pulled).max(Some(stop));
        self.changed.notify_all();
    }

    pub(crate) fn is_pulled(&self, stop: Stop) -> bool {
        *self.pulled.lock().unwrap_or_else(PoisonError::into_inner) >= Some(stop)
    }

    /// Waits, unless it is pulled.
    fn rest(&self, time: Duration) {
        let pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(pulled, time, |pulled| pulled.is_none());
    }
}

fn pass(engine: &Docker, order: &Order, retries: u32, interval: Duration, tally: &mut Tally) -> Passed {
    let mut left_retries = retries;
    let (mut has_seen, mut was_late) = (false, false);
    let end = loop {
        let Round { seen, advanced, waits, mut left } = tally.round(engine, &order.filters, &order.brake);
        has_seen |= seen;
        let is_late = Instant::now() >= order.until;
        if order.brake.is_pulled(Stop::AfterRound) && (seen || !left.is_empty()) {
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
        order.brake.rest(interval.min(order.until.saturating_duration_since(Instant::now())));
        if order.brake.is_pulled(Stop::AfterRound) {
            break End::Interrupted;
        }
    };
    Passed { end, has_seen, removed: tally.to_string() }
}
