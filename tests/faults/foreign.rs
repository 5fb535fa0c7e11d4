//! What of a session somebody else is using: it is left, and said to be left, and nobody is disturbed.

use reaper_tests::engine::Engine;
use reaper_tests::holder::Holder;
use reaper_tests::world::{self, Leftovers, image, of_session};
use serde_json::{Value, json};

/// A container of somebody else's, removed when dropped.
pub(crate) struct Foreigner {
    engine: Engine,
    pub(crate) id: String,
    seen: Value,
    _removed: Leftovers,
}

impl Foreigner {
    /// With what the session of a test owns: its image, its network, or one of its volumes.
    pub(crate) fn create(engine: &Engine, image: &str, host: &Value) -> Self {
        // Its own value: a container has the labels of its image as well, so without one it would be ours.
        let body = json!({"Image": image, "Labels": of_session("somebody-else"), "HostConfig": host});
        let id = engine.done("POST", "/containers/create", &body)["Id"].as_str().unwrap().to_owned();
        let removed = Leftovers::new(engine, [format!("/containers/{id}")]);
        Self { engine: engine.clone(), id, seen: Value::Null, _removed: removed }
    }

    /// The same, running.
    pub(crate) fn start(engine: &Engine, image: &str, host: &Value) -> Self {
        let mut foreigner = Self::create(engine, image, host);
        world::start(engine, &foreigner.id);
        foreigner.seen = foreigner.look().unwrap();
        foreigner
    }

    fn look(&self) -> Option<Value> {
        let found = self.engine.inspect(&format!("/containers/{}/json", self.id))?;
        Some(json!([found["State"], found["NetworkSettings"]["Networks"], found["Mounts"]]))
    }

    /// As it was when it started: running under the same pid, on the same networks, with the same volumes.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        assert_eq!(self.look().as_ref(), Some(&self.seen));
    }
}

#[test]
fn a_network_that_a_foreign_container_uses_is_left_behind_and_said_to_be() {
    let engine = Engine::system();
    let mut holder = Holder::start("network-in-use", &[("RYUK_REMOVE_RETRIES", "3")]);
    let name = format!("{}-used", holder.session);
    let _left = Leftovers::new(&engine, [format!("/networks/{name}")]);
    world::network(&engine, &name, &holder.labels());
    let id = engine.inspect(&format!("/networks/{name}")).unwrap()["Id"].as_str().unwrap().to_owned();
    world::fill(&engine, &holder.session, 2, 2);
    // One of our own is on it, too.
    let ours = world::container(&engine, image(&engine), &holder.labels(), Some(&name));
    world::start(&engine, &ours);
    let foreigner = Foreigner::start(&engine, image(&engine), &json!({"NetworkMode": name}));

    holder.kill();
    let said = holder.log.until_left_behind(&id);
    assert!(said.contains(&format!("used by container {}", foreigner.id)), "{said}");
    holder.until_left(&[format!("network {name}")]);
    foreigner.is_untouched();
}

/// The engine would remove it, and the container could not be started any more.
#[test]
fn a_network_that_a_foreign_container_needs_to_start_is_left_behind_and_said_to_be() {
    let engine = Engine::system();
    let mut holder = Holder::start("network-asleep", &[("RYUK_REMOVE_RETRIES", "3")]);
    let used = ["created", "stopped"].map(|what| format!("{}-{what}", holder.session));
    let _left = Leftovers::new(&engine, used.clone().map(|name| format!("/networks/{name}")));
    let networks = used.each_ref().map(|name| {
        world::network(&engine, name, &holder.labels());
        engine.inspect(&format!("/networks/{name}")).unwrap()["Id"].as_str().unwrap().to_owned()
    });
    let created = Foreigner::create(&engine, image(&engine), &json!({"NetworkMode": used[0]}));
    let stopped = Foreigner::start(&engine, image(&engine), &json!({"NetworkMode": used[1]}));
    engine.done("POST", &format!("/containers/{}/kill", stopped.id), &Value::Null);
    world::fill(&engine, &holder.session, 1, 1);

    holder.kill();
    for (network, container) in networks.iter().zip([&created.id, &stopped.id]) {
        let said = holder.log.until_left_behind(network);
        assert!(said.contains(&format!("used by container {container}")), "{said}");
    }
    let mut left = used.map(|name| format!("network {name}"));
    let listed = engine.resources(&holder.session);
    left.sort_by_key(|network| listed.iter().position(|listed| listed == network));
    holder.until_left(&left);
    for container in [&created.id, &stopped.id] {
        world::start(&engine, container);
    }
}

/// A second name is how somebody keeps it.
#[test]
fn an_image_with_another_name_is_left_with_both_and_said_to_be() {
    let engine = Engine::system();
    let mut holder = Holder::start("image-kept", &[("RYUK_REMOVE_RETRIES", "3")]);
    let session = holder.session.clone();
    let named = |what: &str| format!("{session}-{what}");
    let base = world::container(&engine, image(&engine), &holder.labels(), None);
    let kept = world::commit(&engine, &base, &named("of-the-session"), &holder.labels());
    let gone = world::commit(&engine, &base, &named("alone"), &holder.labels());
    let _left = Leftovers::new(&engine, [format!("/images/{kept}")]);
    engine.done("POST", &format!("/images/{kept}/tag?repo={}", named("kept")), &Value::Null);
    holder.kill();
    let said = holder.log.until_left_behind(&kept);
    assert!(said.contains("several names") && said.contains(&named("kept")), "{said}");
    holder.until_left(&[format!("image {kept}")]);
    assert_eq!(engine.inspect(&format!("/images/{gone}/json")), None);
    let tags = engine.inspect(&format!("/images/{kept}/json")).unwrap()["RepoTags"].clone();
    assert_eq!(tags.as_array().unwrap().len(), 2, "{tags}");
}

