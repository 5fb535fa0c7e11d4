//! Every transition of the state machine, on an engine that does as it is told, in paused time.

use std::cell::OnceCell;
use std::time::Duration;

use super::image::Image;
use super::search::{Acquired, acquire};
use super::spec::Plan;
use crate::engine::doubles::{
    Answer, FakeEngine, FakeEvent as Event, FakeWorld as World, OWN_NETWORK, failure, reaper,
};
use crate::engine::{Container, Endpoint, Place, Refusal, State};
use crate::error::{Error, Result};
use crate::session::folder::Memory;
use crate::session::{self, Filter};
use crate::settings::{Config, Found};

pub(super) fn plan(set: impl FnOnce(&mut Config)) -> Plan {
    let mut config =
        Config { image: None, acquire_timeout: Duration::from_secs(60), ..Config::load().unwrap() };
    config.session_id = Some(Found::built("test", "s".into()));
    set(&mut config);
    let endpoint = Endpoint {
        origin: "the test".into(),
        place: Place::Socket("/var/run/docker.sock".into()),
        host: "127.0.0.1".into(),
        local: true,
        socket: "/var/run/docker.sock".into(),
        probed: true,
        handed: None,
    };
    let (session, memory) = (session::resolve(&config).unwrap(), Memory::default());
    Plan { session, config, endpoint, memory, own_container: OnceCell::from(None), runner: OnceCell::new() }
}

pub(super) async fn run(engine: &FakeEngine) -> Result<Acquired<tokio::io::DuplexStream>> {
    let plan = plan(|_| {});
    acquire(engine, &plan, &[Filter::session(&plan.session)]).await
}

pub(super) fn engine(set: impl FnOnce(&mut World)) -> FakeEngine {
    FakeEngine::new(set)
}

fn requests(engine: &FakeEngine) -> Vec<&'static str> {
    engine.0.borrow().requests.clone()
}

#[tokio::test(start_paused = true)]
async fn absent_is_created_and_started_by_us() {
    let engine = engine(|_| {});
    let acquired = run(&engine).await.unwrap();
    assert!(acquired.created);
    assert_eq!(requests(&engine), ["inspect", "create", "start", "inspect", "dial"]);
}

