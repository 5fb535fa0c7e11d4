//! Which process the session lasts as long as: the one that gave it its id, whatever else goes by the name of cargo.

use std::collections::BTreeSet;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::process::Runner;
use reaper_tests::suite::{Run, keepers, succeeded, until_no_keeper};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The script's cargo has ended long before the run, and with it went what the script had made for the tests.
#[test]
fn a_cargo_that_a_setup_script_runs_is_not_the_runner() {
    let run = Run::new();
    let binary = run.binary("attribute");
    let script = run.file("script");
    let cargo = run.file("cargo");
    std::fs::copy("/bin/sh", &cargo).unwrap();
    // A cargo that runs one test and ends.
    let line = format!("'{}' --exact first </dev/null", binary.get_program().to_string_lossy());
    std::fs::write(&script, &line).unwrap();
    let config = run.file("nextest.toml");
    let scripts = format!(
        "experimental = ['setup-scripts']\n[scripts.setup.fills]\ncommand = ['{}', '{}']\n\
         [[profile.default.scripts]]\nfilter = 'all()'\nsetup = 'fills'\n",
        cargo.display(),
        script.display(),
    );
    std::fs::write(&config, scripts).unwrap();
    let config = config.display().to_string();
    // A gap, and a test that fails if what the script has created is gone.
    let tests = ["-j1", "--run-ignored", "all", "-E", "binary(gap) & test(/b_|c_/)"];
    let mut nextest = run.cargo(&[&["nextest", "run", "--config-file", &config][..], &tests].concat());
    succeeded(&nextest.env("RYUK_RECONNECTION_TIMEOUT", "1s").output().unwrap());
    let records = run.records();
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!((records.len(), reapers.len()), (2, 1), "{records:#?}");
    until_no_keeper(&records[0].session);
    engine::until_gone(&records[0].session, GONE_WITHIN);
}

/// As under `cargo test`, which runs one binary after the other.
#[test]
fn guards_that_are_acquired_before_our_hook_has_run_have_the_session_of_their_run() {
    let run = Run::new();
    let binary = run.binary("early");
    let test = binary.get_program().to_string_lossy().into_owned();
    let mut runner = Runner::start(&run, &[("SUITE_EARLY", "1")]);
    for _ in 0..2 {
        runner.run(&format!("'{test}' --exact comes_later --include-ignored </dev/null"));
    }
    // Of the third, which is told to run no test, there is only what its hook does.
    runner.run(&format!("'{test}' --exact nothing </dev/null; echo > '{}'", run.file("done").display()));
    reaper_tests::until("all three have run", GONE_WITHIN, || {
        if run.file("done").exists() { Ok(()) } else { Err(format!("{:?}", run.records())) }
    });
    let records = run.records();
    let sessions: BTreeSet<_> = records.iter().map(|record| &record.session).collect();
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!((records.len(), sessions.len(), reapers.len()), (5, 1, 1), "{records:#?}");
    // And no keeper was a test for a moment.
    let session = records[0].session.clone();
    assert_eq!(keepers(&session).len(), 1);
    runner.end();
    until_no_keeper(&session);
    engine::until_gone(&session, GONE_WITHIN);
}
