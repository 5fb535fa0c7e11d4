//! One PostgreSQL and one Redis for the whole run: a database of its own for each test, cloned from one that was migrated
//! once, and a prefix for its keys.

use std::sync::atomic::{AtomicU32, Ordering};

use application::Services;
use testcontainers_modules::postgres::Postgres;
use testcontainers_modules::redis::Redis;
use testcontainers_modules::testcontainers::core::error::TestcontainersError;
use testcontainers_modules::testcontainers::runners::AsyncRunner;
use testcontainers_modules::testcontainers::{Image, ImageExt};

pub async fn services() -> anyhow::Result<Services> {
    let reaper = reaper::hold();
    let postgres = reaper.shared_by_id("postgres", || started(Postgres::default())).await?.address(5432)?;
    let redis = reaper.shared_by_id("redis", || started(Redis::default())).await?.address(6379)?;
    let template: String = reaper.shared("template", || migrated(&postgres)).await?;

    static TESTS: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    let server = super::connect(&postgres, "postgres").await?;
    sqlx::raw_sql(&format!("CREATE DATABASE {name} TEMPLATE {template}")).execute(&server).await?;
    server.close().await;
    super::services(super::connect(&postgres, &name).await?, &redis, name).await
}

/// Starts a container for the run, and gives its id.
async fn started<I: Image>(image: I) -> Result<String, TestcontainersError> {
    let (key, run) = super::mark();
    let container = image.with_labels(reaper::labels()).with_label(key, run).start().await?;
    let id = container.id().to_owned();
    // Dropped, it would be removed: it is the run's from here on.
    std::mem::forget(container);
    Ok(id)
}

async fn migrated(address: &str) -> anyhow::Result<String> {
    let name = "migrated";
    let server = super::connect(address, "postgres").await?;
    sqlx::raw_sql("CREATE DATABASE migrated").execute(&server).await?;
    server.close().await;
    let database = super::connect(address, name).await?;
    application::migrate(&database).await?;
    // A template that somebody is connected to cannot be cloned.
    database.close().await;
    Ok(name.to_owned())
}
