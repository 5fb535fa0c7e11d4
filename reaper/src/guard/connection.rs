//! The handle on the process's one connection to its session's reaper, and what it shares with the thread that owns
//! the stream.
//!
//! A handle asks the thread for what needs the stream, and closes the stream itself: whoever drops the last guard
//! must not wait for a thread to get a processor.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "cli")]
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

use super::filters::SessionFilters;
use super::outcome;
use super::scopes::Scopes;
use crate::acquire::{Acquired, KEYS, KeyServer, Route, SCOPES, Way, encode};
use crate::engine::{Endpoint, Exec};
use crate::error::{Error, Result, panicked};
use crate::removal::{Reaped, Why};
use crate::session::{Filter, KEEP};

/// For a last word to the reaper in the drop of the last guard.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// For a last word that goes through the engine; after that, the reaper takes the process for one that was lost.
const RELAYED_WITHIN: Duration = Duration::from_secs(1);

/// A live connection; it closes when the last handle is dropped, and before that drop returns.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The engine's endpoint, for people.
    pub(crate) endpoint: String,
    /// The engine, for whoever works on it besides.
    pub(crate) engine: Endpoint,
    pub(super) line: Arc<Mutex<Line>>,
    pub(super) requests: UnboundedSender<Request>,
    /// What the session's processes have registered.
    pub(super) filters: SessionFilters,
    /// With `REAPER_KEEP=on-failure`: what is created over this connection, registered if all goes well.
    pub(super) passing: Option<Filter>,
    /// Takes down what the reaper tells, where no keeper does; waited for by whoever has to know all of it.
    #[cfg(feature = "cli")]
    pub(super) reporting: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Whether a guard of it has no scope of its own, so that what it creates hangs on all tests of this process.
    pub(super) has_shared: AtomicBool,
}

/// What the thread and the handles both have to know of the stream that is open now.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) container: String,
    /// How often the reaper has removed what its clients had made; none where it does not tell.
    generation: Option<u32>,
    /// Whether the reaper knows what a scope is.
    knows_scopes: bool,
    /// What it has to be told by who asks for what the session makes once; none where it keeps nothing.
    token: Option<String>,
    pub(super) scopes: Scopes,
    /// Of what the thread is about, how much nobody is to interrupt: it waits for an answer, or holds again what the last
    /// connection held.
    asking: usize,
    /// The thread's stream once more, to write to it and to close it from elsewhere.
    socket: Socket,
    pub(super) way: Way,
    /// No handle is left, so an end of the stream is no loss.
    pub(super) released: bool,
    /// Why the thread is not there any more, where it should be.
    pub(super) ended: Option<Error>,
}

impl Line {
    pub(super) fn new(acquired: &Acquired<TcpStream>) -> Result<Self> {
        let stream = &acquired.stream;
        let joined = acquired.joined.as_ref();
        let route = || {
            joined.map_or_else(
                || stream.peer_addr().map(Route::Address),
                |exec| Ok(Route::Exec(Exec::clone(exec))),
            )
        };
        let ends = || Ok((SockRef::from(stream).try_clone()?, route()?));
        let (socket, route) = ends().map_err(|source: io::Error| Error::Engine {
            operation: "hold the connection".into(),
            source: Arc::new(source),
        })?;
        let (expected, said) = acquired.greeted.clone().unzip();
        let token = expected.as_ref().and_then(|expected| expected.token()).map(str::to_owned);
        let (container, way) = (acquired.container.clone(), Way { route, expected });
        let generation = said.as_ref().map(|said| said.generation);
        let knows = |version| said.as_ref().is_some_and(|said| said.version >= version);
        Ok(Self {
            container,
            generation,
            knows_scopes: knows(SCOPES),
            token: token.filter(|_| knows(KEYS)),
            scopes: Scopes::default(),
            asking: 0,
            socket,
            way,
            released: false,
            ended: None,
        })
    }

    /// Says which scopes have ended, past the thread, unless that is not to be interrupted: then it does so afterwards. The
    /// thread hears the answers, or sees that the stream has broken, and says it again.
    pub(super) fn say_ends(&mut self) {
        if self.asking == 0 && self.socket_takes_ends().is_err() {
            self.shut();
        }
    }

    /// Has the stream to the thread alone, where no answer is owed that would come before its own.
    pub(super) fn begin_asking(&mut self) -> bool {
        let is_quiet = self.scopes.owed() == 0;
        self.asking += usize::from(is_quiet);
        is_quiet
    }

    pub(super) fn end_asking(&mut self) {
        self.asking -= 1;
        self.say_ends();
    }

    /// In one write. Where the lines do not fit, nobody reads at the other end.
    fn socket_takes_ends(&mut self) -> io::Result<()> {
        let lines = self.scopes.say();
        if lines.is_empty() || self.socket.send(lines.as_bytes())? == lines.len() {
            return Ok(());
        }
        Err(io::ErrorKind::WriteZero.into())
    }

