//! Leaving a keeper behind, or saying why there is none.
//!
//! The lock is the open file that the keeper gets as its standard input: whoever could lock it starts the keeper that
//! holds it, with no moment between. Whoever could not has a keeper already, or somebody who is starting one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use super::keeper::{HOLDS, KEEPER, STARTER, TASK, Task, at_load_address, remove_lock};
use crate::acquire::{Plan, Way, encode};
use crate::platform::{self, Process};
use crate::removal::Report;
use crate::session::{SessionId, folder};

/// For a keeper to connect and say so.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How often to begin again when the lock's file is removed under our hands, each time by somebody else.
const ATTEMPTS: usize = 100;

/// After this long without a change, the file of a lock that nobody holds is a killed keeper's.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// Leaves a keeper behind, unless the reaper has one; returns once it has said that it holds its connection.
pub(super) fn leave(plan: &Plan, runner: &Process, container: &str, reaper: Way) -> io::Result<()> {
    let folder = folder::folder()?;
    let path = folder.join(lock_name(&plan.session, container, &reaper));
    let Some(lock) = lock(&path)? else { return Ok(()) };
    sweep(&folder);
    let task = Task {
        session: plan.session.to_string(),
        line: encode(&plan.filter()).trim_end().to_owned(),
        runner: runner.id,
        started: runner.started.clone(),
        report: plan.config.report.as_ref().map(|found| Report::at(&found.value)),
        wait: plan.wait_after_run().filter(|_| reaper.takes_words()).map(str::to_owned),
        reaper,
        lock: path,
    };
    // Our copy, so that nobody else has the lock while the file of a keeper that did not get ready is removed.
    let outcome = lock.try_clone().and_then(|for_keeper| start(&task, for_keeper));
    match &outcome {
        Ok(()) => tracing::info!(session = task.session, runner = runner.id, "keeper started"),
        Err(_) => drop(remove_lock(&lock, &task.lock)),
    }
    outcome
}

/// Whoever runs the tests has to know that a session may be over before they are. Past the harness, which shows what a test
/// prints only when that fails.
pub(super) fn warn_unkept(plan: &Plan, why: &io::Error) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        // Nobody may be there to read it.
        let _ = writeln!(
            io::stderr(),
            "warning: no process keeps session {} between its tests: {why}; what they share is removed where none of \
             them runs for {} (RYUK_RECONNECTION_TIMEOUT)",
            plan.session,
            plan.wait_during_run(),
        );
    });
}

/// Takes the lock; none if somebody else has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let lock = folder::open(path, OpenOptions::new().create(true).append(true))?;
        match lock.try_lock() {
            // Its last holder may have removed it meanwhile; then others find another file.
            Ok(()) if folder::is_at(&lock, path) => return Ok(Some(lock)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{} is removed again and again", path.display())))
}

fn start(task: &Task, lock: File) -> io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(platform::program_with(at_load_address())?);
    // The name in `ps`. The arguments say what it is for, and would have a test harness run nothing.
    command.arg0(STARTER).args(["--exact", &task.session]).env(TASK, task.write()).current_dir("/");
    command.stdin(lock).stdout(OwnedFd::from(theirs)).stderr(Stdio::null()).process_group(0);
    let mut starter = command.spawn()?;
    // With the command goes our copy of the keeper's end, so that its end is seen.
    drop(command);
    // It ends as soon as it has started the keeper. A test that waits for any child may have been told instead.
    let _ = starter.wait();
    holds(&ours)
}

/// Reads what the keeper says of itself.
fn holds(mut keeper: &UnixStream) -> io::Result<()> {
    keeper.set_read_timeout(Some(READY_WITHIN))?;
    let mut first = [0];
    match keeper.read_exact(&mut first) {
        Ok(()) if first == [HOLDS] => return Ok(()),
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(io::Error::other(format!("the {KEEPER} ended without a word")));
        }
        Err(error) => return Err(error),
    }
    let mut why = first.to_vec();
    keeper.read_to_end(&mut why)?;
    Err(io::Error::other(format!("the {KEEPER} says: {}", String::from_utf8_lossy(&why))))
}

/// A file for each way to a reaper: the keeper of the last, or of a port that is not served any more, may
/// not have noticed yet, and would still hold the lock.
fn lock_name(session: &SessionId, container: &str, reaper: &Way) -> String {
    let container: String = container.chars().take(12).collect();
    format!("{session}-{container}-{}.keeper", reaper.route.word())
}

/// Removes the files that killed keepers have left, after a day: whoever asks for a lock to see whether it is held has it for
/// a moment, and would be taken for a keeper. What cannot be removed is left to the next.
fn sweep(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let locks =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "keeper"));
    for path in locks.filter(is_old) {
        let lock = folder::open(&path, OpenOptions::new().append(true));
        if let Ok(lock) = lock.and_then(|lock| lock.try_lock().map_err(Into::into).map(|()| lock)) {
            let _ = remove_lock(&lock, &path);
        }
    }
}

fn is_old(path: &PathBuf) -> bool {
    let changed = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    let age = changed.map(|changed| SystemTime::now().duration_since(changed));
    matches!(age, Ok(Ok(age)) if age > UNUSED)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_lock_is_had_once_and_again_when_its_file_was_removed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.keeper");
        let first = lock(&path).unwrap().unwrap();
        assert!(lock(&path).unwrap().is_none());
        remove_lock(&first, &path).unwrap();
        // The old one is still held, and no longer what anybody finds.
        let second = lock(&path).unwrap().unwrap();
        remove_lock(&first, &path).unwrap();
        assert!(folder::is_at(&second, &path));
    }

    #[test]
    fn old_locks_that_nobody_holds_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let [dead, held, new, other] =
            ["a.keeper", "b.keeper", "c.keeper", "d.json"].map(|name| root.path().join(name));
        for path in [&dead, &held, &new, &other] {
            let file = File::create(path).unwrap();
            if path != &new {
                file.set_modified(SystemTime::now() - 2 * UNUSED).unwrap();
            }
        }
        let _held = lock(&held).unwrap().unwrap();
        sweep(root.path());
        assert_eq!([&dead, &held, &new, &other].map(|path| path.exists()), [false, true, true, true]);
    }

    #[test]
    fn a_keeper_holds_when_it_says_so_and_otherwise_says_why() {
        let said = |words: &[u8]| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(words).unwrap();
            drop(theirs);
            holds(&ours).map_err(|error| error.to_string())
        };
        assert_eq!(said(&[HOLDS]), Ok(()));
        assert_eq!(said(b"no reaper"), Err("the reaper-keeper says: no reaper".into()));
        assert_eq!(said(b""), Err("the reaper-keeper ended without a word".into()));
    }
}
