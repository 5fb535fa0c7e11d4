//! rstest, with a fixture that is made once for the whole run: one Redis for all cases, in whichever processes they run.

use reaper::{Reaper, SharedContainer, shared, with_reaper};
use redis::aio::MultiplexedConnection;
use rstest::{fixture, rstest};
use testcontainers_modules::redis::{REDIS_PORT, Redis};
use testcontainers_modules::testcontainers::ImageExt;
use testcontainers_modules::testcontainers::core::error::TestcontainersError;
use testcontainers_modules::testcontainers::runners::AsyncRunner;

async fn server(reaper: &Reaper) -> reaper::Result<SharedContainer> {
    let start = async || {
        let redis = Redis::default().with_labels(reaper::labels()).start().await?;
        let id = redis.id().to_owned();
        // Dropped, it would be removed: it is the run's from here on.
        std::mem::forget(redis);
        Ok::<_, TestcontainersError>(id)
    };
    reaper.shared_by_id("redis", start).await
}

/// `#[once]` would mean once per process. This is once per run.
#[fixture]
#[shared]
async fn seeded() -> anyhow::Result<String> {
    let address = server(&reaper::current()).await?.address(REDIS_PORT)?;
    let mut connection = connect(&address).await?;
    redis::cmd("SET").arg("seed").arg(std::process::id()).query_async::<()>(&mut connection).await?;
    Ok(address)
}

async fn connect(address: &str) -> redis::RedisResult<MultiplexedConnection> {
    redis::Client::open(format!("redis://{address}"))?.get_multiplexed_async_connection().await
}

#[with_reaper]
#[rstest]
#[case("orders")]
#[case("customers")]
#[tokio::test]
async fn all_cases_have_one_server(
    #[future] seeded: anyhow::Result<String>,
    #[case] key: &str,
) -> anyhow::Result<()> {
    let mut connection = connect(&seeded.await?).await?;
    let count: u64 = redis::cmd("INCR").arg(key).query_async(&mut connection).await?;
    assert_eq!(count, 1, "a key for each case");
    let seed: Option<u32> = redis::cmd("GET").arg("seed").query_async(&mut connection).await?;
    assert!(seed.is_some(), "made once, before any case");
    Ok(())
}