    /// Ends the stream, which the thread sees.
    pub(super) fn shut(&self) {
        // Fails only where the other end was faster.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Where a thread of this process hands on what is written, waits until it has: the process may end at once.
    fn wait_for_relay(&self) {
        if !matches!(self.way.route, Route::Exec(_)) {
            return;
        }
        let wait = || {
            self.socket.shutdown(Shutdown::Write)?;
            self.socket.set_nonblocking(false)?;
            self.socket.set_read_timeout(Some(RELAYED_WITHIN))?;
            let began = Instant::now();
            // The reaper answers, and its end of the connection follows.
            while (&self.socket).read(&mut [0; 256])? > 0 && began.elapsed() < RELAYED_WITHIN {}
            io::Result::Ok(())
        };
        // What does not arrive is what a killed process has not said: the reaper waits for it for a moment.
        let _ = wait();
    }

    /// What the reaper has to be told by who asks for what the session makes once.
    pub(super) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// What stands or falls with this reaper is told apart by this: the container, and how often it has removed things.
    pub(super) fn mark(&self) -> String {
        match self.generation {
            None | Some(0) => self.container.clone(),
            Some(generation) => format!("{}.{generation}", self.container),
        }
    }
}

/// What a handle asks of the thread, and who wants to know when it is done.
pub(super) enum Request {
    /// One more filter.
    Also(Filter, Answer<()>),
    /// The removing of what matches these, or of everything that this process registered.
    Reap { filters: Option<Vec<Filter>>, why: Why, answer: Answer<Reaped> },
    /// One more scope, for a reaper that knows what that is.
    BeginScope(Filter, Answer<()>),
    /// To hear the answers to which scopes have ended, and to say it where that could not be done in the drop.
    EndScopes,
    /// How many others hold the session; none where the reaper does not tell.
    #[cfg(feature = "cli")]
    Others(Answer<Option<u32>>),
    /// The run is over: the reaper need not wait for another client.
    #[cfg(feature = "cli")]
    EndRun(Answer<()>),
}

/// Called with the outcome.
pub(crate) type Answer<T> = Box<dyn FnOnce(Result<T>) + Send>;

impl Connection {
    /// The id of the container at the other end, which a restored connection changes.
    pub(crate) fn container(&self) -> String {
        lock(&self.line).container.clone()
    }

    /// What stands or falls with the reaper at the other end is told apart by this.
    pub(crate) fn mark(&self) -> String {
        lock(&self.line).mark()
    }

    /// The reaper, where that keeps what the session makes once.
    pub(crate) fn key_server(&self) -> Option<KeyServer> {
        let line = lock(&self.line);
        let (generation, token) = (line.generation?, line.token.clone()?);
        Some(KeyServer { way: line.way.clone(), token, generation, mark: line.mark() })
    }

    /// Registers one more filter; returns when it was acknowledged.
    pub(crate) fn also(&self, filter: Filter) -> Result<()> {
        self.wait_for(|answer| Request::Also(filter, answer))
    }

    /// Tells the reaper that the run is over; returns when it knows, or has no word for it.
    #[cfg(feature = "cli")]
    pub(crate) fn end_run(&self) -> Result<()> {
        self.wait_for(Request::EndRun)
    }

    /// Has everything removed that matches these, or that this process registered.
    pub(crate) fn reap(&self, filters: Option<Vec<Filter>>, why: Why, answer: Answer<Reaped>) -> Result<()> {
        self.ask(Request::Reap { filters, why, answer })
    }

    /// Whether the reaper knows what a scope is.
    pub(super) fn knows_scopes(&self) -> bool {
        lock(&self.line).knows_scopes
    }

    /// Has the reaper hold a scope for one guard more.
    pub(super) fn begin_scope(&self, filter: Filter, answer: Answer<()>) {
        if let Err(refused) = self.requests.send(Request::BeginScope(filter, answer)) {
            // The thread is gone, and has left the request behind.
            if let Request::BeginScope(_, answer) = refused.0 {
                answer(Err(self.ended()));
            }
        }
    }

    /// The same for who can wait.
    pub(super) fn hold_scope(&self, filter: Filter) -> Result<()> {
        self.wait_for(|answer| Request::BeginScope(filter, answer))
    }

    /// Lets go of scopes for one guard; of those that did not begin, when they have ended. Says so here, for the process may
    /// end before the thread gets a processor.
    pub(super) fn end_scope(&self, filters: &[Filter], begun: bool) {
        {
            let mut line = lock(&self.line);
            for filter in filters {
                if begun { line.scopes.let_go(filter) } else { line.scopes.pass(filter) }
            }
            line.say_ends();
        }
        // Where the thread is gone, the reaper has seen the end of the connection.
        let _ = self.ask(Request::EndScopes);
    }

