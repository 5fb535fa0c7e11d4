//! What the same tests do without a reaper: a PostgreSQL and a Redis for each, which their handles remove.

use application::Services;
use testcontainers_modules::postgres::Postgres;
use testcontainers_modules::redis::Redis;
use testcontainers_modules::testcontainers::runners::AsyncRunner;
use testcontainers_modules::testcontainers::{ContainerAsync, ImageExt};

pub struct Containers {
    _postgres: ContainerAsync<Postgres>,
    _redis: ContainerAsync<Redis>,
}

pub async fn services() -> anyhow::Result<(Services, Containers)> {
    let (key, run) = super::mark();
    let postgres = Postgres::default().with_label(key, &run).start().await?;
    let redis = Redis::default().with_label(key, &run).start().await?;
    let address = format!("127.0.0.1:{}", postgres.get_host_port_ipv4(5432).await?);
    let database = super::connect(&address, "postgres").await?;
    application::migrate(&database).await?;
    let address = format!("127.0.0.1:{}", redis.get_host_port_ipv4(6379).await?);
    let services = super::services(database, &address, "test".into()).await?;
    Ok((services, Containers { _postgres: postgres, _redis: redis }))
}
