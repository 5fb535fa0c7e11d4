//! Where another macro may add the test attribute unseen.

use reaper::with_reaper;

macro_rules! bare {
    ($name:ident) => {
        #[with_reaper]
        fn $name() {}
    };
}

bare!(in_the_definition);

macro_rules! repeats_attributes {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[with_reaper]
        fn $name() {}
    };
}

repeats_attributes!(#[cfg(all())] after_a_repetition);

macro_rules! adds_attribute {
    ($($item:item)*) => { $( #[allow(dead_code)] $item )* };
}

adds_attribute! {
    #[with_reaper]
    fn in_the_call() {}
}

fn main() {
    in_the_definition();
}
