//! The folder of one session: what its processes have in common, for as long as one of them may come.
//!
//! Every process that uses it keeps a shared lock on the file `alive` in it until the process ends, in
//! whatever way. So whoever has that lock alone knows that nobody is there, and keeps everybody out while he
//! removes the folder: who comes meanwhile waits for the lock, sees that the file is not the one in the folder
//! any more, and begins again. Between two tests nobody may be there and the session goes on, so a folder
//! that is left alone is removed only by the session's keeper, when the runner has ended, or by a later
//! session, on proof: another boot, or a runner that is gone. Where neither can be seen (a session that was
//! named, another pid namespace) a day without anybody has to do; and nothing is lost then but a value, which
//! is made anew.
//!
//! Rejected: removing with the last process, which is not the last one if another test follows; asking
//! whether the keeper holds its lock, since who asks holds it for a moment, and would be taken for a keeper.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::private::{make_private, open, read, replace};
use crate::platform;
use crate::session::owner_lives;

/// Locked by everybody who is there.
const ALIVE: &str = "alive";
/// What the session is known to be over by.
const EVIDENCE: &str = "evidence";
/// The extension of a value's file.
pub(crate) const VALUE: &str = "json";
/// Tells these folders from what else lies beside them, and keeps a session `..` where it belongs.
const SUFFIX: &str = ".shared";

/// How long nobody has to have come or gone where nothing else says that the session is over.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// For whoever removes the folder.
const LOCKED_AT_MOST: Duration = Duration::from_secs(10);

/// How often to begin again when the folder is removed under our hands, each time by somebody else.
const ATTEMPTS: usize = 100;

/// A session's folder, which nobody removes while this is held.
#[derive(Debug)]
pub(crate) struct SessionFolder {
    path: PathBuf,
    alive: File,
}

/// Written down for those who may have to remove the folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Evidence {
    boot: String,
    /// The mark of the process with whose end the session is over.
    runner: Option<String>,
}

impl SessionFolder {
    /// Finds or makes the session's folder in this user's. Whoever makes one sweeps those of old sessions.
    pub(crate) fn join(root: &Path, session: &str, runner: Option<&str>) -> io::Result<Self> {
        let path = path_of(root, session);
        for _ in 0..ATTEMPTS {
            let made = make_private(&path).or_else(retry_if_gone)?;
            let mut options = File::options();
            let alive = open(&path.join(ALIVE), options.read(true).write(true).create(true));
            let alive = match alive {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                outcome => outcome?,
            };
            lock_shared(&alive)?;
            let joined = Self { path: path.clone(), alive };
            if !joined.is_current() {
                continue;
            }
            joined.alive.set_modified(SystemTime::now())?;
            joined.write_down(&Evidence::of(runner))?;
            if made {
                sweep(root);
            }
            return Ok(joined);
        }
        Err(io::Error::other(format!("{} is removed again and again", path.display())))
    }

    /// Whether this is still the folder that the session's other processes find.
    pub(crate) fn is_current(&self) -> bool {
        is_at(&self.alive, &self.path.join(ALIVE))
    }

    /// Where a file of the session lies.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A session that was named may have been named before, in another boot.
    fn write_down(&self, evidence: &Evidence) -> io::Result<()> {
        if Evidence::read(&self.path).as_ref() == Some(evidence) {
            return Ok(());
        }
        let text = serde_json::to_vec(evidence).map_err(io::Error::other)?;
        replace(&self.file(EVIDENCE), &text)
    }
}

impl Evidence {
    fn of(runner: Option<&str>) -> Self {
        Self { boot: platform::boot(), runner: runner.map(str::to_owned) }
    }

    fn read(folder: &Path) -> Option<Self> {
        serde_json::from_str(&read(&folder.join(EVIDENCE)).ok()?).ok()
    }

