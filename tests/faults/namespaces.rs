//! Jobs in containers of their own on one machine, where pids, the boot and often the start times are the same: no two of
//! them come to one session. Without an engine, which has no part in it.

use std::collections::BTreeSet;

use reaper_tests::process::Process;
use reaper_tests::suite::Run;

/// So many at once that some start in the same hundredth of a second.
const JOBS: usize = 12;

/// The sessions to which jobs come that start at once, each in a pid namespace that `unshare` makes with these options.
fn sessions(options: &[&str]) -> Vec<String> {
    let run = Run::new();
    let binary = run.binary("attribute");
    let test = binary.get_program().to_string_lossy().into_owned();
    // The shell is the first process of its namespace, and the runner of the test.
    let job = format!("'{test}' --exact attaches --include-ignored; exit $?");
    let jobs: Vec<_> = (0..JOBS)
        .map(|_| {
            let mut job_of_its_own = run.command("unshare");
            job_of_its_own.args(["--pid", "--fork"]).args(options).args(["sh", "-c", &job]);
            Process::start(job_of_its_own.env("TESTCONTAINERS_RYUK_DISABLED", "true"))
        })
        .collect();
    for job in jobs {
        job.succeed();
    }
    run.records().into_iter().map(|record| record.session).collect()
}

#[track_caller]
fn are_all_different(sessions: &[String]) {
    let different: BTreeSet<_> = sessions.iter().collect();
    assert_eq!((sessions.len(), different.len()), (JOBS, JOBS), "{sessions:#?}");
}

#[test]
fn jobs_with_the_same_pids_have_sessions_of_their_own() {
    are_all_different(&sessions(&["--mount-proc"]));
}

/// `/proc` is the host's, in which a job's pids are somebody else's.
#[test]
fn jobs_that_cannot_see_what_their_pids_mean_have_sessions_of_their_own() {
    are_all_different(&sessions(&[]));
}

/// Nothing is mounted at `/proc`.
#[test]
fn jobs_that_see_no_processes_have_sessions_of_their_own() {
    let run = Run::unbuilt();
    let empty = run.file("empty");
    std::fs::create_dir(&empty).unwrap();
    let mount = format!("mount --bind '{}' /proc && exec \"$@\"", empty.display());
    are_all_different(&sessions(&["--mount", "sh", "-c", &mount, "sh"]));
}
