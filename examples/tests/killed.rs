//! A test that is killed while its database runs: `cargo xtask demo` does it, with SIGKILL.

use std::collections::HashMap;
use std::time::Duration;

use reaper::{Reaper, with_reaper};

#[with_reaper]
#[test]
#[ignore = "waits to be killed; run by `cargo xtask demo`"]
fn does_not_survive(reaper: Reaper) {
    let mut labels: HashMap<_, _> = reaper.labels().into();
    labels.insert("example.killed.pid".into(), std::process::id().to_string());
    reaper_examples::start_blocking(labels).expect("the workload starts");

    std::thread::sleep(Duration::from_secs(60));
}
