//! One PostgreSQL for the whole run, started and migrated once, and a database of its own for each of a hundred
//! tests. Under nextest these are a hundred processes.

use std::collections::HashMap;

use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;
use reaper::{Reaper, with_reaper};
use reaper_examples::{orders, postgres};
use rstest::rstest;
use tokio_postgres::Client;

/// On the server, beside the labels of the session.
const ROLE: (&str, &str) = ("example.role", "orders-database");

/// A fresh database with all tables, on the server of this run.
async fn database(reaper: &Reaper, name: &str) -> anyhow::Result<Client> {
    let address: String = reaper.shared("postgres", || start(reaper)).await?;
    postgres::clone_template(&address, name).await
}

async fn start(reaper: &Reaper) -> anyhow::Result<String> {
    let docker = Docker::connect_with_local_defaults()?;
    let mut labels: HashMap<_, _> = reaper.labels().into();
    labels.insert(ROLE.0.into(), ROLE.1.into());
    let server = postgres::start_server(&docker, labels).await?;
    let address = postgres::address(&docker, &server).await?;
    postgres::migrate_template(&address).await?;
    Ok(address)
}

#[with_reaper]
#[rstest]
#[tokio::test]
async fn order(
    reaper: Reaper,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] tens: u32,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] ones: u32,
) -> anyhow::Result<()> {
    let database = database(&reaper, &format!("order_{tens}{ones}_{}", std::process::id())).await?;
    orders::first_order(&database, &format!("kettle {tens}{ones}")).await?;
    assert_eq!(servers(&reaper).await?, 1, "servers in this run");
    Ok(())
}

/// How many servers the engine has had for this run, ended or not.
async fn servers(reaper: &Reaper) -> anyhow::Result<usize> {
    let ours = format!("{}={}", reaper::label_keys::SESSION, reaper.session());
    let filters = HashMap::from([("label", vec![ours, format!("{}={}", ROLE.0, ROLE.1)])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    Ok(Docker::connect_with_local_defaults()?.list_containers(Some(options)).await?.len())
}
