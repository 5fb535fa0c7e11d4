//! A PostgreSQL for one test, which may do with it what it likes.

use bollard::Docker;
use reaper::{Reaper, with_reaper};
use reaper_examples::postgres;

#[with_reaper]
async fn orders_survive_a_restart(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let server = postgres::start_server(&docker, reaper.labels()).await?;
    let database = postgres::connect(&postgres::address(&docker, &server).await?, "postgres").await?;
    postgres::migrate(&database).await?;
    database.execute("INSERT INTO customers (name) VALUES ($1)", &[&"alice"]).await?;
    let order = "INSERT INTO orders (customer, item) SELECT id, $1 FROM customers WHERE name = $2";
    assert_eq!(database.execute(order, &[&"a kettle", &"alice"]).await?, 1);

    docker.kill_container(&server, None).await?;
    let lost = database.execute(order, &[&"a teapot", &"alice"]).await;
    assert!(lost.is_err(), "a killed server has taken an order");
    docker.start_container(&server, None).await?;

    let database = postgres::connect(&postgres::address(&docker, &server).await?, "postgres").await?;
    let orders = database.query("SELECT item FROM orders", &[]).await?;
    let items: Vec<&str> = orders.iter().map(|order| order.get("item")).collect();
    assert_eq!(items, ["a kettle"]);
    Ok(())
}