#[test]
fn a_network_goes_when_the_foreign_container_lets_go_in_time() {
    let engine = Engine::system();
    let mut holder = Holder::start("network-let-go", &[("RYUK_REMOVE_RETRIES", "60")]);
    let name = format!("{}-used", holder.session);
    let _left = Leftovers::new(&engine, [format!("/networks/{name}")]);
    world::network(&engine, &name, &holder.labels());
    let id = engine.inspect(&format!("/networks/{name}")).unwrap()["Id"].as_str().unwrap().to_owned();
    let foreigner = Foreigner::start(&engine, image(&engine), &json!({"NetworkMode": name}));
    holder.kill();
    let _ = holder.log.until_says(&["not removed", &id, "used by container"]);
    foreigner.is_untouched();
    let disconnect = json!({"Container": foreigner.id, "Force": false});
    engine.done("POST", &format!("/networks/{name}/disconnect"), &disconnect);
    holder.until_left(&[]);
    assert!(!holder.log.text().contains("left behind"), "{}", holder.log.text());
    let state = engine.inspect(&format!("/containers/{}/json", foreigner.id)).unwrap()["State"].clone();
    assert_eq!(state, foreigner.seen[0]);
}

#[test]
fn a_volume_that_a_foreign_container_uses_is_left_behind_and_said_to_be() {
    let engine = Engine::system();
    let mut holder = Holder::start("volume-in-use", &[("RYUK_REMOVE_RETRIES", "3")]);
    let name = format!("{}-used", holder.session);
    let _left = Leftovers::new(&engine, [format!("/volumes/{name}")]);
    world::volume(&engine, &name, &holder.labels());
    world::fill(&engine, &holder.session, 2, 2);
    let foreigner = Foreigner::start(&engine, image(&engine), &json!({"Binds": [format!("{name}:/data")]}));
    holder.kill();
    let said = holder.log.until_left_behind(&name);
    // As Docker has it, and as Podman has it.
    assert!(["is in use", "is being used"].iter().any(|words| said.contains(words)), "{said}");
    holder.until_left(&[format!("volume {name}")]);
    foreigner.is_untouched();
}

#[test]
fn images_with_dependents_are_left_and_all_others_go() {
    let engine = Engine::system();
    let mut holder = Holder::start("images", &[("RYUK_REMOVE_RETRIES", "3")]);
    let session = holder.session.clone();
    let named = |what: &str| format!("{session}-{what}");
    let labels = holder.labels();
    let other = of_session("somebody-else");
    let base = world::container(&engine, image(&engine), &labels, None);
    // The child before its parent.
    let images = ["child", "parent", "used", "idle"].map(|what| format!("/images/{}", named(what)));
    let _left = Leftovers::new(&engine, images);

    // Three of the session's own, each upon the last: they go, in the order that the engine asks for.
    let mut container = base.clone();
    let mut chain = Vec::new();
    for number in 0..3 {
        let id = world::commit(&engine, &container, &named(&format!("chain-{number}")), &labels);
        container = world::container(&engine, &id, &labels, None);
        chain.push(id);
    }
    // One of the session's, upon which somebody else's stands.
    let parent = world::commit(&engine, &base, &named("parent"), &labels);
    let theirs = Foreigner::create(&engine, &parent, &json!({}));
    let child = world::commit(&engine, &theirs.id, &named("child"), &other);
    drop(theirs);
    // One that somebody else's running container uses, and one that a container stands on that does not run.
    let used = world::commit(&engine, &base, &named("used"), &labels);
    let running = Foreigner::start(&engine, &used, &json!({}));
    let idle = world::commit(&engine, &base, &named("idle"), &labels);
    let sleeping = Foreigner::create(&engine, &idle, &json!({}));

    holder.kill();
    let dependent = holder.log.until_left_behind(&parent);
    assert!(dependent.contains("dependent child images"), "{dependent}");
    let in_use = holder.log.until_left_behind(&used);
    assert!(in_use.contains(&format!("used by container {}", running.id)), "{in_use}");
    let asleep = holder.log.until_left_behind(&idle);
    assert!(asleep.contains(&format!("used by container {}", sleeping.id)), "{asleep}");
    let mut left = [&parent, &used, &idle].map(|image| format!("image {image}"));
    let listed = engine.resources(&holder.session);
    left.sort_by_key(|image| listed.iter().position(|listed| listed == image));
    holder.until_left(&left);
    for image in &chain {
        assert_eq!(engine.inspect(&format!("/images/{image}/json")), None);
    }

    running.is_untouched();
    assert!(engine.inspect(&format!("/images/{child}/json")).is_some());
    // It has its image and its name, and can do what it could.
    let tags = engine.inspect(&format!("/images/{idle}/json")).unwrap()["RepoTags"].clone();
    assert_eq!(tags, json!([format!("{}:latest", named("idle"))]));
    world::start(&engine, &sleeping.id);
}
