//! An attribute that takes the guard parameter away before it is seen.

use reaper::with_reaper;
use serial_test::serial;

#[serial]
#[with_reaper]
fn below(reaper: reaper::Reaper) {
    drop(reaper.labels());
}

#[serial]
#[with_reaper]
fn without_a_parameter() {}

fn main() {}
