//! What the hundred tests on PostgreSQL do, so that they differ in nothing but where their database comes from.

use anyhow::{Result, ensure};
use tokio_postgres::Client;

/// Takes an order in a database that has seen none: a second test in the same one fails.
pub async fn first_order(database: &Client, item: &str) -> Result<()> {
    database.execute("INSERT INTO customers (name) VALUES ('alice')", &[]).await?;
    let order = "INSERT INTO orders (customer, item) SELECT id, $1 FROM customers WHERE name = 'alice'";
    database.execute(order, &[&item]).await?;
    let orders = database.query("SELECT id, item FROM orders", &[]).await?;
    let orders: Vec<(i64, &str)> = orders.iter().map(|order| (order.get("id"), order.get("item"))).collect();
    ensure!(orders == [(1, item)], "expected one order, there is {orders:?}");
    Ok(())
}
