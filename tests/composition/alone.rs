//! No other test attribute: `#[with_reaper]` makes the test.

use reaper::{Reaper, with_reaper};

use crate::witness::first_line;

#[with_reaper]
fn sync() {
    let _value = first_line();
}

#[with_reaper]
fn sync_with_parameter(reaper: Reaper) {
    let _value = first_line();
    assert!(reaper.labels().iter().count() > 0);
}

#[with_reaper]
fn borrowed_under_another_name(handle: &Reaper) {
    let _value = first_line();
    assert!(handle.labels().iter().count() > 0);
}

#[with_reaper]
fn by_path_and_mutable(mut guard: reaper::Reaper) {
    let _value = first_line();
    guard = guard.clone();
    drop(guard);
}

#[with_reaper]
async fn asynchronous() {
    let _value = first_line();
    tokio::task::yield_now().await;
}

#[with_reaper]
async fn asynchronous_with_parameter(reaper: Reaper) -> Result<(), Box<dyn std::error::Error>> {
    let _value = first_line();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let _: u16 = "8080".parse()?;
    drop(reaper);
    Ok(())
}

#[with_reaper]
fn current_without_a_parameter() {
    let _value = first_line();
    let reaper = reaper::current();
    assert!(reaper.labels().iter().count() > 0);
}

#[with_reaper]
fn names_like_ours() {
    const FIRST: u8 = 1;
    fn enter() -> u8 {
        FIRST
    }
    let _value = first_line();
    let guard = enter();
    assert_eq!(guard, 1);
}

#[with_reaper(crate = ::reaper)]
fn library_by_path(reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

#[with_reaper]
#[ignore = "to see that it is"]
fn ignored() {
    let _value = first_line();
}

#[with_reaper]
fn termination() -> impl std::process::Termination {
    let _value = first_line();
    std::process::ExitCode::SUCCESS
}
