//! Orders, each test with an empty database.

mod common;

use axum::http::StatusCode;
use common::application;
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case("a kettle")]
#[case("Teekessel")]
#[case("茶壺")]
#[case("100% cotton")]
#[case("'; DROP TABLE orders; --")]
#[tokio::test]
async fn is_made_and_found(#[case] item: &str) -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let id = application.with_order("alice", item).await?;
    assert_eq!(id, 1, "another test has written here");
    let found: serde_json::Value = serde_json::from_str(&application.get("/orders/1").await?.text)?;
    assert_eq!(found, json!({ "id": 1, "item": item, "quantity": 1, "cancelled": false }));
    Ok(())
}

#[rstest]
#[case(0)]
#[case(-1)]
#[case(i32::MIN)]
#[tokio::test]
async fn of_less_than_one_is_refused(#[case] quantity: i32) -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let order = json!({ "customer": "alice", "item": "a kettle", "quantity": quantity });
    assert_eq!(application.post("/orders", order).await?.status, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

#[rstest]
#[case(1)]
#[case(12)]
#[case(i32::MAX)]
#[tokio::test]
async fn of_any_quantity_is_taken(#[case] quantity: i32) -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let order = json!({ "customer": "alice", "item": "a kettle", "quantity": quantity });
    assert_eq!(application.post("/orders", order).await?.status, StatusCode::CREATED);
    Ok(())
}

#[tokio::test]
async fn of_nobody_is_not_taken() -> anyhow::Result<()> {
    let order = json!({ "customer": "nobody", "item": "a kettle", "quantity": 1 });
    assert_eq!(application().await?.post("/orders", order).await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn of_nothing_is_refused() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let order = json!({ "customer": "alice", "item": "", "quantity": 1 });
    assert_eq!(application.post("/orders", order).await?.status, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

#[tokio::test]
async fn what_was_never_ordered_is_not_found() -> anyhow::Result<()> {
    assert_eq!(application().await?.get("/orders/1").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn ids_go_up() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let first = application.with_order("alice", "a kettle").await?;
    assert!(application.with_order("alice", "a teapot").await? > first);
    Ok(())
}
