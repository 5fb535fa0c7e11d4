//! The process's one connection to its session's reaper, and the thread that owns it.
//!
//! It lives on a thread of its own with its own runtime, because a test may have no runtime, one with
//! paused time, or one that ends before the guard does. It waits for two things: a guard asking for
//! something, and the end of the stream, which can only mean that the reaper is gone; then the reaper is
//! acquired again and every filter sent again. A static that keeps the connection was rejected: statics
//! are never dropped, and a test run in one process should let go when its last test ends.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use socket2::{SockRef, Socket};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::acquire::{Acquired, acquire};
use crate::config::Config;
use crate::engine::BollardEngine;
use crate::engine::discover::{Endpoint, discover, likely};
use crate::error::{Error, Result};
#[cfg(unix)]
use crate::keeper;
use crate::labels::Filter;
use crate::session::SessionId;
use crate::spec::Plan;
use crate::wire::{self, WireError};

/// Called with the outcome of the attempt it waited for.
pub(crate) type Waiter = Box<dyn FnOnce(Result<Arc<Connection>>) + Send>;

/// A live connection; it closes when the last handle is dropped, and before that drop returns.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The engine's endpoint, for people.
    pub(crate) endpoint: String,
    line: Arc<Mutex<Line>>,
    requests: UnboundedSender<Request>,
}

/// What the thread and the handles both have to know of the stream that is open now.
#[derive(Debug)]
struct Line {
    container: String,
    /// The thread's stream once more, to close it from elsewhere.
    socket: Socket,
    /// No handle is left, so an end of the stream is no loss.
    released: bool,
}

/// One more filter, and who wants to know that it was acknowledged.
struct Request {
    filter: Filter,
    answer: std::sync::mpsc::SyncSender<Result<()>>,
}

impl Connection {
    /// The id of the container at the other end, which a restored connection changes.
    pub(crate) fn container(&self) -> String {
        lock(&self.line).container.clone()
    }

    /// Registers one more filter; returns when it was acknowledged.
    pub(crate) fn also(&self, filter: Filter) -> Result<()> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let lost = || Error::Lost { source: Arc::new(ended()) };
        self.requests.send(Request { filter, answer }).map_err(|_| lost())?;
        answered.recv().map_err(|_| lost())?
    }
}

impl Drop for Connection {
    /// Closes the stream here and not on the thread, which may have to wait for a processor while the
    /// test that dropped the guard goes on.
    fn drop(&mut self) {
        let mut line = lock(&self.line);
        line.released = true;
        // Fails only where the other end was faster.
        let _ = line.socket.shutdown(Shutdown::Both);
    }
}

/// What this process has for a session.
enum Slot {
    Acquiring {
        config: Config,
        waiters: Vec<Waiter>,
    },
    Live {
        config: Config,
        connection: Weak<Connection>,
    },
    /// It could not be had: kept, so that a hundred tests do not each wait for the same deadline.
    Failed {
        config: Config,
        error: Error,
    },
    /// It was had, lost, and not restored: told to the next who asks, who may then try anew.
    Lost {
        error: Error,
    },
}

static SLOTS: Mutex<BTreeMap<SessionId, Slot>> = Mutex::new(BTreeMap::new());

/// Asks for the process's connection; the waiter is called at once where there is one, else by the
/// connection's thread.
pub(crate) fn request(session: SessionId, config: Config, waiter: Waiter) {
    let mut slots = lock(&SLOTS);
    let known = match slots.get_mut(&session) {
        Some(Slot::Acquiring { config: theirs, waiters }) if *theirs == config => {
            waiters.push(waiter);
            return;
        }
        Some(Slot::Acquiring { .. }) => Some(Err(contradiction(&session))),
        Some(Slot::Live { config: theirs, connection }) => {
            let same = *theirs == config;
            let live = connection.upgrade();
            live.map(|connection| if same { Ok(connection) } else { Err(contradiction(&session)) })
        }
        Some(Slot::Failed { config: theirs, error }) if *theirs == config => Some(Err(error.clone())),
        Some(Slot::Lost { error }) => {
            let error = error.clone();
            slots.remove(&session);
            Some(Err(error))
        }
        Some(Slot::Failed { .. }) | None => None,
    };
    if let Some(outcome) = known {
        // Not under the lock: a waiter is somebody else's code.
        drop(slots);
        return waiter(outcome);
    }
    let acquiring = Slot::Acquiring { config: config.clone(), waiters: vec![waiter] };
    slots.insert(session.clone(), acquiring);
    drop(slots);
    start(session, config);
}

