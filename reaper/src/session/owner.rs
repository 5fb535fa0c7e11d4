//! Who made a resource, written on it, so that a later session can tell whether they are gone for good.
//!
//! A reaper that was killed when nobody was left to replace it leaves orphans that no other client ever
//! cleans. A later session may, if it can prove that nobody wants them: their run's runner and the process
//! that made them were of this host and this boot, and neither runs any more. A pid is written with its start
//! time and with what its meaning depends on, the boot and the pid namespace: containers of one host share
//! the boot and not the pids. An age as evidence was rejected: a debugger holds a test for days.

use std::sync::OnceLock;

use super::id::{SessionId, runner_of};
use crate::platform::{self, Process};
use crate::settings::Config;

/// The processes a resource belongs to, as they are written in its labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// None where nobody knows when the session is over: it was given a name, and may outlive any process,
    /// unless a `reaper run` says that it is the one.
    pub(crate) runner: Option<String>,
    /// None where the platform tells nothing about processes.
    pub(crate) process: Option<String>,
}

impl Owner {
    /// This process, and the runner of the session, which the settings lead to.
    pub(crate) fn of(session: &SessionId, config: &Config) -> Self {
        Self { runner: Self::runner_of(session, config), process: Self::this() }
    }

    /// The runner alone, for which nothing has to be read of this process.
    pub(crate) fn runner_of(session: &SessionId, config: &Config) -> Option<String> {
        let named = || config.run.as_ref().filter(|run| run.session == session.as_str());
        match runner_of(config) {
            Some(runner) => mark(&runner),
            None => named().map(|run| run.runner.clone()),
        }
    }

    /// The mark of this process.
    pub(crate) fn this() -> Option<String> {
        static THIS: OnceLock<Option<String>> = OnceLock::new();
        THIS.get_or_init(|| mark(&Process::this())).clone()
    }
}

#[cfg(all(unix, feature = "cli"))]
impl Owner {
    /// The mark of any process of this machine.
    pub(crate) fn mark_of(process: &Process) -> Option<String> {
        mark(process)
    }
}

/// Whether the process that a mark stands for has provably ended; never where that cannot be known.
pub(crate) fn owner_is_gone(mark: &str) -> bool {
    owner_lives(mark) == Some(false)
}

/// Whether the process that a mark stands for runs; none where that cannot be known.
pub(crate) fn owner_lives(mark: &str) -> Option<bool> {
    let (process, host) = mark.split_once('@')?;
    let (id, started) = process.split_once('.')?;
    let id = id.parse().ok()?;
    if host != platform::host()? {
        return None;
    }
    let found = platform::look_for(id).ok()?;
    Some(found.is_some_and(|process| word(&process.started) == started))
}

/// Waits until the process that a mark stands for does not run any more, as far as that can be told.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn until_owner_is_gone(mark: &str) {
    let Some(id) = mark.split_once('.').and_then(|(id, _)| id.parse().ok()) else { return };
    // Before it is looked for: one that was opened later may be that of another process with the same pid.
    let ending = platform::Ending::of(id);
    while owner_lives(mark) == Some(true) {
        ending.wait();
    }
}

/// `<pid>.<start time>@<boot>.<pid namespace>`
fn mark(process: &Process) -> Option<String> {
    let host = platform::host()?;
    Some(format!("{}.{}@{host}", process.id, word(&process.started)))
}

/// Some platforms write a start time in several words.
fn word(started: &str) -> String {
    started.split_whitespace().collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that has ended, and that its parent has not waited for.
    fn ended() -> (std::process::Child, Process) {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let process = platform::process(child.id()).unwrap();
        assert!(!owner_is_gone(&mark(&process).unwrap()));
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while platform::process(child.id()).is_some() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        (child, process)
    }

    #[test]
    fn a_process_that_runs_is_not_gone_and_one_that_ended_is() {
        assert!(!owner_is_gone(&mark(&Process::this()).unwrap()));
        let (mut child, process) = ended();
        assert!(owner_is_gone(&mark(&process).unwrap()));
        child.wait().unwrap();
        assert!(owner_is_gone(&mark(&process).unwrap()));
    }

    #[test]
    fn a_pid_used_again_by_a_later_process_is_gone() {
        let earlier = Process { started: "1".into(), ..Process::this() };
        assert!(owner_is_gone(&mark(&earlier).unwrap()));
    }

    #[test]
    fn what_another_host_or_boot_or_namespace_says_proves_nothing() {
        let (mut child, process) = ended();
        child.wait().unwrap();
        let gone = mark(&process).unwrap();
        let (process, host) = gone.split_once('@').unwrap();
        let (boot, namespace) = host.split_once('.').unwrap();
        for elsewhere in [
            format!("{process}@{boot}.1"),
            format!("{process}@another-boot.{namespace}"),
            format!("{process}@"),
            process.to_owned(),
            String::new(),
            format!("@{host}"),
            format!("x.1@{host}"),
        ] {
            assert!(!owner_is_gone(&elsewhere), "{elsewhere}");
        }
    }
}
