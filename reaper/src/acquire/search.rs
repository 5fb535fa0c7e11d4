//! Looks the session's reaper up, or creates it: the one state machine between a name and an
//! acknowledged connection.
//!
//! Many processes run this at once and none leads. The engine's unique names decide who creates; all
//! others find. So every round begins with what the engine says now, does one step, and what did not
//! work out is looked at again in the next round; nothing is remembered but what this process itself must
//! clean up. A lock file beside it was rejected: it would order the processes of one host, and the
//! engine may be used from several.
//!
//! ```text
//! inspect -> absent            create, start
//!            created           wait; start it if its creator does not
//!            running           dial or join (see `route`), register, ACK -> acquired
//!            ended             remove
//!            paused, foreign   error
//! ```
//!
//! What did not work out is one of three things. What is known to pass is waited for until the deadline: a connection that
//! fails, a 5xx to a look-up, a port that is taken, whatever another process does. What never passes ends the search at
//! once, with what leads out: other answers of the 400s to a look-up, a creation or a start, what is no engine's answer, a
//! paused or foreign container, an image that cannot be had, a program of another machine. What may be either is asked again
//! until it is clear: a 500 to a creation or a start whose words are not known stays if they are the same four times within
//! a second or more, whichever of the session's processes heard them, and a reaper that ends by itself if the next one of
//! this process ends with the same last words. Where the hardening is to blame, less of it is tried (see `hardening`). And
//! whoever finds that another process of the session has been through it a moment ago ends with what that one was told (see
//! `earlier`).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, timeout};

use super::aftermath::{AFTERMATH, undone};
use super::earlier::found_before;
use super::ending::Endings;
use super::hello::Hello;
use super::image::Image;
use super::patience::Refusals;
use super::proof::Expected;
use super::route::{FIRST_PATIENCE, Registration, Tried};
use super::spec::Plan;
use crate::engine::{Concessions, Container, Engine, Exec, Refusal, Said, State};
use crate::error::{Attempt, Cause, Error, Result};
use crate::session::{Filter, REAPER};

pub(super) const FIRST_DELAY: Duration = Duration::from_millis(50);
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// A container whose creator has not started it for this long has lost its creator.
const CREATOR_GRACE: Duration = Duration::from_millis(500);

/// For an engine to begin to tell what a container says.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

const LOG_LINES: usize = 5;

/// A connection on which every filter was acknowledged.
#[derive(Debug)]
pub(crate) struct Acquired<S> {
    pub(crate) stream: S,
    /// Through what it leads, where that is no port.
    pub(crate) joined: Option<Box<Exec>>,
    pub(crate) container: String,
    /// What it has to say to a greeting, and what it has said; none where it is not greeted.
    pub(crate) greeted: Option<(Expected, Hello)>,
    /// Whether this process created the reaper, rather than finding it.
    pub(crate) created: bool,
}

/// Gives a connection to the session's reaper with all these filters registered.
pub(crate) async fn acquire<E: Engine>(
    engine: &E,
    plan: &Plan,
    filters: &[Filter],
) -> Result<Acquired<E::Stream>> {
    let allowed = plan.config.acquire_timeout;
    let mut search = Search::new(engine, plan, filters);
    let outcome = timeout(allowed, search.run()).await;
    match outcome {
        Ok(Ok(acquired)) => Ok(acquired),
        Ok(Err(error)) => {
            search.abandon().await;
            Err(error)
        }
        Err(_) => Err(search.deadline(allowed).await),
    }
}

pub(super) struct Search<'a, E: Engine> {
    pub(super) engine: &'a E,
    pub(super) plan: &'a Plan,
    pub(super) filters: &'a [Filter],
    pub(super) name: String,
    pub(super) image: Image,
    /// That of this process's own container, or made because the engine has no usual one (Podman, Docker with `bridge` switched off).
    pub(super) own_network: Option<String>,
    /// The networks of this process's own container have been looked at.
    pub(super) looked_around: bool,
    pub(super) backoff: ExponentialBackoff,
    pub(super) patience: Duration,
    /// What came of the ways that were tried.
    pub(super) tried: Tried,
    /// A connection whose answer took too long, held open until the next is made: a slow reaper may have taken
    /// its filter meanwhile, and would begin to count its time if nobody were connected.
    pub(super) unanswered: Option<Registration<'a, E::Stream>>,
    /// The container seen unfinished, and since when.
    waiting_for: Option<(String, Instant)>,
    /// A creation that the engine has not answered yet. It goes on with it whether or not anybody waits, so
    /// giving up must not lose it.
    asked: Option<Creation<'a>>,
    /// There may be a container that nobody else will start.
    unfinished: bool,
    /// The id of the container that this process created.
    pub(super) created: Option<String>,
    /// The engine has answered once, so what fails from then on is worth another round.
    reached: bool,
    last: Option<Cause>,
    pub(super) refusals: Refusals,
    /// What the reaper says that this process created last, once it has ended.
    pub(super) said: Option<Said>,
    pub(super) endings: Endings,
    /// What is left out of the hardening, as far as this process knows.
    pub(super) concessions: Concessions,
}

