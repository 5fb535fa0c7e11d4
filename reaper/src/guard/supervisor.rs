//! The thread that owns the process's connection: acquires it, holds it, and makes it again when it is lost.
//!
//! It has its own runtime, because a test may have no runtime, one with paused time, or one that ends before the guard
//! does. It waits for two things: a guard asking for something, and the end of the stream, which can only mean that the
//! reaper is gone; then the reaper is acquired again and every filter sent again. A task on the runtime of the first
//! test that asks was rejected: it ends with that test.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use super::asking::Asking;
use super::connection::{Connection, Line, Request, lock, told};
use super::filters::SessionFilters;
#[cfg(unix)]
use super::leave;
use super::slots;
#[cfg(feature = "cli")]
use crate::acquire::count_clients;
use crate::acquire::{Acquired, Plan, WireError, acquire, found_before, leave, memory, register};
use crate::engine::{ApiEngine, Endpoint, Handed, discover, handed_over, likely};
use crate::error::{Error, Result, panicked};
use crate::platform::random;
use crate::removal::{Orphans, look};
use crate::session::folder::Memory;
use crate::session::{Filter, KEEP, Owner, SessionId};
use crate::settings::{Config, Keep, Transport};

/// For an answer of the reaper's. A reaper that takes longer is paused, gone, or on a machine with a very full day.
pub(super) const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);

/// For the look for orphans, which the first test of a session waits for.
const ORPHANS_WITHIN: Duration = Duration::from_secs(5);

/// Begins an attempt for all who wait in the session's slot.
pub(super) fn start(session: SessionId, config: Config, engine: Option<Handed>) {
    let (for_thread, settings) = (session.clone(), config.clone());
    let spawned =
        thread::Builder::new().name("reaper".into()).spawn(move || hold(for_thread, settings, engine));
    if let Err(error) = spawned {
        slots::fail(session, config, &Error::Thread { source: Arc::new(error) });
    }
}

/// The thread. Whatever panics on it, a subscriber's code among it, is told to whoever waits: they would wait for ever.
fn hold(session: SessionId, config: Config, engine: Option<Handed>) {
    let handed_out = OnceCell::new();
    // Here, so that what is asked of a thread that panics waits until it is known why nobody will answer.
    let (requests, mut requested) = unbounded_channel();
    let work =
        || acquire_and_hold(session.clone(), config.clone(), engine, &handed_out, requests, &mut requested);
    let Err(payload) = catch_unwind(AssertUnwindSafe(work)) else { return };
    // Without a word to tracing, which may be what panicked.
    let error = Error::Thread { source: Arc::new(panicked(&*payload)) };
    match handed_out.get() {
        None => slots::fail(session, config, &error),
        Some(line) => end(&session, line, &error),
    }
}

/// Has the panic of the thread told to whoever asks from now on. A second time it changes nothing: somebody who was told
/// may have a new connection.
fn end(session: &SessionId, line: &Mutex<Line>, error: &Error) {
    let (ended, released) = {
        let mut line = lock(line);
        (line.ended.replace(error.clone()).is_some(), line.released)
    };
    // Of a released one nobody misses anything, and the slot may hold somebody's new connection.
    if !ended && !released {
        slots::lose(session.clone(), error.clone());
    }
}

