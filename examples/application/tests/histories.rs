//! What a customer has ordered.

mod common;

use axum::http::StatusCode;
use common::application;
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case(0)]
#[case(1)]
#[case(2)]
#[case(7)]
#[case(20)]
#[tokio::test]
async fn has_everything(#[case] count: usize) -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    for number in 0..count {
        application.with_order("alice", &format!("kettle {number}")).await?;
    }
    let items: Vec<String> = serde_json::from_str(&application.get("/customers/alice/orders").await?.text)?;
    assert_eq!(items.len(), count);
    Ok(())
}

#[tokio::test]
async fn is_in_the_order_of_ordering() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    for item in ["a teapot", "a kettle", "a cup"] {
        application.with_order("alice", item).await?;
    }
    let items = application.get("/customers/alice/orders").await?.text;
    assert_eq!(items, json!(["a teapot", "a kettle", "a cup"]).to_string());
    Ok(())
}

#[tokio::test]
async fn has_nothing_of_others() -> anyhow::Result<()> {
    let application = application().await?;
    for customer in ["alice", "bob"] {
        application.with_customer(customer).await?;
        application.with_order(customer, &format!("a kettle for {customer}")).await?;
    }
    let items = application.get("/customers/bob/orders").await?.text;
    assert_eq!(items, json!(["a kettle for bob"]).to_string());
    Ok(())
}

#[tokio::test]
async fn has_nothing_that_was_cancelled() -> anyhow::Result<()> {
    let application = application().await?;
    application.with_customer("alice").await?;
    let id = application.with_order("alice", "a kettle").await?;
    application.post(&format!("/orders/{id}/cancel"), json!({})).await?;
    assert_eq!(application.get("/customers/alice/orders").await?.text, "[]");
    Ok(())
}

#[tokio::test]
async fn nobody_has_none() -> anyhow::Result<()> {
    let answer = application().await?.get("/customers/nobody/orders").await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    Ok(())
}