    /// Whether the session is over; none if that cannot be seen from here.
    fn is_over(&self) -> Option<bool> {
        if self.boot != platform::boot() {
            return Some(true);
        }
        owner_lives(self.runner.as_deref()?).map(|lives| !lives)
    }
}

/// Removes what a session has kept, unless somebody is still there. For the keeper, when the runner has ended.
#[cfg(unix)]
pub(crate) fn remove(root: &Path, session: &str) -> io::Result<()> {
    remove_if(&path_of(root, session), |_| true)
}

/// Has a session make its values anew: what they stood for is gone.
pub(crate) fn forget_values(root: &Path, session: &str) -> io::Result<()> {
    let entries = match std::fs::read_dir(path_of(root, session)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == VALUE) {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// Removes the folders of sessions that are over. What cannot be removed is left to the next.
fn sweep(root: &Path) {
    let entries = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.map(|entry| entry.path());
    for folder in folders.filter(|path| path.to_str().is_some_and(|path| path.ends_with(SUFFIX))) {
        let over = |alive: &File| {
            let over = Evidence::read(&folder).and_then(|evidence| evidence.is_over());
            over.unwrap_or_else(|| is_unused(alive))
        };
        if let Err(error) = remove_if(&folder, over) {
            tracing::debug!(folder = %folder.display(), %error, "state of an old session is left");
        }
    }
}

/// Removes a folder in which nobody is, if it is over then.
fn remove_if(folder: &Path, over: impl FnOnce(&File) -> bool) -> io::Result<()> {
    match std::fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        _ => return Ok(()),
    }
    let path = folder.join(ALIVE);
    let alive = match open(&path, File::options().read(true).write(true)) {
        // Killed before it was there, or about to make it: then this fails, or he begins again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return std::fs::remove_dir(folder),
        outcome => outcome?,
    };
    match alive.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if !is_at(&alive, &path) || !over(&alive) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?.path();
        if entry != path {
            std::fs::remove_file(entry)?;
        }
    }
    std::fs::remove_file(path)?;
    std::fs::remove_dir(folder)
}

/// Where the folder of a session lies.
pub(super) fn path_of(root: &Path, session: &str) -> PathBuf {
    root.join(format!("{session}{SUFFIX}"))
}

/// A clock that was set back says nothing, so the folder stays.
fn is_unused(alive: &File) -> bool {
    let age = alive.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
    matches!(age, Ok(Ok(age)) if age > UNUSED)
}

/// Made and removed again before it could be looked at: it is not ours, and not there.
fn retry_if_gone(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::NotFound { Ok(false) } else { Err(error) }
}

/// Waits for somebody who removes or looks whether to.
fn lock_shared(alive: &File) -> io::Result<()> {
    locked("removing it", || alive.try_lock_shared())
}

/// Waits for a lock that is held for a moment, unless its holder was stopped in it.
pub(super) fn locked(
    what_for: &str,
    try_lock: impl Fn() -> std::result::Result<(), TryLockError>,
) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCKED_AT_MOST => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => {
                let problem = format!("a process has been {what_for} for {LOCKED_AT_MOST:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Repeats a wait that a signal has ended.
pub(crate) fn uninterrupted(mut wait: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match wait() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Whether an open file is the one at this path.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(theirs)) => identity(ours) == identity(theirs),
        _ => false,
    }
}

