//! Serves clients until the last is gone for good, has removed what they registered, and looks once more.
//!
//! One thread waits for all of them with poll(2), and it alone decides: when to begin to remove, whether somebody who
//! comes meanwhile is let in, and when it is over. So no filter can be acknowledged after the decision, without a lock
//! that somebody could forget. A thread per client was rejected: 256 test processes are usual, and the container's
//! process limit is small. What removes is told what to do (`prune`), and while it is at the session nobody is answered.
//!
//! What an ended scope had is removed beside serving, a round at a time, since others begin and end meanwhile (`scopes`). That
//! is nothing to the session: it counts no generation, and ends with the session's own removal, which has the rest.
//!
//! ```text
//! serving   the last client has been gone for the reconnection timeout ──▶ pruning
//! pruning   nothing matches ──▶ settling, until the last look is due ──▶ pruning … ──▶ the end
//!           what is left will not go, or the time is over ──▶ the end
//!           somebody waits to be let in ──▶ serving, when the round is over
//! settling  somebody registers a filter ──▶ serving
//! ```
//!
//! The last look is one some seconds after the last client has gone: what a killed test had asked for, a busy engine
//! does a second or two after. Whoever comes before that is let in. Whoever comes while things are removed waits for the
//! round's end, or for as long as the engine may take for a request, and is let in then.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Instant;

use crate::brake::{Brake, Stop};
use crate::client::Client;
use crate::door::Door;
use crate::log;
use crate::news;
use crate::platform;
use crate::prune::{End, Outcome, Passed, Pruner};
use crate::register::Register;
use crate::report::Why;
use crate::round::Wanted;
use crate::settings::{MOMENT, Settings};

/// For all unfinished lines together: a few hundred slow clients must not use the memory up.
const ALL_UNFINISHED: usize = 4 << 20;
/// A server that was stopped or had to wait for a processor finds the time over when it gets to look, and
/// a client that was in time at the door: one look to let it in and one to read its line. Not until nobody
/// says anything, for somebody who only ever talks must not keep the reaper.
const LAST_LOOKS: u32 = 2;
/// How many connection timeouts somebody who only holds a connection may keep the session, after the last who
/// registered something has gone: an hour as it is usually set.
const SILENCE: u32 = 60;

pub(crate) struct Server<'a> {
    door: Door,
    /// When a signal shut the door.
    shut_at: Option<Instant>,
    signals: io::PipeReader,
    settings: &'a Settings,
    register: Register,
    pruner: Pruner,
    clients: Vec<Client>,
    phase: Phase,
    /// From the first removal until somebody is let in.
    ending: Option<Ending>,
    /// Since when nobody is connected who could have asked the engine for anything.
    alone_since: Instant,
    /// When a client with a filter was there last.
    registered_at: Instant,
    /// How often was looked at the door since the time was over.
    looks: u32,
    /// A deadline that was found over, and when: whoever was let in by the last looks has a moment from then on.
    seen_due: Option<(Instant, Instant)>,
    /// While a round for ended scopes is under way.
    sweep: Option<Arc<Brake>>,
}

enum Phase {
    /// Until then, or for as long as somebody is there.
    Serving(Option<Instant>),
    Pruning {
        brake: Arc<Brake>,
        /// When whoever waits has waited long enough; none where nobody does, or all was done about it.
        hurry_at: Option<Instant>,
    },
    /// The last look is due then.
    Settling(Instant),
}

#[derive(Debug, Clone, Copy)]
struct Ending {
    until: Instant,
    looked_at: Instant,
    /// Since when the engine has nothing to do for anybody.
    quiet_since: Instant,
    /// Whether nothing was there once: what comes then is late.
    was_empty: bool,
}

/// What poll(2) was asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Watched {
    Client(usize),
    Listener(usize),
    Signal,
    Bell,
}

