//! A hundred tests that each start a container and clean nothing up, every tenth of which is killed: what
//! `cargo xtask bench --scopes` looks at, with the container gone at the end of the run, of the test, or by its own handle.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use reaper::{Reaper, Scope};
use rstest::rstest;
use testcontainers::core::ContainerRequest;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

/// For what a test does with its container.
const WORK: Duration = Duration::from_millis(300);

#[rstest]
#[tokio::test]
#[ignore = "every tenth kills itself; run by `cargo xtask bench --scopes`"]
async fn one(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] tens: u32,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] ones: u32,
) -> Result<()> {
    let way = std::env::var("SCOPES_WAY").context("SCOPES_WAY is not set")?;
    let number = tens * 10 + ones;
    note("begins", number)?;
    let guard = match way.as_str() {
        "session" => Some(Reaper::builder().with_scope(Scope::Session).acquire_async().await?),
        "test" => Some(Reaper::builder().with_scope(Scope::Test).acquire_async().await?),
        _ => None,
    };
    let container = start(guard.as_ref(), number).await?;
    tokio::time::sleep(WORK).await;
    note("ends", number)?;
    if ones == 9 {
        Command::new("kill").args(["-s", "KILL", &std::process::id().to_string()]).status()?;
        std::future::pending::<()>().await;
    }
    if guard.is_some() {
        // No clean-up: that is what is looked at.
        std::mem::forget(container);
    }
    Ok(())
}

async fn start(guard: Option<&Reaper>, number: u32) -> Result<ContainerAsync<GenericImage>> {
    let (name, tag) = reaper_examples::IMAGE.split_once(':').context("an image with a tag")?;
    let request: ContainerRequest<GenericImage> = GenericImage::new(name, tag).into();
    let request = request.with_label("scopes-bench", std::env::var("SCOPES_BENCH")?);
    let request = request.with_label("scopes-bench.test", number.to_string());
    let request = match guard {
        Some(reaper) => request.with_labels(reaper.labels()),
        None => request,
    };
    Ok(request.start().await?)
}

/// A line for whoever looks on: the moment in milliseconds, what happens, and to which test.
fn note(what: &str, number: u32) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let log = std::env::var("SCOPES_LOG")?;
    // In one write, since many processes append.
    let mut log = std::fs::File::options().append(true).create(true).open(log)?;
    Ok(log.write_all(format!("{now} {what} {number}\n").as_bytes())?)
}
