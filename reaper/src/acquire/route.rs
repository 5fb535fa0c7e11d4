//! How a reaper that runs is reached: over its published port, or through the engine, which runs a process in its container.
//!
//! A port is dialled in a fraction of the time, so it comes first wherever one is published, and the engine's way where none is, or
//! where dialling has failed for a while: a firewall, a port that is published on another machine's address. Then both are
//! tried in turns. To begin both at once was rejected: it would cost each test process two requests and a process.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::hello::{self, Hello};
use super::proof::Expected;
use super::wire::{self, WireError};
use crate::engine::{CONNECT, Container, Engine, Published};
use crate::error::{Cause, Error, Result};
use crate::session::Filter;
use crate::settings::Transport;

/// How long to wait for each ACK at first; doubled each time it was not enough. A connection made while
/// the engine still sets the port up can hang for a second, a new one then answers at once.
pub(super) const FIRST_PATIENCE: Duration = Duration::from_millis(500);

/// Dialling a reaper that has just been started may fail as often, for as long.
const DIALLED_AT_LEAST: u32 = 3;
const DIALLED_FOR: Duration = Duration::from_secs(1);

pub(super) type Registration<'a, S> = Pin<Box<dyn Future<Output = Result<(S, Option<Hello>)>> + 'a>>;

/// What leads to a reaper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    Port(Published),
    /// The program in its container at this path.
    Program(String),
}

/// What came of the ways to one container.
#[derive(Debug, Default)]
pub(super) struct Tried {
    container: String,
    pub(super) fruitless: u32,
    since: Option<Instant>,
}

impl Tried {
    pub(super) fn of(&mut self, container: &str) -> &mut Self {
        if self.container != container {
            *self = Self { container: container.to_owned(), ..Self::default() };
        }
        self
    }

    pub(super) fn note(&mut self) {
        self.fruitless += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether it is the other way's turn.
    pub(super) fn is_in_vain(&self) -> bool {
        let long = self.since.is_some_and(|since| since.elapsed() >= DIALLED_FOR);
        long && self.fruitless >= DIALLED_AT_LEAST && (self.fruitless - DIALLED_AT_LEAST).is_multiple_of(2)
    }
}

/// The way to a reaper that runs; none where it may have one in a moment.
pub(super) fn lead(
    transport: Transport,
    container: &Container,
    is_in_vain: bool,
) -> Result<Option<Lead>, &'static str> {
    let port = container.published.clone().map(Lead::Port);
    let program = program(container).map(|program| Lead::Program(program.to_owned()));
    match transport {
        Transport::Exec => program.map(Some).ok_or(
            "has no program that connects through the engine, as REAPER_TRANSPORT=exec wants it; unset \
             TESTCONTAINERS_RYUK_CONTAINER_IMAGE, so that the embedded image is used, or set REAPER_TRANSPORT=auto",
        ),
        Transport::Tcp if !container.publishes => Err(
            "publishes no port, which REAPER_TRANSPORT=tcp would dial; set REAPER_TRANSPORT=auto, or give this \
             session an id of its own",
        ),
        Transport::Auto if is_in_vain || !container.publishes => Ok(program.or(port)),
        Transport::Auto | Transport::Tcp => Ok(port),
    }
}

/// The program in a container that is a connection to its server, where it has one.
pub(super) fn program(container: &Container) -> Option<&str> {
    // What comes this way has to be greeted, too.
    container.labels.get(hello::LABEL)?;
    let path = container.labels.get(CONNECT)?;
    (path.starts_with('/') && !path.contains(char::is_whitespace)).then_some(path)
}

/// Connects to a reaper and returns once it has acknowledged every filter; with what it said where it was greeted.
pub(super) async fn register<E: Engine>(
    engine: &E,
    filters: &[Filter],
    lead: Lead,
    container: String,
    expected: Option<Expected>,
) -> Result<(E::Stream, Option<Hello>)> {
    let operation = match &lead {
        Lead::Port(published) => format!("connect to port {}", published.ports.any().unwrap_or_default()),
        Lead::Program(_) => "connect through the engine".to_owned(),
    };
    let failed = |source: Cause| Error::Engine { operation: operation.clone(), source };
    let is_provable = expected.as_ref().is_some_and(Expected::is_proof);
    let stream = match &lead {
        Lead::Port(published) => engine.dial(published, is_provable).await,
        Lead::Program(program) => engine.join(&container, program).await,
    };
    let mut stream = stream.map_err(|error| failed(Arc::new(error)))?;
    let said = match &expected {
        None => None,
        Some(expected) => match wire::greet(&mut stream, expected).await {
            Ok(said) => Some(said),
            Err(error @ WireError::Foreign { .. }) => return Err(failed(Arc::new(Foreign(error)))),
            Err(error) => return Err(failed(Arc::new(error))),
        },
    };
    for filter in filters {
        wire::register(&mut stream, filter).await.map_err(|error| match error {
            WireError::Refused { answer } => Error::FilterRefused { filter: filter.to_string(), answer },
            other => failed(Arc::new(other)),
        })?;
    }
    Ok((stream, said))
}

