//! A connection that goes silent, with nobody told: the cable is out, the machine of the test is gone.
//!
//! Within one machine the kernel tells everybody, so the engine is one of our own, with a network between,
//! in which the packets of one client can be dropped.

use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::log::Log;
use reaper_tests::process::{Process, Runner};
use reaper_tests::second_engine::SecondEngine;
use reaper_tests::suite::{Record, Run, keepers, signal, until_no_keeper};
use reaper_tests::until;

/// The server gives a silent client up after 25 s.
const GONE_WITHIN: Duration = Duration::from_secs(120);

struct Scene {
    second: SecondEngine,
    engine: Engine,
    test: Process,
    record: Record,
    log: Log,
    /// The test's port, as the reaper sees it.
    port: u16,
}

impl Scene {
    /// A test that has created everything, and the log of its reaper.
    fn start(name: &str) -> Self {
        let second = SecondEngine::start();
        let engine = second.engine().clone();
        let run = Run::new();
        let mut waits = run.binary("attribute");
        waits.args(["--exact", "waits", "--include-ignored"]);
        waits.env("TESTCONTAINERS_SESSION_ID", format!("{name}-{}", std::process::id()));
        waits.env("DOCKER_HOST", second.docker_host()).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        let test = Process::start(&mut waits);
        let record = run.until_recorded("waits");
        let log = Log::follow(&engine, &record.reaper);
        let registered = log.until_says(&["registered"]);
        let port = port(&registered);
        assert!(registered.contains(&second.address(1)), "not the test, but something between: {registered}");
        Self { second, engine, test, record, log, port }
    }
}

/// The port of the client that a line of the log is about: `client=10.0.0.1:4711 …`.
fn port(line: &str) -> u16 {
    let client = line.split("client=").nth(1).and_then(|rest| rest.split(' ').next());
    client.and_then(|client| client.rsplit(':').next()?.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn a_client_that_vanishes_without_a_word_is_noticed() {
    let Scene { mut second, engine, test, record, log, port } = Scene::start("vanished");
    second.silence(port);
    // The kernel says that it is gone, and nobody hears it.
    test.kill();
    let _ = log.until_says(&[&format!(":{port}"), "disconnected"]);
    engine.until_gone(&record.session, GONE_WITHIN);
}

/// The client gives a silent reaper up before the reaper gives it up, and comes back on a new connection: so
/// the session is never without a client, and a reaper that waits a second for one does not begin to prune.
#[test]
fn a_reaper_that_goes_silent_is_noticed_before_it_prunes() {
    let Scene { mut second, engine, test, record, log, port: before } = Scene::start("silent");
    second.silence(before);
    let _ = log.until_says(&[&format!(":{before}"), "disconnected"]);
    let text = log.text();
    let at = |part: &str| {
        text.lines().position(|line| line.contains(part) && !line.contains(&format!(":{before} f")))
    };
    let (again, lost) = (at("registered"), at("disconnected"));
    assert!(again.is_some() && again < lost, "it should have come back before: {text}");
    let container = format!("container {}", record.container);
    assert!(
        engine.resources(&record.session).contains(&container),
        "{:?}",
        engine.resources(&record.session)
    );
    test.kill();
    engine.until_gone(&record.session, GONE_WITHIN);
    assert!(log.text().contains("removed containers=1 networks=1 volumes=1 images=1"), "{}", log.text());
}

/// A keeper says nothing after its first line, so nothing but the kernel's questions can tell it.
#[test]
fn a_keeper_whose_reaper_goes_silent_ends_and_the_next_test_leaves_another() {
    let mut second = SecondEngine::start();
    let engine = second.engine().clone();
    let run = Run::new();
    let mut runner = Runner::start(&run, &[("DOCKER_HOST", &second.docker_host())]);
    runner.test(&run, "waits", "&");
    let test = run.until_recorded("waits");
    let log = Log::follow(&engine, &test.reaper);
    let first = keepers(&test.session);
    assert_eq!(first.len(), 1, "{first:?}");
    // The creator is acknowledged, and then the keeper that it leaves.
    let registered = until("the test and its keeper are in the log", GONE_WITHIN, || {
        let written = log.text();
        let lines: Vec<_> = written.lines().filter(|line| line.contains("registered")).map(port).collect();
        if lines.len() == 2 { Ok(lines) } else { Err(written) }
    });
    second.silence(registered[1]);
    until("the silent keeper has ended", GONE_WITHIN, || {
        let keepers = keepers(&test.session);
        if keepers.is_empty() { Ok(()) } else { Err(format!("{keepers:?}")) }
    });
    // One that lasts: a process that finds a reaper goes on at once, and leaves the keeper meanwhile.
    runner.test(&run, "holds", "&");
    let next = run.until_recorded("holds");
    assert_eq!((&next.session, &next.reaper), (&test.session, &test.reaper));
    until("another keeper is there", GONE_WITHIN, || {
        let keepers = keepers(&test.session);
        if keepers.len() == 1 { Ok(()) } else { Err(format!("{keepers:?}")) }
    });
    signal("KILL", &test.pid);
    signal("KILL", &next.pid);
    drop(runner);
    engine.until_gone(&test.session, GONE_WITHIN);
    until_no_keeper(&test.session);
}