/// Acquires, hands out, and holds for as long as somebody has a handle.
fn acquire_and_hold(
    session: SessionId,
    config: Config,
    engine: Option<Handed>,
    handed_out: &OnceCell<Arc<Mutex<Line>>>,
    requests: UnboundedSender<Request>,
    requested: &mut UnboundedReceiver<Request>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return slots::fail(session, config, &Error::Thread { source: Arc::new(error) }),
    };
    runtime.block_on(async {
        let mut supervisor = match Supervisor::new(&session, config.clone(), engine).await {
            Ok(supervisor) => supervisor,
            Err(error) => return slots::fail(session, config, &error),
        };
        let connection = Arc::new(Connection {
            endpoint: supervisor.plan.endpoint.place.to_string(),
            engine: supervisor.plan.endpoint.clone(),
            line: Arc::clone(&supervisor.line),
            requests,
            filters: supervisor.of_session.clone(),
            passing: passing(&supervisor.plan),
            #[cfg(feature = "cli")]
            reporting: Arc::clone(&supervisor.reporting),
            has_shared: AtomicBool::new(false),
        });
        // The first test of a session may be over before a keeper is there, so it waits. For the others
        // there is one usually, and they go on meanwhile.
        if supervisor.created {
            supervisor.leave_keeper();
        }
        // Before it is done: who was not told yet is told when his waiter is dropped.
        let _ = handed_out.set(Arc::clone(&supervisor.line));
        slots::hand_out(session, config, &connection);
        let engine = supervisor.plan.endpoint.clone();
        let orphans = std::mem::take(&mut supervisor.orphans);
        // The guards keep it from here on; while the thread did, the connection would never close.
        drop(connection);
        if !supervisor.created {
            supervisor.leave_keeper();
        }
        tokio::select! {
            () = supervisor.run(requested) => {}
            // Goes on for as long as the process holds its connection anyway; the reaper has been told.
            () = remove(orphans, &engine) => unreachable!("it never returns"),
        }
    });
}

/// Removes them, and then waits to be dropped.
async fn remove(orphans: Orphans, engine: &Endpoint) {
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
    let process = Owner::this().unwrap_or_else(random);
    Some(Filter::of_session(plan.session.as_str(), KEEP, &format!("on-failure.{number}.{process}")))
}

fn session_filters(plan: &Plan) -> SessionFilters {
    let runner = Owner::runner_of(&plan.session, &plan.config);
    SessionFilters { session: plan.session.clone(), runner, is_kept: plan.runner().is_some() }
}