impl<'a> Server<'a> {
    pub(crate) fn new(
        door: Door,
        signals: io::PipeReader,
        settings: &'a Settings,
        register: Register,
        pruner: Pruner,
    ) -> Self {
        let now = Instant::now();
        Self {
            door,
            shut_at: None,
            signals,
            settings,
            register,
            pruner,
            clients: Vec::new(),
            phase: Phase::Serving(Some(now + settings.connection_timeout)),
            ending: None,
            alone_since: now,
            registered_at: now,
            looks: 0,
            seen_due: None,
            sweep: None,
        }
    }

    /// Returns when all is over; false when something was left behind.
    pub(crate) fn run(mut self) -> io::Result<bool> {
        loop {
            let now = Instant::now();
            if let Phase::Serving(Some(due)) = self.phase
                && due <= now
                && self.seen_due.is_none_or(|(seen, _)| seen != due)
            {
                self.seen_due = Some((due, now));
            }
            self.judge_scopes(now);
            let is_due = !self.is_removing() && self.due_at().is_some_and(|at| at <= now);
            if is_due && self.looks == LAST_LOOKS {
                if !self.register.has_anything() {
                    log::line(format_args!("clients={} nothing to remove", self.clients.len()));
                    return Ok(true);
                }
                self.prune(now);
            } else {
                self.looks = if is_due { self.looks + 1 } else { 0 };
            }
            self.sweep_scopes(now);
            let ready = self.wait(now)?;
            let (was_held, had) = (self.is_held(), self.register.acknowledged());
            self.read(&ready);
            self.accept(&ready);
            if ready.contains(&Watched::Bell)
                && let Some(is_all_gone) = self.take_outcome()?
            {
                return Ok(is_all_gone);
            }
            news::spread(&mut self.clients, &mut self.register, self.settings.verbose);
            // Whoever registered something may be gone again.
            let has_registered = self.register.acknowledged() > had;
            self.turn(was_held || has_registered, has_registered);
        }
    }

