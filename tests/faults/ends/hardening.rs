//! Engines on which a reaper does not work with all of its hardening: it has as much as works, found out at most twice.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::sync::atomic::{AtomicUsize, Ordering};

use reaper_tests::engine;
use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::scene::Scene;
use reaper_tests::second_engine::SecondEngine;
use serde_json::{Value, json};

use super::told;

/// Somebody who is not root.
const SOMEBODY: u32 = 1000;

/// What the reaper's process may do: its capabilities, whether it gets none from a program's file, whether it cannot write
/// to its root. As the kernel has it, for engines describe in words of their own what they were told.
fn allowed(reaper: &Value) -> (u64, bool, bool) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", reaper["State"]["Pid"])).unwrap();
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        u64::from_str_radix(value.unwrap().trim(), 16).unwrap()
    };
    (field("CapEff"), field("NoNewPrivs") == 1, reaper["HostConfig"]["ReadonlyRootfs"] == true)
}

/// `CAP_DAC_OVERRIDE`, in which a process has it.
const DAC_OVERRIDE: u64 = 1 << 1;

/// What the reaper's container was given, as Docker says it.
fn given(reaper: &Value) -> [Value; 4] {
    let host = &reaper["HostConfig"];
    ["CapDrop", "CapAdd", "SecurityOpt", "ReadonlyRootfs"].map(|name| host[name].clone())
}

/// As rootless engines and Docker Desktop's have it, and anybody who was given a socket of his own.
#[test]
fn a_socket_that_belongs_to_a_user_costs_one_capability() {
    let scene = Scene::new("users-socket");
    let proxy = Proxy::new(|_| Decision::Pass);
    let socket = proxy.endpoint().trim_start_matches("unix://").to_owned();
    chown(&socket, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let start = || {
        let mut test = scene.test("waits");
        test.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &socket);
        Process::start(&mut test)
    };
    let test = start();
    let record = scene.run.until_recorded("waits");
    let reaper = scene.reaper().unwrap();
    assert_eq!(allowed(&reaper), (DAC_OVERRIDE, true, true), "{reaper:#}");
    assert_eq!(reaper["Id"], record.reaper.as_str());
    test.kill();
    // By the proxy it asks, too, when it removes what the test made.
    engine::until_gone(&scene.session, reaper_tests::scene::WITHIN);
    assert!(proxy.seen().iter().any(|request| request.is("DELETE", "/containers/")), "{:?}", proxy.seen());
    // The next reaper of the session begins with what was found.
    let test = start();
    let next = reaper_tests::until("another test has its guard", reaper_tests::scene::WITHIN, || {
        let records = scene.run.records();
        records.get(1).cloned().ok_or_else(|| format!("{records:?}"))
    });
    assert_ne!(next.reaper, record.reaper);
    let refusals = |reaper: &str| engine::log(reaper).matches("refused").count();
    assert_eq!(refusals(&next.reaper), 0, "{}", engine::log(&next.reaper));
    test.kill();
    scene.end();
}

/// Whoever meets a reaper that is of no use replaces it, and all of them meet it.
#[test]
fn processes_that_meet_a_users_socket_at_once_have_one_reaper() {
    let scene = Scene::new("users-socket-at-once");
    let proxy = Proxy::new(|_| Decision::Pass);
    let socket = proxy.endpoint().trim_start_matches("unix://").to_owned();
    chown(&socket, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let held: Vec<_> = (0..16)
        .map(|_| {
            let mut test = scene.test("holds");
            test.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &socket);
            Process::start(&mut test)
        })
        .collect();
    reaper_tests::until("all have a guard", reaper_tests::scene::WITHIN, || {
        let count = scene.run.records().len();
        if count == held.len() { Ok(()) } else { Err(format!("{count} of them")) }
    });
    let reaper = scene.reaper().unwrap();
    assert_eq!(allowed(&reaper).0, DAC_OVERRIDE, "{reaper:#}");
    let log = engine::log(reaper["Id"].as_str().unwrap());
    assert_eq!(log.matches("registered").count(), held.len(), "{log}");
    held.into_iter().for_each(Process::kill);
    scene.end();
}

/// In the words of Docker from the snap, whose confinement ends the first program of such a container.
#[test]
fn an_engine_that_cannot_start_without_new_privileges_gives_them_and_is_asked_once_for_a_session() {
    const CONFINED: &str = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
                            container process: exec /reaper-ryuk: operation not permitted: unknown";
    let scene = Scene::new("snap");
    let refused = AtomicUsize::new(0);
    let proxy = Proxy::new(move |request| {
        if request.starts() {
            let id = request.line.split('/').nth(2).unwrap_or_default().to_owned();
            let container = engine::inspect(&format!("/containers/{id}/json")).unwrap_or_default();
            if container["HostConfig"]["SecurityOpt"][0] == "no-new-privileges" {
                refused.fetch_add(1, Ordering::Relaxed);
                return Decision::Refuse(500, CONFINED.to_owned());
            }
        }
        Decision::Pass
    });
    let test = Process::start(proxy.serve(&mut scene.test("holds")));
    let _ = scene.run.until_recorded("holds");
    let reaper = scene.reaper().unwrap();
    assert_eq!(allowed(&reaper), (0, false, true), "{reaper:#}");
    let starts = || proxy.seen().iter().filter(|request| request.starts()).count();
    assert_eq!(starts(), 2);
    test.kill();
    engine::until_gone(&scene.session, reaper_tests::scene::WITHIN);
    // Another reaper of the session begins with what was found.
    let said = Process::start(proxy.serve(&mut told(&scene, "asks"))).succeed();
    assert!(said.contains("told: acquired"), "{said}");
    assert_eq!(starts(), 3);
    scene.end();
}

/// An engine that gives containers another root than its host's, who may not use the host's socket.
#[test]
fn an_engine_that_maps_users_is_used_with_full_hardening() {
    let second = SecondEngine::start_with_mapped_users();
    let scene = Scene::new("mapped");
    let mut test = scene.test("waits");
    let test = Process::start(test.env("DOCKER_HOST", second.docker_host()));
    let record = scene.run.until_recorded("waits");
    let reaper = second.engine().inspect(&format!("/containers/{}/json", record.reaper)).unwrap();
    let all = [json!(["ALL"]), Value::Null, json!(["no-new-privileges"]), true.into()];
    assert_eq!(given(&reaper), all, "{reaper:#}");
    let container = second.engine().inspect(&format!("/containers/{}/json", record.container)).unwrap();
    assert_ne!(container["HostConfig"]["UsernsMode"], "host", "the engine does not map");
    test.kill();
    second.engine().until_gone(&scene.session, reaper_tests::scene::WITHIN);
}
