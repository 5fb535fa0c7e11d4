//! One attribute for all tests of a module.

use reaper::with_reaper;

#[with_reaper]
mod guarded {
    use reaper::{Reaper, with_reaper};
    use rstest::{fixture, rstest};

    use crate::witness::{Value, first_line};

    // A function pointer is no function, a helper no test.
    const HELPER: fn() -> Value = helper;

    fn helper() -> Value {
        first_line()
    }

    #[fixture]
    fn built() -> Value {
        Value::of_fixture()
    }

    #[test]
    fn sync() {
        let _value = HELPER();
    }

    #[tokio::test]
    async fn asynchronous(reaper: Reaper) {
        let _value = helper();
        tokio::task::yield_now().await;
        drop(reaper);
    }

    #[rstest]
    #[case(1)]
    #[case(2)]
    fn fixture_and_cases(built: Value, #[case] number: u8) {
        let _value = helper();
        assert!(number > 0);
        drop(built);
    }

    #[with_reaper]
    fn attribute_of_its_own() {
        let _value = helper();
    }

    mod nested {
        #[test]
        fn sync() {
            let _value = super::helper();
        }
    }
}
