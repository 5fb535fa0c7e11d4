//! Tests that run in a container and use the engine that runs it, on each kind of network.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use reaper_tests::engine::Engine;
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::world::{self, Leftovers};
use serde_json::{Value, json};

use crate::transport::clients;

const SOCKET: &str = "/var/run/docker.sock";

/// What a program of this machine needs of it.
const LIBRARIES: [&str; 3] = ["/lib", "/lib64", "/usr/lib"];

/// Runs the test that waits in a container on this network, and removes that by force. Gives what the reaper was like, and
/// how many processes were connections to it.
#[track_caller]
fn ends_with_its_container(scene: Scene, network: &str) -> (Value, usize) {
    let engine = Engine::system();
    engine.load(reaper_examples::ARCHIVE);
    let test = scene.test("waits");
    let folder = scene.run.file("log").parent().unwrap().to_owned();
    let program = Path::new(test.get_program()).canonicalize().unwrap();
    let mut binds = vec![format!("{SOCKET}:{SOCKET}"), format!("{0}:{0}", folder.display())];
    let read_only = LIBRARIES.iter().map(Path::new).chain(program.parent());
    binds.extend(read_only.filter(|path| path.exists()).map(|path| format!("{0}:{0}:ro", path.display())));
    let (owner, group) = (folder.metadata().unwrap(), Path::new(SOCKET).metadata().unwrap().gid());
    let variables =
        test.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value?.to_str()?)));
    let temporary = format!("TMPDIR={}", folder.display());
    let command: Vec<_> =
        [program.as_os_str()].into_iter().chain(test.get_args()).map(|word| word.to_str().unwrap()).collect();
    let body = json!({
        "Image": reaper_examples::IMAGE, "Entrypoint": command, "Cmd": [],
        "Env": variables.chain([temporary]).collect::<Vec<_>>(),
        "User": format!("{}:{}", owner.uid(), owner.gid()),
        "HostConfig": { "Binds": binds, "NetworkMode": network, "GroupAdd": [group.to_string()] },
    });
    let container = engine.done("POST", "/containers/create", &body)["Id"].as_str().unwrap().to_owned();
    let removed = Leftovers::new(&engine, [format!("/containers/{container}")]);
    world::start(&engine, &container);
    let record = scene.run.until_recorded("waits");
    let reaper = engine.inspect(&format!("/containers/{}/json", record.reaper)).unwrap();
    let joined = clients(&record.reaper);
    drop(removed);
    engine.until_gone(&scene.session, WITHIN);
    scene.end();
    (reaper, joined)
}

#[test]
fn on_the_usual_network_the_reaper_is_reached_at_its_own_address() {
    let (reaper, joined) = ends_with_its_container(Scene::new("contained-bridge"), "bridge");
    assert_eq!((&reaper["HostConfig"]["NetworkMode"], joined), (&json!("bridge"), 0), "{reaper:#}");
}

#[test]
fn on_the_machines_network_the_reaper_is_reached_at_its_published_port() {
    let (reaper, joined) = ends_with_its_container(Scene::new("contained-host"), "host");
    assert_eq!((&reaper["HostConfig"]["NetworkMode"], joined), (&json!("bridge"), 0), "{reaper:#}");
}

/// As compose makes them: from there neither the machine's ports nor another network's addresses are reached.
#[test]
fn on_a_network_of_its_own_the_reaper_joins_that() {
    let engine = Engine::system();
    let scene = Scene::new("contained-own");
    let name = format!("{}-network", scene.session);
    engine.done("POST", "/networks/create", &json!({ "Name": name }));
    let removed = Leftovers::new(&engine, [format!("/networks/{name}")]);
    let (reaper, joined) = ends_with_its_container(scene, &name);
    assert_eq!((&reaper["HostConfig"]["NetworkMode"], joined), (&json!(name), 0), "{reaper:#}");
    drop(removed);
    assert_eq!(engine.inspect(&format!("/networks/{name}")), None, "the reaper was still on it");
}

/// The engine's socket is all that leads out.
#[test]
fn on_no_network_the_reaper_is_reached_through_the_engine() {
    let (reaper, joined) = ends_with_its_container(Scene::new("contained-none"), "none");
    assert!(joined > 0, "{reaper:#}");
}
