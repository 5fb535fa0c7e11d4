//! Customers, each test with an empty database.

mod common;

use axum::http::StatusCode;
use common::application;
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case("alice")]
#[case("Bob")]
#[case("zoë")]
#[case("a name with blanks")]
#[case("O'Brien")]
#[case("x")]
#[case("名前")]
#[tokio::test]
async fn is_created_and_found(#[case] name: &str) -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer(name).await?;
    let all = application.get("/customers").await?;
    assert_eq!(all.status, StatusCode::OK);
    let all: Vec<serde_json::Value> = serde_json::from_str(&all.text)?;
    assert_eq!(all.len(), 1, "another test has written here");
    assert_eq!(all[0]["name"], name);
    Ok(())
}

#[tokio::test]
async fn a_name_is_taken_once() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let again = application.post("/customers", json!({ "name": "alice" })).await?;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.text.contains("customers_name_key"), "{}", again.text);
    Ok(())
}

#[tokio::test]
async fn nobody_is_nameless() -> anyhow::Result<()> {
    let answer = application().await?.post("/customers", json!({ "name": "" })).await?;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

#[tokio::test]
async fn all_are_listed_by_name() -> anyhow::Result<()> {
    let application = application().await?;
    for name in ["mallory", "alice", "bob"] {
        application.with_customer(name).await?;
    }
    let all: Vec<serde_json::Value> = serde_json::from_str(&application.get("/customers").await?.text)?;
    let names: Vec<_> = all.iter().filter_map(|customer| customer["name"].as_str()).collect();
    assert_eq!(names, ["alice", "bob", "mallory"]);
    Ok(())
}

#[tokio::test]
async fn is_found_by_name() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    assert!(application.get("/customers/alice").await?.text.contains("alice"));
    assert_eq!(application.get("/customers/bob").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn is_deleted_once() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    assert_eq!(application.delete("/customers/alice").await?.status, StatusCode::NO_CONTENT);
    assert_eq!(application.delete("/customers/alice").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn with_orders_is_not_deleted() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    application.with_order("alice", "a kettle").await?;
    let refused = application.delete("/customers/alice").await?;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}
