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

#[with_reaper]
mod with_attributes_inside {
    //! A comment, and a lint.
    #![allow(clippy::needless_pass_by_value)]

    use reaper::Reaper;

    use crate::witness::first_line;

    #[test]
    fn sync(reaper: Reaper) {
        let _value = first_line();
        assert!(reaper.labels().iter().count() > 0);
    }

    mod nested {
        #![allow(unused_variables)]

        use crate::witness::first_line;

        #[tokio::test]
        async fn asynchronous() {
            #![allow(unused_mut)]
            let _value = first_line();
            let mut unused = 1;
        }
    }
}

#[with_reaper]
mod with_exceptions {
    use reaper::Reaper;
    use test_case::test_case;

    use crate::witness::{first_line, is_alone};

    #[with_reaper(skip)]
    #[test]
    fn skipped() {
        if is_alone() {
            assert!(std::panic::catch_unwind(reaper::current).is_err(), "it has a guard");
        }
        let _reaper = Reaper::acquire().expect("an engine");
        let _value = first_line();
    }

    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[test]
            #[reaper::with_reaper]
            fn $name() {
                let _value = first_line();
            }
        )*};
    }

    #[with_reaper(skip)]
    tests!(generated);

    #[test_case(1; "one")]
    #[test_case(2; "two")]
    fn cases(number: u8, reaper: Reaper) {
        let _value = first_line();
        assert!(number > 0);
        drop(reaper);
    }
}
