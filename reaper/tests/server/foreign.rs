//! What is not of the session stays as it is, whatever the engine lists and whatever it would let go.

use crate::engine::Engine;
use crate::process::{Ryuk, prune, prune_all};
use crate::world::{Misbehaviour, Resource, World};

const OURS: &str = "label=session=mine";

fn ours(kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("session", "mine")])
}

fn theirs(kind: &'static str, id: &str) -> Resource {
    Resource::new(kind, id, &[("session", "theirs")])
}

fn on_both_engines(resources: &[Resource]) -> [Engine; 2] {
    [false, true].map(|is_podman| {
        Engine::start(World { resources: resources.to_owned(), is_podman, ..World::default() })
    })
}

/// Of a filter with two labels Podman 4.3 lists volumes that have one of them, and no image.
#[test]
fn what_the_engine_lists_for_a_filter_is_held_against_the_filter() {
    let both: &[(&str, &str)] = &[("made", "by tests"), ("session", "mine")];
    let kinds = ["containers", "networks", "volumes", "images"];
    let mut resources: Vec<_> = kinds.iter().map(|kind| Resource::new(kind, "a1", both)).collect();
    for (id, labels) in
        [("b1", &both[..1]), ("b2", &both[1..]), ("b3", &[("made", "by tests"), ("session", "theirs")])]
    {
        resources.extend(kinds.iter().map(|kind| Resource::new(kind, id, labels)));
    }
    for engine in on_both_engines(&resources) {
        prune_all(&engine, &["label=made=by+tests&label=session=mine"], &[]);
        let mut left = engine.left();
        left.sort();
        assert_eq!(left, ["b1"; 4].into_iter().chain(["b2"; 4]).chain(["b3"; 4]).collect::<Vec<_>>());
    }
}

/// In all of Podman a `*` in a key stands for anything.
#[test]
fn a_key_is_no_pattern() {
    let kinds = ["containers", "networks", "volumes", "images"];
    let resources: Vec<_> = kinds
        .iter()
        .flat_map(|kind| [Resource::new(kind, "a1", &[("s*n", "mine")]), ours(kind, "b1")])
        .collect();
    for engine in on_both_engines(&resources) {
        prune_all(&engine, &["label=s*n=mine"], &[]);
        assert_eq!(engine.left(), ["b1"; 4]);
    }
}

#[test]
fn a_key_alone_and_one_with_an_empty_value_are_filters() {
    let resources = vec![
        Resource::new("volumes", "a1", &[("key", "any")]),
        Resource::new("volumes", "a2", &[("key", "")]),
        Resource::new("volumes", "a3", &[("other", "")]),
        Resource::new("volumes", "a4", &[("other", "any")]),
        Resource::new("volumes", "a5", &[]),
    ];
    for engine in on_both_engines(&resources) {
        prune_all(&engine, &["label=key", "label=other="], &[]);
        assert_eq!(engine.left(), ["a4", "a5"]);
    }
}

#[test]
fn an_image_that_a_foreign_container_stands_on_stays_with_the_container_and_is_said() {
    for runs in [true, false] {
        let container = theirs("containers", "f1").of("sha256:a1");
        let container = if runs { container.running() } else { container };
        let resources = [ours("images", "sha256:a1"), ours("images", "sha256:a2"), container];
        for engine in on_both_engines(&resources) {
            let (log, code) = prune(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "2")]);
            assert_eq!(engine.left(), ["sha256:a1", "f1"], "{log}");
            assert_eq!(code, 1);
            let said = log.lines().find(|line| line.contains("left behind: image sha256:a1")).unwrap();
            assert!(said.contains("used by container f1"), "{said}");
            // It is not even asked for, for the engine might do it.
            assert_eq!(engine.removals(), ["DELETE /images/sha256%3Aa2"]);
        }
    }
}

#[test]
fn an_image_that_somebody_gave_another_name_stays_with_all_its_names() {
    let resources = [
        ours("images", "sha256:a1").tagged(&["session:1", "to-keep:1"]),
        ours("images", "sha256:a2").tagged(&["session:2"]),
        ours("images", "sha256:a3"),
    ];
    for engine in on_both_engines(&resources) {
        let (log, code) = prune(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "2")]);
        assert_eq!((engine.left(), code), (vec!["sha256:a1".to_owned()], 1), "{log}");
        assert!(log.contains("left behind: image sha256:a1: it has several names"), "{log}");
        assert!(!engine.removals().iter().any(|path| path.contains("force") || path.contains("a1")));
    }
}

#[test]
fn a_network_that_a_foreign_container_is_on_stays_whether_that_runs_or_not() {
    for runs in [true, false] {
        let container = theirs("containers", "f1").on("a1");
        let container = if runs { container.running() } else { container };
        let own = ours("containers", "c1").on("a1").running();
        let resources = [ours("networks", "a1"), ours("networks", "a2"), container, own];
        for engine in on_both_engines(&resources) {
            let (log, code) = prune(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "2")]);
            assert_eq!(engine.left(), ["a1", "f1"], "{log}");
            assert_eq!(code, 1);
            let said = log.lines().find(|line| line.contains("left behind: network a1")).unwrap();
            assert!(said.contains("used by container f1"), "{said}");
        }
    }
}

