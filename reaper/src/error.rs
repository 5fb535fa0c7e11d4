//! What can go wrong, by what the reader can do about it.
//!
//! One enum for the crate: a test shows the error to a person, and a person acts on "start the engine"
//! or "fix this variable", not on which layer noticed. An error can be handed to many tests at once
//! (they share one attempt), hence `Clone` and the shared causes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause that several waiting tests can share.
pub(crate) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why no reaper could be had, or why it could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value that cannot be used: correct it where `origin` says.
    #[error("setting {name} from {origin} is {value:?}, but must be {expected}")]
    Setting {
        /// The setting's name as written where it was found.
        name: String,
        /// Where it was found: the environment, a properties file, the builder.
        origin: String,
        /// The value that was found, without a password.
        value: String,
        /// What the value would have to look like.
        expected: String,
    },

    /// The properties file exists and cannot be read: mend its permissions, or move it away.
    #[error("failed to read the properties file {path}")]
    Properties {
        /// The file's path.
        path: String,
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },

    /// No engine answered: start one, or say where it is.
    #[error("no container engine could be reached{}{NO_ENGINE_HELP}", listed("tried", .attempts))]
    NoEngine {
        /// Every endpoint that was tried, in order.
        attempts: Vec<Attempt>,
    },

    /// The engine was reached and refused, in a way that trying again does not mend.
    #[error("failed to {operation}")]
    Engine {
        /// What was asked of the engine, as it fits behind "failed to".
        operation: String,
        /// What the engine said.
        source: Cause,
    },

    /// The engine's socket is not where the engine's own host is said to have it: say where it is.
    #[error(
        "the engine's own host has no socket at {socket} ({origin}), which the reaper would use; say where it has it with \
         TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"
    )]
    NoSocket {
        /// The path on the engine's host.
        socket: String,
        /// Who says so: a setting and its source, or how it was guessed.
        origin: String,
        /// What the engine said.
        source: Cause,
    },

    /// The engine refuses what a reaper needs, and would refuse it again: do what `advice` says.
    #[error("failed to {operation} at {endpoint} ({origin}): {problem}\n{advice}")]
    Refused {
        /// What was asked of the engine, as it fits behind "failed to".
        operation: String,
        /// The engine's endpoint.
        endpoint: String,
        /// Who named the endpoint.
        origin: String,
        /// What the engine said.
        problem: String,
        /// What leads out.
        advice: String,
    },

    /// The reaper ends as soon as it is started: its log says why.
    #[error("the reaper container ends as soon as it is started, of the image {image}{}{}\n{advice}", listed("reaper says:", .log), used(.reason.as_deref()))]
    Ended {
        /// The image.
        image: String,
        /// Why it is used in place of the embedded one, where nobody has chosen it.
        reason: Option<String>,
        /// The last lines of its log.
        log: Vec<String>,
        /// What leads out.
        advice: String,
    },

    /// Another process of the session has failed a moment ago, as this one would: do what its report says.
    #[error(
        "{report}\n  found by process {process} of this session {ago:.1?} ago; tried again {again:.1?} from now"
    )]
    FoundBefore {
        /// What the other process was told.
        report: String,
        /// The other process's id.
        process: u32,
        /// How long ago that was.
        ago: Duration,
        /// How long its report is kept from now on.
        again: Duration,
    },

    /// The reaper's image is not on the engine and could not be brought there.
    #[error("failed to provide the reaper's image {image}{}{IMAGE_HELP}", needed(.reason.as_deref()))]
    Image {
        /// The image that was asked for.
        image: String,
        /// Why it is needed in place of the embedded one, where nobody has chosen it.
        reason: Option<String>,
        /// Why it is not there.
        source: Cause,
    },

    /// A container that is not ours has the reaper's name: remove it, or choose another session id.
    #[error(
        "the name {name} belongs to a container that is not a reaper ({id}, image {image}); remove it with \
         `docker rm -f {id}`, or choose another session with TESTCONTAINERS_SESSION_ID"
    )]
    NameTaken {
        /// The reaper container's name.
        name: String,
        /// The id of the container that has it.
        id: String,
        /// That container's image.
        image: String,
    },

    /// The session's reaper is paused and cannot answer: unpause it.
    #[error("the reaper container {name} is paused; wake it with `docker unpause {name}`")]
    Paused {
        /// The reaper container's name.
        name: String,
    },

    /// The session's reaper cannot be reached in the way that `REAPER_TRANSPORT` asks for: do what `problem` says.
    #[error("the reaper container {name} of the image {image} {problem}")]
    Unreachable {
        /// The reaper container's name.
        name: String,
        /// Its image.
        image: String,
        /// What is missing, and what leads out.
        problem: &'static str,
    },

    /// No reaper answered in time; the source is what was in the way at last.
    #[error("no reaper of this session answered within {after:?}{}{}{DEADLINE_HELP}", listed("reaper says:", .log), used(.reason.as_deref()))]
    Deadline {
        /// How long was tried (`REAPER_ACQUIRE_TIMEOUT`).
        after: Duration,
        /// Why another image is used in place of the embedded one, where nobody has chosen it.
        reason: Option<String>,
        /// The reaper's last log lines, where it left any.
        log: Vec<String>,
        /// What was in the way in the last round.
        source: Cause,
    },

    /// The reaper would not take a filter, so what it matches is not protected: do what the answer says, for instance
    /// where the reaper cannot reach the engine.
    #[error("the reaper refused the filter {filter:?}: {answer}")]
    FilterRefused {
        /// The filter as it was sent.
        filter: String,
        /// The reaper's answer.
        answer: String,
    },

    /// A filter that could never match, or would match everything.
    #[error("the label filter {filter:?} is not usable: {problem}")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A builder asks for a session that this process already uses with other settings.
    #[error(
        "session {session} is already in use by this process with other settings; settings belong to the \
         session, so give them once, or give this builder a session id of its own"
    )]
    Contradiction {
        /// The session both want.
        session: String,
    },

    /// The connection was lost and could not be had again: what this process created is unprotected.
    #[error("the connection to the reaper was lost and could not be restored")]
    Lost {
        /// Why the session's reaper could not be acquired again.
        source: Arc<Error>,
    },

    /// What was to be removed now is there still: something else holds it, or the engine does not answer.
    #[error("not everything of the session could be removed{}{LEFT_BEHIND_HELP}", listed("left", .left))]
    LeftBehind {
        /// What is left, and the engine's reason.
        left: Vec<String>,
    },

    /// A shared value could not be made: mend what makes it; the next who asks will try again.
    #[error("failed to make the shared value {key:?}")]
    SharedInit {
        /// The value's key.
        key: String,
        /// What its `init` returned.
        source: Cause,
    },

    /// A shared value was asked for as another type than it has: use the same type, or a key for each.
    #[error(
        "the shared value {key:?} is a {made}, and is asked for as a {asked}; give each a key of its own"
    )]
    SharedType {
        /// The value's key.
        key: String,
        /// The type with which it was made.
        made: String,
        /// The type that this process asks for.
        asked: String,
    },

    /// Another process was still making the value: look into that process, or allow it more time.
    #[error(
        "the shared value {key:?} was not there within {after:?}: {holder}; if it only takes long, allow more \
         with REAPER_SHARED_TIMEOUT=10m"
    )]
    SharedTimeout {
        /// The value's key.
        key: String,
        /// How long was waited (`REAPER_SHARED_TIMEOUT`).
        after: Duration,
        /// Who makes it: the process, the test, and since when.
        holder: String,
    },

    /// A value that does not survive being written as JSON and read again: give it another type.
    #[error("the shared value {key:?} cannot be handed to other processes as JSON")]
    SharedValue {
        /// The value's key.
        key: String,
        /// What serde said.
        source: Arc<serde_json::Error>,
    },

    /// What the processes of a session share could not be kept: at the session's reaper, or on this machine where that has no word
    /// for it.
    #[error("failed to keep the shared value {key:?}")]
    SharedState {
        /// The value's key.
        key: String,
        /// What the reaper or the operating system said.
        source: Arc<std::io::Error>,
    },

    /// A shared container was asked for as another specification than it has: use the same, or a key for each.
    #[error(
        "the shared container {key:?} was made of another specification; give each a key of its own{}",
        listed("differs in", .differences)
    )]
    SharedSpec {
        /// The container's key.
        key: String,
        /// Where the two differ, with both sides.
        differences: Vec<String>,
    },

    /// A test's client has another engine than the reaper, where what it creates would stay: name one engine to both.
    #[error(
        "{client} would create on the engine of {theirs}, and the reaper guards that of {ours}, {endpoint} ({origin}); set \
         DOCKER_HOST={endpoint} for both"
    )]
    OtherEngine {
        /// The client.
        client: &'static str,
        /// What the client's engine calls its host.
        theirs: String,
        /// What the reaper's engine calls its host.
        ours: String,
        /// The reaper's engine.
        endpoint: String,
        /// Who named that: a setting and its source.
        origin: String,
    },

    /// A container that was started to be shared is gone: do not drop what removes it then.
    #[error(
        "the container {id} that was started as the shared container {key:?} is not on {endpoint} when its maker returns; a \
         handle that removes its container when it is dropped must not be: take its id, and then \
         `std::mem::forget(container)`"
    )]
    SharedGone {
        /// The container's key.
        key: String,
        /// What its maker gave as its id.
        id: String,
        /// The engine on which it was looked for, the reaper's.
        endpoint: String,
    },

    /// What a maker has started for a shared value was removed before it returned: do not drop what removes it then.
    #[error(
        "what the maker of the shared value {key:?} started was removed while it ran, before the maker returned \
         (container {}); a handle that removes its container when it is dropped must not be: take what is to be shared \
         of it, and then `std::mem::forget(container)`",
        .ids.join(", ")
    )]
    SharedDropped {
        /// The value's key.
        key: String,
        /// The containers, by their ids.
        ids: Vec<String>,
    },

    /// A container ended, or was not ready in time: its log says why, or allow it more with `with_ready_within`.
    #[error("the shared container {key:?} ({id}) is not ready: {problem}{}", listed("container says:", .log))]
    ContainerNotReady {
        /// The container's key.
        key: String,
        /// The engine's id of it. One that was described has been removed, unless `REAPER_KEEP` keeps it.
        id: String,
        /// What was waited for at last.
        problem: String,
        /// The last lines of its log.
        log: Vec<String>,
    },

    /// A port of a shared container is not published: name it in the specification.
    #[error("the container {id} publishes no port {port}/tcp; published: {}", .published.join(", "))]
    NotPublished {
        /// The container's id.
        id: String,
        /// The port that was asked for.
        port: u16,
        /// The ports that are published.
        published: Vec<String>,
    },

    /// There is no socket over which an unchanged command could create what is the session's: do what the cause says.
    #[error("failed to open the socket over which a command's creations are adopted")]
    Adoption {
        /// What was in the way.
        source: Arc<std::io::Error>,
    },

    /// The operating system gave no thread or runtime for work on the engine.
    #[error("failed to run the thread that works on the engine")]
    Worker {
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },

    /// The operating system gave no thread or runtime for the connection.
    #[error("failed to start the thread that holds the connection to the reaper")]
    Thread {
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },
}

