//! The keeper: a process that holds a connection for as long as the runner lives; and the hook at load.
//!
//! nextest starts a process per test, so there can be minutes of a run in which no test with a guard is
//! alive, and a reaper that is left alone for that long removes what the next tests count on. So whoever
//! creates the reaper leaves a keeper behind: the same program again, caught by the hook before `main`. It
//! holds a lock for its connection, so that there is one, and ends with the runner, or with the connection: a
//! session on two engines has a keeper on each, and the next reaper gets one while the last's is still ending.
//!
//! The hook also writes down what the session is named by, since a test can change its environment and a
//! parent can die. Everything else waits until a test asks for a reaper: a hook that runs in every process
//! has to cost next to nothing. A daemon of our own was rejected: it would have to be installed.

use crate::session;

#[cfg(unix)]
pub(super) use self::unix::leave;

/// In the environment of a keeper: what it has to hold and to watch, a line each.
#[cfg(unix)]
const TASK: &str = "REAPER_KEEPER_TASK";

/// Runs when no other thread exists and the standard library's environment and files are usable; starts
/// no thread, prints nothing, and does not panic.
#[ctor::ctor(unsafe)]
fn at_load() {
    #[cfg(unix)]
    if let Some(task) = std::env::var_os(TASK) {
        unix::keep(&task.to_string_lossy());
    }
    session::remember();
}

#[cfg(unix)]
mod unix {
    use std::fs::{File, OpenOptions, TryLockError};
    use std::io::{self, Read as _, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::TASK;
    use crate::acquire::{Plan, Way, encode};
    use crate::platform::{self, Process};
    use crate::session::{SessionId, folder};

    /// For a keeper to connect and say so.
    const READY_WITHIN: Duration = Duration::from_secs(5);

    /// Leaves a keeper behind, unless the reaper has one; returns once it holds its connection.
    pub(crate) fn leave(plan: &Plan, runner: &Process, container: &str, reaper: &Way) -> io::Result<()> {
        let session = &plan.session;
        let path = folder::folder()?.join(lock_name(session, container, reaper));
        let lock = folder::open(&path, OpenOptions::new().create(true).append(true))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let (ours, theirs) = UnixStream::pair()?;
        let line = encode(&plan.filter());
        let task =
            [session.as_str(), line.trim_end(), &runner.id.to_string(), &runner.started, &reaper.to_string()];
        let task = format!("{}\n{}", task.join("\n"), path.display());
        let mut command = Command::new(std::env::current_exe()?);
        // The name in `ps`. The arguments say what it is for, and would have a test harness run nothing.
        command.arg0("reaper-keeper").args(["--exact", session.as_str()]).env(TASK, task).current_dir("/");
        // The lock belongs to the open file, which the keeper has as its input: there is no moment between.
        command.stdin(lock).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
        let keeper = command.spawn()?;
        // With the command goes our copy of the keeper's end, so that its end is seen.
        drop(command);
        ours.set_read_timeout(Some(READY_WITHIN))?;
        (&ours).read_exact(&mut [0])?;
        tracing::info!(%session, runner = runner.id, keeper = keeper.id(), "keeper started");
        Ok(())
    }

    /// A file for each way to a reaper: the keeper of the last, or of a port that is not served any more, may
    /// not have noticed yet, and would still hold the lock.
    fn lock_name(session: &SessionId, container: &str, reaper: &Way) -> String {
        let container: String = container.chars().take(12).collect();
        format!("{session}-{container}-{}.keeper", reaper.address.port())
    }

    /// The keeper's whole life.
    pub(super) fn keep(task: &str) -> ! {
        // There is nobody to tell what went wrong: whoever started it sees that it does not get ready.
        let outcome = hold(task);
        std::process::exit(i32::from(outcome.is_err()));
    }

    fn hold(task: &str) -> io::Result<()> {
        let mut lines = task.splitn(6, '\n');
        let mut next = || lines.next().ok_or(io::ErrorKind::InvalidInput);
        let (session, line, runner) = (next()?, next()?, next()?);
        let (started, reaper, path) = (next()?, next()?, next()?);
        platform::detach(c"reaper-keeper");
        let stream = reaper.parse::<Way>()?.register(&format!("{line}\n"), READY_WITHIN)?;
        platform::keep_alive(&(&stream).into())?;
        ready()?;
        let runner = runner.parse().map_err(io::Error::other)?;
        platform::until_either_ends(runner, started, &stream);
        let path = Path::new(path);
        // Where somebody is still there it stays, and a later session removes it.
        let _ = path.parent().map(|folder| folder::remove(folder, session));
        // While the lock is held, so that it is not another keeper's. What cannot be removed is an empty file.
        let _ = std::fs::remove_file(path);
        Ok(())
    }

    /// Says that the connection is held, and lets go of the one who started it.
    fn ready() -> io::Result<()> {
        let starter: OwnedFd = rustix::io::dup(rustix::stdio::stdout())?;
        // A socket, since writing to a pipe that nobody reads would end this process.
        let _ = UnixStream::from(starter).write_all(b"k");
        rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Ok(())
    }
}
