//! What all tests go through: an application of their own, on services that they share, or do not.
#![allow(dead_code, reason = "each test binary uses its part of it")]

mod alone;
mod shared;

use application::Services;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tower::ServiceExt as _;

/// An application with an empty database, and what keeps its services.
pub struct Application {
    router: Router,
    _kept: Option<alone::Containers>,
}

pub struct Answer {
    pub status: StatusCode,
    pub text: String,
}

/// `WITHOUT_REAPER` is there for comparing; a project has one of the two.
pub async fn application() -> anyhow::Result<Application> {
    let (services, kept) = if std::env::var_os("WITHOUT_REAPER").is_some() {
        let (services, containers) = alone::services().await?;
        (services, Some(containers))
    } else {
        (shared::services().await?, None)
    };
    Ok(Application { router: application::router(services), _kept: kept })
}

impl Application {
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.asked(Method::GET, path, Body::empty()).await
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.asked(Method::DELETE, path, Body::empty()).await
    }

    pub async fn post(&self, path: &str, body: serde_json::Value) -> anyhow::Result<Answer> {
        self.asked(Method::POST, path, Body::from(body.to_string())).await
    }

    /// A customer, whom most tests need.
    pub async fn with_customer(&self, name: &str) -> anyhow::Result<()> {
        let answer = self.post("/customers", serde_json::json!({ "name": name })).await?;
        anyhow::ensure!(answer.status == StatusCode::CREATED, "{}", answer.text);
        Ok(())
    }

    /// An order of his; gives its id.
    pub async fn with_order(&self, customer: &str, item: &str) -> anyhow::Result<i64> {
        let order = serde_json::json!({ "customer": customer, "item": item, "quantity": 1 });
        let answer = self.post("/orders", order).await?;
        anyhow::ensure!(answer.status == StatusCode::CREATED, "{}", answer.text);
        let order: serde_json::Value = serde_json::from_str(&answer.text)?;
        order["id"].as_i64().ok_or_else(|| anyhow::anyhow!("no id in {order}"))
    }

    async fn asked(&self, method: Method, path: &str, body: Body) -> anyhow::Result<Answer> {
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let response = self.router.clone().oneshot(request.body(body)?).await?;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await?;
        Ok(Answer { status, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

/// On every container of these tests, so that they can be counted.
fn mark() -> (&'static str, String) {
    ("example.application", std::env::var("APPLICATION_RUN").unwrap_or_else(|_| "by hand".into()))
}

async fn connect(address: &str, name: &str) -> anyhow::Result<PgPool> {
    let url = format!("postgres://postgres:postgres@{address}/{name}");
    Ok(PgPoolOptions::new().max_connections(2).connect(&url).await?)
}

async fn services(database: PgPool, redis: &str, prefix: String) -> anyhow::Result<Services> {
    let client = redis::Client::open(format!("redis://{redis}"))?;
    let cache = client.get_multiplexed_async_connection().await?;
    Ok(Services { database, cache, prefix })
}
