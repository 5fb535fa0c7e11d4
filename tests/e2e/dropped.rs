//! Makers of shared values that drop what they have started, and makers that do not.

use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::suite::Run;

const GONE_WITHIN: Duration = Duration::from_secs(60);

fn process(run: &Run, session: &str, name: &str) -> Process {
    let mut command = run.binary("dropped");
    command.args(["--exact", name, "--include-ignored", "--nocapture"]).env("TMPDIR", run.file(""));
    command.env("TESTCONTAINERS_SESSION_ID", session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
    Process::start(&mut command)
}

#[test]
fn a_maker_that_drops_what_it_has_started_is_told_so_in_each_process_and_nobody_waits() {
    let (run, session) = (Run::new(), format!("drops-{}", std::process::id()));
    let processes: Vec<_> = (0..2).map(|_| process(&run, &session, "drops")).collect();
    for process in processes {
        let said = process.succeed();
        for key in ["value", "inner", "several"] {
            let expected =
                format!("{key}: what the maker of the shared value {key:?} started was removed while it ran");
            // Nothing of it is kept, so it is tried and said twice.
            assert_eq!(said.matches(&expected).count(), 2, "{expected}: {said}");
        }
        for form in ["function: ", "blocking: "] {
            assert_eq!(
                said.matches(&format!("{form}what the maker of the shared value")).count(),
                2,
                "{said}"
            );
        }
        assert_eq!(said.matches("`std::mem::forget(container)`").count(), 10, "{said}");
    }
    engine::until_gone(&session, GONE_WITHIN);
}

#[test]
fn what_ended_by_itself_or_is_not_all_that_was_made_may_be_gone() {
    let (run, session) = (Run::new(), format!("keeps-{}", std::process::id()));
    process(&run, &session, "keeps").succeed();
    let _ = run.until_recorded("kept");
    engine::until_gone(&session, GONE_WITHIN);
}

/// The engine is asked what became of a maker's containers where it may have made some.
#[test]
fn a_maker_that_asks_for_no_labels_costs_no_request() {
    let asked = |name: &str| {
        let (run, session) = (Run::new(), format!("{name}-{}", std::process::id()));
        let proxy = Proxy::new(|_| Decision::Pass);
        let mut command = run.binary("dropped");
        command.args(["--exact", name, "--include-ignored"]).env("TMPDIR", run.file(""));
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        Process::start(proxy.serve(&mut command)).succeed();
        engine::until_gone(&session, GONE_WITHIN);
        // Podman is asked in its own words, and Docker in those alone that it knows.
        let of_podman = engine::Engine::system().is_podman();
        let events = if of_podman { "GET /v4.0.0/libpod/events?" } else { "GET /events?" };
        proxy.seen().iter().filter(|request| request.line.starts_with(events)).count()
    };
    assert_eq!(asked("asks_nothing"), 0);
    // One for each of its makers.
    assert_eq!(asked("keeps"), 6);
}
