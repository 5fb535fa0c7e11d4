//! Orders that are cancelled.

mod common;

use axum::http::StatusCode;
use common::application;
use rstest::rstest;
use serde_json::json;

#[tokio::test]
async fn is_seen_at_once() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let id = application.with_order("alice", "a kettle").await?;
    // So that it is in the cache.
    application.get(&format!("/orders/{id}")).await?;
    let cancelled = application.post(&format!("/orders/{id}/cancel"), json!({})).await?;
    assert_eq!(cancelled.status, StatusCode::NO_CONTENT);
    assert!(application.get(&format!("/orders/{id}")).await?.text.contains("\"cancelled\":true"));
    Ok(())
}

#[tokio::test]
async fn is_done_once() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let path = format!("/orders/{}/cancel", application.with_order("alice", "a kettle").await?);
    assert_eq!(application.post(&path, json!({})).await?.status, StatusCode::NO_CONTENT);
    assert_eq!(application.post(&path, json!({})).await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[rstest]
#[case(1)]
#[case(0)]
#[case(-1)]
#[case(i64::MAX)]
#[tokio::test]
async fn what_is_not_there_cannot_be(#[case] id: i64) -> anyhow::Result<()> {
    let answer = application().await?.post(&format!("/orders/{id}/cancel"), json!({})).await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[rstest]
#[case("kettle")]
#[case("1.5")]
#[case("")]
#[tokio::test]
async fn takes_a_number(#[case] id: &str) -> anyhow::Result<()> {
    let answer = application().await?.post(&format!("/orders/{id}/cancel"), json!({})).await?;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    Ok(())
}

#[tokio::test]
async fn another_order_stays() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let first = application.with_order("alice", "a kettle").await?;
    let second = application.with_order("alice", "a teapot").await?;
    application.post(&format!("/orders/{first}/cancel"), json!({})).await?;
    assert!(application.get(&format!("/orders/{second}")).await?.text.contains("\"cancelled\":false"));
    Ok(())
}
