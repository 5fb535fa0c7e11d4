//! How often and how soon a search asks, and what it leaves to whom for how long, in paused time.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::search::acquire;
use super::tests::{engine, plan, run};
use crate::engine::doubles::{Answer, FakeEngine, FakeEvent as Event, FakeWorld as World, failure, reaper};
use crate::engine::{Refusal, State};
use crate::error::Error;
use crate::session::Filter;

const ALWAYS: usize = 100_000;

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_free_yet_is_not_asked_for_in_a_tight_loop() {
    let taken = |world: &mut World| world.on_create.extend((0..ALWAYS).map(|_| Refusal::NameTaken));
    let ended = Event::Becomes(Some(reaper("going", State::Ended)));
    let going = |world: &mut World| world.on_inspect.extend(vec![ended; ALWAYS]);
    for (engine, request) in [(engine(taken), "create"), (engine(going), "remove")] {
        assert!(matches!(run(&engine).await, Err(Error::Deadline { .. })), "{request}");
        assert!((2..200).contains(&engine.count(request)), "{request}: {}", engine.count(request));
    }
}

/// However long the pauses had become by then: four times in a second or more are enough for a verdict.
#[tokio::test(start_paused = true)]
async fn what_was_refused_in_unknown_words_is_asked_again_soon() {
    let engine = engine(|world| {
        world.on_inspect.extend(vec![Event::Fails; 10]);
        world.on_create.extend((0..ALWAYS).map(|_| Refusal::Unclear(failure())));
    });
    assert!(matches!(run(&engine).await, Err(Error::Engine { .. })));
    // At 0, 0.3, 0.6 and 0.9 seconds, which is too soon, and at 1.2.
    assert_eq!(engine.count("create"), 5);
}

#[tokio::test(start_paused = true)]
async fn each_container_has_a_creator_who_gets_his_time() {
    let becomes = |id, state| Event::Becomes(Some(reaper(id, state)));
    let engine = engine(|world| {
        world.on_inspect.push_back(becomes("first", State::Created));
        // For long enough that the first would be nobody's.
        world.on_inspect.extend(vec![Event::Fails; 4]);
        world.on_inspect.extend([becomes("second", State::Created), becomes("second", State::Running)]);
    });
    assert_eq!(run(&engine).await.unwrap().container, "second");
    assert_eq!(engine.count("start"), 0);
}

/// Those who are connected to it know of no end yet, and would lose to another what they have made.
#[tokio::test(start_paused = true)]
async fn a_reaper_that_is_being_stopped_is_waited_for() {
    let engine = engine(|world| {
        world.container = Some(reaper("old", State::Running));
        let stopping = || Event::Becomes(Some(reaper("old", State::Stopping)));
        world.on_inspect.extend([stopping(), stopping(), stopping(), Event::Becomes(None)]);
    });
    assert!(run(&engine).await.unwrap().created);
    // It was gone before another was made.
    assert_eq!((engine.count("remove"), engine.count("create")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_late_is_held_until_the_next_is_made() {
    let engine = engine(|world| {
        world.container = Some(reaper("theirs", State::Running));
        world.on_dial.extend([Answer::Silent, Answer::Silent]);
    });
    run(&engine).await.unwrap();
    // One at a time: the reaper has room for others.
    assert_eq!(engine.0.borrow().held, [0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn each_filter_has_its_time_to_be_acknowledged() {
    let filters: Vec<_> = (0..4).map(|index| Filter::label("a", index.to_string()).unwrap()).collect();
    let engine = engine(|world| {
        world.container = Some(reaper("theirs", State::Running));
        world.on_dial.extend([Answer::Silent, Answer::Says("ACK\nACK\nACK\nACK\n")]);
    });
    let began = Instant::now();
    acquire(&engine, &plan(|_| {}), &filters).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_will_never_tell_ends_the_search_at_once() {
    let engine = engine(|world| world.on_inspect.push_back(Event::Refused));
    assert!(matches!(run(&engine).await, Err(Error::Refused { .. })));
    assert_eq!(engine.0.borrow().requests, ["inspect"]);
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_took_the_place_of_ours_is_not_ours() {
    let engine = FakeEngine::new(|world| {
        let theirs = Event::Becomes(Some(reaper("theirs", State::Running)));
        world.on_inspect.extend([Event::Nothing, theirs]);
    });
    let acquired = run(&engine).await.unwrap();
    assert_eq!((engine.count("create"), acquired.container.as_str(), acquired.created), (1, "theirs", false));
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_cannot_be_listened_to_is_acquired() {
    let engine = engine(|world| world.attends_to_nobody = true);
    let began = Instant::now();
    run(&engine).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_answers_nothing_any_more_delays_the_end_by_a_moment() {
    let engine = engine(|world| {
        world.on_create.push_back(Refusal::Passing(failure()));
        world.on_inspect.push_back(Event::Nothing);
        world.on_inspect.extend(vec![Event::Hangs; 100]);
    });
    let began = Instant::now();
    let outcome = timeout(Duration::from_secs(600), run(&engine)).await.expect("it has no end");
    assert!(matches!(outcome, Err(Error::Deadline { .. })), "{outcome:?}");
    assert!(began.elapsed() <= Duration::from_secs(71), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_removes_nothing_that_another_process_is_about_to_start() {
    let theirs = || Event::Becomes(Some(reaper("theirs", State::Created)));
    let engine = engine(|world| {
        world.on_create.push_back(Refusal::NameTaken);
        world.on_inspect.extend([Event::Nothing, theirs()]);
    });
    let plan = plan(|config| config.acquire_timeout = Duration::from_millis(10));
    acquire(&engine, &plan, &[]).await.unwrap_err();
    assert_eq!(engine.count("remove"), 0);

    // Nor when what it has made itself is removed already.
    let engine = FakeEngine::new(|world| {
        world.on_start.push_back(Refusal::Final(failure()));
        world.on_inspect.extend([Event::Nothing, theirs()]);
    });
    acquire(&engine, &plan, &[]).await.unwrap_err();
    assert_eq!(engine.0.borrow().requests, ["inspect", "create", "start", "remove"]);
}