#[tokio::test(start_paused = true)]
async fn running_costs_one_inspect_and_one_dial() {
    let engine = engine(|world| world.container = Some(reaper("theirs", State::Running)));
    let acquired = run(&engine).await.unwrap();
    assert_eq!((acquired.created, acquired.container.as_str()), (false, "theirs"));
    assert_eq!(requests(&engine), ["inspect", "dial"]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_means_that_somebody_else_creates() {
    let engine = engine(|world| {
        world.on_create.push_back(Refusal::NameTaken);
        world.on_inspect.extend([Event::Nothing, Event::Becomes(Some(reaper("theirs", State::Running)))]);
    });
    assert_eq!(run(&engine).await.unwrap().container, "theirs");
    assert_eq!(engine.count("create"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_what_then_vanishes_is_created_after_all() {
    let engine = engine(|world| world.on_create.push_back(Refusal::NameTaken));
    assert!(run(&engine).await.unwrap().created);
    assert_eq!(engine.count("create"), 2);
}

#[tokio::test(start_paused = true)]
async fn refused_closed_and_silent_ports_are_tried_again() {
    for answer in [Answer::Refuses, Answer::Closes, Answer::Silent] {
        let engine = engine(|world| {
            world.container = Some(reaper("theirs", State::Running));
            world.on_dial.extend([answer, answer, answer]);
        });
        run(&engine).await.unwrap();
        assert_eq!((engine.count("dial"), engine.count("create")), (4, 0), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_ends_between_inspect_and_connect_is_replaced() {
    let engine = engine(|world| {
        world.container = Some(reaper("old", State::Running));
        world.on_dial.push_back(Answer::Refuses);
        world.after_dial.push_back(Event::Becomes(Some(reaper("old", State::Ended))));
    });
    assert!(run(&engine).await.unwrap().created);
    assert_eq!(engine.count("remove"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_brought_once() {
    let engine = engine(|world| world.has_image = false);
    assert!(run(&engine).await.unwrap().created);
    assert_eq!(engine.count("load") + engine.count("pull"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_of_another_architecture_gets_the_official_image_without_our_limits() {
    let engine = engine(|world| {
        world.has_image = false;
        world.platform = Some(("linux", "s390x"));
    });
    run(&engine).await.unwrap();
    let world = engine.0.borrow();
    assert!(world.specs[0].image.starts_with("testcontainers/ryuk:") && !world.specs[0].hardened);
}

/// As `cargo xtask setup` has the build embed it.
#[tokio::test(start_paused = true)]
async fn an_engine_of_the_other_architecture_gets_the_embedded_image_for_it() {
    let mut references = std::collections::BTreeSet::new();
    for architecture in ["amd64", "arm64"] {
        let engine = engine(|world| {
            world.has_image = false;
            world.platform = Some(("linux", architecture));
        });
        run(&engine).await.unwrap();
        assert_eq!((engine.count("load"), engine.count("pull")), (1, 0));
        let world = engine.0.borrow();
        let used = world.specs.last().unwrap();
        assert!(used.image.starts_with("reaper-ryuk:") && used.hardened, "{}", used.image);
        references.insert(used.image.clone());
    }
    assert_eq!(references.len(), 2, "{references:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chosen_image_that_cannot_be_pulled_is_an_error_at_once() {
    let engine = engine(|world| world.has_image = false);
    let plan = plan(|config| config.image = Some(Found::built("test", "nowhere.example/ryuk:1".into())));
    let error = acquire(&engine, &plan, &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Image { image, .. } if image == "nowhere.example/ryuk:1"), "{error:?}");
    assert_eq!(engine.count("create"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_bridge_our_own_network_is_made() {
    let engine = engine(|world| world.has_network = false);
    run(&engine).await.unwrap();
    assert_eq!(engine.count("network"), 1);
    assert_eq!(engine.0.borrow().specs.last().unwrap().network, OWN_NETWORK);
}

#[tokio::test(start_paused = true)]
async fn a_container_of_another_on_a_bridge_that_is_missing_is_replaced_by_one_on_our_network() {
    let engine = engine(|world| {
        world.has_network = false;
        let theirs = Event::Becomes(Some(reaper("theirs", State::Created)));
        world.on_inspect.extend([Event::Nothing, theirs]);
    });
    assert!(run(&engine).await.unwrap().created);
    assert_eq!(engine.0.borrow().specs.last().unwrap().network, OWN_NETWORK);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_cannot_be_made_at_once_is_made_later() {
    let engine = engine(|world| {
        world.has_network = false;
        world.on_network.push_back(failure());
    });
    run(&engine).await.unwrap();
    assert_eq!(engine.count("network"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_was_started_without_a_network_is_replaced() {
    let engine = engine(|world| (world.has_network, world.starts_without_network) = (false, true));
    let acquired = run(&engine).await.unwrap();
    assert_eq!((acquired.created, acquired.container.as_str()), (true, "created-2"));
    assert_eq!((engine.count("network"), engine.count("remove")), (1, 1));
    assert_eq!(engine.0.borrow().specs.last().unwrap().network, OWN_NETWORK);
}

#[tokio::test(start_paused = true)]
async fn a_reaper_without_a_network_is_left_to_its_creator_for_a_moment() {
    let disconnected = || Container { connected: false, published: None, ..reaper("theirs", State::Running) };
    let engine = engine(|world| {
        world.container = Some(disconnected());
        let replaced = Event::Becomes(Some(reaper("replaced", State::Running)));
        world.on_inspect = [Event::Nothing, Event::Nothing, replaced].into();
    });
    let acquired = run(&engine).await.unwrap();
    assert_eq!((acquired.created, acquired.container.as_str()), (false, "replaced"));
    assert_eq!(engine.count("network") + engine.count("remove"), 0);

    let engine = FakeEngine::new(|world| world.container = Some(disconnected()));
    let acquired = run(&engine).await.unwrap();
    assert_eq!((acquired.created, acquired.container.as_str()), (true, "created-1"));
    assert_eq!((engine.count("network"), engine.count("remove")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_creator_died_is_started_in_its_place() {
    let engine = engine(|world| world.container = Some(reaper("orphan", State::Created)));
    let acquired = run(&engine).await.unwrap();
    assert_eq!((acquired.container.as_str(), acquired.created), ("orphan", false));
    assert_eq!((engine.count("create"), engine.count("start")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_its_creator_starts_is_left_alone() {
    let created = || Event::Becomes(Some(reaper("theirs", State::Created)));
    let engine = engine(|world| {
        world.on_inspect.extend([
            created(),
            created(),
            Event::Becomes(Some(reaper("theirs", State::Running))),
        ]);
    });
    run(&engine).await.unwrap();
    assert_eq!(engine.count("start"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_would_not_start_is_removed_and_tried_again() {
    let engine = engine(|world| world.on_start.push_back(Refusal::Passing(failure())));
    assert!(run(&engine).await.unwrap().created);
    assert_eq!((engine.count("create"), engine.count("remove")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_was_started_and_whose_creator_was_not_told_stays() {
    let engine = engine(|world| {
        world.on_start.push_back(Refusal::Passing(failure()));
        world.loses_answers = true;
    });
    run(&engine).await.unwrap();
    assert_eq!((engine.count("create"), engine.count("start")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_another_process_made_and_nobody_can_start_is_replaced() {
    let engine = engine(|world| {
        world.container = Some(reaper("broken", State::Created));
        world.on_start.push_back(Refusal::Final(failure()));
    });
    assert!(run(&engine).await.unwrap().created);
    assert_eq!((engine.count("create"), engine.count("remove")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stays_is_an_error_at_once_and_leaves_nothing() {
    let engine = engine(|world| world.on_start.push_back(Refusal::Final(failure())));
    assert!(matches!(run(&engine).await, Err(Error::Engine { .. })));
    assert_eq!(engine.0.borrow().container, None);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_fails_for_a_while_is_asked_again() {
    let engine = engine(|world| world.on_inspect.extend([Event::Fails, Event::Fails, Event::Fails]));
    run(&engine).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_foreign_container_under_our_name_is_named_and_left_alone() {
    let engine = engine(|world| {
        let labels = std::collections::HashMap::new();
        world.container = Some(Container { labels, ..reaper("foreign", State::Running) });
    });
    let error = run(&engine).await.unwrap_err();
    assert!(matches!(&error, Error::NameTaken { id, .. } if id == "foreign"), "{error:?}");
    assert_eq!(requests(&engine), ["inspect"]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_reaper_is_said_to_be_paused() {
    let engine = engine(|world| world.container = Some(reaper("theirs", State::Paused)));
    assert!(matches!(run(&engine).await, Err(Error::Paused { name }) if name == "reaper_s"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_filter_is_not_an_acquired_one() {
    let engine = engine(|world| {
        world.container = Some(reaper("theirs", State::Running));
        world.on_dial.push_back(Answer::Says("ERROR no\n"));
    });
    let error = run(&engine).await.unwrap_err();
    assert!(matches!(&error, Error::FilterRefused { answer, .. } if answer == "ERROR no"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_not_probed_has_one_chance_to_answer() {
    let mut plan = plan(|_| {});
    plan.endpoint.probed = false;
    let filters = [Filter::session(&plan.session)];
    let silent = engine(|world| world.on_inspect.extend([Event::Fails, Event::Nothing]));
    assert!(matches!(acquire(&silent, &plan, &filters).await, Err(Error::NoEngine { .. })));
    assert_eq!(silent.count("inspect"), 1);

    // Once it has answered, it is an engine like any other.
    let busy = engine(|world| world.on_inspect.extend([Event::Nothing, Event::Fails, Event::Nothing]));
    acquire(&busy, &plan, &filters).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_carries_the_last_cause_and_the_last_words() {
    let engine = engine(|world| {
        world.container = Some(reaper("theirs", State::Running));
        world.on_dial.extend(vec![Answer::Refuses; 1000]);
    });
    let report = run(&engine).await.unwrap_err().report();
    for part in ["within 60s", "the last words", "port 8080", "refused", "REAPER_ACQUIRE_TIMEOUT"] {
        assert!(report.contains(part), "{part} is missing: {report}");
    }
    // Exponential up to a second: far from a tight loop over a minute.
    assert!(engine.count("dial") < 200, "{}", engine.count("dial"));
}

#[tokio::test(start_paused = true)]
async fn giving_up_removes_what_was_created_without_an_answer() {
    let engine = engine(|world| {
        world.on_create.push_back(Refusal::Passing(failure()));
        world.loses_answers = true;
    });
    let plan = plan(|config| config.acquire_timeout = Duration::from_millis(10));
    acquire(&engine, &plan, &[]).await.unwrap_err();
    assert_eq!((engine.count("create"), &engine.0.borrow().container), (1, &None));
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_dies_at_once_is_not_created_in_a_tight_loop() {
    let engine = engine(|world| {
        world.on_inspect.extend((0..100_000).map(|_| Event::Becomes(None)));
    });
    let report = run(&engine).await.unwrap_err().report();
    assert!(report.contains("ended by itself"), "{report}");
    assert!((2..200).contains(&engine.count("create")), "{}", engine.count("create"));
}

#[test]
fn the_container_keeps_its_promises() {
    let plan = plan(|config| {
        config.ryuk.insert("RYUK_VERBOSE", "true".into());
    });
    let spec = plan.container(&Image::choose(&plan.config), None);
    assert_eq!((spec.name.as_str(), spec.publish_on.as_deref()), ("reaper_s", Some("127.0.0.1")));
    assert!(spec.hardened && !spec.privileged);
    let [patience, setting, secret, token] = &spec.environment[..] else { panic!("{:?}", spec.environment) };
    assert_eq!((patience.as_str(), setting.as_str()), ("RYUK_CONNECTION_TIMEOUT=12s", "RYUK_VERBOSE=true"));
    let secret = secret.strip_prefix("REAPER_SECRET=").unwrap();
    let token = token.strip_prefix("REAPER_TOKEN=").unwrap();
    for (at, word) in [(2, secret), (3, token)] {
        assert!(word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()), "{word}");
        // Another for each container.
        assert!(!plan.container(&Image::choose(&plan.config), None).environment[at].ends_with(word));
    }
    assert_ne!(secret, token, "the first is told to whoever greets");
    assert_eq!(spec.labels["org.testcontainers.sessionId"], "s");
    assert_eq!(spec.labels["org.testcontainers.ryuk"], "true");
    let remote = Plan { endpoint: Endpoint { local: false, ..plan.endpoint.clone() }, ..plan };
    assert_eq!(remote.container(&Image::choose(&remote.config), None).publish_on.as_deref(), Some(""));
}

/// Of an image of ours, with what its creator has put into its environment.
fn greetable(environment: &[&str]) -> Container {
    let mut container = reaper("ours", State::Running);
    container.labels.insert("test-reaper.protocol".into(), "1".into());
    container.environment = environment.iter().map(|variable| (*variable).to_owned()).collect();
    container
}

#[tokio::test(start_paused = true)]
async fn a_server_that_can_be_greeted_is_greeted_before_anything_is_registered() {
    let engine = engine(|world| {
        world.container = Some(greetable(&["REAPER_SECRET=5eed"]));
        world.on_dial.push_back(Answer::Says("HELLO 1 5eed 3\nACK\n"));
    });
    let acquired = run(&engine).await.unwrap();
    assert_eq!(acquired.greeted.map(|(_, said)| said.generation), Some(3));
    let world = engine.0.borrow();
    assert_eq!(world.provable, [true]);
    let told = world.told.lock().unwrap();
    assert_eq!(*told, ["%hello 3\n", "label=org.testcontainers.sessionId=s\n"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_registered_where_somebody_else_answers() {
    for says in ["ACK\n", "HELLO 1 other 0\n", "HELLO 1 - 0\n", "ERROR no\n"] {
        let engine = engine(|world| {
            world.container = Some(greetable(&["REAPER_SECRET=5eed"]));
            world.on_dial.extend((0..1000).map(|_| Answer::Says(says)));
        });
        let report = run(&engine).await.unwrap_err().report();
        assert!(report.contains("not the reaper of this session"), "{report}");
        assert!(report.contains("TESTCONTAINERS_HOST_OVERRIDE"), "{report}");
        let world = engine.0.borrow();
        let told = world.told.lock().unwrap();
        assert!(!told.is_empty() && told.iter().all(|line| line == "%hello 3\n"), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_removed_things_since_the_greeting_is_greeted_again() {
    let engine = engine(|world| {
        world.container = Some(greetable(&["REAPER_SECRET=5eed"]));
        let late = "HELLO 1 5eed 0\nERROR what there was has been removed since the greeting: greet again\n";
        world.on_dial.extend([Answer::Says(late), Answer::Says("HELLO 1 5eed 1\nACK\n")]);
    });
    assert_eq!(run(&engine).await.unwrap().greeted.map(|(_, said)| said.generation), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_prove_is_dialled_only_where_the_engine_publishes_it() {
    let engine = engine(|world| {
        world.container = Some(reaper("official", State::Running));
        world.after_dial.push_back(Event::Becomes(Some(greetable(&[]))));
        world.on_dial.extend([Answer::Closes, Answer::Says("HELLO 1 - 0\nACK\n")]);
    });
    assert_eq!(run(&engine).await.unwrap().container, "ours");
    assert_eq!(engine.0.borrow().provable, [false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_not_there_is_an_error_at_once_that_names_the_setting() {
    let engine = engine(|world| {
        let missing = std::io::Error::other("bind source path does not exist: /nowhere.sock");
        world.on_create.push_back(Refusal::NoSocket(std::sync::Arc::new(missing)));
    });
    let mut plan = plan(|config| {
        config.socket = Some(Found {
            name: "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE".into(),
            origin: "the environment".into(),
            value: "/nowhere.sock".into(),
        });
    });
    plan.endpoint.socket = "/nowhere.sock".into();
    let report = acquire(&engine, &plan, &[plan.filter()]).await.unwrap_err().report();
    let named = "no socket at /nowhere.sock (TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE from the environment)";
    assert!(report.contains(named) && report.contains("does not exist"), "{report}");
    assert_eq!(requests(&engine), ["inspect", "create"]);
}
