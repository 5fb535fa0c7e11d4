//! Runtimes that are started in the body.

use reaper::{Reaper, with_reaper};

use crate::witness::first_line;

#[with_reaper]
fn smol_in_the_body(reaper: Reaper) {
    let _value = first_line();
    smol::block_on(async move {
        smol::future::yield_now().await;
        drop(reaper);
    });
}

#[with_reaper]
fn tokio_in_the_body() {
    let _value = first_line();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { drop(reaper::current()) });
}

/// Acquiring again in an async body waits on a thread of its own.
#[with_reaper]
#[tokio::test]
async fn acquired_again_in_the_body() -> reaper::Result<()> {
    let _value = first_line();
    drop(Reaper::acquire()?);
    drop(Reaper::acquire_async().await?);
    Ok(())
}