impl Error {
    /// The error and its causes, as a person reads them: one line each.
    ///
    /// `Display` alone is a single fragment; a test's failure message has room for the whole chain.
    #[must_use]
    pub fn report(&self) -> String {
        chain(self)
    }
}

/// An error and its causes, a line each.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\n  caused by: ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The end of a thread of ours that panicked, with what the panic said.
pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> std::io::Error {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    std::io::Error::other(format!("it panicked: {}", text.unwrap_or("without a word")))
}

/// An endpoint that was tried, and why it was not the one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// The endpoint, like `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// Who named it: a setting and its source, or a well-known place.
    pub origin: String,
    /// Why it could not be used.
    pub problem: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.endpoint, self.origin, self.problem)
    }
}

const NO_ENGINE_HELP: &str = "\nstart the engine, say where it is with DOCKER_HOST, or switch the reaper off \
                              with TESTCONTAINERS_RYUK_DISABLED=true";
const IMAGE_HELP: &str = "\nbring it to the engine with `docker pull` or `docker load`, or choose another one with \
                          TESTCONTAINERS_RYUK_CONTAINER_IMAGE; the credentials of `docker login` are used by \
                          `docker pull`, and not read here";
const DEADLINE_HELP: &str = "\nif the engine is only slow, allow more with REAPER_ACQUIRE_TIMEOUT=2m";

const LEFT_BEHIND_HELP: &str = "\nthe reaper will try again when the session is over";

/// Each on a line of its own, behind the same words.
fn listed(words: &str, all: &[impl fmt::Display]) -> String {
    all.iter().map(|one| format!("\n  {words} {one}")).collect()
}

fn needed(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!("\n  it is needed since {reason}"))
}

fn used(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!("\n  the embedded reaper is not used since {reason}"))
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
