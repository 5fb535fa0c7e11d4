//! `Reaper`, what a test holds.

use std::fmt;
use std::sync::{Arc, mpsc};

use super::connection::{Answer, Connection};
use super::label_sets::LabelSets;
use super::making::{is_making, mark};
use super::scope::{self, Asker, Scope};
use super::{keeper, slots};
use crate::acquire::KeyServer;
#[cfg(feature = "testcontainers")]
use crate::engine::is_elsewhere;
use crate::engine::{Endpoint, discover};
use crate::error::Result;
use crate::removal::{Reaped, Why};
use crate::session::{self, Filter, Labels, Owner, SessionId, folder};
use crate::settings::{self, Config, Keep};

/// Keeps the session's reaper waiting: while one is alive, nothing of the session is removed.
///
/// A cheap handle; all handles of a process share one connection, which closes when the last of them
/// is dropped. Whatever carries [`Reaper::labels`] is removed from the engine once no process of the
/// session holds a connection any more, however those processes ended.
#[derive(Clone)]
pub struct Reaper {
    session: SessionId,
    labels: Arc<LabelSets>,
    config: Arc<Config>,
    /// Before the connection, over which its end is said. None where its things go with the session.
    scope: Option<Arc<Scope>>,
    /// None where the reaper is switched off.
    connection: Option<Arc<Connection>>,
}

