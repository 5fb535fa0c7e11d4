//! The keeper: a process that holds a connection for as long as the runner lives; and the hook at load.
//!
//! nextest starts a process per test, so there can be minutes of a run in which no test with a guard is
//! alive, and a reaper that is left alone for that long removes what the next tests count on. So whoever
//! creates the reaper leaves a keeper behind (`leave`): the same program again, caught by the hook before `main`. It
//! holds a lock for its connection, so that there is one, and ends with the runner, or with the connection: a
//! session on two engines has a keeper on each, and the next reaper gets one while the last's is still ending.
//!
//! When the runner has ended it says so to the reaper, which need not wait for another client then. A keeper that is
//! killed has said nothing, and the reaper waits as long as it usually does.
//!
//! It is nobody's child: what the test has started starts the keeper in its turn and ends, so a test that waits for all of
//! its children does not wait for a keeper. Whoever inherits the task without the arguments is no keeper.
//!
//! The hook also writes down what the session is named by, since a test can change its environment and a
//! parent can die. Everything else waits until a test asks for a reaper: a hook that runs in every process
//! has to cost next to nothing. A daemon of our own was rejected: it would have to be installed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::session;

#[cfg(unix)]
pub(super) use self::unix::{HOLDS, KEEPER, STARTER, TASK, Task, at_load_address, remove_lock};

// In the form that takes no procedural macro, and so no crate for it.
ctor::declarative::ctor! {
    /// Runs when no other thread exists and the standard library's environment and files are usable; starts
    /// no thread, prints nothing, and does not panic.
    #[ctor(unsafe)]
    fn at_load() {
        catch_up();
    }
}

/// What the hook does, once: somebody's own hook may ask for a guard before ours has run, also in a keeper.
pub(super) fn catch_up() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    #[cfg(unix)]
    if let Some(task) = std::env::var_os(TASK) {
        unix::keep(&task);
    }
    session::remember();
}

#[cfg(unix)]
mod unix {
    use std::ffi::{OsStr, OsString};
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::Duration;

    use super::super::reporting;
    use crate::acquire::Way;
    use crate::platform;
    use crate::removal::Report;
    use crate::session::folder;

    /// In the environment of a keeper: what it has to hold and to watch, a line each.
    pub(crate) const TASK: &str = "REAPER_KEEPER_TASK";
    /// The name of a keeper, and of the process that starts one and ends.
    pub(crate) const KEEPER: &str = "reaper-keeper";
    pub(crate) const STARTER: &str = "reaper-keeper-starter";
    /// Written once the connection is held; anything else says why it is not.
    pub(crate) const HOLDS: u8 = b'k';

    /// For the reaper's answers.
    const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

