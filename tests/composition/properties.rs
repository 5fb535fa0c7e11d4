//! Properties, each of one case here.

use reaper::{Reaper, with_reaper};

use crate::witness::first_line;

#[with_reaper]
#[test_strategy::proptest(cases = 1)]
fn of_test_strategy(#[strategy(0..5_u8)] number: u8) {
    let _value = first_line();
    assert!(number < 5);
}

#[with_reaper]
mod guarded {
    use proptest::proptest;
    use proptest::test_runner::Config;

    use super::*;

    proptest! {
        #![proptest_config(Config::with_cases(1))]

        /// Of the macro's own language.
        #[test]
        fn of_proptest(number in 0..5_u8, (small, _) in (0..2_u8, 0..2_u8), reaper: Reaper) {
            let _value = first_line();
            assert!(number < 5 && small < 2);
            drop(reaper);
        }
    }

    #[test_strategy::proptest(cases = 1)]
    fn of_test_strategy(#[strategy(0..5_u8)] number: u8, reaper: Reaper) {
        let _value = first_line();
        assert!(number < 5);
        drop(reaper);
    }
}