impl Reaper {
    /// The labels that everything a test creates has to carry.
    ///
    /// Of a guard with a scope of its own ([`Scope::Test`](crate::Scope::Test)) what carries them is removed when its last handle
    /// is dropped. Inside what makes a value for the whole session ([`Reaper::shared`] and the like) they are the
    /// session's.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        match (&self.scope, mark()) {
            (_, Some(mark)) => self.labels.marked(&mark.name, self.session_labels()),
            (Some(scope), None) if !is_making() => scope.labels(self.session_labels()),
            _ => self.session_labels(),
        }
    }

    /// The labels for what is to be there until the session ends, whatever the scope of this guard is.
    ///
    /// For a container in a `static`, which several tests of one process use, or one that several processes find by
    /// themselves. They are [`Reaper::labels`] where the guard has no scope of its own.
    #[must_use]
    pub fn session_labels(&self) -> &Labels {
        self.labels.session(|| {
            let labels = Labels::new(&self.session, Owner::of(&self.session, &self.config));
            let labels = labels.of_test(settings::running_test());
            match (self.config.keep, self.connection.as_deref().map(Connection::keep_mark)) {
                (Keep::OnFailure, Some(Some(mark))) => labels.kept(mark.to_owned()),
                (Keep::Always, Some(_)) => labels.kept("always".to_owned()),
                _ => labels,
            }
        })
    }

    /// The session this process belongs to.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// The engine's endpoint, like `unix:///var/run/docker.sock`; none where the reaper is switched off.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.connection.as_deref().map(|connection| connection.endpoint.as_str())
    }

    /// The id of the reaper container; none where the reaper is switched off. It changes when a reaper
    /// that was killed had to be replaced.
    #[must_use]
    pub fn container_id(&self) -> Option<String> {
        self.connection.as_deref().map(Connection::container)
    }

    /// What is worth something only with this reaper is told apart by this; none where the reaper is switched off.
    pub(crate) fn mark(&self) -> Option<String> {
        self.connection.as_deref().map(Connection::mark)
    }

    /// The reaper, where that keeps what the session makes once.
    pub(crate) fn key_server(&self) -> Option<KeyServer> {
        self.connection.as_deref()?.key_server()
    }

    /// How many others hold the session, as its reaper counts them; none where it does not tell.
    #[cfg(feature = "cli")]
    pub(crate) fn others(&self) -> Result<Option<u32>> {
        let Some(connection) = &self.connection else { return Ok(None) };
        let (sender, receiver) = mpsc::sync_channel(1);
        connection.others(Box::new(move |outcome| drop(sender.send(outcome))))?;
        receiver.recv().unwrap_or_else(|_| Err(unanswered()))
    }

    /// Has the reaper remove what matches this filter, too, such as a compose project.
    ///
    /// Blocks until the reaper has acknowledged it. The filter holds for the rest of the session, also where this process
    /// has ended and the reaper has to be replaced: it is written down in the session's folder among the user's temporary
    /// files. Where that cannot be used, or another machine makes the next reaper, the filter holds as long as this
    /// process or this reaper. The same for a session that has a name and no keeper, if its reaper is lost while none
    /// of its processes is connected.
    ///
    /// Of a guard with a scope of its own it goes with that already, unless another test has named it, too.
    ///
    /// # Errors
    ///
    /// [`Error::FilterRefused`](crate::Error::FilterRefused) if the reaper will not have it.
    pub fn also(&self, filter: Filter) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        match self.scope.as_deref().filter(|_| !is_making()) {
            None => connection.also(filter),
            Some(scope) => {
                // For the session, too: of a test that is killed with its reaper nobody else knows.
                connection.also(filter.clone())?;
                scope.also(filter)
            }
        }
    }

    /// Removes everything of this session now, and returns when it is gone.
    ///
    /// For a test that asserts that nothing is left, and for looking at a suite step by step. It blocks; see
    /// [`Reaper::reap_now_async`]. What other tests of the session created goes, too, whether they still run or
    /// not, and what `REAPER_KEEP` keeps; the reaper stays, and guards what is created from then on. Filters of
    /// [`Reaper::also`] count as far as this process registered them. Shared values are made anew after it. An
    /// inert guard removes nothing. Of a guard with a scope of its own only that goes.
    ///
    /// # Errors
    ///
    /// [`Error::LeftBehind`](crate::Error::LeftBehind) with what is still there after a minute, and why.
    pub fn reap_now(&self) -> Result<Reaped> {
        self.reap(Why::Asked)
    }

    /// The same as [`Reaper::reap_now`], to be awaited; under any async runtime.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::reap_now`].
    pub async fn reap_now_async(&self) -> Result<Reaped> {
        let Some(connection) = &self.connection else { return Ok(Reaped::default()) };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.reap_over(connection, Why::Asked, move |outcome| drop(sender.send(outcome)))?;
        receiver.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Whether both are of one connection, or of one session with the reaper switched off.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.connection, &other.connection) {
            (Some(own), Some(theirs)) => Arc::ptr_eq(own, theirs),
            (None, None) => self.session == other.session,
            _ => false,
        }
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_deref()
    }

    /// Tells the reaper that the session's run is over, so that it need not wait for another client.
    #[cfg(feature = "cli")]
    pub(crate) fn end_run(&self) -> Result<()> {
        self.connection.as_deref().map_or(Ok(()), Connection::end_run)
    }

    /// The same at the end of the run.
    #[cfg(feature = "cli")]
    pub(crate) fn reap_at_end(&self) -> Result<Reaped> {
        self.reap(Why::SessionEnded)
    }

    fn reap(&self, why: Why) -> Result<Reaped> {
        let Some(connection) = &self.connection else { return Ok(Reaped::default()) };
        let (sender, receiver) = mpsc::sync_channel(1);
        self.reap_over(connection, why, move |outcome| drop(sender.send(outcome)))?;
        receiver.recv().unwrap_or_else(|_| Err(unanswered()))
    }

    fn reap_over(
        &self,
        connection: &Connection,
        why: Why,
        answer: impl FnOnce(Result<Reaped>) + Send + 'static,
    ) -> Result<()> {
        match &self.scope {
            Some(scope) => connection.reap(Some(scope.filters()), why, Box::new(answer)),
            None => connection.reap(None, why, self.forget_then(answer)),
        }
    }

    /// The file in which it is written down what is removed, if there is to be one.
    #[cfg(feature = "cli")]
    pub(crate) fn report(&self) -> Option<&std::path::Path> {
        self.config.report.as_ref().map(|found| std::path::Path::new(&found.value))
    }

    /// Lets go, and gives the threads that take down what the reaper removes, which end with it.
    #[cfg(feature = "cli")]
    pub(crate) fn let_go(self) -> Vec<std::thread::JoinHandle<()>> {
        self.connection.as_deref().map(Connection::take_reporting).unwrap_or_default()
    }

    /// Has shared values made anew, for what they stand for has been removed, before this is answered.
    fn forget_then(&self, answer: impl FnOnce(Result<Reaped>) + Send + 'static) -> Answer<Reaped> {
        let session = self.session.clone();
        Box::new(move |outcome| {
            let forgotten =
                folder::folder().and_then(|folder| folder::forget_values(&folder, session.as_str()));
            if let Err(error) = forgotten {
                tracing::warn!(%session, %error, "shared values may be of what was removed");
            }
            answer(outcome);
        })
    }

    /// A handle on the connection that this process already has for its session.
    pub(crate) fn current() -> Option<Self> {
        keeper::catch_up();
        let config = Config::load().ok()?;
        let session = session::resolve(&config).ok()?;
        let connection = slots::current(&session)?;
        let scope = scope::here(&connection).filter(|_| !is_making());
        Some(Self { scope, ..Self::with(session, Arc::new(config), Some(connection)) })
    }

    /// The same guard for what the whole session has in common.
    pub(crate) fn for_session(&self) -> Self {
        Self { scope: None, ..self.clone() }
    }

    /// The same guard, but for what is made for the whole session.
    pub(crate) fn here(self) -> Self {
        if is_making() { self.for_session() } else { self }
    }

    /// Whether it has a scope of its own.
    pub(crate) fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }

    /// The labels of the test that runs here, where that has a scope of its own.
    pub(crate) fn labels_here() -> Option<&'static Labels> {
        // Before anything is read: most helpers are called where no test has one.
        let current = scope::is_any_here().then(Self::current)??;
        current.scope.as_ref().map(|scope| scope.labels_forever(current.session_labels()))
    }

    /// Gives the guard a scope, whose end is said when its last handle is dropped; of the process, where nobody drops it.
    pub(super) fn scoped(self, asker: Asker, answer: Box<dyn FnOnce(Result<Self>) + Send>) {
        let keep = self.config.keep;
        let scope = Scope::new(&self.session, self.connection.clone(), keep, asker);
        let begun = Arc::clone(&scope);
        let reaper = Self { scope: Some(scope), ..self };
        begun.begin(Box::new(move |outcome| answer(outcome.map(|()| reaper))));
    }

    /// With `REAPER_SCOPE=test`, a scope for as long as this process lives.
    pub(super) fn scoped_by_settings(self) -> Result<Self> {
        if self.config.scope != settings::Scope::Test {
            return Ok(self);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        self.scoped(Asker::this(true), Box::new(move |outcome| drop(sender.send(outcome))));
        receiver.recv().unwrap_or_else(|_| Err(unanswered()))
    }

    /// The engine on which the session's reaper runs, or would.
    pub(crate) fn engine(&self) -> Result<Endpoint> {
        self.connection.as_deref().map_or_else(|| discover(&self.config), |found| Ok(found.engine.clone()))
    }

    /// The engine on which the session's reaper runs; none where the reaper is switched off.
    #[cfg(any(feature = "cli", feature = "testcontainers", all(feature = "bollard", feature = "rstest")))]
    pub(crate) fn own_engine(&self) -> Option<&Endpoint> {
        self.connection.as_deref().map(|connection| &connection.engine)
    }

    /// Whether a client that knows `DOCKER_HOST` and the usual socket alone may use another engine.
    #[cfg(feature = "testcontainers")]
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.own_engine().is_some_and(|engine| is_elsewhere(&self.config, &engine.place))
    }

    pub(super) fn with(session: SessionId, config: Arc<Config>, connection: Option<Arc<Connection>>) -> Self {
        Self { session, labels: Arc::default(), config, scope: None, connection }
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reaper")
            .field("session", &self.session.as_str())
            .field("endpoint", &self.endpoint())
            .field("container_id", &self.container_id())
            .finish_non_exhaustive()
    }
}

pub(super) fn unanswered() -> crate::Error {
    let source = Arc::new(std::io::Error::other("it ended without an answer"));
    crate::Error::Thread { source }
}
