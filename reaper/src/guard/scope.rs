//! What goes with one guard: its scope on the session's reaper, and whose labels they are that somebody asks for.
//!
//! The reaper removes it when the last handle on the guard is dropped, which is said, or when the connection has been gone
//! for a moment. A reaper without a word for that, an official image, is not asked: what the scope names is removed from
//! here when the guard goes, and with the session where its process was killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::connection::{Connection, lock};
use super::outcome;
use crate::acquire::SCOPE_HAS_ENDED;
use crate::error::{Error, Result};
use crate::platform::random;
use crate::session::{Filter, Labels, SCOPE, SessionId};
use crate::settings::{Keep, running_test};

/// For the reaper to remove what an earlier test has named in the same words.
const GONE_WITHIN: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The scope of a guard; it ends when the last handle on that is dropped.
#[derive(Debug)]
pub(crate) struct Scope {
    id: String,
    test: Option<String>,
    labels: OnceLock<Labels>,
    forever: OnceLock<&'static Labels>,
    /// None where the reaper is switched off.
    connection: Option<Arc<Connection>>,
    keep: Keep,
    /// For the rest of the process, whose end nothing of ours sees.
    of_process: bool,
    /// What carries its labels, and what was named besides.
    filters: Mutex<Vec<Filter>>,
    failed: AtomicBool,
}

/// Who asks for a scope; its guard may be made on another thread.
pub(super) struct Asker {
    thread: ThreadId,
    /// As the runner calls it.
    test: Option<String>,
    /// For the rest of the process, whose end nothing of ours sees.
    of_process: bool,
}

/// The scopes of this process, each under the thread that asked for it.
static SCOPES: Mutex<Vec<(ThreadId, Weak<Scope>)>> = Mutex::new(Vec::new());

impl Scope {
    /// A scope over this connection, which the reaper has not been told of yet.
    pub(super) fn new(
        session: &SessionId,
        connection: Option<Arc<Connection>>,
        keep: Keep,
        asker: Asker,
    ) -> Arc<Self> {
        let id = random();
        let Asker { thread, test, of_process } = asker;
        let filters = Mutex::new(vec![Filter::of_session(session.as_str(), SCOPE, &id)]);
        let scope = Arc::new(Self {
            id,
            test,
            labels: OnceLock::new(),
            forever: OnceLock::new(),
            connection,
            keep,
            of_process,
            filters,
            failed: AtomicBool::new(false),
        });
        // What the process keeps is asked for by the helpers of all its tests.
        if !of_process {
            let mut scopes = lock(&SCOPES);
            scopes.retain(|(_, scope)| scope.strong_count() > 0);
            scopes.push((thread, Arc::downgrade(&scope)));
        }
        scope
    }

    /// Tells the reaper, where it is to remove what has this scope without being told more.
    pub(super) fn begin(&self, answer: Box<dyn FnOnce(Result<()>) + Send>) {
        let Some(connection) = &self.connection else { return answer(Ok(())) };
        if !connection.knows_scopes() {
            Self::warn_unknown(connection);
        }
        let filter = self.filters().swap_remove(0);
        if self.is_told(connection) { connection.begin_scope(filter, answer) } else { answer(Ok(())) }
    }

    /// Whether the reaper is told of it from its beginning on. What is kept, or may be, is not named to it.
    fn is_told(&self, connection: &Connection) -> bool {
        self.keep == Keep::Nothing && connection.knows_scopes()
    }