    /// Removes what matches these and waits for it: nobody else will before the session's end.
    pub(super) fn remove_now(&self, filters: Vec<Filter>) {
        let why = Why::ScopeEnded;
        let outcome = self.wait_for(|answer| Request::Reap { filters: Some(filters), why, answer });
        if let Err(error) = outcome {
            tracing::warn!(error = error.report(), "what a test created goes with the session");
        }
    }

    /// The threads that take down what the reaper tells.
    #[cfg(feature = "cli")]
    pub(crate) fn take_reporting(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut lock(&self.reporting))
    }

    /// Has the reaper asked how many others hold the session.
    #[cfg(feature = "cli")]
    pub(crate) fn others(&self, answer: Answer<Option<u32>>) -> Result<()> {
        self.ask(Request::Others(answer))
    }

    /// What marks a resource as one that stays, where this connection's do.
    pub(crate) fn keep_mark(&self) -> Option<&str> {
        self.passing.as_ref()?.labels().find(|(key, _)| *key == KEEP).map(|(_, mark)| mark)
    }

    /// Asks the thread for something, and waits for its answer.
    fn wait_for<T: Send + 'static>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.ask(request(Box::new(move |outcome| drop(answer.send(outcome)))))?;
        answered.recv().map_err(|_| self.ended())?
    }

    fn ask(&self, request: Request) -> Result<()> {
        self.requests.send(request).map_err(|_| self.ended())
    }

    fn ended(&self) -> Error {
        let unknown = || {
            let source = Arc::new(io::Error::from(io::ErrorKind::BrokenPipe));
            Error::Engine { operation: "reach the thread that holds the connection".into(), source }
        };
        Error::Lost { source: Arc::new(lock(&self.line).ended.clone().unwrap_or_else(unknown)) }
    }

    /// Whether it depends on the tests what becomes of what was created over this connection.
    pub(super) fn lets_pass(&self) -> bool {
        self.passing.is_some()
    }

    /// A guard that is not of one test alone depends on how all of them end.
    pub(super) fn note_shared(&self) {
        self.has_shared.store(true, Ordering::Relaxed);
    }

    /// Has that removed with the session, for the tests have passed.
    pub(super) fn pass(&self) -> Result<(), (&Filter, io::Error)> {
        self.passing.as_ref().map_or(Ok(()), |filter| self.release(filter).map_err(|error| (filter, error)))
    }

    /// Has what was created over this connection removed with the session after all.
    fn release(&self, filter: &Filter) -> io::Result<()> {
        let (way, reaper) = {
            let line = lock(&self.line);
            (line.way.clone(), line.mark())
        };
        self.filters.note(&reaper, std::slice::from_ref(filter));
        way.register(&encode(filter), RELEASED_WITHIN).map(drop)
    }
}

impl Drop for Connection {
    /// Closes the stream here and not on the thread, which may have to wait for a processor while the
    /// test that dropped the guard goes on.
    fn drop(&mut self) {
        let is_kept = *self.has_shared.get_mut() && !outcome::all_passed();
        let released = if is_kept { Ok(()) } else { self.pass() };
        let mut line = lock(&self.line);
        line.released = true;
        // What was left to the thread. It goes as a whole, or the stream is broken.
        let _ = line.socket_takes_ends();
        if line.scopes.owed() > 0 {
            line.wait_for_relay();
        }
        line.shut();
        drop(line);
        // Last of all, since a subscriber is somebody else's code.
        if let Err((filter, error)) = released {
            tracing::warn!(%filter, %error, "what passing tests created stays, too");
        }
    }
}

/// Does what somebody asked for, and tells him, also of a panic: after everybody else, for he may ask for a new
/// connection as soon as he knows.
pub(super) async fn told<T>(
    work: impl Future<Output = Result<T>>,
    answer: Answer<T>,
    panics: impl FnOnce(&Error),
) {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => answer(outcome),
        Err(payload) => {
            let error = Error::Thread { source: Arc::new(panicked(&*payload)) };
            panics(&error);
            answer(Err(error));
            resume_unwind(payload);
        }
    }
}

/// A panic elsewhere leaves these values whole: each is replaced in one piece.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asked_for_what_panicked_is_told_when_all_others_were() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (said, heard) = std::sync::mpsc::channel();
        let to_all = said.clone();
        let work = async { panic!("on purpose") };
        let answer = Box::new(move |outcome: Result<()>| {
            said.send(format!("asker: {}", outcome.expect_err("it panicked").report())).expect("it is read");
        });
        let work =
            told(work, answer, |error| to_all.send(format!("all: {}", error.report())).expect("it is read"));
        let raised = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
        assert!(raised.is_err(), "nobody else is told");
        let heard: Vec<_> = heard.try_iter().collect();
        let [all, asker] = heard.as_slice() else { panic!("{heard:?}") };
        assert!(all.starts_with("all: ") && all.contains("it panicked: on purpose"), "{all}");
        assert!(asker.starts_with("asker: ") && asker.contains("it panicked: on purpose"), "{asker}");
    }
}
