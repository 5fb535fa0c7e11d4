//! Modules, with all the mistakes of all their tests.

use reaper::with_reaper;

#[with_reaper]
mod without_tests {
    pub fn helper() {}
}

#[with_reaper]
mod several {
    #[test]
    const fn constant() {}

    mod inner {
        use reaper::Reaper;

        #[test]
        fn two(first: Reaper, second: Reaper) {}

        #[test]
        fn fine(reaper: Reaper) {}
    }
}

fn main() {
    without_tests::helper();
}
