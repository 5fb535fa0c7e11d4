//! The tests of `shared_postgres` with a server each: what `cargo xtask bench --shared` compares them to.

use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use reaper::{Reaper, with_reaper};
use reaper_examples::{orders, postgres};
use rstest::rstest;

#[with_reaper]
#[rstest]
#[tokio::test]
#[ignore = "a hundred servers; run by `cargo xtask bench --shared`"]
async fn order(
    reaper: Reaper,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] tens: u32,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] ones: u32,
) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let server = postgres::start_server(&docker, reaper.labels()).await?;
    let database = postgres::connect(&postgres::address(&docker, &server).await?, "postgres").await?;
    postgres::migrate(&database).await?;
    orders::first_order(&database, &format!("kettle {tens}{ones}")).await?;
    // The reaper would, at the end of the run; a hundred idle servers would slow the comparison down.
    let at_once = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    docker.remove_container(&server, Some(at_once)).await?;
    Ok(())
}
