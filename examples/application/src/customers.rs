//! Customers, and what they have ordered.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Services;
use crate::problem::Problem;

#[derive(Deserialize)]
pub struct New {
    name: String,
}

#[derive(Serialize, sqlx::FromRow)]
pub struct Customer {
    id: i64,
    name: String,
}

pub async fn create(
    State(services): State<Services>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Json<Customer>), Problem> {
    let insert = "INSERT INTO customers (name) VALUES ($1) RETURNING id, name";
    let customer = sqlx::query_as(insert).bind(new.name).fetch_one(&services.database).await?;
    Ok((StatusCode::CREATED, Json(customer)))
}

pub async fn list(State(services): State<Services>) -> Result<Json<Vec<Customer>>, Problem> {
    let all = "SELECT id, name FROM customers ORDER BY name";
    Ok(Json(sqlx::query_as(all).fetch_all(&services.database).await?))
}

pub async fn find(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<Json<Customer>, Problem> {
    let one = "SELECT id, name FROM customers WHERE name = $1";
    Ok(Json(sqlx::query_as(one).bind(name).fetch_one(&services.database).await?))
}

pub async fn delete(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let deleted = sqlx::query("DELETE FROM customers WHERE name = $1").bind(name);
    match deleted.execute(&services.database).await?.rows_affected() {
        0 => Err(Problem::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

pub async fn orders(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<Json<Vec<String>>, Problem> {
    let customer = find(State(services.clone()), Path(name)).await?;
    let items = "SELECT item FROM orders WHERE customer = $1 AND NOT cancelled ORDER BY id";
    Ok(Json(sqlx::query_scalar(items).bind(customer.id).fetch_all(&services.database).await?))
}
