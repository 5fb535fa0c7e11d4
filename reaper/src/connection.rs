//! The process's one connection to its session's reaper, and the thread that owns it.
//!
//! It lives on a thread of its own with its own runtime, because a test may have no runtime, one with
//! paused time, or one that ends before the guard does. It waits for two things: a guard asking for
//! something, and the end of the stream, which can only mean that the reaper is gone; then the reaper is
//! acquired again and every filter sent again. A task on the runtime of the first test that asks was rejected:
//! it ends with that test.

mod slots;

use std::cell::OnceCell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::acquire::{Acquired, acquire};
use crate::config::{Config, Keep};
use crate::engine::BollardEngine;
use crate::engine::discover::{Endpoint, Place, discover, likely};
use crate::error::{Error, Result};
#[cfg(unix)]
use crate::keeper;
use crate::labels::{Filter, KEEP};
use crate::outcome;
use crate::owner::Owner;
use crate::reap::{Reaped, reap};
use crate::session::SessionId;
use crate::spec::Plan;
use crate::sweep::{self, Orphans};
use crate::wire::{self, WireError};

pub(crate) use self::slots::{current, request};

/// For a last word to the reaper in the drop of the last guard.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// A live connection; it closes when the last handle is dropped, and before that drop returns.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The engine's endpoint, for people.
    pub(crate) endpoint: String,
    /// The engine, for whoever works on it besides.
    pub(crate) engine: Endpoint,
    line: Arc<Mutex<Line>>,
    requests: UnboundedSender<Request>,
    /// With `REAPER_KEEP=on-failure`: what is created over this connection, registered if all goes well.
    passing: Option<Filter>,
}

/// What the thread and the handles both have to know of the stream that is open now.
#[derive(Debug)]
struct Line {
    container: String,
    /// The thread's stream once more, to close it from elsewhere.
    socket: Socket,
    reaper: SocketAddr,
    /// No handle is left, so an end of the stream is no loss.
    released: bool,
}

impl Line {
    fn new(container: String, stream: &TcpStream) -> Result<Self> {
        let ends = || Ok((SockRef::from(stream).try_clone()?, stream.peer_addr()?));
        let (socket, reaper) = ends().map_err(|source: io::Error| Error::Engine {
            operation: "hold the connection".into(),
            source: Arc::new(source),
        })?;
        Ok(Self { container, socket, reaper, released: false })
    }
}

/// What a handle asks of the thread, and who wants to know when it is done.
enum Request {
    /// One more filter.
    Also(Filter, Answer<()>),
    /// The removing of everything that this process registered.
    Reap(Answer<Reaped>),
}

/// Called with the outcome.
pub(crate) type Answer<T> = Box<dyn FnOnce(Result<T>) + Send>;

impl Connection {
    /// The id of the container at the other end, which a restored connection changes.
    pub(crate) fn container(&self) -> String {
        lock(&self.line).container.clone()
    }

    /// Registers one more filter; returns when it was acknowledged.
    pub(crate) fn also(&self, filter: Filter) -> Result<()> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.ask(Request::Also(filter, Box::new(move |outcome| drop(answer.send(outcome)))))?;
        answered.recv().map_err(|_| ended())?
    }

    /// Has everything removed that this process registered.
    pub(crate) fn reap(&self, answer: Answer<Reaped>) -> Result<()> {
        self.ask(Request::Reap(answer))
    }

    /// What marks a resource as one that stays, where this connection's do.
    pub(crate) fn keep_mark(&self) -> Option<&str> {
        self.passing.as_ref()?.labels().find(|(key, _)| *key == KEEP).map(|(_, mark)| mark)
    }

    fn ask(&self, request: Request) -> Result<()> {
        self.requests.send(request).map_err(|_| ended())
    }

    /// Has what was created over this connection removed with the session after all.
    fn release(&self, filter: &Filter) -> io::Result<()> {
        let reaper = lock(&self.line).reaper;
        let stream = std::net::TcpStream::connect_timeout(&reaper, RELEASED_WITHIN)?;
        stream.set_read_timeout(Some(RELEASED_WITHIN))?;
        wire::register_blocking(&stream, &wire::encode(filter))
    }
}