    /// Has what matches this go with the scope, too; it was registered for the session already.
    pub(super) fn also(&self, filter: Filter) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        if self.is_told(connection) {
            begin_once_gone(connection, &filter)?;
        }
        lock(&self.filters).push(filter);
        Ok(())
    }

    /// What it consists of.
    pub(super) fn filters(&self) -> Vec<Filter> {
        lock(&self.filters).clone()
    }

    /// The session's labels, and its own.
    pub(super) fn labels(&self, of_session: &Labels) -> &Labels {
        self.labels.get_or_init(|| {
            let labels = of_session.clone().scoped(&self.id, self.test.as_deref());
            match self.keep {
                // Its own end decides, and not that of all that its process runs.
                Keep::OnFailure if !self.of_process => labels.kept(format!("on-failure.{}", self.id)),
                _ => labels,
            }
        })
    }

    /// The same for who can hold no reference: they are as many as a process has tests that ask for them.
    pub(super) fn labels_forever(&self, of_session: &Labels) -> &'static Labels {
        self.forever.get_or_init(|| Box::leak(Box::new(self.labels(of_session).clone())))
    }

    /// Official images have no word for a scope; whoever is killed can say nothing either.
    fn warn_unknown(connection: &Connection) {
        static WARNED: Once = Once::new();
        WARNED.call_once(|| {
            eprintln!(
                "note: the reaper {} knows no scopes: what a killed test created goes with the session, and all else when \
                 its test ends",
                connection.container().get(..12).unwrap_or_default()
            );
        });
    }

    fn has_passed(&self) -> bool {
        !outcome::is_failing() && !self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let Some(connection) = &self.connection else { return };
        let filters = std::mem::take(&mut *lock(&self.filters));
        let goes = match self.keep {
            Keep::Nothing => true,
            Keep::Always => false,
            Keep::OnFailure => self.has_passed(),
        };
        // Nothing can carry labels that nobody has asked for, and who never got this guard must not be waited for.
        let is_empty = self.labels.get().is_none() && filters.len() == 1;
        let is_told = self.is_told(connection);
        if !goes || (is_empty && !is_told) {
            return;
        }
        if connection.knows_scopes() {
            connection.end_scope(&filters, is_told);
        } else {
            connection.remove_now(filters);
        }
    }
}

/// Begins a scope. Where a test before this one has named the same, this one waits until what that had is gone: it would be
/// taken for this one's, or be removed with that one's.
fn begin_once_gone(connection: &Connection, filter: &Filter) -> Result<()> {
    let began = Instant::now();
    loop {
        match connection.hold_scope(filter.clone()) {
            // The reaper has no word for "now it may be had".
            Err(Error::FilterRefused { answer, .. })
                if answer.contains(SCOPE_HAS_ENDED) && began.elapsed() < GONE_WITHIN =>
            {
                thread::sleep(ASK_AGAIN);
            }
            outcome => return outcome,
        }
    }
}

impl Asker {
    /// The test that runs on this thread. Harnesses name a test's thread after it, where it has one.
    pub(super) fn this(of_process: bool) -> Self {
        let thread = thread::current();
        let name = || thread.name().filter(|name| *name != "main").map(str::to_owned);
        Self { thread: thread.id(), test: running_test().or_else(name), of_process }
    }
}

/// The scope of the test that runs here, over this connection: the last that this thread has asked for, or, where the
/// process runs one test alone, the last of all.
pub(super) fn here(connection: &Arc<Connection>) -> Option<Arc<Scope>> {
    let is_over =
        |scope: &Arc<Scope>| scope.connection.as_ref().is_some_and(|own| Arc::ptr_eq(own, connection));
    all_here().into_iter().find(is_over)
}

/// The same over any connection, the last first.
fn all_here() -> Vec<Arc<Scope>> {
    let (here, is_alone) = (thread::current().id(), running_test().is_some());
    let scopes = lock(&SCOPES);
    // Of no other test's: a handle here might be the last one, whose drop has to be on the thread of its test.
    let own = scopes.iter().rev().filter(|(thread, _)| *thread == here || is_alone);
    own.filter_map(|(_, scope)| scope.upgrade()).collect()
}

/// Whether the test that runs here has a scope, over any connection.
pub(super) fn is_any_here() -> bool {
    !all_here().is_empty()
}

/// The test that runs here fails.
pub(super) fn note_failure() {
    for scope in all_here() {
        scope.failed.store(true, Ordering::Relaxed);
    }
}
