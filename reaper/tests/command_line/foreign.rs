//! `reaper rm` and what is not of the session: whatever the engine lists, and whatever somebody else uses, stays.

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::{self, Engine};
use reaper_tests::proxy::{Decision, Proxy, Request};
use reaper_tests::suite::{Run, succeeded, text};
use reaper_tests::world::{self, Leftovers};
use serde_json::{Value, json};

use crate::{reaper, stderr, stdout, unique};

/// As Podman 4.3 lists volumes by two labels: everything that carries either. Here everything of this test, whatever kind,
/// and nothing of those who test on this engine besides.
#[test]
fn what_the_engine_lists_and_is_of_another_session_stays() {
    let run = Run::unbuilt();
    let (engine, bystander) = (Engine::system(), Bystander::new());
    let session = unique("lists-all");
    let labels = world::of_session(&session);
    world::volume(&engine, &format!("{session}-vol"), &labels);
    world::network(&engine, &format!("{session}-net"), &labels);
    let _ = world::container(&engine, world::image(&engine), &labels, None);
    let bystanders: Vec<_> =
        bystander.paths().filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect();
    let prefix = session.clone();
    let proxy = Proxy::new(move |request: &Request| {
        let paths = ["/containers/json?", "/networks?", "/volumes?", "/images/json?"];
        let Some(path) = paths.iter().find(|path| request.is("GET", path)) else { return Decision::Pass };
        let all = if path.starts_with("/containers") { format!("{path}all=1") } else { (*path).to_owned() };
        let listed = Engine::system().done("GET", &all, &Value::Null);
        let is_of_this_test = |item: &Value| {
            let text = item.to_string();
            text.contains(&prefix) || bystanders.iter().any(|name| text.contains(name))
        };
        let only = |list: &Value| -> Value {
            list.as_array().into_iter().flatten().filter(|item| is_of_this_test(item)).cloned().collect()
        };
        Decision::Answer(if path.starts_with("/volumes") {
            json!({"Volumes": only(&listed["Volumes"])})
        } else {
            only(&listed)
        })
    });
    let mut command = reaper(&run, &["rm", "--yes", &session]);
    let removed = succeeded(&proxy.serve(&mut command).output().unwrap());
    assert!(removed.contains("removed 1 container, 1 network, 1 volume of session"), "{removed}");
    assert_eq!(engine::resources(&session), Vec::<String>::new());
    bystander.assert_untouched();
}

#[test]
fn what_somebody_else_uses_stays_and_is_said() {
    let run = Run::unbuilt();
    let engine = Engine::system();
    let session = unique("used-by-others");
    let (labels, others) = (world::of_session(&session), world::of_session(&format!("not-{session}")));
    let named = |what: &str| format!("{session}-{what}");
    world::network(&engine, &named("net"), &labels);
    let base = world::container(&engine, world::image(&engine), &labels, None);
    let [used, tagged, unused] =
        ["used", "tagged", "unused"].map(|what| world::commit(&engine, &base, &named(what), &labels));
    engine.done("POST", &format!("/images/{tagged}/tag?repo={}", named("theirs")), &Value::Null);
    let foreign = |image: &str, network: Option<&str>| world::container(&engine, image, &others, network);
    // One that does not run, and one that does.
    let sleeping = foreign(&used, None);
    let running = foreign(world::image(&engine), Some(&named("net")));
    world::start(&engine, &running);
    let paths = [
        format!("/containers/{sleeping}"),
        format!("/containers/{running}"),
        format!("/networks/{}", named("net")),
    ];
    let images = ["used", "tagged", "theirs"].map(|what| format!("/images/{}", named(what)));
    let _left = Leftovers::new(&engine, paths.into_iter().chain(images));

    let output = reaper(&run, &["rm", "--yes", &session]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stdout(&output).contains("removed 1 container, 1 image of session"), "{}", text(&output));
    for said in [
        format!("it is used by container {sleeping}"),
        format!("it is used by container {running}"),
        format!("{}:latest", named("theirs")),
    ] {
        assert!(stderr(&output).contains(&said), "{said:?} is missing: {}", text(&output));
    }
    assert_eq!(engine.inspect(&format!("/images/{unused}/json")), None);
    let tags = engine.inspect(&format!("/images/{tagged}/json")).unwrap()["RepoTags"].clone();
    assert_eq!(tags.as_array().map(Vec::len), Some(2), "{tags}");
    world::start(&engine, &sleeping);
    let running = engine.inspect(&format!("/containers/{running}/json")).unwrap();
    let address = &running["NetworkSettings"]["Networks"][named("net")]["IPAddress"];
    assert!(address.as_str().is_some_and(|address| !address.is_empty()), "{running}");
}