impl Drop for Connection {
    /// Closes the stream here and not on the thread, which may have to wait for a processor while the
    /// test that dropped the guard goes on.
    fn drop(&mut self) {
        if let Some(filter) = self.passing.as_ref().filter(|_| outcome::all_passed())
            && let Err(error) = self.release(filter)
        {
            tracing::warn!(%filter, %error, "what passing tests created stays, too");
        }
        let mut line = lock(&self.line);
        line.released = true;
        // Fails only where the other end was faster.
        let _ = line.socket.shutdown(Shutdown::Both);
    }
}

fn start(session: SessionId, config: Config) {
    let (for_thread, settings) = (session.clone(), config.clone());
    let spawned = thread::Builder::new().name("reaper".into()).spawn(move || hold(for_thread, settings));
    if let Err(error) = spawned {
        slots::fail(session, config, &Error::Thread { source: Arc::new(error) });
    }
}

/// The thread: acquires, hands out, and holds for as long as somebody has a handle.
fn hold(session: SessionId, config: Config) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return slots::fail(session, config, &Error::Thread { source: Arc::new(error) }),
    };
    runtime.block_on(async {
        let mut supervisor = match Supervisor::new(&session, config.clone()).await {
            Ok(supervisor) => supervisor,
            Err(error) => return slots::fail(session, config, &error),
        };
        let (requests, mut requested) = unbounded_channel();
        let connection = Arc::new(Connection {
            endpoint: supervisor.plan.endpoint.place.to_string(),
            engine: supervisor.plan.endpoint.clone(),
            line: Arc::clone(&supervisor.line),
            requests,
            passing: passing(&supervisor.plan),
        });
        // The first test of a session may be over before a keeper is there, so it waits. For the others
        // there is one usually, and they go on meanwhile.
        if supervisor.created {
            supervisor.leave_keeper();
        }
        slots::hand_out(session, config, &connection);
        let engine = supervisor.plan.endpoint.place.clone();
        let orphans = std::mem::take(&mut supervisor.orphans);
        // The guards keep it from here on; while the thread did, the connection would never close.
        drop(connection);
        if !supervisor.created {
            supervisor.leave_keeper();
        }
        tokio::select! {
            () = supervisor.run(&mut requested) => {}
            // Goes on for as long as the process holds its connection anyway; the reaper has been told.
            () = remove(orphans, &engine) => unreachable!("it never returns"),
        }
    });
}

/// Removes them, and then waits to be dropped.
async fn remove(orphans: Orphans, engine: &Place) {
    if !orphans.is_empty() {
        orphans.remove(engine).await;
    }
    std::future::pending::<()>().await;
}

/// The filter for what is created over one connection, where it depends on the tests what becomes of it.
fn passing(plan: &Plan) -> Option<Filter> {
    /// Connections of this process follow one another, and each has tests of its own.
    static CONNECTIONS: AtomicU32 = AtomicU32::new(1);
    if plan.config.keep != Keep::OnFailure {
        return None;
    }
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let process = Owner::this().unwrap_or_else(|| std::process::id().to_string());
    Some(Filter::of_session(plan.session.as_str(), KEEP, &format!("on-failure.{number}.{process}")))
}

struct Supervisor {
    engine: BollardEngine,
    plan: Plan,
    stream: TcpStream,
    /// Whether the reaper first acquired was made by this process.
    created: bool,
    /// Everything registered, in order: what has to be said again to a new reaper.
    filters: Vec<Filter>,
    /// What the creator of a reaper found of earlier sessions.
    orphans: Orphans,
    line: Arc<Mutex<Line>>,
}

impl Supervisor {
    async fn new(session: &SessionId, config: Config) -> Result<Self> {
        if let Some(endpoint) = likely(&config)? {
            match Self::at(session, config.clone(), endpoint).await {
                // Then all candidates are asked, so that the error names each.
                Err(Error::NoEngine { .. }) => {}
                outcome => return outcome,
            }
        }
        let endpoint = discover(&config)?;
        Self::at(session, config, endpoint).await
    }

