//! Other attributes on the same function.

use reaper::with_reaper;
use rstest::fixture;

#[with_reaper]
#[with_reaper]
fn twice() {}

#[with_reaper]
#[reaper::with_reaper]
#[test]
fn twice_with_path() {}

#[with_reaper]
#[fixture]
fn a_fixture() -> u8 {
    1
}

#[fixture]
#[with_reaper]
fn a_fixture_above() -> u8 {
    1
}

#[with_reaper]
#[tracing_test::unheard_of]
fn may_be_a_test() {}

fn main() {}
