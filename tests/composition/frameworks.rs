//! Test attributes of other crates.

use macro_rules_attribute::apply;
use reaper::{Reaper, with_reaper};
use serial_test::serial;
use test_case::test_case;

use crate::witness::{Value, first_line};

#[with_reaper]
#[test_case(1; "one")]
#[test_case(2; "two")]
fn cases_of_test_case(number: u8, reaper: Reaper) {
    let _value = first_line();
    assert!(number > 0);
    drop(reaper);
}

#[with_reaper]
#[test_case(1 => 2; "one")]
#[test_case(2 => panics "on purpose"; "two")]
fn cases_of_test_case_that_end(number: u8) -> u8 {
    let _value = first_line();
    assert!(number < 2, "on purpose");
    number + 1
}

#[with_reaper]
#[test_case(1; "one")]
#[test_case(2; "two")]
#[tokio::test]
async fn asynchronous_cases_of_test_case(number: u8) {
    let _value = first_line();
    tokio::task::yield_now().await;
    assert!(number > 0);
}

mod of_ntest {
    use ntest::test_case;
    use reaper::with_reaper;

    use crate::witness::first_line;

    #[with_reaper]
    #[test_case(1, name = "ntest_one")]
    #[test_case(2, name = "ntest_two")]
    #[should_panic(expected = "on purpose")]
    #[test_case(3, name = "ntest_three")]
    fn ntest(number: u8) {
        let _value = first_line();
        assert!(number != 2, "on purpose");
    }
}

#[with_reaper]
#[serial]
#[test]
fn serial_below(reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

#[serial]
#[with_reaper]
fn serial_above() {
    let _value = first_line();
}

#[test]
#[serial]
#[with_reaper]
fn serial_between() -> Result<(), String> {
    let _value = first_line();
    Ok(())
}

#[serial]
#[with_reaper]
async fn asynchronous_serial_above() {
    let _value = first_line();
    tokio::task::yield_now().await;
}

/// As smol-macros has one.
macro_rules! test {
    ($(#[$attribute:meta])* fn $name:ident() $body:block) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            let _built = Value::of_fixture();
            $body
        }
    };
}

#[with_reaper]
#[apply(test!)]
fn fixture_of_an_applied_macro(reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

/// The same under a name that does not say so.
macro_rules! applied {
    ($($item:tt)*) => { #[test] $($item)* };
}

#[with_reaper(registered)]
#[apply(applied!)]
fn registered(reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

macro_rules! registered {
    ($($name:ident)*) => {$(
        #[test]
        #[with_reaper(registered)]
        fn $name() {
            let _value = first_line();
        }
    )*};
}

registered!(registered_by_the_macro_around);
