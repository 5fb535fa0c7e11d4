//! Podman removes what somebody else uses, and who uses it.

use reaper_tests::podman::Podman;
use reaper_tests::world::{self, image};
use serde_json::{Value, json};

use super::named;
use crate::foreign::Foreigner;

/// By force, Podman removes the containers on an image with it.
#[test]
fn an_image_that_somebody_else_uses_stays_on_podman_with_what_uses_it() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("images", &[("RYUK_REMOVE_RETRIES", "3")]);
    let labels = holder.labels();
    let base = world::container(engine, image(engine), &labels, None);
    let [used, idle, tagged, free] = ["used", "idle", "tagged", "free"]
        .map(|what| world::commit(engine, &base, &format!("{}-{what}", holder.session), &labels));
    let running = Foreigner::start(engine, &used, &json!({}));
    let sleeping = Foreigner::create(engine, &idle, &json!({}));
    let theirs = named("their-name");
    engine.done("POST", &format!("/images/{tagged}/tag?repo={theirs}&tag=latest"), &Value::Null);

    holder.kill();
    for id in [&used, &idle, &tagged] {
        // Not what is left behind at the end: Podman may lose the last lines of a container that goes.
        let _ = holder.log.until_says(&["not removed", id]);
    }
    let mut left = [&used, &idle, &tagged].map(|id| format!("image {id}"));
    left.sort();
    holder.until_left(&left);
    assert_eq!(engine.inspect(&format!("/images/{free}/json")), None);
    running.is_untouched();
    // It can do what it could.
    world::start(engine, &sleeping.id);
    assert_eq!(engine.inspect(&format!("/images/{theirs}/json")).unwrap()["Id"], tagged.as_str());
}

/// Podman takes a container off a network that is removed under it, and one that does not run could not be started.
#[test]
fn a_network_that_a_foreign_container_uses_stays_on_podman_until_it_lets_go() {
    let podman = Podman::start();
    let engine = podman.engine();
    for lets_go in [false, true] {
        let retries = if lets_go { "60" } else { "3" };
        let mut holder = podman.hold(&format!("network-{lets_go}"), &[("RYUK_REMOVE_RETRIES", retries)]);
        let name = format!("{}-used", holder.session);
        world::network(engine, &name, &holder.labels());
        // One of our own is on it, too.
        let ours = world::container(engine, image(engine), &holder.labels(), Some(&name));
        world::start(engine, &ours);
        let foreigner = Foreigner::start(engine, image(engine), &json!({"NetworkMode": name}));
        let sleeping = Foreigner::create(engine, image(engine), &json!({"NetworkMode": name}));
        let id = engine.inspect(&format!("/networks/{name}")).unwrap()["Id"].as_str().unwrap().to_owned();

        holder.kill();
        if lets_go {
            let _ = holder.log.until_says(&[&id, "not removed"]);
            foreigner.is_untouched();
            drop(sleeping);
            let disconnect = json!({"Container": foreigner.id, "Force": false});
            engine.done("POST", &format!("/networks/{name}/disconnect"), &disconnect);
            holder.until_left(&[]);
            assert!(!holder.log.text().contains("left behind"), "{}", holder.log.text());
        } else {
            let _ = holder.log.until_says(&[&id, "left behind"]);
            holder.until_left(&[format!("network {name}")]);
            foreigner.is_untouched();
            world::start(engine, &sleeping.id);
        }
    }
}
