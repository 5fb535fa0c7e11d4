//! Orders: each is read from the cache, where it is, and from the database, where it is not.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};

use crate::Services;
use crate::problem::Problem;

#[derive(Deserialize)]
pub struct New {
    customer: String,
    item: String,
    quantity: i32,
}

#[derive(Serialize, Deserialize, sqlx::FromRow)]
pub struct Order {
    id: i64,
    item: String,
    quantity: i32,
    cancelled: bool,
}

pub async fn create(
    State(services): State<Services>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let insert = "INSERT INTO orders (customer, item, quantity) SELECT id, $1, $2 FROM customers WHERE name = $3 \
                  RETURNING id, item, quantity, cancelled";
    let order = sqlx::query_as(insert).bind(new.item).bind(new.quantity).bind(new.customer);
    Ok((StatusCode::CREATED, Json(order.fetch_one(&services.database).await?)))
}

pub async fn find(State(services): State<Services>, Path(id): Path<i64>) -> Result<Json<Order>, Problem> {
    let (mut cache, key) = (services.cache.clone(), services.key("order", id));
    if let Some(text) = cache.get::<_, Option<String>>(&key).await? {
        return serde_json::from_str(&text).map(Json).map_err(|error| Problem::Broken(error.to_string()));
    }
    let one = "SELECT id, item, quantity, cancelled FROM orders WHERE id = $1";
    let order: Order = sqlx::query_as(one).bind(id).fetch_one(&services.database).await?;
    let text = serde_json::to_string(&order).map_err(|error| Problem::Broken(error.to_string()))?;
    cache.set_ex::<_, _, ()>(&key, text, 60).await?;
    Ok(Json(order))
}

pub async fn cancel(State(services): State<Services>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    let cancelled =
        sqlx::query("UPDATE orders SET cancelled = true WHERE id = $1 AND NOT cancelled").bind(id);
    if cancelled.execute(&services.database).await?.rows_affected() == 0 {
        return Err(Problem::NotFound);
    }
    services.cache.clone().del::<_, ()>(services.key("order", id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
