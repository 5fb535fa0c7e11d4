//! The session: what one test run has in common, however many processes it takes.
//!
//! nextest starts a process for every test, so nothing inside a process can name the run. What can is a
//! variable that the runner sets, or failing that the runner itself: the nearest ancestor that is cargo.
//! A pid alone is never an identity, since pids are used again, and containers of one host have the same; a pid with its
//! start time, and the boot and the pid namespace in which both mean something, is one. Where these cannot be seen the
//! id is drawn. A random id handed down in the environment was rejected: no process stands above the first test to
//! choose it.
//!
//! The runner is whoever gave the session its id. Where that is nextest's variable it is the nearest ancestor that was
//! started without it, and not the nearest cargo: a setup script or a test may run a cargo of its own, which ends
//! long before the run does.
//!
//! It is as it was when the binary was loaded, before a test could change the environment and before a parent
//! could die and hand its children to another. What the kernel keeps of that is read when it is needed, the
//! rest at load: a hook that runs in every process of a suite has to cost next to nothing.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use hmac_sha256::Hash;

use crate::error::Result;
use crate::platform::{self, Process};
use crate::settings::{Config, Found};

/// Goes into every derived id, so that ours never equal a hash somebody else makes of the same run.
const PREFIX: &str = "test-reaper session v1";

/// How far up to look for cargo: a test binary, a wrapper or two, rustdoc, cargo.
const GENERATIONS: usize = 16;

/// Names one test run; part of the reaper container's name and the value of the session label.
///
/// 1 to 64 characters of `[A-Za-z0-9_.-]`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn given(found: &Found) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if (1..=64).contains(&found.value.len()) && found.value.chars().all(allowed) {
            Ok(Self(found.value.as_str().into()))
        } else {
            Err(found.refuse("1 to 64 letters, digits, underscores, dots or hyphens"))
        }
    }

    /// A session of this process's own, which no other process comes to by itself.
    #[cfg(feature = "cli")]
    pub(crate) fn fresh() -> Self {
        Self::derived(&["run", &platform::random()])
    }

    /// The session of a process that cannot be told from those of other namespaces: always the same here, and nobody else's.
    fn drawn() -> Self {
        static DRAWN: OnceLock<SessionId> = OnceLock::new();
        DRAWN.get_or_init(|| Self::derived(&["drawn", &platform::random()])).clone()
    }

    fn derived(parts: &[&str]) -> Self {
        let mut hash = Hash::new();
        hash.update(PREFIX);
        for part in parts {
            // The separator keeps ("ab", "c") apart from ("a", "bc").
            hash.update([0]);
            hash.update(part);
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(hex.into())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What the process knew when it was loaded.
#[derive(Debug, Clone)]
struct AtLoad {
    given: Option<String>,
    nextest_run: Option<String>,
    /// The nearest cargo above us, else the parent; not looked for where nextest says what the run is.
    ancestor: Option<Process>,
}

static AT_LOAD: OnceLock<AtLoad> = OnceLock::new();

/// Names the session.
pub(crate) const GIVEN: &str = "TESTCONTAINERS_SESSION_ID";
const NEXTEST_RUN: &str = "NEXTEST_RUN_ID";

/// The parent at load. As long as it is the parent it is the same process, so its pid is enough until then.
static PARENT: AtomicU32 = AtomicU32::new(NOT_TAKEN_DOWN);
/// No process has this pid. Not 0: that is a parent outside this process's pid namespace.
const NOT_TAKEN_DOWN: u32 = u32::MAX;

/// Takes down what the session id is derived from, unless that can be had later. Called before `main`; costs one
/// question to the kernel where that keeps the variables.
pub(crate) fn remember() {
    PARENT.store(platform::parent_id(), Ordering::Relaxed);
    if !platform::KEEPS_VARIABLES {
        at_load();
    }
}

fn at_load() -> &'static AtLoad {
    AT_LOAD.get_or_init(|| {
        let variables = platform::variables_at_start([GIVEN, NEXTEST_RUN]);
        let [given, nextest_run] = variables.map(|value| value.filter(|value| !value.trim().is_empty()));
        let needed = given.is_none() && nextest_run.is_none();
        AtLoad { ancestor: if needed { runner() } else { None }, given, nextest_run }
    })
}

/// The session this process belongs to.
pub(crate) fn resolve(config: &Config) -> Result<SessionId> {
    derive(config, at_load(), platform::host)
}

/// The process with whose end the session is over; none for a session that was named, which may outlive
/// any process.
pub(crate) fn runner_of(config: &Config) -> Option<Process> {
    /// Where nextest names the run; looked for once, since no process changes its ancestors but by losing them.
    static UNDER_NEXTEST: OnceLock<Option<Process>> = OnceLock::new();
    let at_load = at_load();
    if config.session_id.is_some() || at_load.given.is_some() {
        return None;
    }
    if let Some(run) = &at_load.nextest_run {
        // Whoever has set the variable by hand may live as long as a shell.
        return UNDER_NEXTEST.get_or_init(|| namer(run).filter(is_cargo)).clone();
    }
    at_load.ancestor.clone()
}

/// The nextest that started this process, or one above it.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn nextest() -> Option<Process> {
    at_load().nextest_run.as_deref().and_then(namer)
}

