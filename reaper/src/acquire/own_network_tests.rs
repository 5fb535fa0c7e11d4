//! A reaper's network where the engine has no usual one, on an engine that does as it is told, in paused time.

use std::cell::OnceCell;
use std::time::Duration;

use tokio::time::Instant;

use super::search::{FIRST_DELAY, acquire};
use super::spec::Plan;
use super::tests::{engine, plan, run};
use crate::engine::doubles::{FakeEvent as Event, OWN_NETWORK, failure, reaper, refusal};
use crate::engine::{Container, Refusal, State};
use crate::error::Error;

#[tokio::test(start_paused = true)]
async fn a_network_of_ours_that_is_gone_is_made_again() {
    let engine = engine(|world| {
        world.has_network = false;
        world.on_create.extend([Refusal::NoNetwork(failure()), Refusal::NoNetwork(failure())]);
    });
    run(&engine).await.unwrap();
    assert_eq!(engine.count("network"), 2);
    assert_eq!(engine.0.borrow().specs.last().unwrap().network, OWN_NETWORK);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_a_person_chose_is_not_made() {
    let engine = engine(|world| world.on_start.push_back(Refusal::NoNetwork(failure())));
    let plan = plan(|config| config.network = Some("theirs".into()));
    assert!(matches!(acquire(&engine, &plan, &[]).await, Err(Error::Engine { .. })));
    assert_eq!((engine.count("network"), &engine.0.borrow().container), (0, &None));
}

/// A reaper that is on no network, though it was made on one.
fn disconnected(id: &str) -> Event {
    Event::Becomes(Some(Container { connected: false, published: None, ..reaper(id, State::Running) }))
}

#[tokio::test(start_paused = true)]
async fn one_network_is_made_at_once_and_what_it_does_not_help_is_waited_for() {
    let engine = engine(|world| {
        (world.has_network, world.starts_without_network) = (false, true);
        world.on_inspect = [Event::Nothing, Event::Nothing, Event::Nothing, disconnected("created-2")].into();
    });
    let began = Instant::now();
    assert_eq!(run(&engine).await.unwrap().container, "created-3");
    assert_eq!((engine.count("network"), engine.count("remove")), (1, 2));
    let first = |request: &str| engine.0.borrow().requests.iter().position(|made| *made == request);
    assert!(first("network") < first("remove"), "the name was free for as long as that took");
    // One pause, and no other.
    let waited = began.elapsed();
    assert!((FIRST_DELAY..3 * FIRST_DELAY).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_was_replaced_has_not_ended_by_itself() {
    let engine = engine(|world| {
        (world.has_network, world.starts_without_network) = (false, true);
        let [nothing, again] = [Event::Nothing, disconnected("created-3")];
        let before = [nothing.clone(), nothing.clone(), nothing.clone(), disconnected("created-2")];
        world.on_inspect = before.into_iter().chain([nothing, again]).collect();
        world.last_words = [""; 3].into();
    });
    assert_eq!(run(&engine).await.unwrap().container, "created-4");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_the_engine_will_not_make_is_an_error_soon() {
    let engine = engine(|world| {
        world.has_network = false;
        world.on_network.extend((0..1000).map(|_| refusal()));
    });
    let began = Instant::now();
    assert!(matches!(run(&engine).await, Err(Error::Refused { .. })));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// From another network the reaper would not be reached.
#[tokio::test(start_paused = true)]
async fn a_reaper_joins_the_network_of_the_container_that_its_creator_runs_in() {
    for (networks, expected) in [
        (&["bridge", "orders_default"][..], "orders_default"),
        (&["bridge"], "bridge"),
        (&["host"], "bridge"),
        (&[], "bridge"),
    ] {
        let engine = engine(|world| {
            let networks = networks.iter().copied().map(str::to_owned).collect();
            world.own = Some(Container { networks, ..reaper("own", State::Running) });
        });
        let plan = Plan { own_container: OnceCell::from(Some("own".into())), ..plan(|_| {}) };
        assert!(acquire(&engine, &plan, &[]).await.unwrap().created);
        let world = engine.0.borrow();
        assert_eq!(world.specs.last().unwrap().network, expected, "{networks:?}");
        assert_eq!(world.requests[..3], ["inspect", "inspect", "create"], "{networks:?}");
    }
}

/// With an engine of its own, or none that tells.
#[tokio::test(start_paused = true)]
async fn a_container_that_the_engine_does_not_know_or_tell_of_changes_nothing() {
    for event in [Event::Nothing, Event::Fails] {
        let engine = engine(|world| world.on_inspect = [Event::Nothing, event].into());
        let plan = Plan { own_container: OnceCell::from(Some("own".into())), ..plan(|_| {}) };
        assert!(acquire(&engine, &plan, &[]).await.unwrap().created);
        assert_eq!(engine.0.borrow().specs.last().unwrap().network, "bridge");
    }
}
