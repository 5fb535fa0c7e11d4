//! `Reaper`, what a test holds, and the builder for those who set things by hand.

use std::fmt;
use std::sync::{Arc, Once, OnceLock, mpsc};
use std::time::Duration;

use super::connection::{Answer, Connection};
use super::{keeper, kept, slots, supervisor};
use crate::engine::{Endpoint, discover};
use crate::error::Result;
use crate::removal::Reaped;
use crate::session::{self, Filter, Labels, Owner, SessionId, folder};
use crate::settings::{Config, Found, Keep, Run, usable};

/// Keeps the session's reaper waiting: while one is alive, nothing of the session is removed.
///
/// A cheap handle; all handles of a process share one connection, which closes when the last of them
/// is dropped. Whatever carries [`Reaper::labels`] is removed from the engine once no process of the
/// session holds a connection any more, however those processes ended.
#[derive(Clone)]
pub struct Reaper {
    session: SessionId,
    /// Made when they are first asked for: whoever made a thing is read from files.
    labels: Arc<OnceLock<Labels>>,
    config: Arc<Config>,
    /// None where the reaper is switched off.
    connection: Option<Arc<Connection>>,
}

impl Reaper {
    /// Finds or creates the session's reaper and connects to it; blocks until it has acknowledged.
    ///
    /// May be called anywhere, also inside an async runtime of any kind: the work is done on a thread of
    /// its own. The second and every further call in a process costs a look into a map. Gives up after
    /// 60 s (`REAPER_ACQUIRE_TIMEOUT`), and at once where it can never succeed. With `TESTCONTAINERS_RYUK_DISABLED=true` the guard is inert:
    /// it has labels, and nothing will be removed.
    ///
    /// # Errors
    ///
    /// See [`crate::Error`]; a process that failed once gets the same error again at once.
    pub fn acquire() -> Result<Self> {
        Self::builder().acquire()
    }

    /// The same as [`Reaper::acquire`], to be awaited; under any async runtime.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::acquire`].
    pub async fn acquire_async() -> Result<Self> {
        Self::builder().acquire_async().await
    }

    /// Sets by hand what otherwise comes from the environment.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The labels that everything a test creates has to carry.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| {
            let labels = Labels::new(&self.session, Owner::of(&self.session, &self.config));
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
    /// # Errors
    ///
    /// [`crate::Error::FilterRefused`] if the reaper will not have it.
    pub fn also(&self, filter: Filter) -> Result<()> {
        self.connection.as_deref().map_or(Ok(()), |connection| connection.also(filter))
    }

    /// Removes everything of this session now, and returns when it is gone.
    ///
    /// For a test that asserts that nothing is left, and for looking at a suite step by step. It blocks; see
    /// [`Reaper::reap_now_async`]. What other tests of the session created goes, too, whether they still run or
    /// not, and what `REAPER_KEEP` keeps; the reaper stays, and guards what is created from then on. Filters of
    /// [`Reaper::also`] count as far as this process registered them. Shared values are made anew after it. An
    /// inert guard removes nothing.
    ///
    /// # Errors
    ///
    /// [`crate::Error::LeftBehind`] with what is still there after a minute, and why.
    pub fn reap_now(&self) -> Result<Reaped> {
        let Some(connection) = &self.connection else { return Ok(Reaped::default()) };
        let (sender, receiver) = mpsc::sync_channel(1);
        connection.reap(self.forget_then(move |outcome| drop(sender.send(outcome))))?;
        receiver.recv().unwrap_or_else(|_| Err(unanswered()))
    }

    /// The same as [`Reaper::reap_now`], to be awaited; under any async runtime.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::reap_now`].
    pub async fn reap_now_async(&self) -> Result<Reaped> {
        let Some(connection) = &self.connection else { return Ok(Reaped::default()) };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        connection.reap(self.forget_then(move |outcome| drop(sender.send(outcome))))?;
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
        Some(Self::with(session, Arc::new(config), Some(connection)))
    }

    /// The engine on which the session's reaper runs, or would.
    pub(crate) fn engine(&self) -> Result<Endpoint> {
        self.connection.as_deref().map_or_else(|| discover(&self.config), |found| Ok(found.engine.clone()))
    }

