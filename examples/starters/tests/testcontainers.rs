//! testcontainers with a module of testcontainers-modules, started in a helper: one line in that guards every test.

use testcontainers_modules::redis::{REDIS_PORT, Redis};
use testcontainers_modules::testcontainers::runners::AsyncRunner;
use testcontainers_modules::testcontainers::{ContainerAsync, ImageExt};

/// As a project has it in `tests/common`.
async fn start_redis() -> anyhow::Result<ContainerAsync<Redis>> {
    Ok(Redis::default().with_labels(reaper::labels()).start().await?)
}

#[tokio::test]
async fn counts() -> anyhow::Result<()> {
    let redis = start_redis().await?;
    let port = redis.get_host_port_ipv4(REDIS_PORT).await?;
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let count: u64 = redis::cmd("INCR").arg("visits").query_async(&mut connection).await?;
    assert_eq!(count, 1);
    Ok(())
}
