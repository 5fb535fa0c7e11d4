//! A compose project for a test. Its labels are compose's own, so the reaper is told the project's name, and told
//! before anything is started: from then on everything of the project goes with the session.

use anyhow::Context as _;
use bollard::Docker;
use reaper::{Filter, Reaper, with_reaper};
use reaper_examples::compose;

#[with_reaper]
async fn a_project_is_started(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    reaper_examples::load(&docker).await?;

    let project = format!("orders-{}", std::process::id());
    reaper.also(Filter::label(compose::PROJECT, &project)?)?;
    let engine = reaper.endpoint().context("the reaper is switched off")?;
    compose::up(engine, &project, &compose::file())?;

    let container = docker.inspect_container(&format!("{project}_database_1"), None).await;
    let container = match container {
        // The plugin writes names with dashes.
        Err(_) => docker.inspect_container(&format!("{project}-database-1"), None).await?,
        Ok(container) => container,
    };
    assert_eq!(container.state.and_then(|state| state.running), Some(true));
    Ok(())
}
