//! Arguments that the attribute does not know, and how it takes those it knows.

use reaper::with_reaper;

#[with_reaper(image = "ryuk:1", timeout = 3)]
fn of_the_session() {}

#[with_reaper(tokio)]
fn flag() {}

#[with_reaper(crate = reaper, crate = reaper)]
fn twice() {}

#[with_reaper(crate = "reaper")]
fn text_for_a_path() {}

#[with_reaper(crate)]
fn no_value() {}

fn main() {
    of_the_session();
    flag();
    twice();
    text_for_a_path();
    no_value();
}
