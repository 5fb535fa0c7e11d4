//! Tests with a scope of their own on Podman, whose lists and removals are other than Docker's.

use reaper_tests::bystander::Bystander;
use reaper_tests::podman::Podman;
use reaper_tests::process::Process;
use reaper_tests::suite::Run;
use reaper_tests::until;

use super::{GONE_WITHIN, named};

#[test]
fn what_scoped_tests_made_goes_with_them_on_podman_and_what_is_beside_stays() {
    let podman = Podman::start();
    let engine = podman.engine();
    let bystander = Bystander::on(engine);
    let (run, session) = (Run::new(), named("podman-scopes"));
    let start = |test: &str| {
        let mut command = run.binary("scopes");
        command.args(["--exact", test, "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
        command.env("RYUK_RECONNECTION_TIMEOUT", "1s");
        Process::start(&mut podman.with(&command))
    };
    let until_left = |count: usize| {
        until(&format!("{count} things of the session are left"), GONE_WITHIN, || {
            // A list of Podman's fails while something on it is being removed.
            let left = engine.try_resources(&session)?;
            if left.len() == count { Ok(()) } else { Err(format!("{left:?}")) }
        });
    };
    let beside = start("beside");
    drop(run.until_recorded("beside"));
    let killed = start("scoped_stays");
    drop(run.until_recorded("scoped_stays"));
    until_left(1 + 4 + 4);
    start("scoped_ends").succeed();
    until_left(1 + 4 + 4);
    killed.kill();
    until_left(1 + 4);
    beside.kill();
    engine.until_gone(&session, GONE_WITHIN);
    bystander.assert_untouched();
}
