//! The maker of a value is killed, at every point of its making that can be told from outside.
//!
//! Where the suite's own code runs it waits to be killed. In between, which is where the library writes into the folder, its
//! thread is stepped from one system call to the next until the files are as they are to be. (What the reaper is told comes as
//! a whole line or not at all, which the server's tests show.) Rejected: a kill after a random time, which hits the same two
//! points nearly always.

use std::path::PathBuf;

use reaper_tests::suite::{signal, spawn, text, until_no_keeper};
use reaper_tests::{engine, until};
use rstest::rstest;

use super::traced::Traced;
use super::{DEADLINE, GONE_WITHIN, Place, Shared, list, until_it_has};

/// What is on disk of the one key.
#[derive(Debug, PartialEq, Eq)]
enum Files {
    /// The lock has been signed, and nothing is written.
    Signed,
    /// The new file is there, and empty.
    Opened,
    /// The new file has something in it.
    Written,
    /// The value is there.
    Renamed,
    Other,
}

impl Files {
    fn of(shared: &Shared) -> Self {
        let files: Vec<PathBuf> = shared.folders().first().map(|folder| list(folder)).unwrap_or_default();
        let size = |extension: &str| {
            let named = |file: &&PathBuf| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("database-") && name.ends_with(extension)
            };
            files.iter().find(named).map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len()))
        };
        match (size(".lock"), size(".new"), size(".json")) {
            (Some(1..), None, None) => Self::Signed,
            (Some(1..), Some(0), None) => Self::Opened,
            (Some(1..), Some(1..), None) => Self::Written,
            (Some(1..), None, Some(1..)) => Self::Renamed,
            _ => Self::Other,
        }
    }
}

/// Has a paused thread go on, and halts it as soon as the files are so.
fn halt_when(shared: &Shared, thread: &str, wanted: &Files) -> Traced {
    let mut thread = Traced::stop(thread);
    shared.go();
    while Files::of(shared) != *wanted {
        thread.step();
    }
    thread
}

#[rstest]
#[case::before_init(Place::Reaper, "asking", None, 0)]
#[case::at_its_first_line(Place::Reaper, "begun", None, 0)]
#[case::before_it_creates(Place::Reaper, "loaded", None, 0)]
#[case::between_create_and_start(Place::Reaper, "created", None, 0)]
#[case::at_its_end(Place::Reaper, "started", None, 1)]
#[case::before_anything_is_said(Place::Reaper, "serialising", None, 1)]
#[case::after_it_was_handed_out(Place::Reaper, "got", None, 1)]
#[case::at_its_first_line_over_exec(Place::ReaperOverExec, "begun", None, 0)]
#[case::before_init_with_a_folder(Place::Folder, "asking", Some(Files::Signed), 0)]
#[case::at_its_first_line_with_a_folder(Place::Folder, "begun", None, 0)]
#[case::before_anything_is_written(Place::Folder, "serialising", None, 1)]
#[case::before_the_write(Place::Folder, "started", Some(Files::Opened), 1)]
#[case::before_the_rename(Place::Folder, "started", Some(Files::Written), 1)]
#[case::after_the_rename(Place::Folder, "started", Some(Files::Renamed), 1)]
#[case::after_it_was_handed_out_of_a_folder(Place::Folder, "got", None, 1)]
fn a_killed_maker_is_followed_by_another(
    #[case] place: Place,
    #[case] pause: &str,
    #[case] files: Option<Files>,
    #[case] made_by_victim: usize,
) {
    let shared = Shared::at(place);
    let mut command = shared.nextest("test(member)");
    command.args(["--retries", "1", "--test-threads", "4", "--no-fail-fast"]).env("SUITE_PAUSE_AT", pause);
    let runner = spawn(&mut command);
    let (process, thread) = shared.until_paused();
    let is_kept = matches!(files, Some(Files::Renamed)) || pause == "got";
    // The others are there, and wait for the one that is going to be killed.
    let others_wait = || {
        let others = until("the other members run", DEADLINE, || {
            let members = members(&shared, &process);
            if members.len() == 3 { Ok(members) } else { Err(format!("{members:?}")) }
        });
        for other in others {
            until_it_has(other, if place == Place::Folder { "reaper-lock" } else { "reaper-shared" });
        }
    };
    if pause != "asking" && pause != "got" {
        others_wait();
    }
    let halted = files.as_ref().map(|files| halt_when(&shared, &thread, files));
    if pause == "asking" {
        shared.follow();
        if halted.is_some() {
            others_wait();
        }
    }
    signal("KILL", &process);
    if let Some(thread) = halted {
        thread.until_it_has_ended();
    }
    let output = runner.wait_with_output().unwrap();
    let text = text(&output);
    assert!(output.status.success() && text.contains("4 passed") && text.contains("SIGKILL"), "{text}");

    let (made, got) = (shared.records("made"), shared.records("got"));
    assert_eq!(made.len(), made_by_victim + usize::from(!is_kept), "{made:?}");
    assert_eq!(got.len(), 4, "{got:?}");
    let serving = &made.last().unwrap().container;
    assert!(got.iter().all(|got| got.container == *serving), "{made:?} {got:?}");
    let session = &got[0].session;
    until_no_keeper(session);
    shared.until_nothing_is_kept();
    engine::until_gone(session, GONE_WITHIN);
}

/// The processes of this run's other members.
fn members(shared: &Shared, but: &str) -> Vec<u32> {
    let ours = format!("SUITE_LOG={}", shared.run.file("log").display());
    let is_member = |process: &PathBuf| {
        let read = |name| std::fs::read(process.join(name)).unwrap_or_default();
        let (arguments, environment) = (read("cmdline"), read("environ"));
        let named = arguments.split(|byte| *byte == 0).any(|argument| argument.starts_with(b"member::"));
        let in_run = environment.split(|byte| *byte == 0).any(|variable| variable == ours.as_bytes());
        // Two threads at least: nextest starts a test by way of itself.
        named && in_run && list(&process.join("task")).len() > 1
    };
    let processes = list("/proc".as_ref()).into_iter().filter(is_member);
    let ids = processes.filter_map(|process| process.file_name()?.to_str()?.parse().ok());
    ids.filter(|id: &u32| id.to_string() != but).collect()
}