/// The live connection of a session, if this process has one.
pub(crate) fn current(session: &SessionId) -> Option<Arc<Connection>> {
    match lock(&SLOTS).get(session) {
        Some(Slot::Live { connection, .. }) => connection.upgrade(),
        _ => None,
    }
}

fn start(session: SessionId, config: Config) {
    let (for_thread, settings) = (session.clone(), config.clone());
    let spawned = thread::Builder::new().name("reaper".into()).spawn(move || hold(for_thread, settings));
    if let Err(error) = spawned {
        fail(session, config, &Error::Thread { source: Arc::new(error) });
    }
}

/// The thread: acquires, hands out, and holds for as long as somebody has a handle.
fn hold(session: SessionId, config: Config) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(session, config, &Error::Thread { source: Arc::new(error) }),
    };
    runtime.block_on(async {
        let supervisor = match Supervisor::new(&session, config.clone()).await {
            Ok(supervisor) => supervisor,
            Err(error) => return fail(session, config, &error),
        };
        let (requests, mut requested) = unbounded_channel();
        let connection = Arc::new(Connection {
            endpoint: supervisor.plan.endpoint.place.to_string(),
            line: Arc::clone(&supervisor.line),
            requests,
        });
        // The first test of a session may be over before a keeper is there, so it waits. For the others
        // there is one usually, and they go on meanwhile.
        if supervisor.created {
            leave_keeper(&supervisor.plan, &supervisor.stream);
        }
        hand_out(session, config, &connection);
        // The guards keep it from here on; while the thread did, the connection would never close.
        drop(connection);
        if !supervisor.created {
            leave_keeper(&supervisor.plan, &supervisor.stream);
        }
        supervisor.run(&mut requested).await;
    });
}

fn hand_out(session: SessionId, config: Config, connection: &Arc<Connection>) {
    let live = Slot::Live { config, connection: Arc::downgrade(connection) };
    for waiter in settle(session, live) {
        waiter(Ok(Arc::clone(connection)));
    }
}

fn fail(session: SessionId, config: Config, error: &Error) {
    for waiter in settle(session, Slot::Failed { config, error: error.clone() }) {
        waiter(Err(error.clone()));
    }
}

/// Puts the outcome in the slot and gives back who waited for it.
fn settle(session: SessionId, outcome: Slot) -> Vec<Waiter> {
    match lock(&SLOTS).insert(session, outcome) {
        Some(Slot::Acquiring { waiters, .. }) => waiters,
        _ => Vec::new(),
    }
}

struct Supervisor {
    engine: BollardEngine,
    plan: Plan,
    stream: TcpStream,
    /// Whether the reaper first acquired was made by this process.
    created: bool,
    /// Everything registered, in order: what has to be said again to a new reaper.
    filters: Vec<Filter>,
    line: Arc<Mutex<Line>>,
}

impl Supervisor {
    async fn new(session: &SessionId, config: Config) -> Result<Self> {
        if let Some(endpoint) = likely(&config)? {
            match Self::at(session, config.clone(), endpoint).await {
                Err(Error::Engine { .. }) => {}
                outcome => return outcome,
            }
        }
        let endpoint = discover(&config)?;
        Self::at(session, config, endpoint).await
    }

