//! Values that are made once for a session: by whom, how often, and what is left of them.
//!
//! The processes are real ones of the suite; the engine says which containers there are, and the folder for
//! temporary files, which each run has for itself, what is kept. Most is tried in both places where values are kept: at the
//! reaper, and in the folder where that has no word for them.

mod fixtures;
mod kills;
mod traced;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::suite::{Record, Run, keepers, spawn, text, until_no_keeper};
use reaper_tests::world::{Leftovers, without_labels};
use reaper_tests::{engine, until};
use rstest::rstest;
use serde_json::Value;

use self::traced::Traced;

const DEADLINE: Duration = Duration::from_secs(150);
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A run whose processes have a folder for temporary files of their own.
struct Shared {
    run: Run,
    temporary: PathBuf,
    /// An image whose server is not greeted, as official ones are not.
    plain: Option<(String, Leftovers)>,
    place: Place,
}

/// Where values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Reaper,
    /// The same, and reached through the engine.
    ReaperOverExec,
    Folder,
}

impl Shared {
    fn new() -> Self {
        let run = Run::new();
        let temporary = run.file("temporary");
        std::fs::create_dir(&temporary).unwrap();
        Self { run, temporary, plain: None, place: Place::Reaper }
    }

    fn at(place: Place) -> Self {
        let shared = Self { place, ..Self::new() };
        if place != Place::Folder {
            return shared;
        }
        let session = format!("plain-{}", std::process::id());
        succeeds(&mut shared.test(&session, "attaches"));
        let reaper = shared.records("attaches").remove(0).reaper;
        let plain = without_labels(&Engine::system(), &reaper, &session);
        engine::until_gone(&session, GONE_WITHIN);
        Self { plain: Some(plain), place, ..Self::new() }
    }

    fn set(&self, command: &mut Command) {
        command.env("TMPDIR", &self.temporary).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        if let Some((image, _)) = &self.plain {
            command.env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", image);
        }
        if self.place == Place::ReaperOverExec {
            command.env("REAPER_TRANSPORT", "exec");
        }
    }

    /// One test of the suite in a process of its own, in a session that has been given a name.
    fn test(&self, session: &str, name: &str) -> Command {
        let mut command = self.run.binary("shared");
        command.args(["--exact", name, "--include-ignored", "--test-threads", "2"]);
        command.env("TESTCONTAINERS_SESSION_ID", session);
        self.set(&mut command);
        command
    }

    fn nextest(&self, filter: &str) -> Command {
        let filter = format!("binary(shared) and ({filter})");
        let mut command = self.run.cargo(&["nextest", "run", "--run-ignored", "all", "-E", &filter]);
        self.set(&mut command);
        command
    }

    /// What is recorded under a name.
    fn records(&self, name: &str) -> Vec<Record> {
        self.run.records().into_iter().filter(|record| record.test == name).collect()
    }

    fn containers(&self, name: &str) -> BTreeSet<String> {
        self.records(name).into_iter().map(|record| record.container).collect()
    }

    /// The process and the thread that wait where they were told to.
    fn until_paused(&self) -> (String, String) {
        until("a process is paused", DEADLINE, || {
            let thread = std::fs::read_to_string(self.run.file("paused")).unwrap_or_default();
            let parts = thread.strip_suffix('\n').and_then(|thread| thread.split_once("/task/"));
            parts.map(|(process, thread)| (process.into(), thread.into())).ok_or(thread)
        })
    }

    fn go(&self) {
        std::fs::write(self.run.file("go"), "").unwrap();
    }

    /// Has those ask who wait for the first one to have asked.
    fn follow(&self) {
        std::fs::write(self.run.file("follow"), "").unwrap();
    }

    /// The folders that sessions have left.
    fn folders(&self) -> Vec<PathBuf> {
        let folders = list(&self.temporary).into_iter().flat_map(|users| list(&users));
        folders.filter(|path| path.extension().is_some_and(|extension| extension == "shared")).collect()
    }

