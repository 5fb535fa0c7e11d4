//! What may be a test in a guarded module and cannot be told: none goes unguarded in silence.

use reaper::with_reaper;

macro_rules! tests {
    ($($name:ident)*) => { $(#[test] fn $name() {})* };
}

pub(crate) use tests;

#[with_reaper]
mod guarded {
    #[test]
    fn seen() {}

    #[unheard_of::property]
    fn unknown_attribute() {}

    #[cfg_attr(unix, test)]
    fn test_under_a_condition() {}

    #[makes_tests]
    mod inner {
        fn helper() {}
    }

    super::tests!(one two);

    #[generates_tests]
    impl super::Suite {
        fn one() {}
    }

    tests!(three);
}

struct Suite;

#[with_reaper(registered)]
mod registered {
    #[test]
    fn seen() {}
}

#[with_reaper]
mod exceptions {
    #[test]
    fn seen() {}

    #[with_reaper(skip)]
    #[inline]
    pub fn helper() {}

    #[with_reaper(skip)]
    const VALUE: u8 = 1;

    #[with_reaper(skip, registered)]
    #[test]
    fn both() {}
}

// Elsewhere it says what is so.
#[with_reaper(skip)]
fn unguarded() {}

fn main() {
    exceptions::helper();
    unguarded();
}
