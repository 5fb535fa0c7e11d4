//! Cases of which one may end in any panic, also the one of a guard without an engine.

use reaper::with_reaper;

#[with_reaper]
#[test_case::test_case(1)]
#[test_case::test_case(2 => panics; "two")]
#[test_case::test_case(3 => panics "on purpose"; "three")]
fn of_test_case(number: u8) {}

#[with_reaper]
#[ntest::test_case(1)]
#[should_panic]
#[ntest::test_case(2)]
#[should_panic(expected = "on purpose")]
fn of_ntest(number: u8) {}

fn main() {}