    /// Waits until nothing is kept of any session.
    fn until_nothing_is_kept(&self) {
        until("the state is removed", GONE_WITHIN, || {
            let left: Vec<_> = list(&self.temporary).into_iter().flat_map(|users| list(&users)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Waits until a process has a thread of this name; gives its id.
fn until_it_has(pid: u32, thread: &str) -> String {
    until(&format!("the process has a thread {thread}"), DEADLINE, || {
        let tasks = list(Path::new(&format!("/proc/{pid}/task")));
        let named: Vec<_> = tasks
            .into_iter()
            .map(|task| (std::fs::read_to_string(task.join("comm")).unwrap_or_default(), task))
            .collect();
        let found = named.iter().find(|(name, _)| name.trim() == thread);
        let id = found.and_then(|(_, task)| Some(task.file_name()?.to_str()?.to_owned()));
        id.ok_or_else(|| format!("{named:?}"))
    })
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[track_caller]
fn fails_with(command: &mut Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
}

#[rstest]
#[case::at_the_reaper(Place::Reaper)]
#[case::in_a_folder(Place::Folder)]
fn thirty_two_processes_at_once_make_it_once(#[case] place: Place) {
    let shared = Shared::at(place);
    let session = format!("once-{}", std::process::id());
    let members: Vec<_> = (0..32).map(|_| spawn(&mut shared.test(&session, "member::_number_1_1"))).collect();
    for member in members {
        let output = member.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    assert_eq!((shared.records("made").len(), shared.records("got").len()), (1, 32));
    assert_eq!(shared.containers("made"), shared.containers("got"));
    engine::until_gone(&session, GONE_WITHIN);
}

#[rstest]
#[case::at_the_reaper(Place::Reaper)]
#[case::at_the_reaper_over_exec(Place::ReaperOverExec)]
#[case::in_a_folder(Place::Folder)]
fn a_run_makes_it_once_and_leaves_no_state(#[case] place: Place) {
    let shared = Shared::at(place);
    let output = succeeds(&mut shared.nextest("test(member)"));
    assert!(!output.contains("LEAK"), "{output}");
    assert_eq!((shared.records("made").len(), shared.records("got").len()), (1, 4));
    assert_eq!(shared.containers("made"), shared.containers("got"));
    let session = &shared.records("made")[0].session;
    until_no_keeper(session);
    shared.until_nothing_is_kept();
    engine::until_gone(session, GONE_WITHIN);
}

#[rstest]
#[case::at_the_reaper(Place::Reaper)]
#[case::in_a_folder(Place::Folder)]
fn threads_tasks_and_failures_of_one_process(#[case] place: Place) {
    let shared = Shared::at(place);
    for name in [
        "threads_and_tasks_make_it_once",
        "a_wait_does_not_block_the_runtime",
        "a_failed_init_is_told_to_its_caller_and_tried_again",
        "a_panic_and_a_dropped_future_hand_it_on",
        "misuse_is_explained",
        "what_was_reaped_is_made_anew",
        match place {
            Place::Reaper | Place::ReaperOverExec => "a_value_that_is_too_long_is_explained",
            Place::Folder => "cleared_temporary_files_only_cost_the_value",
        },
    ] {
        let session = format!("within-{}", std::process::id());
        let mut test = shared.test(&session, &format!("within::{name}"));
        let output = succeeds(test.env("REAPER_SHARED_TIMEOUT", "100s"));
        assert!(output.contains("1 passed"), "{output}");
    }
}

#[test]
fn keys_do_not_wait_for_each_other() {
    let shared = Shared::new();
    let output = succeeds(&mut shared.nextest("test(side)"));
    assert!(output.contains("2 passed"), "{output}");
}

#[rstest]
#[case::at_the_reaper(Place::Reaper)]
#[case::in_a_folder(Place::Folder)]
fn who_waits_for_too_long_is_told_for_whom(#[case] place: Place) {
    let shared = Shared::at(place);
    let session = format!("late-{}", std::process::id());
    let mut maker = spawn(shared.test(&session, "number").env("SUITE_PAUSE_AT", "number"));
    shared.until_paused();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = if place == Place::Reaper { format!(" on {}", host.trim()) } else { String::new() };
    let holder = format!("process {} (test number){host} has been making it for ", maker.id());
    let parts = ["\"number\" was not there within 300ms", holder.as_str(), "REAPER_SHARED_TIMEOUT"];
    let mut waiter = shared.test(&session, "number");
    fails_with(waiter.env("REAPER_SHARED_TIMEOUT", "300ms"), &parts);
    shared.go();
    assert!(maker.wait().unwrap().success());
    // What is there already needs no waiting.
    succeeds(shared.test(&session, "number").env("REAPER_SHARED_TIMEOUT", "1ms"));
    assert_eq!(shared.records("made").len(), 1);
    engine::until_gone(&session, GONE_WITHIN);
}

#[rstest]
#[case::at_the_reaper(Place::Reaper)]
#[case::in_a_folder(Place::Folder)]
fn with_another_reaper_it_is_made_anew(#[case] place: Place) {
    let shared = Shared::at(place);
    let session = format!("anew-{}", std::process::id());
    let mut first = shared.test(&session, "asks_twice");
    // Long enough for the time in which nobody is connected.
    first.env("SUITE_PAUSE_AT", "between").env("RYUK_RECONNECTION_TIMEOUT", "20s");
    let first = spawn(&mut first);
    shared.until_paused();
    let before = shared.records("got").remove(0);
    assert_eq!(shared.folders().is_empty(), place == Place::Reaper);
    // It cannot see what happens to its connection, and has to find out when it asks again.
    let connection = Traced::stop(&until_it_has(first.id(), "reaper"));
    let kill = format!("/containers/{}/kill", before.reaper);
    assert_eq!(engine::request("POST", &kill, &Value::Null).0, 204);
    let mut second = shared.test(&session, "member::_number_1_1");
    succeeds(second.env("RYUK_RECONNECTION_TIMEOUT", "20s"));
    shared.go();
    until_it_has(first.id(), "reaper-shared");
    connection.let_go();
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let (made, got) = (shared.records("made"), shared.records("got"));
    assert_eq!((made.len(), got.len()), (2, 3), "{made:?} {got:?}");
    assert_ne!(made[1].container, before.container);
    assert!(got[1..].iter().all(|got| got.container == made[1].container), "{made:?} {got:?}");
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn without_a_reaper_it_is_made_once_all_the_same() {
    let shared = Shared::new();
    let session = format!("inert-{}", std::process::id());
    for _ in 0..2 {
        let mut command = shared.test(&session, "number");
        succeeds(command.env("TESTCONTAINERS_RYUK_DISABLED", "true").env("DOCKER_HOST", "unix:///nowhere"));
    }
    assert_eq!((shared.records("made").len(), shared.records("got").len()), (1, 2));
    assert_eq!(shared.containers("got").len(), 1);
}

#[test]
fn the_next_session_sweeps_what_one_without_a_keeper_has_left() {
    let shared = Shared::at(Place::Folder);
    succeeds(shared.nextest("test(=number)").env("REAPER_KEEPER", "off"));
    let left = shared.folders();
    assert_eq!(left.len(), 1, "{left:?}");
    // A session that nobody can say is over stays; the one whose runner is gone does not.
    let session = format!("sweeps-{}", std::process::id());
    succeeds(&mut shared.test(&session, "number"));
    let now = shared.folders();
    assert!(now.len() == 1 && now != left, "{now:?}");
    engine::until_gone(&session, GONE_WITHIN);
    engine::until_gone(&shared.records("made")[0].session, GONE_WITHIN);
}

#[test]
fn who_outlives_the_runner_keeps_the_state_until_the_next_sweep() {
    let shared = Shared::at(Place::Folder);
    let mut runner = spawn(shared.nextest("test(=number)").env("SUITE_PAUSE_AT", "number"));
    let (test, _) = shared.until_paused();
    runner.kill().unwrap();
    runner.wait().unwrap();
    let test = PathBuf::from(format!("/proc/{test}"));
    let folders = shared.folders();
    assert_eq!(folders.len(), 1);
    let session = folders[0].file_stem().unwrap().to_str().unwrap().to_owned();
    until_no_keeper(&session);
    assert_eq!(shared.folders(), folders);
    shared.go();
    until("the test has ended", DEADLINE, || if test.exists() { Err("it runs".into()) } else { Ok(()) });
    assert_eq!(shared.records("got").len(), 1);
    let other = format!("sweeps-too-{}", std::process::id());
    succeeds(&mut shared.test(&other, "number"));
    assert!(shared.folders().iter().all(|folder| *folder != folders[0]));
    engine::until_gone(&session, GONE_WITHIN);
    engine::until_gone(&other, GONE_WITHIN);
}

#[test]
fn a_link_in_the_place_of_a_folder_is_refused() {
    let shared = Shared::at(Place::Folder);
    let session = format!("linked-{}", std::process::id());
    succeeds(&mut shared.test(&session, "number"));
    let folder = shared.folders().remove(0);
    let users = folder.parent().unwrap();
    let elsewhere = shared.run.file("elsewhere");
    // The session's folder, and then the user's: the target would do in all but that.
    for place in [folder.as_path(), users] {
        std::fs::rename(place, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, place).unwrap();
        let before = list(&elsewhere);
        let refusal = format!("{} must be a folder of yours with mode 700", place.display());
        fails_with(&mut shared.test(&session, "number"), &[&refusal]);
        assert_eq!(list(&elsewhere), before);
        std::fs::remove_file(place).unwrap();
        std::fs::rename(&elsewhere, place).unwrap();
    }
    assert_eq!(keepers(&session), Vec::<String>::new());
    engine::until_gone(&session, GONE_WITHIN);
}
