//! Two tests that do nothing, one of them guarded: what the attribute costs a test process.
//! `cargo xtask bench` measures them.

use reaper::with_reaper;

#[test]
fn plain() {}

#[with_reaper]
#[test]
fn guarded() {}

#[reaper::with_reaper(scope = "test")]
fn scoped() {}