    /// Waits for whatever comes first, and says what did.
    fn wait(&mut self, now: Instant) -> io::Result<Vec<Watched>> {
        let (mut watched, mut fds) = (Vec::new(), Vec::new());
        for (at, client) in self.clients.iter().enumerate().filter(|(_, client)| !client.waits) {
            watched.push(Watched::Client(at));
            fds.push(client.stream.as_fd());
        }
        let rests_until = self.door.rests_until(now);
        if rests_until.is_none() {
            for (at, listener) in self.door.listeners.iter().enumerate() {
                watched.push(Watched::Listener(at));
                fds.push(listener.as_fd());
            }
        }
        // After a signal the pipe stays readable; it has been understood.
        if self.shut_at.is_none() {
            watched.push(Watched::Signal);
            fds.push(self.signals.as_fd());
        }
        watched.push(Watched::Bell);
        fds.push(self.pruner.bell.as_fd());
        let until = self.due_at().into_iter().chain(self.scopes_due_at()).chain(rests_until).min();
        let ready = platform::readable(&fds, until.map(|until| until.saturating_duration_since(now)))?;
        Ok(watched.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(watched, _)| watched).collect())
    }

    /// While what the session had is removed.
    fn is_removing(&self) -> bool {
        matches!(self.phase, Phase::Pruning { .. })
    }

    /// When something is to be done for scopes though nothing comes.
    fn scopes_due_at(&self) -> Option<Instant> {
        let Phase::Serving(_) = self.phase else { return None };
        let scopes = &self.register.scopes;
        let look_at = if self.sweep.is_none() { scopes.look_at() } else { None };
        scopes.grace_ends_at().into_iter().chain(look_at).min()
    }

    /// Ends the scopes to which nobody has come back.
    fn judge_scopes(&mut self, now: Instant) {
        let Phase::Serving(_) = self.phase else { return };
        let returned_at = self.clients.iter().map(Client::returned_at).max();
        for filter in self.register.scopes.judge(now, returned_at) {
            log::line(format_args!("scope={} lost: nobody came back to it", filter.to_json()));
        }
    }

    /// Begins a round for ended scopes, where one is due and none is under way. Who serves goes on meanwhile.
    fn sweep_scopes(&mut self, now: Instant) {
        let Phase::Serving(_) = self.phase else { return };
        if self.sweep.is_none()
            && let Some(wanted) = self.register.scopes.due(now)
        {
            self.sweep = Some(self.pruner.sweep(wanted));
        }
    }

    /// When something is to be done for the session though nothing comes.
    fn due_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Pruning { hurry_at, .. } => *hurry_at,
            Phase::Settling(at) => Some(*at),
            Phase::Serving(deadline) => {
                let due = (*deadline)?;
                // Who was in time, and may be one that says nothing, is given the moment to show it. Nobody who comes
                // later is: otherwise they could go on for ever.
                let in_time = self.clients.iter().filter(|client| client.came_before(due));
                let shown_at =
                    in_time.filter_map(Client::silent_at).filter(|_| self.may_be_silent(due)).max();
                // Who was let in by the last looks and has greeted has one more thing to say, and the answer to wait for.
                let greeted_at = match self.seen_due {
                    Some((seen, at)) if seen == due => {
                        self.clients.iter().any(Client::is_about_to_register).then(|| at + MOMENT)
                    }
                    _ => None,
                };
                Some(shown_at.into_iter().chain(greeted_at).fold(due, Instant::max))
            }
        }
    }

    fn read(&mut self, ready: &[Watched]) {
        let is_open = !self.is_removing();
        let mut readable = vec![false; self.clients.len()];
        for watched in ready {
            if let Watched::Client(at) = watched {
                readable[*at] = true;
            }
        }
        let mut readable = readable.into_iter();
        self.register.clients = self.holders().count();
        let mut room = ALL_UNFINISHED;
        let Self { clients, register, settings, .. } = self;
        clients.retain_mut(|client| {
            let stays = readable.next() != Some(true) || client.read(register, is_open);
            let fits = client.unfinished.len() <= room;
            room = room.saturating_sub(client.unfinished.len());
            if !(stays && fits) {
                client.leave(register, settings.verbose);
            }
            stays && fits
        });
    }

    fn accept(&mut self, ready: &[Watched]) {
        let came_late = self.register.acknowledged() > 0;
        for watched in ready {
            match watched {
                Watched::Listener(at) => self.door.accept(*at, &mut self.clients, came_late),
                Watched::Signal => {
                    log::line(format_args!("signal received, shutting down"));
                    self.shut_at = Some(Instant::now());
                }
                Watched::Client(_) | Watched::Bell => {}
            }
        }
        if self.shut_at.is_some() {
            self.door.shut();
        }
    }

    /// How long somebody who only holds a connection may hold the session.
    fn silence_ends_at(&self) -> Instant {
        self.registered_at + self.settings.connection_timeout * SILENCE
    }

    /// Whether anybody is there for whom the session is kept.
    fn is_held(&self) -> bool {
        self.holders().next().is_some()
    }

    fn holders(&self) -> impl Iterator<Item = &Client> {
        let now = Instant::now();
        let is_silent = move |client: &Client| client.silent_at().is_some_and(|at| at <= now);
        let may_be_silent = self.may_be_silent(now);
        self.clients
            .iter()
            .filter(move |client| client.is_registered() || (may_be_silent && is_silent(client)))
    }

    /// Once things were removed, only a filter keeps the session.
    fn may_be_silent(&self, now: Instant) -> bool {
        self.ending.is_none() && now < self.silence_ends_at()
    }

    /// Decides what follows from who is there.
    fn turn(&mut self, was_held: bool, has_registered: bool) {
        let now = Instant::now();
        if let Phase::Pruning { brake, hurry_at } = &mut self.phase {
            if hurry_at.is_some_and(|at| at <= now) {
                brake.pull(Stop::Now);
                *hurry_at = None;
            } else if !brake.is_pulled(Stop::AfterRound) && self.clients.iter().any(|client| client.waits) {
                brake.pull(Stop::AfterRound);
                *hurry_at = Some(now + self.settings.request_timeout);
            }
            return;
        }
        let is_registered = self.clients.iter().any(Client::is_registered);
        if is_registered || has_registered {
            self.registered_at = now;
        }
        if has_registered && self.ending.take().is_some() {
            log::line(format_args!("somebody came, serving again"));
            self.phase = Phase::Serving(None);
        }
        let is_held = self.is_held();
        let silence_ends_at = self.silence_ends_at();
        let Phase::Serving(deadline) = &mut self.phase else { return };
        if is_held || was_held {
            self.alone_since = now;
        }
        let held_until = if is_registered { None } else { Some(silence_ends_at) };
        let shut_until = self.shut_at.map(|at| at + self.settings.shutdown_timeout);
        if is_held {
            *deadline = held_until.into_iter().chain(shut_until).min();
        } else if self.shut_at.is_some() {
            *deadline = Some(now);
        } else if was_held {
            *deadline = Some(now + self.register.over.unwrap_or(self.settings.reconnection_timeout));
        }
    }

    fn prune(&mut self, now: Instant) {
        let (clients, filters) = (self.clients.len(), self.register.filters().len());
        // What ended scopes had is the session's to remove now, and its pass comes when their round is over.
        if let Some(brake) = &self.sweep {
            brake.pull(Stop::Now);
        }
        // First those of scopes, which say more of why.
        let mut wanted = self.register.scopes.end_all(now);
        log::line(format_args!(
            "clients={clients} filters={filters} scopes={} no client, pruning",
            wanted.len()
        ));
        let plain = self.register.filters().iter().cloned();
        wanted.extend(plain.map(|filter| Wanted { filter, why: Why::SessionEnded }));
        let (until, quiet_since) = (now + self.settings.shutdown_timeout, self.alone_since);
        let ending = Ending { until, looked_at: now, quiet_since, was_empty: false };
        let ending = self.ending.get_or_insert(ending);
        ending.looked_at = now;
        let brake = self.pruner.begin(wanted, ending.until);
        self.phase = Phase::Pruning { brake, hurry_at: None };
        self.looks = 0;
    }

    /// What follows from what was removed; at the end, whether all is gone.
    fn take_outcome(&mut self) -> io::Result<Option<bool>> {
        match self.pruner.outcome()? {
            Outcome::Session(passed) => Ok(self.end_pass(passed)),
            Outcome::Scopes(swept) => {
                self.sweep = None;
                for told in self.register.scopes.take(swept, Instant::now()) {
                    log::line(format_args!("{told}"));
                }
                Ok(None)
            }
        }
    }

    fn end_pass(&mut self, passed: Passed) -> Option<bool> {
        let now = Instant::now();
        // Whoever is let in from now on will not find what was there.
        if passed.has_seen {
            self.register.generation += 1;
            self.register.keys.end_all();
        }
        let is_wanted = self.clients.iter().any(|client| client.waits);
        // There is one while something is removed.
        let Some(ending) = &mut self.ending else { return Some(true) };
        if ending.was_empty && passed.has_seen {
            // The engine is late, and may have more to do.
            ending.quiet_since = ending.looked_at;
        }
        let over = match passed.end {
            End::Interrupted => {
                self.phase = Phase::Serving(Some(now));
                None
            }
            End::NothingMatches => {
                ending.was_empty = true;
                let rest = self.settings.settled();
                let rest = rest.saturating_sub(ending.quiet_since.elapsed());
                let rest = rest.min(ending.until.saturating_duration_since(now));
                if !rest.is_zero() {
                    log::line(format_args!("nothing matches, looking once more in {} ms", rest.as_millis()));
                }
                self.phase = Phase::Settling(now + rest);
                (rest.is_zero() && !is_wanted).then_some(true)
            }
            End::LeftBehind(left) => {
                for problem in left {
                    log::line(format_args!("left behind: {problem}"));
                }
                Some(false)
            }
        };
        if over.is_some() {
            log::line(format_args!("removed {}", passed.removed));
        } else {
            let Self { clients, register, settings, .. } = self;
            clients.retain_mut(|client| {
                let stays = !client.waits || client.lines(register, true);
                if !stays {
                    client.leave(register, settings.verbose);
                }
                stays
            });
        }
        over
    }
}
