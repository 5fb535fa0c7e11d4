//! Serves clients until the last is gone for good, and gives back what they registered.
//!
//! One thread waits for all of them with poll(2). A thread per client was rejected: 256 test processes
//! are usual, and the container's process limit is small. Only a client with an acknowledged filter
//! keeps the reaper waiting; whoever connects and says nothing does not.

use std::io::{self, ErrorKind, PipeReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Instant;

use crate::docker::Docker;
use crate::filter::Filter;
use crate::log;
use crate::platform;
use crate::settings::Settings;

/// Official Ryuk's limit for a line.
const LONGEST_LINE: usize = 64 << 10;
/// For all unfinished lines together: a few hundred slow clients must not use the memory up.
const ALL_UNFINISHED: usize = 4 << 20;
const MOST_CLIENTS: usize = 4096;
/// A server that was stopped or had to wait for a processor finds the time over when it gets to look, and
/// a client that was in time at the door: one look to let it in and one to read its line. Not until nobody
/// says anything, for somebody who only ever talks must not keep the reaper.
const LAST_LOOKS: u32 = 2;

/// What was registered so far, and whether it can be kept.
struct Register<'a> {
    filters: Vec<Filter>,
    engine: &'a Docker,
    reached: bool,
}

impl Register<'_> {
    /// Takes a line in; why not is for the client.
    fn take(&mut self, line: &[u8]) -> Result<Filter, String> {
        let filter = Filter::parse(line)?;
        // Once. An engine that is away later is waited for when there is something to remove.
        if !self.reached {
            self.engine.reach()?;
            self.reached = true;
        }
        if !self.filters.contains(&filter) {
            self.filters.push(filter.clone());
        }
        Ok(filter)
    }
}

/// What a session comes to.
pub(crate) struct Served {
    pub(crate) filters: Vec<Filter>,
    /// Since when nobody is connected who could have asked the engine for anything.
    pub(crate) alone_since: Instant,
}

struct Client {
    stream: TcpStream,
    name: String,
    unfinished: Vec<u8>,
    registered: bool,
}

/// Returns when it is time to prune. Nothing is acknowledged any more from then on, and nothing before the engine could
/// be reached: what cannot be removed in the end is not to be promised.
pub(crate) fn serve(
    listener: TcpListener,
    signals: &PipeReader,
    settings: &Settings,
    engine: &Docker,
) -> io::Result<Served> {
    listener.set_nonblocking(true)?;
    let mut listener = Some(listener);
    let mut clients: Vec<Client> = Vec::new();
    let mut register = Register { filters: Vec::new(), engine, reached: false };
    let mut alone_since = Instant::now();
    // No deadline while a client is registered.
    let mut deadline = Some(alone_since + settings.connection_timeout);
    let mut last_looks = LAST_LOOKS;
    loop {
        let now = Instant::now();
        let is_due = deadline.is_some_and(|deadline| deadline <= now);
        if is_due && last_looks == 0 {
            let filters = register.filters;
            log::line(format_args!("clients={} filters={} no client, pruning", clients.len(), filters.len()));
            return Ok(Served { filters, alone_since });
        }
        last_looks = if is_due { last_looks - 1 } else { LAST_LOOKS };
        let mut fds: Vec<_> = clients.iter().map(|client| client.stream.as_fd()).collect();
        fds.extend(listener.as_ref().map(|listener| listener.as_fd()));
        // After a signal the pipe stays readable; it has been understood.
        fds.extend(listener.is_some().then(|| signals.as_fd()));
        let ready = platform::readable(&fds, deadline.map(|deadline| deadline - now))?;

        let before = clients.iter().filter(|client| client.registered).count();
        let mut readable = ready.iter();
        let mut room = ALL_UNFINISHED;
        clients.retain_mut(|client| {
            let stays = readable.next() != Some(&true) || client.read(&mut register, settings.verbose);
            let fits = client.unfinished.len() <= room;
            room = room.saturating_sub(client.unfinished.len());
            stays && fits
        });
        if let Some(accepting) = &listener {
            if readable.next() == Some(&true) {
                accept(accepting, &mut clients, settings.verbose);
            }
            if readable.next() == Some(&true) {
                log::line(format_args!("signal received, shutting down"));
                listener = None;
            }
        }
        let registered = clients.iter().filter(|client| client.registered).count();
        if registered > 0 || before > 0 {
            alone_since = Instant::now();
        }
        deadline = match (registered, before) {
            (0, _) if listener.is_none() => Some(now),
            (0, 0) => deadline,
            (0, _) => Some(alone_since + settings.reconnection_timeout),
            _ if listener.is_none() => deadline.or(Some(now + settings.shutdown_timeout)),
            _ => None,
        };
    }
}

fn accept(listener: &TcpListener, clients: &mut Vec<Client>, verbose: bool) {
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                if clients.len() >= MOST_CLIENTS {
                    // Whoever is registered has a claim; of the others, the first has had most time.
                    match clients.iter().position(|client| !client.registered) {
                        Some(idle) => drop(clients.remove(idle)),
                        None => continue,
                    }
                }
                // A client that cannot be set up is let go, and comes again.
                if stream.set_nonblocking(true).is_ok() && platform::keep_alive(&stream).is_ok() {
                    let name = address.to_string();
                    if verbose {
                        log::line(format_args!("client={name} connected"));
                    }
                    clients.push(Client { stream, name, unfinished: Vec::new(), registered: false });
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                if error.kind() != ErrorKind::WouldBlock {
                    log::line(format_args!("failed to accept a client: {error}"));
                }
                return;
            }
        }
    }
}

impl Client {
    /// Takes what has arrived; false when the client is to be let go.
    fn read(&mut self, register: &mut Register<'_>, verbose: bool) -> bool {
        let mut bytes = [0; 4096];
        // Once per turn: a client that never stops sending must not keep the others waiting.
        let stays = match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.unfinished.extend_from_slice(&bytes[..count]);
                self.lines(register)
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        if !stays && (verbose || self.registered) {
            log::line(format_args!("client={} disconnected", self.name));
        }
        stays
    }

    fn lines(&mut self, register: &mut Register<'_>) -> bool {
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let rest = self.unfinished.split_off(end + 1);
            let line = std::mem::replace(&mut self.unfinished, rest);
            let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
            // Official Ryuk does not answer an empty line either.
            if !line.is_empty() && !self.answer(register.take(line)) {
                return false;
            }
        }
        if self.unfinished.len() < LONGEST_LINE {
            return true;
        }
        self.say(b"ERROR the line is too long\n");
        false
    }

    fn answer(&mut self, taken: Result<Filter, String>) -> bool {
        match taken {
            Ok(filter) => {
                log::line(format_args!("client={} filter={} registered", self.name, filter.to_json()));
                // Before the answer: what the client was told must already be true.
                self.registered = true;
                self.say(b"ACK\n")
            }
            Err(problem) => {
                log::line(format_args!("client={} refused: {problem}", self.name));
                self.say(format!("ERROR {problem}\n").as_bytes())
            }
        }
    }

    /// A client that does not even read a line is let go.
    fn say(&mut self, line: &[u8]) -> bool {
        self.stream.write_all(line).is_ok()
    }
}
