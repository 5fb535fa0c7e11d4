//! A Redis for each test: nothing that one test writes is seen by another.

use bollard::Docker;
use reaper::{Reaper, with_reaper};
use reaper_examples::redis::Redis;
use redis::AsyncCommands as _;
use rstest::rstest;

#[with_reaper]
#[rstest]
#[tokio::test]
async fn each_counts_from_one(
    reaper: Reaper,
    #[values("orders", "customers", "visits")] key: &str,
) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let mut redis = Redis::start(&docker, reaper.labels()).await?.connection;

    assert_eq!(redis.incr::<_, _, u64>(key, 1).await?, 1);
    assert_eq!(redis.keys::<_, Vec<String>>("*").await?.len(), 1, "another test has written here");
    Ok(())
}

#[with_reaper]
async fn a_session_expires(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let mut redis = Redis::start(&docker, reaper.labels()).await?.connection;

    redis.set_ex::<_, _, ()>("session", "alice", 3600).await?;
    assert!((1..=3600).contains(&redis.ttl::<_, i64>("session").await?));
    redis.pexpire_at::<_, ()>("session", 1).await?;
    assert_eq!(redis.get::<_, Option<String>>("session").await?, None);
    Ok(())
}

#[with_reaper]
async fn the_cache_is_killed_and_the_test_goes_on(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let mut cache = Redis::start(&docker, reaper.labels()).await?;
    cache.connection.set::<_, _, ()>("greeting", "hello").await?;

    docker.kill_container(&cache.id, None).await?;
    let lost = cache.connection.get::<_, Option<String>>("greeting").await;
    assert!(lost.is_err(), "a killed cache has answered {lost:?}");

    // The reaper still has the first one, and removes both.
    let mut cache = Redis::start(&docker, reaper.labels()).await?.connection;
    assert_eq!(cache.get::<_, Option<String>>("greeting").await?, None);
    cache.set::<_, _, ()>("greeting", "hello again").await?;
    assert_eq!(cache.get::<_, String>("greeting").await?, "hello again");
    Ok(())
}
