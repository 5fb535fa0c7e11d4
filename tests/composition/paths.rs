//! Where the library is, and what the attribute is called.

mod inner {
    use reaper::with_reaper as wr;

    use crate::witness::first_line;

    /// The library as a workspace may hand it on.
    pub(crate) mod testing {
        pub(crate) use ::reaper as guards;
    }

    #[wr]
    fn another_name(reaper: testing::guards::Reaper) {
        let _value = first_line();
        drop(reaper);
    }

    #[test]
    #[wr]
    fn another_name_below() {
        let _value = first_line();
    }

    #[wr(crate = self::testing::guards)]
    fn here(reaper: testing::guards::Reaper) {
        let _value = first_line();
        drop(reaper);
    }

    #[wr(crate = testing::guards)]
    mod module_named_beside {
        use super::testing::guards::Reaper;
        use crate::witness::first_line;

        #[test]
        fn here(reaper: Reaper) {
            let _value = first_line();
            drop(reaper);
        }
    }

    #[wr(crate = self::testing::guards)]
    mod module {
        use super::testing::guards::Reaper;
        use crate::witness::first_line;

        #[test]
        fn here(reaper: Reaper) {
            let _value = first_line();
            drop(reaper);
        }

        mod nested {
            use super::*;

            #[test]
            fn here(reaper: Reaper) {
                let _value = first_line();
                drop(reaper);
            }
        }

        // In a module of rstest's making a path would mean something else.
        #[rstest::rstest]
        #[case(1)]
        fn cases(#[case] number: u8, reaper: Reaper) {
            let _value = first_line();
            assert!(number > 0);
            drop(reaper);
        }
    }

    mod below {
        use reaper::with_reaper;
        use rstest::rstest;

        use crate::witness::first_line;

        #[with_reaper(crate = super::testing::guards)]
        #[rstest]
        #[case(1)]
        fn above_cases(#[case] number: u8) {
            let _value = first_line();
            assert!(number > 0);
        }

        #[with_reaper(crate = super::testing::guards)]
        mod module {
            use crate::witness::first_line;

            #[test]
            fn above() {
                let _value = first_line();
            }
        }
    }
}
