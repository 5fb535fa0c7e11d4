//! What a search makes of what other processes of its session have left for it, on an engine that does as it is told.

use std::path::Path;
use std::time::Duration;

use super::earlier::leave;
use super::search::acquire;
use super::spec::Plan;
use super::tests::{engine, plan};
use crate::engine::doubles::{FakeEngine, failure};
use crate::engine::{Concessions, Refusal};
use crate::error::Error;
use crate::session::Filter;
use crate::session::folder::Memory;

/// A process of a session that has a folder.
fn process(root: &Path) -> Plan {
    Plan { memory: Memory::of(root.to_owned(), "s", "engine"), ..plan(|_| {}) }
}

#[tokio::test(start_paused = true)]
async fn what_one_process_has_left_out_of_the_hardening_another_leaves_out_at_once() {
    let root = tempfile::tempdir().unwrap();
    let conceded = Concessions { any_owner: true, new_privileges: false };
    for made in [&[Concessions::default(), conceded][..], &[conceded]] {
        let engine = engine(|world| world.socket_is_a_users = true);
        let plan = process(root.path());
        acquire(&engine, &plan, &[Filter::session(&plan.session)]).await.unwrap();
        let specs = &engine.0.borrow().specs;
        assert_eq!(specs.iter().map(|spec| spec.concessions).collect::<Vec<_>>(), made);
    }
}

#[tokio::test(start_paused = true)]
async fn who_would_have_to_wait_ends_with_what_another_process_has_met() {
    let root = tempfile::tempdir().unwrap();
    let plan = process(root.path());
    leave(&plan.memory, &failure(), Duration::from_secs(60), || None);
    let engine = engine(|world| {
        world.on_create.push_back(Refusal::Passing(failure()));
        world.loses_answers = true;
    });
    let error = acquire(&engine, &plan, &[]).await.unwrap_err();
    assert!(matches!(error, Error::FoundBefore { .. }), "{error:?}");
    // And nothing half made stays behind it.
    assert_eq!(engine.0.borrow().requests, ["inspect", "create", "inspect", "remove"]);
    assert_eq!(engine.0.borrow().container, None);

    // Who has not to wait is not concerned.
    acquire(&FakeEngine::new(|_| {}), &plan, &[]).await.unwrap();
}
