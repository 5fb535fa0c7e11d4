//! `#[shared]` on what cannot be shared, and with what it does not know.

use reaper::{Reaper, shared, with_reaper};

#[shared(name = "database", once)]
fn unknown_arguments() -> u8 {
    1
}

#[shared(key = "a", key = "b")]
fn key_twice() -> u8 {
    1
}

#[shared(key)]
fn no_key() -> u8 {
    1
}

#[shared(key = "")]
fn empty_key() -> u8 {
    1
}

#[shared(key = 7)]
fn number_for_a_key() -> u8 {
    1
}

#[shared]
struct Structure;

#[shared]
const fn constant() -> u8 {
    1
}

#[shared]
pub unsafe extern "C" fn foreign() -> u8 {
    1
}

#[shared]
fn generic<T: Default>() -> T {
    T::default()
}

#[shared]
fn unnamed_type() -> impl Sized {
    1
}

#[shared]
fn borrowed_value(reaper: &Reaper) -> &str {
    reaper.session().as_str()
}

#[shared]
fn two_guards(first: Reaper, second: &Reaper) -> u8 {
    1
}

#[shared]
fn near_miss(reaper: &mut Reaper) -> u8 {
    1
}

#[shared]
fn other_parameters(reaper: Reaper, port: u16, (name, age): (String, u8)) -> u16 {
    port
}

#[shared(key = format!("{port}-{name:?}"))]
fn one_of_them_is_not_in_the_key(port: u16, name: &str, host: &str) -> u16 {
    port
}

#[shared]
#[shared]
fn twice() -> u8 {
    1
}

#[shared]
#[test]
fn a_test() {}

#[shared]
#[with_reaper]
fn a_guarded_test() {}

#[with_reaper]
#[shared]
fn a_guarded_test_below() {}

struct Methods;

impl Methods {
    #[shared]
    fn method(&self) -> u8 {
        1
    }
}

// One error each: what refers to an item still finds it.
fn main() {
    let _ = (Structure, key_twice(), constant(), Methods.method());
    a_guarded_test();
}
