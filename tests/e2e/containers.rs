//! Containers that a session shares: how many there are, for how long, and what becomes of those that end.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, succeeded};
use serde_json::Value;

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A run, and a session that has been given a name.
struct Shared {
    run: Run,
    session: String,
}

impl Shared {
    fn new(name: &str) -> Self {
        Self { run: Run::new(), session: format!("{name}-{}", std::process::id()) }
    }

    fn set(&self, command: &mut Command) {
        command.env("TESTCONTAINERS_SESSION_ID", &self.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command.env("TMPDIR", self.run.file(""));
    }

    /// A test of a binary in a process of its own.
    fn start_of(&self, binary: &str, name: &str) -> Process {
        let mut command = self.run.binary(binary);
        command.args(["--exact", name, "--include-ignored"]);
        self.set(&mut command);
        Process::start(&mut command)
    }

    fn start(&self, name: &str) -> Process {
        self.start_of("containers", name)
    }

    /// The containers that are recorded under a name.
    fn containers(&self, name: &str) -> BTreeSet<String> {
        let records = self.run.records().into_iter().filter(|record| record.test == name);
        records.map(|record| record.container).collect()
    }

    fn go_on(&self) {
        std::fs::write(self.run.file("go-on"), "").unwrap();
    }

    /// The end of every case.
    fn end(self) {
        engine::until_gone(&self.session, GONE_WITHIN);
    }
}

fn inspect(container: &str) -> Value {
    engine::inspect(&format!("/containers/{container}/json")).unwrap_or_default()
}

#[test]
fn processes_share_one_container_that_outlives_the_first_and_goes_with_the_session() {
    let shared = Shared::new("container");
    // Only holds the session, so that whoever makes the container may end.
    let holder = shared.start_of("attribute", "holds");
    let _ = shared.run.until_recorded("holds");
    shared.start("member::_number_1_1").succeed();
    let made = shared.containers("got");
    assert_eq!(made.len(), 1);
    let container = inspect(made.first().unwrap());
    assert_eq!(container["State"]["Running"], true, "{container}");
    assert_eq!(container["NetworkSettings"]["Ports"]["6000/tcp"][0]["HostIp"], "127.0.0.1", "{container}");
    let members: Vec<_> =
        (2..=4).map(|number| shared.start(&format!("member::_number_{number}_{number}"))).collect();
    for member in members {
        member.succeed();
    }
    shared.start("in_a_task").succeed();
    assert_eq!(shared.containers("got"), made);
    assert_eq!(shared.containers("in_a_task"), made);
    // The reaper, and the one.
    assert_eq!(engine::containers(&shared.session).len(), 2);
    holder.kill();
    shared.end();
}

#[test]
fn a_run_has_one_container_and_leaves_nothing() {
    let shared = Shared::new("unnamed");
    let filter = ["nextest", "run", "--run-ignored", "all", "-E", "binary(containers) and test(member)"];
    let mut runner = shared.run.cargo(&filter);
    let output = succeeded(&runner.env("TMPDIR", shared.run.file("")).output().unwrap());
    assert!(!output.contains("LEAK"), "{output}");
    assert_eq!(shared.containers("got").len(), 1);
    let session = &shared.run.records()[0].session;
    engine::until_gone(session, GONE_WITHIN);
}

#[test]
fn a_container_that_was_killed_stopped_or_removed_is_made_again_once() {
    for (method, action) in
        [("POST", "/kill"), ("POST", "/stop?t=0"), ("POST", "/pause"), ("DELETE", "?force=1")]
    {
        let shared = Shared::new("again");
        let holder = shared.start("asks_twice");
        let first = shared.run.until_recorded("first").container;
        let (status, answer) = engine::request(method, &format!("/containers/{first}{action}"), &Value::Null);
        assert!((200..300).contains(&status), "{method} {action}: {status} {answer}");
        let members: Vec<_> =
            (1..=4).map(|number| shared.start(&format!("member::_number_{number}_{number}"))).collect();
        shared.go_on();
        for member in members {
            member.succeed();
        }
        holder.succeed();
        let again = shared.containers("again");
        assert_eq!(shared.containers("got"), again, "{action}");
        assert!(again.len() == 1 && !again.contains(&first), "{action}");
        shared.end();
    }
}

#[test]
fn a_container_that_was_restarted_is_the_same_under_its_new_port() {
    let shared = Shared::new("restarted");
    let holder = shared.start("asks_twice");
    let first = shared.run.until_recorded("first").container;
    let port = |container: &Value| container["NetworkSettings"]["Ports"]["6000/tcp"][0]["HostPort"].clone();
    let before = port(&inspect(&first));
    let restart = format!("/containers/{first}/restart?t=0");
    assert_eq!(engine::request("POST", &restart, &Value::Null).0, 204);
    // What the test asks of the container, it asks at the port of now.
    // Podman draws the port when it creates a container, Docker whenever it starts one.
    assert_eq!(port(&inspect(&first)) == before, engine::Engine::system().is_podman());
    // The workload has forgotten what it was told, and is told again by a check only when it is made again.
    let address = format!("127.0.0.1:{}", port(&inspect(&first)).as_str().unwrap());
    reaper_tests::until("the workload is told", GONE_WITHIN, || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&address).map_err(|error| error.to_string())?;
        stream.write_all(b"SET ready\nGET\n").map_err(|error| error.to_string())?;
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).map_err(|error| error.to_string())
    });
    shared.go_on();
    holder.succeed();
    assert_eq!(shared.containers("again"), [first].into());
    shared.end();
}

#[test]
fn callers_who_do_not_agree_are_told_in_what() {
    let shared = Shared::new("disagree");
    shared.start("disagrees").succeed();
    shared.end();
}

#[test]
fn a_container_that_does_not_get_ready_says_why_and_is_removed() {
    let shared = Shared::new("never");
    let test = shared.start("is_never_ready");
    let reaper = shared.run.until_recorded("is_never_ready").reaper;
    assert_eq!(engine::resources(&shared.session), [format!("container {reaper}")]);
    shared.go_on();
    test.succeed();
    shared.end();
}
