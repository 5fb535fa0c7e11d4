//! The ways a test ends. Those that fail are ignored unless the driver asks for them.

use std::error::Error;

use reaper::{Reaper, with_reaper};

use crate::witness::first_line;

#[with_reaper]
fn early_return(reaper: Reaper) {
    let _value = first_line();
    if reaper.labels().iter().count() > 0 {
        return;
    }
    unreachable!("there are labels");
}

#[with_reaper]
#[ignore = "fails on purpose"]
fn question_mark_fails() -> Result<(), std::num::ParseIntError> {
    let _value = first_line();
    let _: u16 = "none".parse()?;
    Ok(())
}

#[with_reaper]
#[ignore = "fails on purpose"]
async fn asynchronous_question_mark_fails() -> Result<(), Box<dyn Error>> {
    let _value = first_line();
    tokio::task::yield_now().await;
    let _: u16 = "none".parse()?;
    Ok(())
}

#[with_reaper]
#[ignore = "fails on purpose"]
fn panic_fails() {
    let _value = first_line();
    panic!("on purpose");
}

#[with_reaper]
#[tokio::test]
#[ignore = "fails on purpose"]
async fn panic_in_tokio_fails(_reaper: Reaper) {
    let _value = first_line();
    tokio::task::yield_now().await;
    panic!("on purpose");
}

#[with_reaper]
#[expect(clippy::should_panic_without_expect, reason = "the form without one is one of the compositions")]
#[should_panic]
fn expected_panic() {
    let _value = first_line();
    panic!("on purpose");
}

#[test]
#[should_panic(expected = "on purpose")]
#[with_reaper]
fn expected_panic_with_text() {
    let _value = first_line();
    panic!("on purpose");
}

#[tokio::test]
#[should_panic(expected = "on purpose")]
#[with_reaper]
async fn expected_panic_in_tokio() {
    let _value = first_line();
    panic!("on purpose");
}

#[with_reaper]
#[tokio::test]
async fn future_dropped_on_timeout(reaper: &Reaper) {
    let never = async {
        let _value = first_line();
        let _held = reaper.clone();
        std::future::pending::<()>().await;
    };
    tokio::time::timeout(std::time::Duration::from_millis(1), never).await.expect_err("never ready");
}
