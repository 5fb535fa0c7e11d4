//! One suite on three hosts: they have an engine in common, over the network, and a session by its name. No folder is
//! common to them, none sees the others' processes, and they have no network but the engine's.
//!
//! The suite's own client takes the engine's socket, past what is under test.

use std::collections::BTreeSet;
use std::time::Duration;

use reaper_tests::certificates::Authority;
use reaper_tests::host::Host;
use reaper_tests::process::Process;
use reaper_tests::second_engine::SecondEngine;
use reaper_tests::suite::{Record, Run, only_session};
use reaper_tests::{until, until_later};

const WITHIN: Duration = Duration::from_secs(150);
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// More than the reconnection timeout that these tests set.
const GAP: Duration = Duration::from_secs(3);

const HOSTS: [&str; 3] = ["one", "two", "three"];

/// A run that is divided among all of them.
struct Pipeline {
    run: Run,
    session: String,
    second: SecondEngine,
    hosts: Vec<Host>,
}

impl Pipeline {
    fn new(name: &str) -> Self {
        let authority = Authority::new();
        let run = Run::new();
        let mut second = SecondEngine::start_with_tls(&authority);
        let hosts = HOSTS.iter().map(|_| Host::plugged_into(&mut second, &authority)).collect();
        Self { run, session: format!("{name}-{}", std::process::id()), second, hosts }
    }

    /// Starts a host's part of the suite. Each of its tests goes on when the host is told to.
    fn start(&self, number: usize, stalls: &str) -> Process {
        let partition = format!("count:{}/{}", number + 1, HOSTS.len());
        let mut nextest = self.run.cargo(&[
            "nextest",
            "run",
            "--run-ignored",
            "all",
            "--partition",
            &partition,
            "-E",
            "binary(hosts)",
        ]);
        nextest.env("TESTCONTAINERS_SESSION_ID", &self.session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        nextest.env("SUITE_HOST", HOSTS[number]).env("SUITE_STALLS", stalls);
        let socket = self.second.engine().socket().display();
        nextest.env("SUITE_ENGINE", format!("unix://{socket}"));
        Process::start(&mut self.hosts[number].command(&nextest))
    }

    fn go_on(&self, number: usize) {
        std::fs::write(self.run.file(&format!("go-on-{}", HOSTS[number])), "").unwrap();
    }

    fn records(&self, name: &str) -> Vec<Record> {
        self.run.records().into_iter().filter(|record| record.test.starts_with(name)).collect()
    }

    /// What there is of the session: its reaper, and so many containers.
    #[track_caller]
    fn has_containers(&self, count: usize) {
        let there = self.second.engine().resources(&self.session);
        assert_eq!(there.len(), 1 + count, "{there:?}");
    }

    /// All that were asked for it have the same value and the same container, which is the last that was made.
    #[track_caller]
    fn all_got_the_same(&self, count: usize) {
        let got = self.records("got-");
        let different: BTreeSet<_> = got.iter().map(|record| &record.container).collect();
        assert_eq!((got.len(), different.len()), (count, 1), "{got:#?}");
        let made = self.records("made-container");
        let last = &made.last().unwrap().container;
        assert!(got[0].container.ends_with(&format!("/{last}")), "{got:#?} {made:#?}");
        assert_eq!(only_session(&self.run.records()), self.session);
    }

    fn end(self) {
        self.second.engine().until_gone(&self.session, GONE_WITHIN);
    }
}

#[test]
fn three_hosts_on_one_session_make_everything_once_and_lose_nothing_before_the_last_is_done() {
    let pipeline = Pipeline::new("hosts");
    let mut parts: Vec<_> = (0..HOSTS.len()).map(|number| pipeline.start(number, "")).collect();
    for host in HOSTS {
        let _ = pipeline.run.until_recorded(&format!("got-{host}"));
    }
    let last = parts.pop().unwrap();
    for (number, part) in parts.into_iter().enumerate() {
        pipeline.go_on(number);
        part.succeed();
    }
    // That nothing comes of the end of two is what is tested, and that takes time.
    until_later(GAP);
    pipeline.has_containers(1);
    pipeline.go_on(2);
    last.succeed();
    assert_eq!((pipeline.records("made-value").len(), pipeline.records("made-container").len()), (1, 1));
    pipeline.all_got_the_same(9);
    pipeline.end();
}

#[test]
fn what_a_host_was_making_when_everything_on_it_was_killed_another_makes() {
    let mut pipeline = Pipeline::new("killed-host");
    let victim = pipeline.start(0, HOSTS[0]);
    // It has made the value, and of the container all but its end.
    let _ = pipeline.run.until_recorded("made-container");
    let others: Vec<_> = [1, 2].map(|number| (number, pipeline.start(number, HOSTS[0]))).into();
    for (number, _) in &others {
        until("a test of this host waits for the container", WITHIN, || {
            let threads = pipeline.hosts[*number].threads();
            let asks = !pipeline.records(&format!("asks-{}", HOSTS[*number])).is_empty();
            let waits = threads.iter().any(|thread| thread == "reaper-shared");
            if asks && waits { Ok(()) } else { Err(format!("{threads:?}")) }
        });
    }
    assert!(pipeline.records("got-").is_empty());
    pipeline.hosts.remove(0).kill();
    drop(victim);
    for (number, part) in others {
        pipeline.go_on(number);
        part.succeed();
    }
    assert_eq!((pipeline.records("made-value").len(), pipeline.records("made-container").len()), (1, 2));
    pipeline.all_got_the_same(6);
    pipeline.end();
}
