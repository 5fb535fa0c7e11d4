//! What a search makes of refusals, endings and too much hardening, on an engine that does as it is told, in paused time.

use std::time::Duration;

use super::search::acquire;
use super::tests::{engine, plan, run};
use crate::engine::doubles::{Answer, FakeEngine, FakeWorld as World, failure, reaper};
use crate::engine::{Concessions, Refusal, State};
use crate::error::Error;
use crate::session::Filter;
use crate::settings::Found;

fn unclear() -> Refusal {
    Refusal::Unclear(failure())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_unknown_words_is_asked_again_and_stays_in_the_same_words() {
    let engine = engine(|world| world.on_start.extend([unclear(), unclear(), unclear()]));
    run(&engine).await.unwrap();

    for at_start in [true, false] {
        let engine = FakeEngine::new(|world| {
            let refusals = (0..1000).map(|_| unclear());
            if at_start { world.on_start.extend(refusals) } else { world.on_create.extend(refusals) }
        });
        let began = tokio::time::Instant::now();
        assert!(matches!(run(&engine).await, Err(Error::Engine { .. })));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(engine.0.borrow().container, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_ends_twice_with_the_same_words_will_not_stay() {
    let ping = "panic: ping: Cannot connect to the Docker daemon at unix:///var/run/docker.sock";
    let engine = engine(|world| world.last_words = [ping, ping].into());
    let began = tokio::time::Instant::now();
    let report = run(&engine).await.unwrap_err().report();
    for part in ["reaper says: panic: ping", "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"] {
        assert!(report.contains(part), "{part} is missing: {report}");
    }
    assert_eq!(engine.count("create"), 2);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // Killed by somebody, once: the next one stays.
    let engine = FakeEngine::new(|world| world.last_words = [""].into());
    run(&engine).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_program_of_another_machine_ends_the_search_at_once() {
    let engine = engine(|world| world.last_words = ["exec /ryuk: exec format error"].into());
    assert!(matches!(run(&engine).await, Err(Error::Ended { .. })));
    assert_eq!(engine.count("create"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_a_users_costs_one_capability_and_no_error() {
    let engine = engine(|world| world.socket_is_a_users = true);
    run(&engine).await.unwrap();
    let world = engine.0.borrow();
    let made: Vec<_> = world.specs.iter().map(|spec| spec.concessions).collect();
    let conceded = Concessions { any_owner: true, new_privileges: false };
    assert_eq!(made, [Concessions::default(), conceded]);
    // For those who find it.
    assert_eq!(world.specs[1].labels["test-reaper.concessions"], "any-owner");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_confines_the_first_program_gives_it_new_privileges() {
    let engine = engine(|world| world.last_words = ["exec /reaper-ryuk: operation not permitted"].into());
    run(&engine).await.unwrap();
    let conceded = Concessions { any_owner: false, new_privileges: true };
    assert_eq!(engine.0.borrow().specs.last().unwrap().concessions, conceded);
}

/// Neither a third time, nor for an image that has all it wants.
#[tokio::test(start_paused = true)]
async fn what_concessions_do_not_help_is_an_error() {
    let confined = "exec /reaper-ryuk: operation not permitted";
    let ends = |world: &mut World| world.last_words = vec![confined; 3].into();
    let engine = engine(ends);
    assert!(matches!(run(&engine).await, Err(Error::Ended { .. })));
    assert_eq!(engine.count("create"), 3);

    let engine = FakeEngine::new(ends);
    let plan = plan(|config| config.image = Some(Found::built("test", "own/ryuk:1".into())));
    acquire(&engine, &plan, &[Filter::session(&plan.session)]).await.unwrap_err();
    assert_eq!(engine.0.borrow().specs.last().unwrap().concessions, Concessions::default());
}

#[tokio::test(start_paused = true)]
async fn a_concession_is_made_besides_those_that_a_found_reaper_has() {
    let engine = engine(|world| {
        let mut theirs = reaper("theirs", State::Running);
        theirs.labels.insert("test-reaper.concessions".into(), "new-privileges".into());
        world.container = Some(theirs);
        world.socket_is_a_users = true;
    });
    assert!(run(&engine).await.unwrap().created);
    let both = Concessions { any_owner: true, new_privileges: true };
    assert_eq!(engine.0.borrow().specs.last().unwrap().concessions, both);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_started_has_no_last_words() {
    let engine = engine(|world| {
        world.last_words = [""; 3].into();
        world.on_start.extend((0..3).map(|_| Refusal::Passing(failure())));
    });
    run(&engine).await.unwrap();
    assert_eq!((engine.count("create"), engine.count("remove")), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_carries_the_last_words_of_what_is_gone_with_its_log() {
    let engine = engine(|world| {
        let accidents = ["no memory", "no luck"].into_iter().cycle();
        world.last_words = accidents.take(100_000).collect();
    });
    let Err(Error::Deadline { log, .. }) = run(&engine).await else { panic!("it has not come") };
    assert!(log == ["no memory"] || log == ["no luck"], "{log:?}");
}

/// As a database whose name somebody has put into the wrong variable.
#[tokio::test(start_paused = true)]
async fn a_container_of_ours_that_never_answers_does_not_stay_and_that_of_others_does() {
    let plan = plan(|config| config.image = Some(Found::built("test", "postgres:16".into())));
    let never = |world: &mut World| world.on_dial.extend((0..1000).map(|_| Answer::Silent));
    let ours = engine(never);
    let outcome = acquire(&ours, &plan, &[Filter::session(&plan.session)]).await;
    assert!(matches!(outcome, Err(Error::Deadline { .. })), "{outcome:?}");
    assert_eq!(ours.0.borrow().container, None);

    let theirs = engine(|world| {
        never(world);
        world.container = Some(reaper("theirs", State::Running));
    });
    let outcome = acquire(&theirs, &plan, &[Filter::session(&plan.session)]).await;
    assert!(matches!(outcome, Err(Error::Deadline { .. })), "{outcome:?}");
    assert_eq!(theirs.0.borrow().container.as_ref().map(|found| found.id.as_str()), Some("theirs"));
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_was_never_hardened_is_not_replaced_for_it() {
    let engine = engine(|world| {
        world.container = Some(reaper("theirs", State::Running));
        let refused = "ERROR the engine cannot be reached: Permission denied\n";
        world.on_dial.push_back(Answer::Says(refused));
    });
    let plan = plan(|config| config.image = Some(Found::built("test", "own/ryuk:1".into())));
    let outcome = acquire(&engine, &plan, &[Filter::session(&plan.session)]).await;
    assert!(matches!(outcome, Err(Error::FilterRefused { .. })), "{outcome:?}");
    assert_eq!((engine.count("create"), engine.count("remove")), (0, 0));
}

/// An engine that does not start it at all, rather than to have it end.
#[tokio::test(start_paused = true)]
async fn a_refusal_to_start_that_blames_the_hardening_costs_a_concession() {
    for refusal in [Refusal::Unclear, Refusal::Final] {
        let said = std::io::Error::other("OCI runtime create failed: exec: operation not permitted");
        let error = Error::Engine { operation: "start it".into(), source: std::sync::Arc::new(said) };
        let engine = engine(|world| world.on_start.push_back(refusal(error)));
        run(&engine).await.unwrap();
        let conceded = Concessions { any_owner: false, new_privileges: true };
        assert_eq!(engine.0.borrow().specs.last().unwrap().concessions, conceded);
    }
}
