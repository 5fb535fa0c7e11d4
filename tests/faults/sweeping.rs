//! A sweep that takes its time: what it saw at first may not be so any more when it removes.

use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Gate, Proxy, Request};
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::until;

/// A session's maker starts the reaper after another session has seen it unstarted, and is killed before that one
/// judges. On a busy engine, whose lists took seconds, this lost a session its reaper.
#[test]
fn a_reaper_that_was_started_since_the_sweep_saw_it_is_left_to_its_work() {
    let scene = Scene::new("started-late");
    let created = Gate::default();
    let unstarted = created.clone();
    let maker = Proxy::new(move |request| {
        if request.starts() {
            unstarted.hold();
        }
        Decision::Pass
    });
    let mut command = scene.test("waits");
    // Long enough for the sweep to come while the reaper waits.
    let maker_process = Process::start(maker.serve(&mut command).env("RYUK_RECONNECTION_TIMEOUT", "10s"));
    created.until_reached();

    let sweeper = Scene::new("sweeper");
    let (seen, judges) = (Gate::default(), Gate::default());
    seen.open();
    let (listed, unjudged) = (seen.clone(), judges.clone());
    let slow = Proxy::new(move |request| {
        if request.is("GET", "/containers/json") {
            let listed = listed.clone();
            return Decision::Then(Box::new(move || listed.hold()));
        }
        if request.is("GET", "/images/json") {
            unjudged.hold();
        }
        Decision::Pass
    });
    let sweeping = Process::start(slow.serve(&mut sweeper.test("holds")));
    seen.until_reached();
    judges.until_reached();

    created.open();
    let made = scene.run.until_recorded("waits");
    maker_process.kill();
    judges.open();
    let removal = |request: &Request| request.is("DELETE", &format!("/containers/{}", made.reaper));
    until("the sweep has come to the reaper", WITHIN, || {
        let asked = slow.seen();
        if asked.iter().any(removal) { Ok(()) } else { Err(format!("{asked:?}")) }
    });
    let reaper = scene.reaper().expect("it has not done its work yet");
    assert_eq!((&reaper["Id"], &reaper["State"]["Running"]), (&made.reaper.clone().into(), &true.into()));
    scene.end();
    sweeping.kill();
    sweeper.end();
}
