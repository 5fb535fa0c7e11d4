//! Parameters that the attribute cannot fill.

use std::sync::Arc;

use reaper::{Reaper, with_reaper};

#[with_reaper]
fn two_guards(first: Reaper, second: &Reaper) {}

#[with_reaper]
fn exclusive(reaper: &mut Reaper) {}

#[with_reaper]
fn wrapped(reaper: Arc<Reaper>, other: Option<Reaper>) {}

#[with_reaper]
fn with_lifetime<'a>(reaper: &'a Reaper) {}

#[with_reaper]
fn neither_guard_nor_fixture(reaper: Reaper, port: u16, names: Vec<(String, u8)>) {}


fn main() {}