    fn with(session: SessionId, config: Arc<Config>, connection: Option<Arc<Connection>>) -> Self {
        Self { session, labels: Arc::default(), config, connection }
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

/// Settings for a session, by hand; whatever is not set comes from the environment, then from
/// `~/.testcontainers.properties`, then from the defaults.
///
/// Settings belong to the session: in one process, two builders for the same session have to agree in what they come to.
/// Durations are above zero and a year at most; others are an error when it acquires.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it acquires"]
pub struct Builder {
    session_id: Option<String>,
    docker_host: Option<String>,
    image: Option<String>,
    network: Option<String>,
    run: Option<Run>,
    connection_timeout: Option<Duration>,
    reconnection_timeout: Option<Duration>,
    acquire_timeout: Option<Duration>,
}

impl Builder {
    /// The session's id: 1 to 64 of `[A-Za-z0-9_.-]` (default: derived from the test run).
    pub fn with_session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// The engine's address, as in `DOCKER_HOST` (default: the first local socket that answers).
    pub fn with_docker_host(mut self, address: impl Into<String>) -> Self {
        self.docker_host = Some(address.into());
        self
    }

    /// Another Ryuk image (default: the embedded one).
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// A network that the reaper container joins besides its own (default: none).
    pub fn with_network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Who runs the session.
    #[cfg(feature = "cli")]
    pub(crate) fn with_run(mut self, run: Option<Run>) -> Self {
        self.run = run;
        self
    }

    /// How long a new reaper waits for its first connection (default: 12 s).
    pub fn with_connection_timeout(mut self, timeout: Duration) -> Self {
        self.connection_timeout = Some(timeout);
        self
    }

    /// How long the reaper waits after the last connection ended (default: 10 s, and 1 s once a keeper has seen the end of
    /// the run).
    pub fn with_reconnection_timeout(mut self, timeout: Duration) -> Self {
        self.reconnection_timeout = Some(timeout);
        self
    }

    /// How long to look up or create before giving up (default: 60 s).
    pub fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = Some(timeout);
        self
    }

    /// Finds or creates the reaper with these settings; blocks. See [`Reaper::acquire`].
    ///
    /// # Errors
    ///
    /// As for [`Reaper::acquire`].
    pub fn acquire(self) -> Result<Reaper> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.request(Box::new(move |outcome| drop(sender.send(outcome))))?;
        // The waiter is called exactly once, unless another's panics before.
        receiver.recv().unwrap_or_else(|_| Err(unanswered()))
    }

    /// Finds or creates the reaper with these settings. See [`Reaper::acquire_async`].
    ///
    /// # Errors
    ///
    /// As for [`Reaper::acquire`].
    pub async fn acquire_async(self) -> Result<Reaper> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.request(Box::new(move |outcome| drop(sender.send(outcome))))?;
        receiver.await.unwrap_or_else(|_| Err(unanswered()))
    }

    fn request(self, answer: Box<dyn FnOnce(Result<Reaper>) + Send>) -> Result<()> {
        keeper::catch_up();
        let config = self.configure()?;
        let session = session::resolve(&config)?;
        if config.disabled {
            warn_disabled();
            answer(Ok(Reaper::with(session, Arc::new(config), None)));
            return Ok(());
        }
        kept::announce(&session, &config);
        let (named, settings) = (session.clone(), Arc::new(config.clone()));
        let waiter = move |outcome: Result<Arc<Connection>>| {
            answer(outcome.map(|connection| Reaper::with(named, settings, Some(connection))));
        };
        if slots::join(&session, &config, Box::new(waiter)) {
            supervisor::start(session, config);
        }
        Ok(())
    }

    fn configure(self) -> Result<Config> {
        let mut config = Config::load()?;
        let built = |name, value: Option<String>| value.map(|value| Found::built(name, value));
        config.session_id = built("with_session_id", self.session_id).or(config.session_id);
        config.docker_host = built("with_docker_host", self.docker_host).or(config.docker_host);
        config.image = built("with_image", self.image).or(config.image);
        config.network = self.network.or(config.network);
        config.run = self.run.or(config.run);
        if let Some(timeout) = self.acquire_timeout {
            config.acquire_timeout = usable("with_acquire_timeout", timeout)?;
        }
        config.pass_built("RYUK_CONNECTION_TIMEOUT", "with_connection_timeout", self.connection_timeout)?;
        let reconnection = self.reconnection_timeout;
        config.pass_built("RYUK_RECONNECTION_TIMEOUT", "with_reconnection_timeout", reconnection)?;
        Ok(config)
    }
}

/// Whoever switched the reaper off has to know what that means.
fn warn_disabled() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        eprintln!(
            "warning: the reaper is switched off (TESTCONTAINERS_RYUK_DISABLED): what these tests create stays"
        );
    });
}

fn unanswered() -> crate::Error {
    let source = Arc::new(std::io::Error::other("it ended without an answer"));
    crate::Error::Thread { source }
}