    async fn at(session: &SessionId, config: Config, endpoint: Endpoint) -> Result<Self> {
        let engine = BollardEngine::new(&endpoint);
        let mut plan = Plan { session: session.clone(), config, endpoint, runner: OnceCell::new() };
        let filters = vec![Filter::session(session)];
        let Acquired { stream, container, created } = acquire(&engine, &plan, &filters).await?;
        if created {
            tracing::info!(%session, container, "reaper created");
        } else {
            tracing::info!(%session, container, "reaper obtained from the engine for this session");
        }
        // From here on its absence is a thing that passes.
        plan.endpoint.probed = true;
        let line = Line { container, socket: second(&stream)?, released: false };
        Ok(Self { engine, plan, stream, created, filters, line: Arc::new(Mutex::new(line)) })
    }

    async fn run(mut self, requested: &mut UnboundedReceiver<Request>) {
        let mut byte = [0];
        loop {
            tokio::select! {
                request = requested.recv() => match request {
                    Some(request) => self.also(request).await,
                    // The last handle is gone; dropping the stream is what the reaper waits for.
                    None => return,
                },
                // The reaper only ever answers, so this is the end of the stream, or nothing to keep.
                _ = self.stream.read(&mut byte) => {
                    if lock(&self.line).released {
                        return;
                    }
                    if let Err(error) = self.restore().await {
                        return self.give_up(error);
                    }
                }
            }
        }
    }

    async fn also(&mut self, Request { filter, answer }: Request) {
        let outcome = match wire::register(&mut self.stream, &filter).await {
            Ok(()) => {
                self.filters.push(filter);
                Ok(())
            }
            Err(WireError::Refused { answer }) => {
                Err(Error::FilterRefused { filter: filter.to_string(), answer })
            }
            Err(WireError::Broken(_)) => {
                self.filters.push(filter);
                self.restore().await
            }
        };
        // Whoever asked may have gone meanwhile; the filter is registered all the same.
        let _ = answer.send(outcome);
    }

    async fn restore(&mut self) -> Result<()> {
        let session = &self.plan.session;
        tracing::info!(%session, container = self.container(), "connection lost");
        let Acquired { stream, container, created } =
            acquire(&self.engine, &self.plan, &self.filters).await?;
        tracing::info!(%session, container, created, "connection restored");
        // The keeper has gone with its reaper.
        leave_keeper(&self.plan, &stream);
        let mut line = lock(&self.line);
        line.socket = second(&stream)?;
        line.container = container;
        self.stream = stream;
        Ok(())
    }

    fn container(&self) -> String {
        lock(&self.line).container.clone()
    }

    fn give_up(self, error: Error) {
        // Nobody misses it, and the slot may hold somebody's new connection.
        if lock(&self.line).released {
            return;
        }
        let session = &self.plan.session;
        tracing::error!(%session, error = error.report(), "what this session created is not protected");
        let error = Error::Lost { source: Arc::new(error) };
        settle(self.plan.session, Slot::Lost { error });
    }
}

/// Has the session's reaper kept for as long as the runner lives.
fn leave_keeper(plan: &Plan, stream: &TcpStream) {
    #[cfg(unix)]
    if let Some(runner) = plan.runner() {
        let reaper = stream.peer_addr();
        if let Err(error) = reaper.and_then(|reaper| keeper::leave(&plan.session, runner, reaper)) {
            let session = &plan.session;
            tracing::warn!(%session, %error, "no keeper: a gap between tests may end the session's reaper");
        }
    }
    #[cfg(not(unix))]
    let _ = (plan, stream);
}

/// The same stream under a second descriptor.
fn second(stream: &TcpStream) -> Result<Socket> {
    let failed = |source| Error::Engine { operation: "hold the connection".into(), source: Arc::new(source) };
    SockRef::from(stream).try_clone().map_err(failed)
}

fn ended() -> Error {
    let source = Arc::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    Error::Engine { operation: "reach the thread that holds the connection".into(), source }
}

/// A panic elsewhere leaves these values whole: each is replaced in one piece.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn contradiction(session: &SessionId) -> Error {
    Error::Contradiction { session: session.to_string() }
}
