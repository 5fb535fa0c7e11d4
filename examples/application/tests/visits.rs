//! What is counted in Redis.

mod common;

use axum::http::StatusCode;
use common::application;
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case("home")]
#[case("orders")]
#[case("a%20page")]
#[case("%C3%A9")]
#[case("0")]
#[tokio::test]
async fn each_page_counts_from_one(#[case] page: &str) -> anyhow::Result<()> {
    let application = application().await?;
    let path = format!("/visits/{page}");
    assert_eq!(application.post(&path, json!({})).await?.text, "1", "another test has written here");
    assert_eq!(application.post(&path, json!({})).await?.text, "2");
    Ok(())
}

#[rstest]
#[case(1)]
#[case(3)]
#[case(50)]
#[tokio::test]
async fn all_are_counted(#[case] visits: u64) -> anyhow::Result<()> {
    let application = application().await?;
    for _ in 0..visits {
        application.post("/visits/home", json!({})).await?;
    }
    assert_eq!(application.get("/visits/home").await?.text, visits.to_string());
    Ok(())
}

#[tokio::test]
async fn a_page_that_nobody_saw_has_none() -> anyhow::Result<()> {
    assert_eq!(application().await?.get("/visits/home").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn looking_is_not_visiting() -> anyhow::Result<()> {
    let application = application().await?;
    application.post("/visits/home", json!({})).await?;
    for _ in 0..3 {
        assert_eq!(application.get("/visits/home").await?.text, "1");
    }
    Ok(())
}

#[tokio::test]
async fn pages_are_counted_apart() -> anyhow::Result<()> {
    let application = application().await?;
    application.post("/visits/home", json!({})).await?;
    assert_eq!(application.post("/visits/orders", json!({})).await?.text, "1");
    Ok(())
}

#[tokio::test]
async fn everything_is_well() -> anyhow::Result<()> {
    let answer = application().await?.get("/health").await?;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "well"));
    Ok(())
}

#[tokio::test]
async fn what_there_is_not_is_not_found() -> anyhow::Result<()> {
    assert_eq!(application().await?.get("/nowhere").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}
