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

#[with_reaper(scope = "process")]
fn unknown_scope() {}

#[with_reaper(scope)]
fn no_scope() {}

#[with_reaper(scope = test)]
fn scope_without_quotes() {}

fn main() {
    of_the_session();
    flag();
    twice();
    text_for_a_path();
    no_value();
    unknown_scope();
    no_scope();
    scope_without_quotes();
}
