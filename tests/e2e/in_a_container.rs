//! Tests that run in a container and use the engine that runs it, on each kind of network.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use reaper_tests::engine::Engine;
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::world::{self, Leftovers};
use serde_json::json;

use crate::transport::clients;

/// What a program of this machine needs of it.
const LIBRARIES: [&str; 3] = ["/lib", "/lib64", "/usr/lib"];

/// Runs the test that waits in a container on this network, and removes that by force. Gives which networks the reaper was on,
/// and how many processes were connections to it.
#[track_caller]
fn ends_with_its_container(scene: Scene, network: &str) -> (Vec<String>, usize) {
    let engine = Engine::system();
    engine.load(reaper_examples::ARCHIVE);
    let test = scene.test("waits");
    let folder = scene.run.file("log").parent().unwrap().to_owned();
    // Of a user's engine no container has who owns it here.
    std::fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    let program = Path::new(test.get_program()).canonicalize().unwrap();
    let socket = engine.socket();
    let mut binds = [socket, &folder].map(|path| format!("{0}:{0}", path.display())).to_vec();
    let read_only = LIBRARIES.iter().map(Path::new).chain(program.parent());
    binds.extend(read_only.filter(|path| path.exists()).map(|path| format!("{0}:{0}:ro", path.display())));
    let (owner, group) = (folder.metadata().unwrap(), socket.metadata().unwrap().gid());
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
    let networks = reaper["NetworkSettings"]["Networks"].as_object().unwrap();
    (networks.keys().cloned().collect(), joined)
}

/// As Docker names it, and as Podman does.
fn is_usual(networks: &[String]) -> bool {
    ["bridge", "podman"].iter().any(|usual| networks == [*usual])
}

#[test]
fn on_the_usual_network_the_reaper_is_reached_at_its_own_address() {
    let (networks, joined) = ends_with_its_container(Scene::new("contained-bridge"), "bridge");
    assert!(is_usual(&networks) && joined == 0, "{networks:?} {joined}");
}

#[test]
fn on_the_machines_network_the_reaper_is_reached_at_its_published_port() {
    let (networks, joined) = ends_with_its_container(Scene::new("contained-host"), "host");
    assert!(is_usual(&networks) && joined == 0, "{networks:?} {joined}");
}

/// As compose makes them: from there neither the machine's ports nor another network's addresses are reached.
#[test]
fn on_a_network_of_its_own_the_reaper_joins_that() {
    let engine = Engine::system();
    let scene = Scene::new("contained-own");
    let name = format!("{}-network", scene.session);
    engine.done("POST", "/networks/create", &json!({ "Name": name }));
    let removed = Leftovers::new(&engine, [format!("/networks/{name}")]);
    let (networks, joined) = ends_with_its_container(scene, &name);
    assert_eq!((networks, joined), (vec![name.clone()], 0));
    drop(removed);
    assert_eq!(engine.inspect(&format!("/networks/{name}")), None, "the reaper was still on it");
}

/// The engine's socket is all that leads out.
#[test]
fn on_no_network_the_reaper_is_reached_through_the_engine() {
    let (networks, joined) = ends_with_its_container(Scene::new("contained-none"), "none");
    assert!(joined > 0, "{networks:?}");
}
