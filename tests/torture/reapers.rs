//! The reaper itself: killed under a test that goes on, and given much to do.

use std::slice;
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::holder::Holder;
use reaper_tests::{until, world};
use serde_json::Value;

use crate::chance::Chance;
use crate::{Outcome, clean};

const DEADLINE: Duration = Duration::from_secs(90);

pub(crate) fn killed(chance: &mut Chance) -> Outcome {
    let engine = Engine::system();
    let mut holder = Holder::start(&format!("torture-reaper-{:016x}", chance.below(u64::MAX)), &[]);
    world::fill(&engine, &holder.session, 1, 1);
    std::thread::sleep(chance.within(Duration::from_millis(100)));
    engine.done("POST", &format!("/containers/{}/kill", holder.reaper), &Value::Null);
    until("another reaper knows the filter", DEADLINE, || {
        let found = engine.inspect(&format!("/containers/reaper_{}/json", holder.session));
        let id = found.and_then(|found| found["Id"].as_str().map(str::to_owned)).unwrap_or_default();
        let log = if id.is_empty() { String::new() } else { engine.log(&id) };
        if id != holder.reaper && log.contains("registered") { Ok(()) } else { Err(format!("{id}: {log}")) }
    });
    assert_eq!(engine.resources(&holder.session).len(), 4, "what there was before, and a reaper");
    holder.kill();
    clean(slice::from_ref(&holder.session))
}

pub(crate) fn much(containers: usize, others: usize) -> Outcome {
    let engine = Engine::system();
    let mut holder = Holder::start("torture-much", &[]);
    world::fill(&engine, &holder.session, containers, others);
    assert_eq!(engine.resources(&holder.session).len(), 1 + containers + 2 * others);
    holder.kill();
    clean(slice::from_ref(&holder.session))
}
