//! Containers that a closure starts, and that a session shares by their id.

use std::collections::BTreeSet;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::process::Process;
use reaper_tests::scene::act;
use reaper_tests::suite::Run;

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A run, and a session that has been given a name, which somebody holds.
struct Shared {
    run: Run,
    session: String,
    holder: Process,
}

impl Shared {
    fn start(name: &str) -> Self {
        let (run, session) = (Run::new(), format!("{name}-{}", std::process::id()));
        let holder = process(&run, &session, "attribute", "holds");
        let _ = run.until_recorded("holds");
        Self { run, session, holder }
    }

    fn test(&self, name: &str) -> Process {
        process(&self.run, &self.session, "by_id", name)
    }

    /// The containers that are recorded under a name, each time.
    fn containers(&self, name: &str) -> Vec<String> {
        let records = self.run.records().into_iter().filter(|record| record.test == name);
        records.map(|record| record.container).collect()
    }

    fn end(self) {
        self.holder.kill();
        engine::until_gone(&self.session, GONE_WITHIN);
    }
}

fn process(run: &Run, session: &str, binary: &str, name: &str) -> Process {
    let mut command = run.binary(binary);
    command
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env("TESTCONTAINERS_SESSION_ID", session);
    Process::start(command.env("RYUK_RECONNECTION_TIMEOUT", "1s").env("TMPDIR", run.file("")))
}

#[test]
fn processes_that_ask_at_once_share_what_one_of_them_started() {
    let shared = Shared::start("by-id");
    let members: Vec<_> = (0..4).map(|_| shared.test("gets_it")).collect();
    for member in members {
        member.succeed();
    }
    let started = shared.containers("started");
    assert_eq!(started.len(), 1, "{started:?}");
    assert_eq!(shared.containers("got"), [&started[..]; 4].concat());
    // The reaper, and the one.
    assert_eq!(engine::containers(&shared.session).len(), 2);
    shared.end();
}

#[test]
fn one_that_is_gone_is_started_again_and_looked_at_by_the_id_that_the_engine_gave() {
    let shared = Shared::start("by-id-again");
    let twice = shared.test("gets_it_twice");
    let first = shared.run.until_recorded("first").container;
    act("POST", &first, "/kill");
    std::fs::write(shared.run.file("go-on"), "").unwrap();
    twice.succeed();
    let again = shared.containers("again");
    assert_eq!(shared.containers("started"), [vec![first], again].concat());
    shared.test("by_command").succeed();
    shared.test("by_command").succeed();
    let by_command = shared.containers("by_command");
    assert!(by_command.iter().all(|id| id.len() == 64), "{by_command:?}");
    assert_eq!(by_command.iter().collect::<BTreeSet<_>>().len(), 1, "{by_command:?}");
    shared.end();
}

#[test]
fn what_its_maker_did_wrong_is_said_to_each_who_asks_and_nobody_waits() {
    let shared = Shared::start("by-id-wrong");
    let said = shared.test("goes_wrong").succeed();
    let absent = format!("is not on {} when its maker returns", engine::docker_host());
    for expected in [
        &*absent,
        "`std::mem::forget(container)`",
        "is not ready: it has ended when its maker returns",
        "caused by: on purpose",
        "caused by: it gave \"\", which is no id or name of a container",
        "caused by: it gave \"../images/?x y\", which is no id or name of a container",
    ] {
        // Nothing of it is kept, so it is tried and said twice.
        assert_eq!(said.matches(expected).count(), 2, "{expected}: {said}");
    }
    assert!(
        said.contains("other: the shared container \"workload\" was made of another specification"),
        "{said}"
    );
    shared.end();
}