/// Where an open file cannot be removed, it is there.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Owner;

    fn this() -> String {
        Owner::this().unwrap()
    }

    fn gone() -> String {
        let this = this();
        let (_, host) = this.split_once('@').unwrap();
        format!("1.0@{host}")
    }

    fn age(folder: &Path, by: Duration) {
        let alive = File::options().write(true).open(folder.join(ALIVE)).unwrap();
        alive.set_modified(SystemTime::now() - by).unwrap();
    }

    /// A folder as a process leaves it, and what a later session makes of it.
    fn is_swept(runner: Option<&str>, change: impl FnOnce(&Path)) -> bool {
        let root = tempfile::tempdir().unwrap();
        let left = SessionFolder::join(root.path(), "old", runner).unwrap();
        std::fs::write(left.file("value"), "1").unwrap();
        let path = left.path.clone();
        drop(left);
        change(&path);
        let new = SessionFolder::join(root.path(), "new", None).unwrap();
        assert!(new.is_current());
        !path.exists()
    }

    #[test]
    fn a_session_whose_runner_is_gone_is_swept_and_no_other() {
        assert!(is_swept(Some(&gone()), |_| {}));
        assert!(!is_swept(Some(&this()), |_| {}));
        // However long ago it was: a run may take a week.
        assert!(!is_swept(Some(&this()), |folder| age(folder, 7 * UNUSED)));
    }

    #[test]
    fn a_session_of_another_boot_is_swept() {
        let reboot = |folder: &Path| {
            let evidence = Evidence { boot: "another".into(), ..Evidence::of(Some(&this())) };
            std::fs::write(folder.join(EVIDENCE), serde_json::to_vec(&evidence).unwrap()).unwrap();
        };
        assert!(is_swept(Some(&this()), reboot));
    }

    #[test]
    fn a_session_without_a_runner_in_sight_is_swept_after_a_day() {
        assert!(!is_swept(None, |_| {}));
        assert!(!is_swept(None, |folder| age(folder, UNUSED / 2)));
        assert!(is_swept(None, |folder| age(folder, UNUSED * 2)));
        // A pid of another namespace proves nothing.
        let elsewhere = format!("{}1", gone());
        assert!(!is_swept(Some(&elsewhere), |_| {}));
        assert!(is_swept(Some(&elsewhere), |folder| age(folder, UNUSED * 2)));
    }

    #[test]
    fn what_a_killed_process_had_only_begun_is_swept() {
        assert!(is_swept(None, |folder| {
            std::fs::remove_dir_all(folder).unwrap();
            make_private(folder).unwrap();
        }));
    }

    #[test]
    fn values_are_forgotten_and_their_locks_are_not() {
        let root = tempfile::tempdir().unwrap();
        forget_values(root.path(), "s").unwrap();
        let joined = SessionFolder::join(root.path(), "s", None).unwrap();
        for name in ["a.json", "a.lock"] {
            std::fs::write(joined.file(name), "1").unwrap();
        }
        forget_values(root.path(), "s").unwrap();
        assert!(!joined.file("a.json").exists() && joined.file("a.lock").exists() && joined.is_current());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_removed_while_somebody_is_there() {
        let root = tempfile::tempdir().unwrap();
        let there = SessionFolder::join(root.path(), "s", Some(&gone())).unwrap();
        let too = SessionFolder::join(root.path(), "s", Some(&gone())).unwrap();
        drop(there);
        remove(root.path(), "s").unwrap();
        sweep(root.path());
        assert!(too.is_current());
        drop(too);
        remove(root.path(), "s").unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn who_comes_while_the_folder_is_removed_gets_a_folder_that_stays() {
        let root = tempfile::tempdir().unwrap();
        let joins = || {
            for _ in 0..200 {
                let joined = SessionFolder::join(root.path(), "s", None).unwrap();
                std::fs::write(joined.file("value"), "1").unwrap();
                assert!(joined.is_current());
                assert!(joined.file("value").exists());
            }
        };
        std::thread::scope(|scope| {
            let joining = [scope.spawn(joins), scope.spawn(joins)];
            while !joining.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                // Fails where somebody comes between the last file and the folder.
                let _ = remove(root.path(), "s");
            }
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_session_cannot_name_a_folder_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let joined = SessionFolder::join(root.path(), "..", None).unwrap();
        assert_eq!(joined.path.parent(), Some(root.path()));
        std::os::unix::fs::symlink(root.path(), path_of(root.path(), "link")).unwrap();
        SessionFolder::join(root.path(), "link", None).unwrap_err();
    }
}
