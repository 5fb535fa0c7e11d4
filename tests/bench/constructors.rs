//! The first and the last constructor of a process, and the time between them.

use std::sync::OnceLock;
use std::time::Instant;

static FIRST: OnceLock<Instant> = OnceLock::new();
static LAST: OnceLock<Instant> = OnceLock::new();

#[ctor::ctor(unsafe, priority = early)]
fn first() {
    FIRST.get_or_init(Instant::now);
}

#[ctor::ctor(unsafe, priority = late)]
fn last() {
    LAST.get_or_init(Instant::now);
}

pub(crate) fn report() {
    let (first, last) = (FIRST.get().expect("constructors run"), LAST.get().expect("constructors run"));
    println!("{}", last.duration_since(*first).as_nanos());
}
