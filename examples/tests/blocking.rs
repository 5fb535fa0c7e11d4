//! A test without any runtime.

use reaper::{Reaper, with_reaper};

#[with_reaper]
#[test]
fn a_database_is_started(reaper: Reaper) {
    reaper_examples::start_blocking(reaper.labels()).expect("the workload starts");
}

#[test]
#[with_reaper]
fn a_helper_finds_the_guard_by_itself() {
    let reaper = reaper::current();
    reaper_examples::start_blocking(reaper.labels()).expect("the workload starts");
}
