//! The keys of the labels that everything of a session carries.
//!
//! They are those of the testcontainers family, so that its other tools recognise what is ours; what the family has no
//! key for begins with `test-reaper.`.

/// Marks everything that the testcontainers family creates; the value is `true`.
pub const MANAGED: &str = "org.testcontainers";
/// The language of the client; the value is `rust`.
pub const LANGUAGE: &str = "org.testcontainers.lang";
/// The version of the client.
pub const VERSION: &str = "org.testcontainers.version";
/// The session a resource belongs to; what the reaper's filter looks for.
pub const SESSION: &str = "org.testcontainers.sessionId";
/// Marks the reaper container; the value is `true`.
pub const REAPER: &str = "org.testcontainers.reaper";
/// Marks a container that Ryuk, official and embedded, never removes; the value is `true`.
pub const RYUK: &str = "org.testcontainers.ryuk";
/// The scope of one guard, which a resource goes with; absent on what goes with the session.
pub const SCOPE: &str = "org.testcontainers.reaper.scope";

/// The runner of the session that a resource belongs to, as `<pid>.<start time>@<boot>.<pid namespace>`; absent
/// where the session was named and no `reaper run` is around it. What a later session needs to know that the run is over.
pub const RUNNER: &str = "test-reaper.runner";
/// The process that created a resource, written like [`RUNNER`].
pub const PROCESS: &str = "test-reaper.process";
/// The test that created a resource, as its runner calls it; on what has a scope, and all else under a runner that starts a
/// process for each test.
pub const TEST: &str = "test-reaper.test";
/// On what was created over a socket of `reaper run --adopt`: the session that has adopted it, whatever session it names.
pub const ADOPTED: &str = "test-reaper.adopted";
/// On a network of [`Reaper::network`](crate::Reaper::network): the name by which it was asked for.
pub const NETWORK: &str = "test-reaper.network";
/// On what a maker of a shared value creates with the labels that it gets: which making it was.
pub const MAKING: &str = "test-reaper.making";
/// Marks what is to stay for debugging (`REAPER_KEEP`): `always`, or `on-failure.` and a mark of the tests that
/// decide it.
pub const KEEP: &str = "test-reaper.keep";

/// Whether a label is one that every resource of a session gets, with a value for each process.
#[cfg(any(feature = "bollard", feature = "testcontainers"))]
pub(crate) fn is_ours(key: &str) -> bool {
    [MANAGED, LANGUAGE, VERSION, SESSION, RUNNER, PROCESS, SCOPE, TEST, MAKING, KEEP].contains(&key)
}