/// The runner, where it is one that a keeper may watch: cargo or cargo-nextest.
pub(crate) fn known_runner(config: &Config) -> Option<Process> {
    runner_of(config).filter(is_cargo)
}

fn derive(config: &Config, at_load: &AtLoad, host: impl FnOnce() -> Option<String>) -> Result<SessionId> {
    let built = config.session_id.as_ref().filter(|found| found.origin == "the builder");
    if let Some(found) = built {
        return SessionId::given(found);
    }
    if let Some(value) = &at_load.given {
        let name = GIVEN.to_owned();
        let origin = "the environment".to_owned();
        return SessionId::given(&Found { name, origin, value: value.trim().to_owned() });
    }
    // A variable set since the load was set by a test, for something that it starts.
    if let Some(found) = config.session_id.as_ref().filter(|found| found.origin != "the environment") {
        return SessionId::given(found);
    }
    if let Some(run) = &at_load.nextest_run {
        return Ok(SessionId::derived(&["nextest", run]));
    }
    let Some(host) = host() else { return Ok(SessionId::drawn()) };
    let process = at_load.ancestor.clone().unwrap_or_else(Process::this);
    Ok(SessionId::derived(&["process", &process.id.to_string(), &process.started, &host]))
}

/// The parent; none if it has ended since the load, and with it the run. Before the hook at load has run, as in somebody's
/// own hook, it is the one that there is now.
fn parent() -> Option<Process> {
    if PARENT.load(Ordering::Relaxed) == NOT_TAKEN_DOWN {
        PARENT.store(platform::parent_id(), Ordering::Relaxed);
    }
    let parent = platform::process(PARENT.load(Ordering::Relaxed))?;
    (platform::parent_id() == parent.id).then_some(parent)
}

/// The processes above this one, the nearest first.
fn ancestors() -> impl Iterator<Item = Process> {
    let above = |process: &Process| process.parent.filter(|id| *id > 1).and_then(platform::process);
    std::iter::successors(parent(), above).take(GENERATIONS)
}

/// The nearest ancestor that is cargo or cargo-nextest, else the parent.
fn runner() -> Option<Process> {
    ancestors().find(is_cargo).or_else(parent)
}

/// The ancestor that gave the run its name.
fn namer(run: &str) -> Option<Process> {
    nearest_without(run, ancestors(), |process| platform::variable_at_start_of(process.id, NEXTEST_RUN))
}

/// The nearest that was started without this run's name. Of who cannot be asked, a nextest is taken to be the one.
fn nearest_without(
    run: &str,
    mut ancestors: impl Iterator<Item = Process>,
    had: impl Fn(&Process) -> io::Result<Option<String>>,
) -> Option<Process> {
    ancestors.find(|process| match had(process) {
        Ok(had) => had.as_deref() != Some(run),
        Err(_) => name(process) == "cargo-nextest",
    })
}

fn is_cargo(process: &Process) -> bool {
    matches!(name(process), "cargo" | "cargo-nextest")
}