    async fn at(session: &SessionId, config: Config, endpoint: Endpoint) -> Result<Self> {
        let engine = BollardEngine::new(&endpoint);
        let mut plan = Plan { session: session.clone(), config, endpoint, runner: OnceCell::new() };
        let filters = vec![plan.filter()];
        let Acquired { stream, container, created } = acquire(&engine, &plan, &filters).await?;
        if created {
            tracing::info!(%session, container, "reaper created");
        } else {
            tracing::info!(%session, container, "reaper obtained from the engine for this session");
        }
        // From here on its absence is a thing that passes.
        plan.endpoint.probed = true;
        let line = Arc::new(Mutex::new(Line::new(container, &stream)?));
        let orphans = Orphans::default();
        let mut supervisor = Self { engine, plan, stream, created, filters, orphans, line };
        if created {
            supervisor.look_for_orphans().await;
        }
        Ok(supervisor)
    }

    /// Finds what earlier sessions left, and tells the reaper, since this process may be a short one.
    async fn look_for_orphans(&mut self) {
        let Plan { session, config, endpoint, .. } = &self.plan;
        match sweep::look(&endpoint.place, session.as_str(), config.sweep).await {
            Ok(orphans) => self.orphans = orphans,
            Err(error) => tracing::warn!(%session, %error, "not looked for what ended sessions left"),
        }
        for filter in &self.orphans.filters {
            // Not among the filters that a next reaper is told: it is looked for again by its creator.
            if let Err(error) = wire::register(&mut self.stream, filter).await {
                tracing::warn!(%filter, %error, "what an ended session left is not registered");
            }
        }
    }

    async fn run(mut self, requested: &mut UnboundedReceiver<Request>) {
        let mut byte = [0];
        loop {
            tokio::select! {
                request = requested.recv() => match request {
                    Some(Request::Also(filter, answer)) => answer(self.also(filter).await),
                    Some(Request::Reap(answer)) => answer(self.reap().await),
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

    async fn also(&mut self, filter: Filter) -> Result<()> {
        match wire::register(&mut self.stream, &filter).await {
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
        }
    }

    async fn reap(&self) -> Result<Reaped> {
        let mut filters = self.filters.clone();
        // Whatever is to stay otherwise: this was asked for.
        filters.push(Filter::session(&self.plan.session));
        reap(&self.plan.endpoint.place, &filters).await
    }

    async fn restore(&mut self) -> Result<()> {
        let session = &self.plan.session;
        tracing::info!(%session, container = self.container(), "connection lost");
        let Acquired { stream, container, created } =
            acquire(&self.engine, &self.plan, &self.filters).await?;
        tracing::info!(%session, container, created, "connection restored");
        let next = Line::new(container, &stream)?;
        self.stream = stream;
        {
            let mut line = lock(&self.line);
            *line = Line { released: line.released, ..next };
        }
        // The last one has gone with the connection that it held, or is about to.
        self.leave_keeper();
        Ok(())
    }

    /// Has the session's reaper kept for as long as the runner lives.
    fn leave_keeper(&self) {
        #[cfg(unix)]
        if let Some(runner) = self.plan.runner() {
            let (container, reaper) = {
                let line = lock(&self.line);
                (line.container.clone(), line.reaper)
            };
            if let Err(error) = keeper::leave(&self.plan, runner, &container, reaper) {
                let session = &self.plan.session;
                tracing::warn!(%session, %error, "no keeper: a gap between tests may end the session's reaper");
            }
        }
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
        slots::lose(self.plan.session, error);
    }
}

fn ended() -> Error {
    let source = Arc::new(io::Error::from(io::ErrorKind::BrokenPipe));
    let operation = "reach the thread that holds the connection".into();
    Error::Lost { source: Arc::new(Error::Engine { operation, source }) }
}

/// A panic elsewhere leaves these values whole: each is replaced in one piece.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