pub(super) struct Supervisor {
    engine: ApiEngine,
    pub(super) plan: Plan,
    pub(super) stream: TcpStream,
    /// Whether the reaper first acquired was made by this process.
    created: bool,
    /// Everything registered, in order: what has to be said again to a new reaper.
    pub(super) filters: Vec<Filter>,
    /// What all processes of the session have registered.
    of_session: SessionFilters,
    /// What the creator of a reaper found of earlier sessions.
    orphans: Orphans,
    pub(super) line: Arc<Mutex<Line>>,
    #[cfg(feature = "cli")]
    pub(super) reporting: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl Supervisor {
    /// A failure of another process of the session is this one's, too, and this one's is left for the others.
    async fn new(session: &SessionId, config: Config, engine: Option<Handed>) -> Result<Self> {
        let began = Instant::now();
        // What one provider refuses another may do.
        let memory = if engine.is_some() { Memory::default() } else { memory(session, &config) };
        if let Some(error) = found_before(&memory) {
            return Err(error);
        }
        let outcome = Self::anywhere(session, config.clone(), engine, &memory).await;
        let runner = || Owner::runner_of(session, &config);
        outcome.inspect_err(|error| leave(&memory, error, began.elapsed(), runner))
    }

    async fn anywhere(
        session: &SessionId,
        config: Config,
        engine: Option<Handed>,
        memory: &Memory,
    ) -> Result<Self> {
        if let Some(endpoint) = engine.map(|engine| handed_over(&config, engine)).transpose()?.flatten() {
            return Self::at(session, config, endpoint, memory).await;
        }
        if let Some(endpoint) = likely(&config)? {
            match Self::at(session, config.clone(), endpoint, memory).await {
                // Then all candidates are asked, so that the error names each.
                Err(Error::NoEngine { .. }) => {}
                outcome => return outcome,
            }
        }
        let endpoint = discover(&config)?;
        Self::at(session, config, endpoint, memory).await
    }

    async fn at(session: &SessionId, config: Config, endpoint: Endpoint, memory: &Memory) -> Result<Self> {
        let (began, allowed) = (Instant::now(), config.acquire_timeout);
        let engine = ApiEngine::new(&endpoint);
        let (session, memory) = (session.clone(), memory.clone());
        let (own_container, runner) = (OnceCell::new(), OnceCell::new());
        let mut plan = Plan { session, config, endpoint, memory, own_container, runner };
        let session = plan.session.clone();
        let filters = vec![plan.filter()];
        let acquired = acquire(&engine, &plan, &filters).await?;
        let line = Arc::new(Mutex::new(Line::new(&acquired)?));
        let is_joined = acquired.joined.is_some();
        let Acquired { stream, container, created, .. } = acquired;
        if created {
            tracing::info!(%session, container, "reaper created");
        } else {
            tracing::info!(%session, container, "reaper obtained from the engine for this session");
        }
        if is_joined {
            // Where no port could be dialled, the next reaper needs none either.
            plan.config.transport = Transport::Exec;
        }
        // From here on its absence is a thing that passes, and what others could not have is had.
        plan.endpoint.probed = true;
        plan.memory = Memory::default();
        let orphans = Orphans::default();
        let of_session = session_filters(&plan);
        let mut supervisor = Self {
            engine,
            plan,
            stream,
            created,
            filters,
            of_session,
            orphans,
            line,
            #[cfg(feature = "cli")]
            reporting: Arc::default(),
        };
        supervisor.tell_of_others(None).await;
        if created {
            let within = ORPHANS_WITHIN.min(allowed.saturating_sub(began.elapsed()));
            if timeout(within, supervisor.look_for_orphans()).await.is_err() {
                tracing::warn!(%session, ?within, "not all of what ended sessions left was found");
            }
        }
        Ok(supervisor)
    }

    /// Finds what earlier sessions left, and tells the reaper, since this process may be a short one.
    async fn look_for_orphans(&mut self) {
        let Plan { session, config, endpoint, .. } = &self.plan;
        match look(endpoint, session.as_str(), config.sweep).await {
            Ok(orphans) => self.orphans = orphans,
            Err(error) => tracing::warn!(%session, %error, "not looked for what ended sessions left"),
        }
        for filter in &self.orphans.filters {
            // Not among the filters that a next reaper is told: it is looked for again by its creator.
            if let Err(error) = register(&mut self.stream, filter).await {
                tracing::warn!(%filter, %error, "what an ended session left is not registered");
            }
        }
    }

    /// Tells the reaper what processes of the session that may have ended have registered with the ones before it.
    async fn tell_of_others(&mut self, lost: Option<&str>) {
        let (filters, reaper) = (self.of_session.clone(), lock(&self.line).mark());
        for filter in filters.untold(&reaper, lost) {
            match self.registers(&filter).await {
                Ok(()) => {
                    filters.note(&reaper, std::slice::from_ref(&filter));
                    tracing::info!(session = %self.plan.session, %filter, "registered for a process before this one");
                }
                Err(WireError::Refused { answer }) => {
                    tracing::warn!(session = %self.plan.session, %filter, answer, "the reaper refused what others registered");
                }
                // The end of the stream, or an answer that comes late, is seen next: all of it is said again then.
                Err(WireError::Broken(_) | WireError::Foreign { .. }) => return,
            }
        }
    }

    async fn registers(&mut self, filter: &Filter) -> Result<(), WireError> {
        let asked =
            self.asks(async |stream| timeout(ACKNOWLEDGED_WITHIN, register(stream, filter)).await).await;
        asked.unwrap_or_else(|late| Err(WireError::Broken(late.into())))
    }

    async fn run(mut self, requested: &mut UnboundedReceiver<Request>) {
        let mut byte = [0];
        let (session, line) = (self.plan.session.clone(), Arc::clone(&self.line));
        let panics = |error: &Error| end(&session, &line, error);
        loop {
            tokio::select! {
                request = requested.recv() => match request {
                    Some(Request::Also(filter, answer)) => told(self.also(filter), answer, panics).await,
                    Some(Request::Reap { filters, why, answer }) => {
                        told(self.reap(filters, why), answer, panics).await;
                    }
                    Some(Request::BeginScope(filter, answer)) => {
                        told(self.begin_scope(filter), answer, panics).await;
                    }
                    Some(Request::EndScopes) => self.end_scopes().await,
                    #[cfg(feature = "cli")]
                    Some(Request::Others(answer)) => told(async { Ok(self.others().await) }, answer, panics).await,
                    #[cfg(feature = "cli")]
                    Some(Request::EndRun(answer)) => told(self.end_run(), answer, panics).await,
                    // The last handle is gone; dropping the stream is what the reaper waits for.
                    None => return,
                },
                seen = self.stream.peek(&mut byte) => {
                    let is_answer = {
                        let line = lock(&self.line);
                        if line.released {
                            return;
                        }
                        line.scopes.owed() > 0 && matches!(seen, Ok(1..))
                    };
                    // The reaper only ever answers, so else this is the end of the stream, or nothing to keep.
                    if is_answer {
                        self.end_scopes().await;
                        continue;
                    }
                    if let Err(error) = self.restore().await {
                        return self.give_up(error);
                    }
                    self.end_scopes().await;
                }
            }
        }
    }

    /// How many others the reaper counts; none where it does not tell.
    #[cfg(feature = "cli")]
    async fn others(&mut self) -> Option<u32> {
        // Only whoever was greeted knows the word.
        lock(&self.line).way.expected.as_ref()?;
        let counted = async |stream: &mut _| timeout(ACKNOWLEDGED_WITHIN, count_clients(stream)).await;
        self.asks(counted).await.ok()?.ok()
    }

    async fn also(&mut self, filter: Filter) -> Result<()> {
        // Before it is registered: a reaper that is made from then on is told of it, whatever becomes of this process.
        let reaper = lock(&self.line).mark();
        self.of_session.note(&reaper, std::slice::from_ref(&filter));
        match self.registers(&filter).await {
            Ok(()) => {
                self.filters.push(filter);
                Ok(())
            }
            Err(WireError::Refused { answer }) => {
                Err(Error::FilterRefused { filter: filter.to_string(), answer })
            }
            // It says nothing: looking it up tells whether it is paused. An answer that comes after all is taken for
            // the end of the stream, which leads to a new one.
            Err(WireError::Broken(_) | WireError::Foreign { .. }) => {
                self.filters.push(filter);
                self.restore().await
            }
        }
    }

    pub(super) async fn restore(&mut self) -> Result<()> {
        let session = &self.plan.session;
        tracing::info!(%session, container = self.container(), "connection lost");
        let acquired = acquire(&self.engine, &self.plan, &self.filters).await?;
        let lost = lock(&self.line).mark();
        let next = Line::new(&acquired)?;
        let Acquired { stream, container, created, .. } = acquired;
        tracing::info!(%session, container, created, "connection restored");
        self.stream = stream;
        let asking = Asking::begin_with(&self.line, next);
        // First: the reaper waits for them no longer than a moment.
        self.hold_scopes_again().await;
        drop(asking);
        self.tell_of_others(Some(&lost)).await;
        // The last one has gone with the connection that it held, or is about to.
        self.leave_keeper();
        Ok(())
    }

    /// A reaper without a word for it waits as long as it usually does.
    #[cfg(feature = "cli")]
    async fn end_run(&mut self) -> Result<()> {
        let takes_words = lock(&self.line).way.takes_words();
        let Some(wait) = self.plan.wait_after_run().filter(|_| takes_words) else { return Ok(()) };
        let said = self.asks(async |stream| crate::acquire::end_run(stream, wait).await).await;
        said.map_err(|source| Error::Engine {
            operation: "tell the reaper that the run is over".into(),
            source: Arc::new(source),
        })
    }

    /// Has the session's reaper kept for as long as the runner lives.
    fn leave_keeper(&self) {
        #[cfg(unix)]
        if let Some(runner) = self.plan.runner() {
            let (container, reaper) = {
                let line = lock(&self.line);
                (line.container.clone(), line.way.clone())
            };
            if let Err(error) = leave::leave(&self.plan, runner, &container, reaper) {
                let session = &self.plan.session;
                tracing::warn!(%session, %error, "no keeper: a gap between tests may end the session's reaper");
                leave::warn_unkept(&self.plan, &error);
            }
            return;
        }
        self.report();
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