    /// What a keeper has to hold and to watch.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Task {
        pub(crate) session: String,
        /// The filter's line, without its end.
        pub(crate) line: String,
        pub(crate) runner: u32,
        pub(crate) started: String,
        pub(crate) reaper: Way,
        /// How long the reaper has to wait once the runner has ended, where it can be told.
        pub(crate) wait: Option<String>,
        /// Where what is removed is written down.
        pub(crate) report: Option<Report>,
        /// The file whose lock it holds.
        pub(crate) lock: PathBuf,
    }

    impl Task {
        pub(crate) fn write(&self) -> OsString {
            let Self { session, line, runner, started, reaper, wait, report, lock } = self;
            let wait = wait.as_deref().unwrap_or_default();
            let mut text =
                OsString::from(format!("{session}\n{line}\n{runner}\n{started}\n{reaper}\n{wait}\n"));
            // No path of a setting has a line's end in it: settings are lines, too.
            text.push(report.as_ref().map_or(Path::new(""), Report::path));
            text.push("\n");
            text.push(lock);
            text
        }

        fn read(text: &OsStr) -> Option<Self> {
            let mut lines = text.as_bytes().splitn(8, |byte| *byte == b'\n');
            let mut next = || String::from_utf8(lines.next()?.to_vec()).ok();
            let (session, line, runner) = (next()?, next()?, next()?.parse().ok()?);
            let (started, reaper) = (next()?, next()?.parse().ok()?);
            let wait = next().filter(|wait| !wait.is_empty());
            let report = next().filter(|path| !path.is_empty()).map(Report::at);
            let lock = OsStr::from_bytes(lines.next()?).into();
            Some(Self { session, line, runner, started, reaper, wait, report, lock })
        }
    }

    /// The keeper's whole life, if this is one; returns where it is not.
    pub(super) fn keep(task: &OsStr) {
        let Some(task) = Task::read(task) else { return };
        let arguments = platform::arguments();
        let is = |name: &str| {
            let own = [OsStr::new(name), OsStr::new("--exact"), OsStr::new(&task.session)];
            // Some platforms do not know before `main`.
            arguments.is_empty() || arguments == own
        };
        let outcome = if is(KEEPER) {
            let outcome = hold(&task);
            // While the lock is held, so that it is not another keeper's. What cannot be removed is an empty file.
            if let Ok(lock) = rustix::io::dup(rustix::stdio::stdin()) {
                let _ = remove_lock(&File::from(lock), &task.lock);
            }
            outcome
        } else if is(STARTER) {
            start(&task)
        } else {
            return;
        };
        if let Err(error) = &outcome {
            // Where the keeper held already, nobody reads it.
            let _ = say(error.to_string().as_bytes());
        }
        std::process::exit(i32::from(outcome.is_err()));
    }

    /// Starts the keeper, which gets all that this process was given; its parent ends then.
    fn start(task: &Task) -> io::Result<()> {
        let mut keeper = Command::new(platform::program_with(at_load_address())?);
        keeper.arg0(KEEPER).args(["--exact", &task.session]).spawn().map(drop)
    }

    /// Where this code is, to find its file.
    pub(crate) fn at_load_address() -> usize {
        super::at_load as fn() as usize
    }

    fn hold(task: &Task) -> io::Result<()> {
        platform::detach(c"reaper-keeper");
        let stream = task.reaper.register(&format!("{}\n", task.line), ANSWERED_WITHIN)?;
        platform::keep_alive(&(&stream).into())?;
        // Before a test goes on, so that nothing is missed. Without it the session is held all the same.
        let reporting = task.report.clone().map(|report| reporting::follow(&task.reaper, report));
        ready()?;
        let has_ended = platform::until_either_ends(task.runner, &task.started, &stream);
        if !has_ended {
            return Ok(());
        }
        if let Some(wait) = task.wait.as_deref() {
            // A reaper that does not take it waits as long as it usually does.
            let _ = Way::end_run(&stream, wait);
        }
        // Where somebody is still there it stays, and a later session removes it. Where the reaper was lost while the runner
        // lives, the next one is told what is in it.
        let _ = task.lock.parent().map(|folder| folder::remove(folder, &task.session));
        drop(stream);
        if let Some(Ok(reporting)) = reporting {
            // It ends with the reaper, which ends once it has removed what it can.
            let _ = reporting.join();
        }
        Ok(())
    }

    /// Says that the connection is held, and lets go of the one who started it.
    fn ready() -> io::Result<()> {
        say(&[HOLDS])?;
        platform::let_go_of_output()
    }

    /// A word to whoever started this. To a socket, since writing to a pipe that nobody reads would end this process;
    /// that nobody reads is no failure.
    fn say(word: &[u8]) -> io::Result<()> {
        let starter: OwnedFd = rustix::io::dup(rustix::stdio::stdout())?;
        let _ = UnixStream::from(starter).write_all(word);
        Ok(())
    }

    /// Removes the file of a lock that is held, unless another has taken its place.
    pub(crate) fn remove_lock(lock: &File, path: &Path) -> io::Result<()> {
        if folder::is_at(lock, path) { std::fs::remove_file(path) } else { Ok(()) }
    }

    #[cfg(test)]
    mod tests {
        use std::os::unix::ffi::OsStringExt as _;

        use super::*;

        #[test]
        fn a_task_is_read_as_it_was_written() {
            for (wait, report) in [(None, None), (Some("1s".to_owned()), Some(Report::at("/a/report.jsonl")))]
            {
                let task = Task {
                    session: "s".into(),
                    line: "label=a=b".into(),
                    runner: 7,
                    started: "Mon Jan 1 00:00:00 2024".into(),
                    reaper: "[::1]:80 5eed".parse().unwrap(),
                    wait,
                    report,
                    lock: OsString::from_vec(b"/a\n\xff/b.keeper".to_vec()).into(),
                };
                assert_eq!(Task::read(&task.write()), Some(task));
            }
            assert_eq!(Task::read(OsStr::new("s\nlabel=a=b\nseven\n1\n[::1]:80\n\n\n/b")), None);
            assert_eq!(Task::read(OsStr::new("")), None);
        }
    }
}
