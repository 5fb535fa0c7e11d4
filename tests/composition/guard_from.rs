//! rstest's own attributes on the guard's parameter.

use reaper::fixtures::reaper;
use reaper::{Reaper, with_reaper};
use rstest::{fixture, rstest};

use crate::witness::first_line;

#[with_reaper]
#[rstest]
fn above(#[from(reaper)] guard: Reaper) {
    let _value = first_line();
    drop(guard);
}

#[rstest]
#[with_reaper]
fn below(#[from(reaper)] guard: Reaper) {
    let _value = first_line();
    drop(guard);
}

#[with_reaper]
#[rstest]
#[case(1)]
#[trace]
fn notrace(#[case] number: u8, #[notrace] reaper: &Reaper) {
    let _value = first_line();
    assert!(number > 0 && reaper.labels().iter().count() > 0);
}

#[with_reaper]
#[rstest]
#[tokio::test]
async fn future(#[future] reaper: Reaper) {
    let _value = first_line();
    drop(reaper.await);
}

#[with_reaper]
#[rstest]
#[tokio::test]
async fn future_awaited(#[future(awt)] reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

#[with_reaper]
#[rstest]
#[awt]
#[tokio::test]
async fn future_awaited_by_all(
    #[future]
    #[from(reaper)]
    guard: Reaper,
) {
    let _value = first_line();
    drop(guard);
}

/// One that says more than the library's.
#[fixture]
fn announced(#[default("a test")] by: &str, reaper: Reaper) -> Reaper {
    assert!(!by.is_empty());
    reaper
}

#[with_reaper]
#[rstest]
fn ones_own(
    #[from(announced)]
    #[with("this one")]
    guard: Reaper,
) {
    let _value = first_line();
    drop(guard);
}
