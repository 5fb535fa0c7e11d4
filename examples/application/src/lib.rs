//! Orders in PostgreSQL, visits and a cache in Redis, behind HTTP.

mod customers;
mod orders;
mod problem;
mod visits;

use axum::Router;
use axum::routing::{get, post};
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

/// What the handlers share.
#[derive(Clone)]
pub struct Services {
    pub database: PgPool,
    pub cache: MultiplexedConnection,
    /// What every key begins with, so that several applications can have one Redis.
    pub prefix: String,
}

impl Services {
    fn key(&self, kind: &str, name: impl std::fmt::Display) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }
}

/// All routes.
pub fn router(services: Services) -> Router {
    Router::new()
        .route("/health", get(visits::health))
        .route("/customers", post(customers::create).get(customers::list))
        .route("/customers/{name}", get(customers::find).delete(customers::delete))
        .route("/customers/{name}/orders", get(customers::orders))
        .route("/orders", post(orders::create))
        .route("/orders/{id}", get(orders::find))
        .route("/orders/{id}/cancel", post(orders::cancel))
        .route("/visits/{page}", post(visits::count).get(visits::show))
        .with_state(services)
}

/// Brings a database to what this release expects.
pub async fn migrate(database: &PgPool) -> Result<(), MigrateError> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    Migrator::new(folder).await?.run(database).await
}