type Creation<'a> = Pin<Box<dyn Future<Output = Result<String, Refusal>> + 'a>>;

/// What a round leads to.
pub(super) enum Round<S> {
    Acquired(Acquired<S>),
    /// Something was done; look at once.
    Again,
    /// Somebody else has to do something, or the engine has to recover; look later.
    Later(Cause),
}

impl<'a, E: Engine> Search<'a, E> {
    fn new(engine: &'a E, plan: &'a Plan, filters: &'a [Filter]) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .with_jitter()
            .without_max_times();
        Self {
            engine,
            plan,
            filters,
            name: plan.name(),
            image: Image::choose(&plan.config),
            own_network: None,
            looked_around: false,
            backoff: delays.build(),
            patience: FIRST_PATIENCE,
            tried: Tried::default(),
            unanswered: None,
            waiting_for: None,
            asked: None,
            unfinished: false,
            created: None,
            reached: plan.endpoint.probed,
            last: None,
            refusals: Refusals::default(),
            said: None,
            endings: Endings::default(),
            concessions: Concessions::default(),
        }
    }

    async fn run(&mut self) -> Result<Acquired<E::Stream>> {
        loop {
            match self.round().await? {
                Round::Acquired(acquired) => {
                    self.refusals.are_over(&self.plan.memory, || self.plan.owning_runner());
                    return Ok(acquired);
                }
                Round::Again => {}
                Round::Later(cause) => {
                    tracing::debug!(container = self.name, %cause, "the reaper is not ready");
                    self.last = Some(cause);
                    if let Some(error) = found_before(&self.plan.memory) {
                        return Err(error);
                    }
                    self.pause().await?;
                }
            }
        }
    }

    async fn round(&mut self) -> Result<Round<E::Stream>> {
        let found = match self.engine.inspect(&self.name).await {
            Ok(found) => found,
            Err(error @ Error::Refused { .. }) => return Err(error),
            // Whoever chose the endpoint has others to try.
            Err(error) if !self.reached => return Err(self.nobody_there(&error)),
            Err(error) => return Ok(Round::Later(Arc::new(error))),
        };
        self.reached = true;
        let Some(container) = found else { return self.create().await };
        if container.labels.get(REAPER).map(String::as_str) != Some("true") {
            let Container { id, image, .. } = container;
            return Err(Error::NameTaken { name: self.name.clone(), id: short(&id), image });
        }
        match container.state {
            // Docker without its `bridge` starts a container all the same.
            State::Running if self.needs_network(&container) => self.replace_disconnected(container).await,
            State::Running => self.connect(container).await,
            State::Created => self.await_start(container).await,
            // Whoever is connected to it knows of no end yet. Another, made now, would wait for them in vain, and remove what
            // they have made.
            State::Stopping => Ok(Round::Later(cause("the reaper is being stopped".into()))),
            State::Ended => self.remove(&container.id).await,
            State::Paused => Err(Error::Paused { name: self.name.clone() }),
        }
    }

    fn nobody_there(&self, error: &Error) -> Error {
        let (endpoint, origin) =
            (self.plan.endpoint.place.to_string(), "looked up without asking".to_owned());
        Error::NoEngine { attempts: vec![Attempt { endpoint, origin, problem: error.report() }] }
    }

    async fn create(&mut self) -> Result<Round<E::Stream>> {
        if let Some(before) = self.created.take() {
            // What we created is gone already. Creating again without a pause would be a tight loop
            // around a reaper that dies as soon as it starts.
            return Ok(Round::Later(cause(format!(
                "the reaper container {} ended by itself",
                short(&before)
            ))));
        }
        self.look_around().await;
        let engine = self.engine;
        self.concessions = self.concessions.and(self.plan.known_concessions());
        let container = self.plan.container(&self.image, self.own_network.as_deref());
        let container = container.conceding(self.concessions);
        let asked = self.asked.insert(Box::pin(async move { engine.create(&container).await }));
        let answer = asked.await;
        match self.answered(answer) {
            Ok(id) => {
                self.created = Some(id.clone());
                // Not for long: a proxy may hand on no answer before it has an end.
                self.said = timeout(HEARD_WITHIN, engine.attend(&id)).await.ok().flatten();
                self.start(&id).await
            }
            Err(refusal) => self.mend(refusal).await,
        }
    }

    fn answered(&mut self, answer: Result<String, Refusal>) -> Result<String, Refusal> {
        self.asked = None;
        // What may pass may be an answer that was lost, too.
        self.unfinished = matches!(answer, Ok(_) | Err(Refusal::Passing(_)));
        answer
    }

