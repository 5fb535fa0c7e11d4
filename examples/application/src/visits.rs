//! How often a page was seen, and whether all services are there.

use axum::extract::{Path, State};
use redis::AsyncCommands as _;

use crate::Services;
use crate::problem::Problem;

pub async fn count(State(services): State<Services>, Path(page): Path<String>) -> Result<String, Problem> {
    let count: u64 = services.cache.clone().incr(services.key("visits", page), 1).await?;
    Ok(count.to_string())
}

pub async fn show(State(services): State<Services>, Path(page): Path<String>) -> Result<String, Problem> {
    let count: Option<u64> = services.cache.clone().get(services.key("visits", page)).await?;
    count.map(|count| count.to_string()).ok_or(Problem::NotFound)
}

pub async fn health(State(services): State<Services>) -> Result<&'static str, Problem> {
    sqlx::query("SELECT 1").execute(&services.database).await?;
    let () = redis::cmd("PING").query_async(&mut services.cache.clone()).await?;
    Ok("well")
}