/// It came after the containers were listed, so a look at the network is what tells.
#[test]
fn a_network_that_a_foreign_container_has_just_come_upon_stays() {
    let appears = vec![theirs("containers", "f1").on("a1").running()];
    let resources = vec![ours("networks", "a1"), ours("networks", "a2")];
    let mut world = World { resources, appears, is_podman: true, ..World::default() };
    // With the other network goes the moment in which nobody was there.
    world.script.insert("GET /networks/a1", [Misbehaviour::Late(1000)].into());
    let engine = Engine::start(world);
    let (log, code) = prune(&engine, &[OURS], &[("RYUK_REMOVE_RETRIES", "2")]);
    assert_eq!((engine.left(), code), (vec!["a1".to_owned(), "f1".to_owned()], 1), "{log}");
}

/// Anybody can set this variable, to the name of a container of somebody else's, too.
#[test]
fn a_container_named_like_the_host_name_is_not_taken_off_a_network() {
    let resources = vec![ours("networks", "a1")];
    let mut world = World { resources, ..World::default() };
    world.script.insert("DELETE /networks/a1", [Misbehaviour::Status(403, "active endpoints"); 2].into());
    let engine = Engine::start(world);
    prune_all(&engine, &[OURS], &[("HOSTNAME", "deadbeef0123")]);
    let disconnected = engine.asked("POST /networks/a1/disconnect");
    assert_eq!(disconnected, Vec::<String>::new());
}

/// As Node's client does, who relies on the image's label.
#[test]
fn whatever_carries_ryuks_label_is_never_removed() {
    let labels = [("session", "mine"), ("org.testcontainers.ryuk", "true")];
    let kinds = ["containers", "networks", "volumes", "images"];
    let mut resources: Vec<_> = kinds.iter().map(|kind| Resource::new(kind, "a1", &labels)).collect();
    resources.push(Resource::new(
        "containers",
        "a2",
        &[("session", "mine"), ("org.testcontainers.ryuk", "")],
    ));
    for engine in on_both_engines(&resources) {
        prune_all(&engine, &[OURS], &[]);
        assert_eq!(engine.left(), ["a1"; 4]);
        assert_eq!(engine.removals().len(), 1);
    }
}

/// One list for each kind, whatever the number of filters, and a whole one where they have nothing in common.
#[test]
fn many_filters_are_served_by_one_list_of_each_kind() {
    let resources =
        (0..4).map(|number| Resource::new("volumes", &format!("a{number}"), &[("n", &number.to_string())]));
    let resources: Vec<_> = resources.chain([theirs("volumes", "f1")]).collect();
    let engine = Engine::start(World { resources, ..World::default() });
    let filters: Vec<_> = (0..200).map(|number| format!("label=n={number}")).collect();
    let filters: Vec<_> = filters.iter().map(String::as_str).collect();
    prune_all(&engine, &filters, &[("RYUK_RECONNECTION_TIMEOUT", "1s")]);
    assert_eq!(engine.left(), ["f1"]);
    // A round that removes, and one that finds nothing.
    for kind in ["/containers", "/networks", "/volumes", "/images"] {
        assert_eq!(engine.asked(&format!("GET {kind}")).len(), 2, "{kind}");
    }
}

#[test]
fn the_engine_is_asked_for_what_the_filters_have_in_common() {
    let engine = Engine::start(World { resources: vec![ours("volumes", "a1")], ..World::default() });
    let filters = ["label=session=mine", "label=session=mine&label=more=1", "label=t=1&label=session=mine"];
    prune_all(&engine, &filters, &[]);
    let lists = engine.asked("GET /volumes");
    assert!(
        lists.iter().all(|path| path.ends_with("filters=%7B%22label%22%3A%5B%22session%3Dmine%22%5D%7D")),
        "{lists:?}"
    );
    assert_eq!(engine.left(), Vec::<String>::new());
}

/// Somebody else's reaper on the same engine, with everything that a session has.
#[test]
fn a_session_beside_ours_loses_nothing() {
    let mut resources = Vec::new();
    for (id, session) in [("a1", "mine"), ("b1", "theirs")] {
        let with = |kind| Resource::new(kind, id, &[("org.testcontainers", "true"), ("session", session)]);
        resources.extend(["networks", "volumes", "images"].map(with));
        resources.push(with("containers").on(id).of(id).running());
    }
    for engine in on_both_engines(&resources) {
        let ryuk = Ryuk::start(&engine.host(), &[]);
        drop(ryuk.registered("label=org.testcontainers=true&label=session=mine"));
        assert_eq!(ryuk.ended(), 0);
        assert_eq!(engine.left(), ["b1"; 4]);
    }
}
