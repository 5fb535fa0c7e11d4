//! Every wait has an end: a reaper that is paused, a socket whose queue is full, an engine that is slow to list, a
//! reaper behind a cable that is out.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::log::Log;
use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::scene::{Scene, act};
use reaper_tests::second_engine::SecondEngine;

use super::told;

/// No limit of the library's, but far from what was waited for before: what hangs ends with the test runner's patience.
const LONGER_THAN_ANY_WAIT: Duration = Duration::from_secs(50);

#[test]
fn a_filter_for_a_paused_reaper_is_refused_with_the_way_to_wake_it() {
    let scene = Scene::new("waits-paused");
    let test = Process::start(&mut told(&scene, "registers_later"));
    let before = scene.run.until_recorded("before");
    act("POST", &before.reaper, "/pause");
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    let said = test.succeed();
    act("POST", &before.reaper, "/unpause");
    let expected = format!(
        "told: the reaper container reaper_{0} is paused; wake it with `docker unpause reaper_{0}`",
        scene.session
    );
    assert!(said.contains(&expected), "{said}");
    scene.end();
}

#[test]
fn a_socket_whose_queue_is_full_is_an_engine_that_cannot_be_reached() {
    let scene = Scene::new("waits-full");
    let socket = scene.run.file("full.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // A queue has room for more than a user may have open until somebody asks.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    // Filled by nobody who would wait for ever, too: from the first that does not fit on, they are refused.
    let mut queue = Vec::new();
    let flags = |stream: &UnixStream| stream.set_nonblocking(true);
    loop {
        let socket = socket.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(UnixStream::connect(socket)));
        match receiver.recv_timeout(Duration::from_secs(2)) {
            Ok(stream) => queue.push(stream.inspect(|stream| flags(stream).unwrap()).unwrap()),
            Err(_) => break,
        }
    }
    let mut test = told(&scene, "asks");
    let said = Process::start(test.env("DOCKER_HOST", format!("unix://{}", socket.display()))).succeed();
    assert!(said.contains("told: no container engine could be reached"), "{said}");
    assert!(said.contains("nobody took the connection within 5s"), "{said}");
    drop((listener, queue));
    scene.end();
}

/// The first test of a session looks for what earlier ones left, and must not wait for that for longer than for all.
#[test]
fn an_engine_that_is_slow_to_list_is_not_waited_for() {
    let scene = Scene::new("waits-list");
    let proxy = Proxy::new(|request| {
        let lists = request.is("GET", "/containers/json") || request.is("GET", "/volumes");
        if lists { Decision::Delay(LONGER_THAN_ANY_WAIT) } else { Decision::Pass }
    });
    let said = Process::start(proxy.serve(&mut told(&scene, "asks"))).succeed();
    assert!(said.contains("told: acquired"), "{said}");
    let after = said.lines().find_map(|line| line.split_once("after ")).unwrap().1.to_owned();
    let seconds: f64 = after.trim_end_matches("ms").trim_end_matches('s').parse().unwrap();
    assert!(after.ends_with("ms") || seconds < LONGER_THAN_ANY_WAIT.as_secs_f64() / 2.0, "{said}");
    scene.end();
}

/// What was sent is repeated by the kernel for a quarter of an hour, and nothing tells that nobody is there.
#[test]
fn a_filter_for_a_reaper_that_nothing_reaches_is_registered_on_another_connection() {
    let mut second = SecondEngine::start();
    let scene = Scene::new("waits-cable");
    let mut test = told(&scene, "registers_later");
    let test = Process::start(test.env("DOCKER_HOST", second.docker_host()));
    let before = scene.run.until_recorded("before");
    let log = Log::follow(second.engine(), &before.reaper);
    let registered = log.until_says(&["registered"]);
    let client = registered.split("client=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    second.silence(client.rsplit(':').next().unwrap().parse().unwrap());
    std::fs::write(scene.run.file("go-on"), "").unwrap();
    let said = test.succeed();
    assert!(said.contains("told: registered"), "{said}");
    let _ = log.until_says(&["\"ends=never\""]);
    second.engine().until_gone(&scene.session, Duration::from_secs(120));
    let _ = engine::resources(&scene.session);
}