/// Somebody else answers at the port.
#[derive(Debug, thiserror::Error)]
#[error("{0}; say where this engine's ports are reached with TESTCONTAINERS_HOST_OVERRIDE")]
struct Foreign(WireError);

/// Whether another reaper answers. What is none at all, a proxy that answers for any address, is a port that does not lead to one.
pub(super) fn is_foreign(error: &Error) -> bool {
    let Error::Engine { source, .. } = error else { return false };
    let Some(Foreign(WireError::Foreign { answer })) = source.downcast_ref() else { return false };
    ["ACK", "HELLO ", "ERROR "].iter().any(|word| answer.starts_with(word))
}

/// As it fits behind "did not answer".
impl std::fmt::Display for Lead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port(published) => {
                write!(formatter, "on port {}", published.ports.any().unwrap_or_default())
            }
            Self::Program(_) => formatter.write_str("through the engine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::State;
    use crate::engine::doubles::reaper;
    use crate::settings::Transport::{Auto, Exec, Tcp};

    fn container(publishes: bool, is_published: bool, has_program: bool) -> Container {
        let mut container = Container { publishes, ..reaper("c", State::Running) };
        container.published = container.published.filter(|_| is_published);
        if has_program {
            let labels = [(hello::LABEL, "2"), (CONNECT, "/reaper-ryuk")];
            container.labels.extend(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        container
    }

    #[test]
    fn a_port_comes_first_and_the_engine_where_there_is_none_or_it_was_dialled_in_vain() {
        let chosen = |transport, publishes, is_published, has_program, is_in_vain| match lead(
            transport,
            &container(publishes, is_published, has_program),
            is_in_vain,
        ) {
            Ok(Some(Lead::Port(_))) => "port",
            Ok(Some(Lead::Program(program))) => {
                assert_eq!(program, "/reaper-ryuk");
                "program"
            }
            Ok(None) => "later",
            Err(problem) => problem.split_once(' ').unwrap().0,
        };
        for (transport, publishes, is_published, has_program, is_in_vain, expected) in [
            (Auto, true, true, true, false, "port"),
            (Auto, true, true, true, true, "program"),
            (Auto, true, true, false, true, "port"),
            (Auto, true, false, true, false, "later"),
            (Auto, true, false, true, true, "program"),
            (Auto, false, false, true, false, "program"),
            (Auto, false, false, false, false, "later"),
            (Tcp, true, true, true, true, "port"),
            (Tcp, true, false, true, true, "later"),
            (Tcp, false, false, true, false, "publishes"),
            (Exec, true, true, true, false, "program"),
            (Exec, false, false, true, false, "program"),
            (Exec, true, true, false, false, "has"),
        ] {
            let found = chosen(transport, publishes, is_published, has_program, is_in_vain);
            assert_eq!(
                found, expected,
                "{transport:?} {publishes} {is_published} {has_program} {is_in_vain}"
            );
        }
    }

    #[test]
    fn a_program_is_one_that_the_engine_can_be_asked_for() {
        for (path, is_one) in [("/reaper-ryuk", true), ("reaper-ryuk", false), ("/a b", false), ("", false)] {
            let mut container = container(true, true, true);
            container.labels.insert(CONNECT.to_owned(), path.to_owned());
            assert_eq!(program(&container).is_some(), is_one, "{path}");
        }
        let mut ungreeted = container(true, true, true);
        ungreeted.labels.remove(hello::LABEL);
        assert_eq!(program(&ungreeted), None);
    }

    #[test]
    fn only_another_reaper_is_foreign() {
        let answered = |answer: &str| {
            let source = Arc::new(Foreign(WireError::Foreign { answer: answer.to_owned() }));
            is_foreign(&Error::Engine { operation: "connect to port 1".into(), source })
        };
        assert!(answered("ACK") && answered("HELLO 2 other 0") && answered("ERROR no"));
        assert!(!answered("HTTP/1.1 400 Bad Request") && !answered(""));
    }

    #[tokio::test(start_paused = true)]
    async fn both_ways_are_tried_in_turns_once_the_first_has_failed_for_a_while() {
        let mut tried = Tried::default();
        let mut turns = Vec::new();
        for _ in 0..8 {
            turns.push(tried.of("c").is_in_vain());
            tried.of("c").note();
            tokio::time::advance(Duration::from_millis(400)).await;
        }
        assert_eq!(turns, [false, false, false, true, false, true, false, true]);
        assert!(!tried.of("another").is_in_vain());
        // As often, but in no time.
        let mut fast = Tried::default();
        for _ in 0..9 {
            assert!(!fast.of("c").is_in_vain());
            fast.note();
        }
    }
}