fn name(process: &Process) -> &str {
    process.name.strip_suffix(".exe").unwrap_or(&process.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_load(given: Option<&str>, nextest_run: Option<&str>, started: &str) -> AtLoad {
        let ancestor = Process { started: started.into(), ..process(7, "cargo") };
        AtLoad {
            given: given.map(str::to_owned),
            nextest_run: nextest_run.map(str::to_owned),
            ancestor: Some(ancestor),
        }
    }

    fn id(at_load: &AtLoad) -> Result<SessionId> {
        let config = Config { session_id: None, ..Config::load().unwrap() };
        derive(&config, at_load, || Some("boot.namespace".into()))
    }

    fn process(id: u32, name: &str) -> Process {
        Process { id, parent: None, name: name.into(), started: "1".into() }
    }

    #[test]
    fn a_given_id_is_used_as_it_is_or_refused() {
        assert_eq!(id(&at_load(Some("a.b_c-9"), Some("run"), "1")).unwrap().as_str(), "a.b_c-9");
        for bad in ["a b", "ä", "a/b", &"x".repeat(65)] {
            let text = id(&at_load(Some(bad), None, "1")).unwrap_err().to_string();
            assert!(text.contains("TESTCONTAINERS_SESSION_ID from the environment"), "{text}");
        }
    }

    #[test]
    fn processes_of_one_run_agree_and_runs_differ() {
        let first = id(&at_load(None, Some("run-1"), "1")).unwrap();
        assert_eq!(first, id(&at_load(None, Some("run-1"), "2")).unwrap());
        assert_ne!(first, id(&at_load(None, Some("run-2"), "1")).unwrap());
        assert_eq!(first.as_str().len(), 64);
    }

    #[test]
    fn a_pid_used_again_is_another_session() {
        let first = id(&at_load(None, None, "100")).unwrap();
        assert_eq!(first, id(&at_load(None, None, "100")).unwrap());
        assert_ne!(first, id(&at_load(None, None, "101")).unwrap());
    }

    #[test]
    fn a_pid_of_another_namespace_or_boot_is_another_session() {
        let config = Config { session_id: None, ..Config::load().unwrap() };
        let at = |host: &str| derive(&config, &at_load(None, None, "1"), || Some(host.into())).unwrap();
        assert_eq!(at("boot.1"), at("boot.1"));
        assert_ne!(at("boot.1"), at("boot.2"));
        assert_ne!(at("boot.1"), at("later.1"));
    }

    #[test]
    fn where_a_pid_tells_nothing_the_session_is_drawn_once() {
        let config = Config { session_id: None, ..Config::load().unwrap() };
        let drawn = |started| derive(&config, &at_load(None, None, started), || None).unwrap();
        assert_eq!(drawn("1"), drawn("2"));
        assert_ne!(drawn("1"), id(&at_load(None, None, "1")).unwrap());
        assert_ne!(SessionId::derived(&["drawn", &platform::random()]), drawn("1"));
    }

    #[test]
    fn whoever_named_the_run_is_its_runner_and_no_cargo_below() {
        // A test that runs under a cargo that a setup script of nextest's has started, in a terminal.
        let above = [
            process(9, "cargo"),
            process(8, "sh"),
            process(7, "cargo-nextest"),
            process(6, "cargo"),
            process(5, "bash"),
        ];
        let namer = |had: &dyn Fn(&Process) -> io::Result<Option<String>>| {
            nearest_without("run", above.iter().cloned(), had).map(|process| process.id)
        };
        let hidden = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let run = |is: bool| Ok(is.then(|| "run".to_owned()));
        assert_eq!(namer(&|process| run(process.id > 7)), Some(7));
        // A nextest inside another's run has that one's name.
        let nested = |process: &Process| Ok(Some(if process.id > 7 { "run" } else { "outer" }.to_owned()));
        assert_eq!(namer(&nested), Some(7));
        assert_eq!(namer(&|process| if process.id > 8 { run(true) } else { hidden() }), Some(7));
        assert_eq!(namer(&|_| hidden()), Some(7));
        assert_eq!(namer(&|_| run(true)), None);
    }

    #[test]
    fn a_builder_overrules_everything() {
        let found = Found::built("with_session_id", "mine".into());
        let config = Config { session_id: Some(found), ..Config::load().unwrap() };
        let session = derive(&config, &at_load(Some("theirs"), Some("run"), "1"), || None).unwrap();
        assert_eq!(session.as_str(), "mine");
    }
}
