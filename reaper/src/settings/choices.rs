//! The settings that are one of a few words.

/// What is to stay for debugging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// Everything that tests create.
    Always,
    /// What the tests of a process create, unless they all pass.
    OnFailure,
}

/// What a session removes of earlier ones that nobody else will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    Nothing,
    /// What lost its reaper.
    Orphans,
    /// The same and what was kept for debugging.
    All,
}

/// With what the things of a guard go.
///
/// The default is [`Scope::Session`], or what `REAPER_SCOPE` says (`session` or `test`; `reaper.scope` in the properties file).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// With the session: all that its tests created goes when the run is over.
    Session,
    /// With the guard: what was created with its labels goes when the last handle on it is dropped, and when its process ends in
    /// any way.
    Test,
}

/// How a process reaches the session's reaper.
///
/// The default is [`Transport::Auto`], or what `REAPER_TRANSPORT` says (`auto`, `tcp` or `exec`; `reaper.transport` in the
/// properties file).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Over a published port where one can be dialled, else through the engine.
    Auto,
    /// Over a published port and in no other way.
    Tcp,
    /// Through the engine, by a process that it runs in the reaper's container: nothing is published, and the container is on
    /// no network.
    Exec,
}

pub(super) const KEEPS: [(&str, Keep); 3] =
    [("never", Keep::Nothing), ("always", Keep::Always), ("on-failure", Keep::OnFailure)];
pub(super) const SWEEPS: [(&str, Sweep); 3] =
    [("off", Sweep::Nothing), ("orphans", Sweep::Orphans), ("all", Sweep::All)];
pub(super) const SCOPES: [(&str, Scope); 2] = [("session", Scope::Session), ("test", Scope::Test)];
pub(super) const TRANSPORTS: [(&str, Transport); 3] =
    [("auto", Transport::Auto), ("tcp", Transport::Tcp), ("exec", Transport::Exec)];
