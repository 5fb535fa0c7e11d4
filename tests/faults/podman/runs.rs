//! What every engine has to be good for, and that Podman makes a folder where a bind has nothing to bind.

use reaper_tests::bystander::Bystander;
use reaper_tests::machine;
use reaper_tests::podman::Podman;
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, until_no_keeper};
use reaper_tests::until;
use reaper_tests::world::{self, image};
use serde_json::{Value, json};

use super::{GONE_WITHIN, named};
use crate::together::{Four, a_run_leaves_nothing};

#[test]
fn the_podman_of_a_test_leaves_nothing_of_itself() {
    let podman = Podman::start();
    let container = world::container(podman.engine(), image(podman.engine()), &json!({}), None);
    world::start(podman.engine(), &container);
    let (folder, group) = (podman.folder(), format!("/libpod_parent/libpod-{container}"));
    let remains = || {
        let groups = machine::cgroups(&group).into_iter().map(|path| format!("cgroup {}", path.display()));
        machine::remains(&folder).into_iter().chain(groups).collect::<Vec<_>>()
    };
    assert!(remains().len() >= 4, "{:?}", remains());
    drop(podman);
    until("nothing is left of the Podman", GONE_WITHIN, || {
        let remains = remains();
        if remains.is_empty() { Ok(()) } else { Err(format!("{remains:?}")) }
    });
}

/// What it calls the end of a container is not what Docker calls it.
#[test]
fn a_maker_that_drops_what_it_has_started_is_told_so_on_podman_and_others_are_not() {
    let podman = Podman::start();
    let run = Run::new();
    for (test, told) in [("drops", 10), ("keeps", 0)] {
        let session = named(test);
        let mut command = podman.with(&run.binary("dropped"));
        command.args(["--exact", test, "--include-ignored", "--nocapture"]).env("TMPDIR", run.file(""));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        let said = Process::start(&mut command).succeed();
        assert_eq!(said.matches("`std::mem::forget(container)`").count(), told, "{said}");
        podman.engine().until_gone(&session, GONE_WITHIN);
    }
}

#[test]
fn tests_that_are_killed_leave_nothing_on_podman() {
    let podman = Podman::start();
    let engine = podman.engine();
    let bystander = Bystander::on(engine);
    let run = Run::new();
    let session = named("podman");
    let four = Four::start(&run, || podman.test(&run, "waits", &session));
    four.have_made_all(engine, &session);
    four.kill();
    engine.until_gone(&session, GONE_WITHIN);
    until_no_keeper(&session);
    bystander.assert_untouched();
}

/// Podman calls it stopping while its process, and the connections to it, are there still: another reaper would have waited for
/// nobody but the newcomers.
#[test]
fn newcomers_wait_for_a_reaper_that_podman_is_stopping_and_take_nothing_away() {
    let podman = Podman::start();
    let (engine, run, session) = (podman.engine(), Run::new(), named("stopping"));
    let test = Process::start(&mut podman.test(&run, "goes_on", &session));
    let before = run.until_recorded("before");
    std::thread::scope(|scope| {
        let stop = format!("/containers/{}/stop?t=3", before.reaper);
        let stop = scope.spawn(move || engine.done("POST", &stop, &Value::Null));
        until("the reaper has got the signal", GONE_WITHIN, || {
            let log = engine.log(&before.reaper);
            if log.contains("signal received") { Ok(()) } else { Err(log) }
        });
        let attaches = || Process::start(&mut podman.test(&run, "attaches", &session));
        let newcomers: Vec<_> = (0..4).map(|_| attaches()).collect();
        stop.join().unwrap();
        for newcomer in newcomers {
            newcomer.succeed();
        }
    });
    std::fs::write(run.file("go-on"), "").unwrap();
    test.succeed();
    // By now the test is connected to the new reaper.
    let after = run.until_recorded("after");
    assert_ne!(after.reaper, before.reaper);
    let first = engine.inspect(&format!("/containers/{}/json", before.container));
    assert!(
        first.is_some_and(|first| first["State"]["Running"] == true),
        "the first container was taken away"
    );
    engine.until_gone(&session, GONE_WITHIN);
}

#[test]
fn a_run_with_a_keeper_leaves_nothing_on_podman() {
    let podman = Podman::start();
    a_run_leaves_nothing(podman.engine(), |command| podman.with(command));
}

/// A bind of a path that is not there makes a folder of that name, in place of a socket that comes later.
#[test]
fn a_socket_that_is_not_there_leaves_nothing_on_podmans_host() {
    let podman = Podman::start();
    let run = Run::new();
    let nowhere = podman.folder().join("nowhere/docker.sock");
    let session = named("nowhere");
    let mut attaches = podman.test(&run, "attaches", &session);
    attaches.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &nowhere);
    let said = Process::start(&mut attaches).fail();
    assert!(!podman.folder().join("nowhere").exists(), "a folder was made for a socket; said was {said}");
    assert!(said.contains(&*nowhere.to_string_lossy()), "{said}");
    // And nothing that is in the way of the next.
    Process::start(&mut podman.test(&run, "attaches", &session)).succeed();
    podman.engine().until_gone(&session, GONE_WITHIN);
}