    async fn start(&mut self, id: &str) -> Result<Round<E::Stream>> {
        let Err(refusal) = self.engine.start(id).await else { return Ok(Round::Again) };
        // A container that would not start keeps the name from everybody.
        let removed = self.engine.remove(id).await;
        (self.created, self.said) = (None, None);
        self.unfinished = removed.is_err();
        self.mend(refusal).await
    }

    /// Brings what the engine said was missing.
    async fn mend(&mut self, refusal: Refusal) -> Result<Round<E::Stream>> {
        match refusal {
            Refusal::NameTaken => Ok(Round::Later(cause("another process is creating the reaper".into()))),
            Refusal::NoImage => match self.image.clone().provide(self.engine, &self.plan.config).await {
                Ok(image) => {
                    self.image = image;
                    Ok(Round::Again)
                }
                // An image that a person chose and that cannot be had is not going to appear.
                Err(error @ Error::Image { .. }) => Err(error),
                Err(error) => self.missing(error),
            },
            Refusal::NoNetwork(error) if self.plan.config.network.is_some() => Err(error),
            Refusal::NoNetwork(error) if self.own_network.is_some() => {
                // An earlier reaper of the session has removed it, or it was another's container, whose creator did
                // not know yet that `bridge` is missing.
                self.own_network = None;
                Ok(Round::Later(Arc::new(error)))
            }
            Refusal::NoNetwork(_) => match self.provide_network().await {
                Ok(()) => Ok(Round::Again),
                Err(error) => self.missing(error),
            },
            Refusal::NoSocket(source) => {
                let (socket, origin) = (self.plan.endpoint.socket.clone(), self.plan.origin_of_socket());
                Err(Error::NoSocket { socket, origin, source })
            }
            Refusal::Passing(error) => Ok(Round::Later(Arc::new(error))),
            Refusal::Unclear(error) | Refusal::Final(error) if self.concede(&error.report()) => {
                Ok(Round::Later(Arc::new(error)))
            }
            Refusal::Unclear(error) if !self.stays(&error) => Ok(Round::Later(Arc::new(error))),
            Refusal::Unclear(error) | Refusal::Final(error) => Err(error),
        }
    }

    /// Leaves a container to its creator for a moment, then starts it in the creator's place.
    async fn await_start(&mut self, container: Container) -> Result<Round<E::Stream>> {
        if self.is_abandoned(&container.id) {
            // Somebody with other settings may have made what cannot be started; it is removed by then, and
            // what this process makes may be better.
            let started = self.start(&container.id).await;
            return started.or_else(|error| Ok(Round::Later(Arc::new(error))));
        }
        Ok(Round::Later(cause("the reaper container is created, but not started".into())))
    }

    /// Whether a container has waited for its creator for longer than one that is alive would take.
    pub(super) fn is_abandoned(&mut self, id: &str) -> bool {
        match &self.waiting_for {
            Some((known, since)) if known == id => {
                let abandoned = since.elapsed() >= CREATOR_GRACE;
                if abandoned {
                    self.waiting_for = None;
                }
                abandoned
            }
            _ => {
                self.waiting_for = Some((id.to_owned(), Instant::now()));
                false
            }
        }
    }

    async fn remove(&mut self, id: &str) -> Result<Round<E::Stream>> {
        match self.engine.remove(id).await {
            Ok(()) => Ok(Round::Later(cause(format!("the reaper container {} has ended", short(id))))),
            Err(error) => Ok(Round::Later(Arc::new(error))),
        }
    }

    /// Removes what a creation left that will not be finished by us.
    async fn abandon(&mut self) {
        let cleaned = timeout(AFTERMATH, async {
            if let Some(asked) = &mut self.asked {
                let answer = asked.await;
                // Only whether something was made is of interest now.
                let _ = self.answered(answer);
            }
            if !self.unfinished {
                return Ok(());
            }
            match self.engine.inspect(&self.name).await? {
                Some(container) if container.state == State::Created => {
                    self.engine.remove(&container.id).await
                }
                _ => Ok(()),
            }
        });
        if let Some(problem) = undone(cleaned.await) {
            tracing::warn!(container = self.name, problem, "a half-made reaper may be left");
        }
    }

    async fn deadline(&mut self, after: Duration) -> Error {
        let log = timeout(AFTERMATH, async {
            let container = self.engine.inspect(&self.name).await.ok()??;
            self.engine.log(&container.id, LOG_LINES).await.ok()
        });
        let mut log = log.await.ok().flatten().unwrap_or_default();
        if log.is_empty() {
            self.endings.last_words().clone_into(&mut log);
        }
        self.abandon().await;
        self.remove_what_never_answered().await;
        let source = self.last.take().unwrap_or_else(|| cause("the engine did not answer".into()));
        let reason = self.image.reason().map(str::to_owned);
        Error::Deadline { after, reason, log, source }
    }
}

/// What was in the way, where no error says it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct InTheWay(String);

pub(super) fn cause(text: String) -> Cause {
    Arc::new(InTheWay(text))
}

/// An id as people see it in `docker ps`.
pub(super) fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
