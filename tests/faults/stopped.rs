//! A machine that sleeps: processes are stopped for longer than every timeout, and continue in any order. The
//! one fault of which time is a part, so these tests let it pass.

use std::time::Duration;

use reaper_tests::process::{Facts, Process, Runner};
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::suite::{keepers, signal};
use reaper_tests::{engine, until, until_later};

/// Longer than the second for which the reaper of these tests waits.
const SLEEP: Duration = Duration::from_secs(4);

/// The server's process as this machine sees it.
fn server(container: &str) -> String {
    let reaper = engine::inspect(&format!("/containers/{container}/json")).unwrap();
    reaper["State"]["Pid"].to_string()
}

/// Stops these processes, in this order; returns when they are.
#[track_caller]
fn stop(processes: &[String]) {
    for process in processes {
        signal("STOP", process);
        until("the process is stopped", WITHIN, || {
            let facts = Facts::of(process);
            let stopped = facts.as_ref().is_some_and(|facts| facts.state == "T");
            if stopped { Ok(()) } else { Err(format!("{facts:?}")) }
        });
    }
}

#[track_caller]
fn go_on(processes: &[String]) {
    for process in processes {
        signal("CONT", process);
    }
}

/// Runs a test under a keeper, sends all of it to sleep, wakes it in an order, and expects it to finish.
fn sleep(name: &str, order: impl Fn(&mut Vec<String>)) {
    let scene = Scene::new(name);
    let mut runner = Runner::start(&scene.run, &[("RYUK_RECONNECTION_TIMEOUT", "1s")]);
    runner.test(&scene.run, "goes_on", "");
    let before = scene.run.until_recorded("before");
    let keeper = until("a keeper is there", WITHIN, || keepers(&before.session).pop().ok_or(String::new()));
    let mut processes = vec![server(&before.reaper), keeper, before.pid.clone(), runner.id().to_string()];
    stop(&processes);
    until_later(SLEEP);
    order(&mut processes);
    for process in &processes {
        go_on(std::slice::from_ref(process));
        // One has time to do the wrong thing before the next is awake.
        until_later(Duration::from_millis(1500));
    }
    let resources = engine::resources(&before.session);
    assert!(resources.contains(&format!("container {}", before.container)), "{resources:?}");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    runner.end();
    let after = scene.run.until_recorded("after");
    assert_eq!((after.pid, after.reaper), (before.pid, before.reaper));
    scene.end();
}

#[test]
fn a_machine_that_sleeps_and_whose_reaper_wakes_first_has_lost_nothing() {
    sleep("server-first", |_| {});
}

#[test]
fn a_machine_that_sleeps_and_whose_reaper_wakes_last_has_lost_nothing() {
    sleep("server-last", |processes| processes.reverse());
}

/// A debugger holds it for longer than a connection through the engine may be silent. Nothing of it is lost.
#[test]
fn a_client_that_is_stopped_loses_its_process_in_the_reaper_and_has_another_when_it_goes_on() {
    let scene = Scene::new("stopped-exec");
    let mut command = scene.test("goes_on");
    let test =
        Process::start(command.env("REAPER_TRANSPORT", "exec").env("RYUK_RECONNECTION_TIMEOUT", "40s"));
    let before = scene.run.until_recorded("before");
    let clients = || {
        let commands = engine::Engine::system().commands(&before.reaper);
        commands.iter().filter(|command| command.ends_with("/reaper-ryuk connect")).count()
    };
    assert_eq!(clients(), 1);
    let process = [before.pid.clone()];
    stop(&process);
    until("its process in the reaper is gone", WITHIN, || {
        if clients() == 0 { Ok(()) } else { Err(engine::log(&before.reaper)) }
    });
    go_on(&process);
    until(
        "it has another",
        WITHIN,
        || if clients() == 1 { Ok(()) } else { Err(engine::log(&before.reaper)) },
    );
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    test.succeed();
    assert_eq!(scene.run.until_recorded("after").reaper, before.reaper);
    scene.end();
}

#[test]
fn clients_that_end_while_the_server_sleeps_are_missed_when_it_wakes() {
    let scene = Scene::new("ends-meanwhile");
    let test = Process::start(&mut scene.test("waits"));
    let before = scene.run.until_recorded("waits");
    let server = [server(&before.reaper)];
    stop(&server);
    test.kill();
    until_later(SLEEP);
    assert!(engine::resources(&scene.session).len() >= 5, "{:?}", engine::resources(&scene.session));
    go_on(&server);
    scene.end();
}

/// Its last client has ended, the next one is at the door, and only then does the server get to look at the
/// clock: whoever came before it looked must not be told that it is too late.
#[test]
fn a_client_that_comes_while_the_server_sleeps_is_not_too_late() {
    let scene = Scene::new("comes-meanwhile");
    let patient = |test: &str| {
        let mut command = scene.test(test);
        command.env("RYUK_RECONNECTION_TIMEOUT", "5s");
        Process::start(&mut command)
    };
    patient("first").succeed();
    let before = scene.run.until_recorded("first");
    let server = [server(&before.reaper)];
    // Its clock has begun to run, as its log says.
    until("the server misses its client", WITHIN, || {
        let log = engine::log(&before.reaper);
        if log.contains("disconnected") { Ok(()) } else { Err(log) }
    });
    stop(&server);
    let next = patient("goes_on");
    // Longer than it would have waited.
    until_later(Duration::from_secs(6));
    go_on(&server);
    let after = scene.run.until_recorded("before");
    assert_eq!(after.reaper, before.reaper);
    let resources = engine::resources(&scene.session);
    assert!(resources.contains(&format!("container {}", before.container)), "{resources:?}");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    next.succeed();
    scene.end();
}
