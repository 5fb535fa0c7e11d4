//! PostgreSQL in a container, and databases that are cloned from a template.
//!
//! Migrations run once, into the template; a clone of it is a copy of files and takes a few hundredths of a second.
//! Cleaning tables between tests was rejected: it orders the tests, and is forgotten for the newest table.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use tokio_postgres::{Client, Config, NoTls};

use crate::container::{published, start, until_ready};

const PORT: &str = "5432/tcp";
/// The name of the database that holds the migrated tables and no rows.
const TEMPLATE: &str = "orders_template";

/// Starts a server that carries these labels; gives its container's id. Its image is
/// `reaper-examples/postgres`, or what `REAPER_EXAMPLES_POSTGRES` names.
pub async fn start_server(docker: &Docker, labels: impl Into<HashMap<String, String>>) -> Result<String> {
    let image = std::env::var("REAPER_EXAMPLES_POSTGRES").unwrap_or("reaper-examples/postgres".into());
    let body = ContainerCreateBody {
        image: Some(image),
        // Only this machine reaches it, and a debug build takes as long to prove a password as to clone a database.
        env: Some(vec!["POSTGRES_HOST_AUTH_METHOD=trust".into()]),
        labels: Some(labels.into()),
        // Not waiting for the disk loses nothing unless the machine goes down; the log is read when a test fails.
        cmd: Some(["postgres", "-c", "fsync=off", "-c", "log_statement=ddl"].map(Into::into).into()),
        ..Default::default()
    };
    start(docker, PORT, body).await
}

/// Waits until a server answers; gives its address, to be used with [`connect`].
pub async fn address(docker: &Docker, id: &str) -> Result<String> {
    let port = published(docker, id, PORT).await?;
    let address = format!("host=127.0.0.1 port={port} user=postgres");
    until_ready("postgres", async || {
        connect(&address, "postgres").await.map_err(|error| format!("{error:#}"))
    })
    .await?;
    Ok(address)
}

/// Connects to one of a server's databases. The connection closes when the client is dropped.
pub async fn connect(address: &str, database: &str) -> Result<Client> {
    let mut config: Config = address.parse()?;
    let connected = config.dbname(database).connect(NoTls).await;
    let (client, connection) = connected.with_context(|| format!("failed to connect to {database}"))?;
    // What goes wrong on the connection is reported to the client's calls.
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// Makes the template and migrates it.
pub async fn migrate_template(address: &str) -> Result<()> {
    let server = connect(address, "postgres").await?;
    server.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await?;
    let template = connect(address, TEMPLATE).await?;
    migrate(&template).await?;
    drop(template);
    // Nobody may be connected to a database that is cloned.
    let closed = format!("ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false");
    server.batch_execute(&closed).await.context("failed to close the template")
}

/// A fresh database, cloned from the template; `name` is the test's alone.
pub async fn clone_template(address: &str, name: &str) -> Result<Client> {
    let server = connect(address, "postgres").await?;
    server.batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE {TEMPLATE}")).await?;
    connect(address, name).await
}

/// What a real project does with its migrations.
pub async fn migrate(database: &Client) -> Result<()> {
    database.batch_execute(include_str!("../migrations/orders.sql")).await.context("failed to migrate")
}
