//! The attribute on something that is not a test, or not one that a harness can call.

use reaper::with_reaper;

#[with_reaper]
struct Structure {
    field: u8,
}

#[with_reaper]
const VALUE: u8 = 1;

#[with_reaper]
use std::fmt;

#[with_reaper]
const fn constant() {}

#[with_reaper]
unsafe fn dangerous() {}

#[with_reaper]
extern "C" fn foreign() {}

#[with_reaper]
pub const unsafe extern "C" fn all_at_once(first: u8) {}

struct Methods;

impl Methods {
    #[with_reaper]
    fn method(&self) {}
}

// One error each: what refers to an item still finds it.
fn main() {
    let _ = Structure { field: VALUE };
    constant();
    unsafe { dangerous() };
    foreign();
    Methods.method();
    let _: Option<fmt::Error> = None;
}
