//! Podman, which takes more for a match than Docker does, and more by force.

use std::time::Duration;

use reaper_tests::bystander::Bystander;
use reaper_tests::podman::Podman;
use reaper_tests::process::Process;
use reaper_tests::suite::Run;

/// Wider than every timeout that these tests set, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn a_killed_test_leaves_nothing_on_podman() {
    let podman = Podman::start();
    let bystander = Bystander::on(podman.engine());
    let run = Run::new();
    let session = format!("podman-{}", std::process::id());
    let test = Process::start(&mut podman.test(&run, "waits", &session));
    let _ = run.until_recorded("waits");
    println!("{:?}", podman.engine().resources(&session));
    test.kill();
    podman.engine().until_gone(&session, GONE_WITHIN);
    bystander.assert_untouched();
}
