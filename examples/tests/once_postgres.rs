//! The tests of `shared_postgres` with a `OnceCell`, which is once per process: what `cargo xtask bench --shared`
//! compares them to, under plain `cargo test`. Under nextest these would be a hundred servers.

use bollard::Docker;
use reaper::{Reaper, with_reaper};
use reaper_examples::{orders, postgres};
use rstest::rstest;
use tokio::sync::OnceCell;

static SERVER: OnceCell<String> = OnceCell::const_new();

async fn start(reaper: &Reaper) -> anyhow::Result<String> {
    let docker = Docker::connect_with_local_defaults()?;
    let server = postgres::start_server(&docker, reaper.labels()).await?;
    let address = postgres::address(&docker, &server).await?;
    postgres::migrate_template(&address).await?;
    Ok(address)
}

#[with_reaper]
#[rstest]
#[tokio::test]
#[ignore = "one server under `cargo test`, a hundred under nextest; run by `cargo xtask bench --shared`"]
async fn order(
    reaper: Reaper,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] tens: u32,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] ones: u32,
) -> anyhow::Result<()> {
    let address = SERVER.get_or_try_init(|| start(&reaper)).await?;
    let database = postgres::clone_template(address, &format!("order_{tens}{ones}")).await?;
    orders::first_order(&database, &format!("kettle {tens}{ones}")).await
}
