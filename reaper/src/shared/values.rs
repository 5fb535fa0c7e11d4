//! Once per session, across its processes: a value that the first who asks makes and all others get.
//!
//! nextest starts a process per test, so what a `static` or a fixture keeps is made once per process. The session is what all
//! of them have in common, so its values are kept by its reaper, or in its folder where the reaper has no word for it. `claim`
//! asks the one or the other, `made` is a value on its way, `kind` its type. No process of the tests' serves the value, which
//! would have to stay alive for the others. Rejected: keeping the value in labels of the reaper container, which are
//! fixed when the container is created.

use std::error::Error as StdError;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::claim::{Claim, claim, claim_blocking, claim_unless};
use super::dropped;
use crate::engine::wait;
use crate::error::{Error, Result};
use crate::guard::{Mark, Reaper, making, making_async};

impl Reaper {
    /// A value that is made once for the whole session, in whichever of its processes asks first.
    ///
    /// All others wait, and get it. It goes from process to process as JSON, so it is what describes a thing
    /// and not the thing itself: the address of a database, not the connection to it. What `init` creates
    /// with [`Reaper::labels`] is there until the session ends, since that is when the reaper removes it.
    ///
    /// - Keys do not wait for each other. Any text is a key, but for the empty one.
    /// - When `init` fails, whoever ran it gets the error, nothing is kept, and the next caller runs his. The
    ///   same when `init` panics, when its future is dropped, or when its process is killed.
    /// - The value is made anew when the session's reaper had to be replaced: what it guarded may be gone.
    /// - When what `init` started is gone when it returns, its handle was dropped in it, and whoever ran it is told so:
    ///   what removes its container when it is dropped must not be, `std::mem::forget(container)`.
    /// - An `init` may ask for other shared values, but not for its own.
    /// - All of the session have it in common, on several hosts and in containers, too: its reaper keeps it, up to 60 KiB. An official
    ///   Ryuk keeps none; then a folder of this machine does, for one user.
    /// - With `TESTCONTAINERS_RYUK_DISABLED=true` the value is made once per session as well, and belongs to
    ///   no reaper: in a session that was named it is kept until the machine is started again, or until a later
    ///   session finds that nobody has asked for anything for a day.
    ///
    /// The wait is limited to 5 minutes, `REAPER_SHARED_TIMEOUT`; `init` itself is not.
    ///
    /// ```no_run
    /// use reaper::{Reaper, with_reaper};
    ///
    /// async fn start_database(reaper: &Reaper) -> std::io::Result<String> {
    ///     // … creates a container with reaper.labels() and waits until it is ready
    ///     # let _ = reaper;
    ///     Ok("postgres://127.0.0.1:32768".into())
    /// }
    ///
    /// #[with_reaper]
    /// async fn orders_are_kept(reaper: Reaper) -> reaper::Result<()> {
    ///     let database: String = reaper.shared("database", || start_database(&reaper)).await?;
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::SharedInit`] with what `init` returned; [`Error::SharedDropped`] if the containers that it started with
    /// [`Reaper::labels`] were removed while they ran; [`Error::SharedTimeout`], which says who is making it;
    /// [`Error::SharedType`] if it was made as another type; [`Error::SharedValue`] if it cannot be written as
    /// JSON and read again; [`Error::SharedState`] if it is too long for the reaper, or the folder for temporary files cannot
    /// be used.
    pub async fn shared<T, E, I, F>(&self, key: &str, init: I) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Box<dyn StdError + Send + Sync>>,
        I: FnOnce() -> F,
        F: Future<Output = Result<T, E>>,
    {
        once(self, key, init).await.map_err(|failure| failure.named(key))
    }

    /// The same as [`Reaper::shared`] for a caller who can wait.
    ///
    /// ```no_run
    /// # fn main() -> reaper::Result<()> {
    /// let reaper = reaper::Reaper::acquire()?;
    /// let port = reaper.shared_blocking("port", || {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     listener.local_addr().map(|address| address.port())
    /// })?;
    /// # let _: u16 = port;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Reaper::shared`].
    pub fn shared_blocking<T, E, I>(&self, key: &str, init: I) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Box<dyn StdError + Send + Sync>>,
        I: FnOnce() -> Result<T, E>,
    {
        once_blocking(self, key, init).map_err(|failure| failure.named(key))
    }
}

/// Why there is no value: what its maker said, in his own words, or something of ours.
pub(crate) enum Failure<E> {
    Init(E),
    Ours(Error),
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> Failure<E> {
    pub(super) fn named(self, key: &str) -> Error {
        match self {
            Self::Init(error) => Error::SharedInit { key: key.into(), source: Arc::from(error.into()) },
            Self::Ours(error) => error,
        }
    }
}

/// The value of a key, made here if nobody has.
pub(crate) async fn once<T, E, I, F>(reaper: &Reaper, key: &str, init: I) -> Result<T, Failure<E>>
where
    T: Serialize + DeserializeOwned,
    I: FnOnce() -> F,
    F: Future<Output = Result<T, E>>,
{
    match claim(reaper, key).await.map_err(Failure::Ours)? {
        Claim::Made(made) => made.decode(key).map_err(Failure::Ours),
        Claim::Turn(turn) => {
            let mark = Mark::new();
            let value = making_async(Some(&mark), init).await.map_err(Failure::Init)?;
            dropped::look(reaper, key, &mark).await.map_err(Failure::Ours)?;
            turn.keep(value).await.map_err(Failure::Ours)
        }
    }
}

/// The same without a future.
pub(crate) fn once_blocking<T, E, I>(reaper: &Reaper, key: &str, init: I) -> Result<T, Failure<E>>
where
    T: Serialize + DeserializeOwned,
    I: FnOnce() -> Result<T, E>,
{
    match claim_blocking(reaper, key).map_err(Failure::Ours)? {
        Claim::Made(made) => made.decode(key).map_err(Failure::Ours),
        Claim::Turn(turn) => {
            let mark = Mark::new();
            let value = making(Some(&mark), init).map_err(Failure::Init)?;
            wait(dropped::look(reaper, key, &mark)).map_err(Failure::Ours)?;
            wait(turn.keep(value)).map_err(Failure::Ours)
        }
    }
}

/// What a value stands for, attached to: made here if nobody has, and made again if it is gone.
///
/// `attach` looks for it, and gives nothing when it is gone. Whoever finds so asks for any value but that one, so
/// of many who find it at once, one makes the next.
pub(crate) async fn attached<T, A, F, G>(
    reaper: &Reaper,
    key: &str,
    attach: impl Fn(T) -> F,
    init: impl FnOnce() -> G,
) -> Result<A>
where
    T: Serialize + DeserializeOwned,
    F: Future<Output = Result<Option<A>>>,
    G: Future<Output = Result<(T, A)>>,
{
    let mut worthless = None;
    loop {
        match claim_unless(reaper, key, worthless.take()).await? {
            Claim::Made(made) => {
                if let Some(attached) = attach(made.decode(key)?).await? {
                    return Ok(attached);
                }
                tracing::info!(key, "what a shared value stands for is gone, and is made anew");
                worthless = Some(made);
            }
            Claim::Turn(turn) => {
                let (value, attached) = making_async(None, init).await?;
                turn.keep(value).await?;
                return Ok(attached);
            }
        }
    }
}
