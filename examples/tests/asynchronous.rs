//! An async test. The attribute alone makes it one; the container needs nothing but the labels.

use bollard::Docker;
use reaper::{Reaper, with_reaper};

#[with_reaper]
async fn a_database_is_started(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let id = reaper_examples::start(&docker, reaper.labels()).await?;

    let container = docker.inspect_container(&id, None).await?;
    assert_eq!(container.state.and_then(|state| state.running), Some(true));
    Ok(())
}

#[with_reaper]
#[tokio::test(flavor = "multi_thread")]
async fn on_a_runtime_of_your_own(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    reaper_examples::start(&docker, reaper.labels()).await?;
    Ok(())
}
