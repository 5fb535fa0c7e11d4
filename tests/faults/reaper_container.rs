//! The reaper container meets with something while a test of its session is running: the test goes on, what it
//! has created stays, and in the end all of it goes. That it is killed is in `e2e/runs`.

use std::net::TcpStream;
use std::time::Duration;

use reaper_tests::process::{Process, with_arguments};
use reaper_tests::scene::{Scene, WITHIN, act};
use reaper_tests::suite::{Record, signal};
use reaper_tests::{engine, until, until_later};

/// A test that has created everything once, and will again when it is told to.
struct Guarded {
    scene: Scene,
    test: Process,
    before: Record,
}

impl Guarded {
    fn start(name: &str, reconnection_timeout: &str) -> Self {
        let scene = Scene::new(name);
        let mut command = scene.test("goes_on");
        let test = Process::start(command.env("RYUK_RECONNECTION_TIMEOUT", reconnection_timeout));
        let before = scene.run.until_recorded("before");
        Self { scene, test, before }
    }

    /// The container, network, volume and image that the test had created, and a reaper.
    #[track_caller]
    fn assert_protected(&self) {
        let resources = engine::resources(&self.before.session);
        assert!(resources.contains(&format!("container {}", self.before.container)), "{resources:?}");
        assert_eq!(resources.len(), 5, "{resources:?}");
    }

    /// The test has noticed nothing.
    #[track_caller]
    fn end(self, reaper: &str) {
        self.assert_protected();
        std::fs::write(self.scene.run.file("go-on"), "").unwrap();
        self.test.succeed();
        let after = self.scene.run.until_recorded("after");
        assert_eq!((after.pid, after.reaper.as_str()), (self.before.pid, reaper));
        self.scene.end();
    }
}

#[test]
fn a_reaper_removed_with_force_is_replaced() {
    let guarded = Guarded::start("removed", "1s");
    act("DELETE", &guarded.before.reaper, "?force=1");
    let reaper = guarded.scene.until_acknowledged(|id, _| id != guarded.before.reaper);
    guarded.end(&reaper);
}

/// It listens no more from SIGTERM on, and is there until SIGKILL: whoever comes in between has to wait.
#[test]
fn a_reaper_that_is_stopped_is_replaced_and_newcomers_wait_for_that() {
    let guarded = Guarded::start("stopped", "1s");
    let mut newcomers = Vec::new();
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| act("POST", &guarded.before.reaper, "/stop?t=3"));
        until("the reaper has got the signal", WITHIN, || {
            let log = engine::log(&guarded.before.reaper);
            if log.contains("signal received") { Ok(()) } else { Err(log) }
        });
        newcomers = (0..4).map(|_| Process::start(&mut guarded.scene.test("attaches"))).collect();
        stop.join().unwrap();
    });
    for newcomer in newcomers {
        newcomer.succeed();
    }
    let reaper = guarded.scene.until_acknowledged(|id, _| id != guarded.before.reaper);
    guarded.end(&reaper);
}

#[test]
fn a_reaper_that_is_restarted_is_told_its_filters_again() {
    let guarded = Guarded::start("restarted", "1s");
    let path = format!("/containers/{}/restart?t=1", guarded.before.reaper);
    let (status, answer) = engine::request("POST", &path, &serde_json::Value::Null);
    // The test may be faster than the engine, and have put another in the place of the one that had ended.
    assert!(matches!(status, 204 | 404 | 409 | 500), "{answer}");
    let reaper = guarded.scene.until_acknowledged(|id, count| id != guarded.before.reaper || count > 1);
    guarded.end(&reaper);
}

#[test]
fn a_reaper_that_was_paused_for_longer_than_its_timeout_has_lost_nothing() {
    let guarded = Guarded::start("paused", "1s");
    act("POST", &guarded.before.reaper, "/pause");
    let refused = Process::start(&mut guarded.scene.test("attaches")).fail();
    assert!(refused.contains(&format!("docker unpause reaper_{}", guarded.scene.session)), "{refused}");
    // Longer than the reconnection timeout is the whole of this fault.
    until_later(Duration::from_secs(3));
    act("POST", &guarded.before.reaper, "/unpause");
    assert_eq!(guarded.scene.attach().reaper, guarded.before.reaper);
    // The first is the test's: its connection is still the same.
    until("two have registered", WITHIN, || {
        let log = engine::log(&guarded.before.reaper);
        if log.matches("registered").count() == 2 { Ok(()) } else { Err(log) }
    });
    let reaper = guarded.before.reaper.clone();
    guarded.end(&reaper);
}

/// Connections through the loopback address go through a process of the engine's. Without it they end, and the
/// published port refuses.
#[test]
fn a_reaper_whose_published_port_is_not_served_any_more_is_reached_all_the_same() {
    // Long enough for the kill to be over, and shorter than a second try after a minute would be.
    let guarded = Guarded::start("unserved", "10s");
    let address = guarded.scene.reaper().unwrap()["NetworkSettings"].clone();
    let port = address["Ports"]["8080/tcp"][0]["HostPort"].as_str().unwrap().to_owned();
    let own = address["IPAddress"].as_str().unwrap();
    let proxies = with_arguments(&["-container-ip", own, "-host-port", &port]);
    assert_eq!(proxies.len(), 1, "the engine's process for port {port}: {proxies:?}");
    signal("KILL", &proxies[0]);
    let loopback = ("127.0.0.1", port.parse().unwrap());
    until("the published port is not served", WITHIN, || match TcpStream::connect(loopback) {
        Ok(_) => Err(format!("{loopback:?} accepts")),
        Err(_) => Ok(()),
    });

    let same = guarded.scene.until_acknowledged(|id, count| id != guarded.before.reaper || count > 1);
    assert_eq!(same, guarded.before.reaper, "the reaper itself was well");
    // A process that comes now has to find the way, too.
    assert_eq!(guarded.scene.attach().reaper, guarded.before.reaper);
    guarded.end(&same);
}
