//! How much there can be to remove, and what goes although it does not want to.

use std::thread;

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::Engine;
use reaper_tests::holder::Holder;
use reaper_tests::world::{self, image};
use serde_json::Value;

/// Fills a session with containers, networks and volumes, several at once.
fn fill(engine: &Engine, holder: &Holder, containers: usize, others: usize) {
    world::fill(engine, &holder.session, containers, others);
    assert_eq!(engine.resources(&holder.session).len(), 1 + containers + 2 * others);
}

#[test]
fn five_hundred_containers_and_fifty_networks_and_volumes_go() {
    let engine = Engine::system();
    let bystander = Bystander::on(&engine);
    let mut holder = Holder::start("many", &[]);
    fill(&engine, &holder, 500, 50);
    holder.kill();
    holder.until_left(&[]);
    holder.log.until_removed([500, 50, 50, 0]);
    assert!(!holder.log.text().contains("left behind"), "{}", holder.log.text());
    bystander.assert_untouched();
}

#[test]
fn a_container_that_ignores_sigterm_goes() {
    let engine = Engine::system();
    let mut holder = Holder::start("deaf", &[]);
    let id = world::container(&engine, image(&engine), &holder.labels(), None);
    world::start(&engine, &id);
    let state = || engine.inspect(&format!("/containers/{id}/json")).map(|found| found["State"].clone());
    let before = state().unwrap();
    // The workload has no handler, and the kernel does not end a first process by a default.
    engine.done("POST", &format!("/containers/{id}/kill?signal=TERM"), &Value::Null);
    let status = std::fs::read_to_string(format!("/proc/{}/status", before["Pid"])).unwrap();
    let caught = status.lines().find(|line| line.starts_with("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim_start_matches("SigCgt:").trim(), 16).unwrap();
    assert_eq!(caught & (1 << 14), 0, "it handles SIGTERM: {status}");
    assert_eq!(state().unwrap(), before);
    holder.kill();
    holder.until_left(&[]);
    assert!(!holder.log.text().contains("not removed"), "{}", holder.log.text());
}

#[test]
fn what_a_client_goes_on_creating_while_the_reaper_prunes_goes_too() {
    let engine = Engine::system();
    let mut holder = Holder::start("late", &[]);
    // Networks take the engine longest: while these go, the late ones come.
    fill(&engine, &holder, 10, 14);
    let (log, labels, session) = (holder.log.clone(), holder.labels(), holder.session.clone());
    let creating = thread::spawn(move || {
        let _ = log.until_says(&["container=", " removed"]);
        for number in 0..15 {
            let _ = world::container(&engine, image(&engine), &labels, None);
            world::volume(&engine, &format!("{session}-late-{number}"), &labels);
        }
        // Nobody can remove what is created after his last look.
        assert!(!log.text().contains("removed containers="), "created too late: {}", log.text());
    });
    holder.kill();
    creating.join().unwrap();
    holder.until_left(&[]);
    holder.log.until_removed([25, 14, 29, 0]);
}
