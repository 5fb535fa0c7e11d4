//! Where clients come in: on every address, and as many as there are descriptors for.
//!
//! When all are taken, the one that has been idle the longest has to go; a client that has said what it wants stays. A
//! descriptor that is missing all the same is waited for and not asked for over and over.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::log;
use crate::platform;

const MOST_CLIENTS: u64 = 4096;
/// For the requests to the engine and all that a process has open anyway.
const RESERVED: u64 = 32;
/// Until another descriptor is asked for.
const REST: Duration = Duration::from_millis(100);

pub(crate) struct Door {
    pub(crate) listeners: Vec<TcpListener>,
    most_clients: usize,
    /// Not looked at before.
    rests_until: Option<Instant>,
    is_verbose: bool,
}

impl Door {
    /// On IPv6 and IPv4, which where the system has both is one socket or two, as it is set up.
    pub(crate) fn open(port: u16, is_verbose: bool) -> io::Result<Self> {
        let first = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
        // The same one where it was chosen just now.
        let port =
            first.as_ref().ok().and_then(|first| first.local_addr().ok()).map_or(port, |own| own.port());
        let (listeners, mut problems) = [first, TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))]
            .into_iter()
            .fold((Vec::new(), Vec::new()), |(mut listeners, mut problems), listener| {
                match listener {
                    Ok(listener) => listeners.push(listener),
                    Err(problem) => problems.push(problem),
                }
                (listeners, problems)
            });
        if listeners.is_empty() {
            return Err(problems.pop().unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()));
        }
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let most = platform::raise_descriptors(MOST_CLIENTS + RESERVED)?.saturating_sub(RESERVED);
        let most_clients = usize::try_from(most.clamp(1, MOST_CLIENTS)).unwrap_or(1);
        Ok(Self { listeners, most_clients, rests_until: None, is_verbose })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listeners[0].local_addr()
    }

    pub(crate) fn shut(&mut self) {
        self.listeners.clear();
    }

    /// The time from which it can be looked at again; none where it can be now.
    pub(crate) fn rests_until(&mut self, now: Instant) -> Option<Instant> {
        self.rests_until = self.rests_until.filter(|until| *until > now);
        self.rests_until
    }

    /// Lets in whoever is at one of the listeners.
    pub(crate) fn accept(&mut self, at: usize, clients: &mut Vec<Client>, came_late: bool) {
        loop {
            match self.listeners[at].accept() {
                Ok((stream, address)) => {
                    // Whoever is registered has a claim.
                    if clients.len() >= self.most_clients && !evict(clients) {
                        continue;
                    }
                    clients.extend(self.client(stream, address, came_late));
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    if !(platform::is_out_of_descriptors(&error) && evict(clients)) {
                        log::line(format_args!("failed to accept a client: {error}"));
                        self.rests_until = Some(Instant::now() + REST);
                        return;
                    }
                }
            }
        }
    }

    /// None where it cannot be set up: it is let go, and comes again.
    fn client(&self, stream: TcpStream, address: SocketAddr, came_late: bool) -> Option<Client> {
        stream.set_nonblocking(true).and_then(|()| platform::keep_alive(&stream)).ok()?;
        let name = SocketAddr::new(address.ip().to_canonical(), address.port()).to_string();
        if self.is_verbose {
            log::line(format_args!("client={name} connected"));
        }
        Some(Client::new(stream, name, came_late))
    }
}

/// Lets go of the first that has asked for nothing: it has had most time. Those that may only have come back go last.
fn evict(clients: &mut Vec<Client>) -> bool {
    let first = clients.iter().position(|client| client.is_idle() && client.silent_at().is_none());
    match first.or_else(|| clients.iter().position(Client::is_idle)) {
        Some(at) => {
            clients.remove(at);
            true
        }
        None => false,
    }
}
