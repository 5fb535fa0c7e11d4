//! Who comes when the session is about to end, on a real engine: let in without another reaper.

use reaper_tests::engine::Engine;
use reaper_tests::holder::Holder;
use reaper_tests::suite::{Run, text};
use reaper_tests::world;

#[test]
fn processes_one_after_another_are_let_in_while_the_last_look_is_due() {
    let engine = Engine::system();
    // The last look is due half a minute after the holder has gone, and a second after that it is being waited for.
    let mut holder = Holder::start("newcomers", &[("RYUK_CHANGES_RETRY_INTERVAL", "8s")]);
    world::volume(&engine, &format!("{}-first", holder.session), &holder.labels());
    holder.kill();
    let _ = holder.log.until_says(&["looking once more"]);
    let run = Run::new();
    for _ in 0..3 {
        let mut attaches = run.binary("attribute");
        attaches.args(["--exact", "attaches", "--include-ignored"]);
        let output = attaches.env("TESTCONTAINERS_SESSION_ID", &holder.session).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let _ = holder.log.until_says(&["somebody came, serving again"]);
    assert!(run.records().iter().all(|record| record.reaper == holder.reaper), "{:?}", run.records());
    world::volume(&engine, &format!("{}-second", holder.session), &holder.labels());
    holder.until_left(&[]);
    holder.log.until_removed([0, 0, 2, 0]);
}
