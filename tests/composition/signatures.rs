//! What a test's signature and its body may look like.

use std::process::{ExitCode, Termination};

use reaper::{Reaper, with_reaper};
use rstest::rstest;

use crate::witness::first_line;

#[with_reaper]
fn result_of_an_unnamed_type() -> Result<impl Termination, std::num::ParseIntError> {
    let _value = first_line();
    let _: u16 = "8080".parse()?;
    Ok(ExitCode::SUCCESS)
}

#[with_reaper]
async fn asynchronous_result_of_an_unnamed_type()
-> Result<impl Termination + use<>, Box<dyn std::error::Error>> {
    let _value = first_line();
    tokio::task::yield_now().await;
    let _: u16 = "8080".parse()?;
    Ok(())
}

#[with_reaper]
#[ignore = "fails on purpose"]
fn result_of_an_unnamed_type_fails() -> Result<impl Termination, std::num::ParseIntError> {
    let _value = first_line();
    let _: u16 = "none".parse()?;
    Ok(())
}

#[with_reaper]
#[rstest]
fn generic_over_calls<F: Fn(u8) -> u8>(#[values(u8::swap_bytes)] call: F, reaper: Reaper) {
    let _value = first_line();
    assert_eq!(call(1), 1);
    drop(reaper);
}

#[with_reaper]
fn inner_attributes() {
    #![allow(unused_variables)]
    //! And a comment.
    let _value = first_line();
    let unused = 1;
}

#[tokio::test]
#[with_reaper]
async fn inner_attributes_below_tokio() {
    #![allow(unused_variables)]
    let _value = first_line();
    let unused = 1;
}

#[with_reaper]
#[rstest]
#[case(1)]
fn inner_attributes_above_rstest(#[case] number: u8) {
    //! Without ours rstest refuses them.
    #![allow(unused_mut)]
    let _value = first_line();
    assert!(number > 0);
}
