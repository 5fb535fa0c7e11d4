//! A program is no test.

use reaper::with_reaper;

#[with_reaper]
fn main() {}
