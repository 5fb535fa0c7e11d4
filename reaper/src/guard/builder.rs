//! Asking for a guard, with what comes from the environment or with settings by hand.

use std::io::{self, Write as _};
use std::sync::{Arc, Once, mpsc};
use std::time::Duration;

use super::connection::Connection;
use super::reaper::{Reaper, unanswered};
use super::scope::Asker;
use super::{keeper, kept, slots, supervisor};
use crate::engine::{self, Handed, Provider};
use crate::error::Result;
use crate::removal::Report;
use crate::session;
use crate::settings::{Config, Found, Run, Scope, Transport, as_absolute, usable};

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
    /// See [`Error`](crate::Error); a process that failed once gets the same error again at once.
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
    engine: Option<Handed>,
    image: Option<String>,
    network: Option<String>,
    run: Option<Run>,
    connection_timeout: Option<Duration>,
    reconnection_timeout: Option<Duration>,
    acquire_timeout: Option<Duration>,
    scope: Option<Scope>,
    transport: Option<Transport>,
    report: Option<String>,
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

    /// What answers for the engine: a client of the test's own, or one that wraps another (default: the library's own requests).
    /// See [`provider`](crate::provider).
    ///
    /// The engine's address is the one that it names, whatever the environment says. Guards of one session may be asked for with
    /// it and without: the first that a process asks for decides what answers.
    pub fn with_engine(mut self, engine: Arc<dyn Provider>) -> Self {
        self.engine = Some(Handed(engine));
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

    /// Where what is removed is written down.
    #[cfg(feature = "cli")]
    pub(crate) fn with_report(mut self, path: Option<String>) -> Self {
        self.report = path;
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

    /// With what the things go that are created with this guard's labels (default: the session, or what `REAPER_SCOPE` says).
    ///
    /// With [`Scope::Test`](crate::Scope::Test) every guard has a scope of its own, unique in the session: what carries its labels
    /// is removed at once when its last handle is dropped, and a second after its process has ended in any other way. An
    /// official Ryuk has no word for that: there it is removed by the drop, which waits for it, and with the session where
    /// its process was killed.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// How the reaper is reached (default: [`Transport::Auto`](crate::Transport::Auto), or what `REAPER_TRANSPORT` says).
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
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
        let (scope, asker, engine) = (self.scope, Asker::this(false), self.engine.clone());
        let mut config = self.configure()?;
        let session = session::resolve(&config)?;
        let is_scoped = scope.unwrap_or(config.scope) == Scope::Test;
        let settings = Arc::new(config.clone());
        // The connection is for guards of either kind.
        config.scope = Scope::Session;
        if config.disabled {
            warn_disabled();
            let inert = Reaper::with(session, settings, None);
            if is_scoped {
                inert.scoped(asker, answer);
            } else {
                answer(Ok(inert));
            }
            return Ok(());
        }
        // Whoever runs others tells them.
        if config.run.is_none() {
            warn_hidden(&config)?;
        }
        kept::announce(&session, &config);
        let named = session.clone();
        let waiter = move |outcome: Result<Arc<Connection>>| match outcome {
            Ok(connection) if is_scoped => {
                Reaper::with(named, settings, Some(connection)).scoped(asker, answer);
            }
            Ok(connection) => {
                connection.note_shared();
                answer(Ok(Reaper::with(named, settings, Some(connection))));
            }
            Err(error) => answer(Err(error)),
        };
        if slots::join(&session, &config, Box::new(waiter)) {
            supervisor::start(session, config, engine);
        }
        Ok(())
    }

    fn configure(self) -> Result<Config> {
        let mut config = Config::load()?;
        let built = |name, value: Option<String>| value.map(|value| Found::built(name, value));
        config.session_id = built("with_session_id", self.session_id).or(config.session_id);
        let address = self.engine.map(|Handed(engine)| engine.docker_host());
        if let (Some(asked), Some(address)) = (&self.docker_host, &address)
            && asked != address
        {
            let asked = Found::built("with_docker_host", asked.clone());
            return Err(
                asked.refuse(format!("the address that the engine of `with_engine` names, {address}"))
            );
        }
        let address = built("with_engine", address).or_else(|| built("with_docker_host", self.docker_host));
        config.docker_host = address.or(config.docker_host);
        config.image = built("with_image", self.image).or(config.image);
        config.network = self.network.or(config.network);
        config.run = self.run.or(config.run);
        config.transport = self.transport.unwrap_or(config.transport);
        let report = self.report.map(|path| as_absolute(Found::named("--report", "the command line", path)));
        config.report = report.or(config.report);
        if let Some(found) = &config.report
            && let Err(error) = Report::at(&found.value).open()
        {
            return Err(found.refuse(format!("a file that can be written ({error})")));
        }
        if let Some(timeout) = self.acquire_timeout {
            config.acquire_timeout = usable("with_acquire_timeout", timeout)?;
        }
        config.pass_built("RYUK_CONNECTION_TIMEOUT", "with_connection_timeout", self.connection_timeout)?;
        let reconnection = self.reconnection_timeout;
        config.pass_built("RYUK_RECONNECTION_TIMEOUT", "with_reconnection_timeout", reconnection)?;
        Ok(config)
    }
}

/// Tests whose own client knows less would create on another engine than the one that is guarded. Past the harness, which
/// shows what a test prints only when that fails.
fn warn_hidden(config: &Config) -> Result<()> {
    static WARNED: Once = Once::new();
    let Some((place, origin)) = engine::hidden(config)? else { return Ok(()) };
    WARNED.call_once(|| {
        // Nobody may be there to read it.
        let _ = writeln!(
            io::stderr(),
            "warning: the engine is {place} ({origin}); clients that do not know of that, such as bollard, use another: set \
             DOCKER_HOST={place}, or hand them what `Reaper::endpoint` says"
        );
    });
    Ok(())
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
