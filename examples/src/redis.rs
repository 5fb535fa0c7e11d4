//! Redis in a container: a server for each test, since it starts in less time than cleaning one up takes.

use std::collections::HashMap;

use anyhow::Result;
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use redis::aio::MultiplexedConnection;

use crate::container::{published, start, until_ready};

const PORT: &str = "6379/tcp";

/// A server in a container of its own.
pub struct Redis {
    /// The container.
    pub id: String,
    /// A connection that was seen to work.
    pub connection: MultiplexedConnection,
}

impl Redis {
    /// Starts a server that carries these labels, and waits until it answers. Its image is
    /// `reaper-examples/redis`, or what `REAPER_EXAMPLES_REDIS` names.
    pub async fn start(docker: &Docker, labels: impl Into<HashMap<String, String>>) -> Result<Self> {
        let image = std::env::var("REAPER_EXAMPLES_REDIS").unwrap_or("reaper-examples/redis".into());
        let body =
            ContainerCreateBody { image: Some(image), labels: Some(labels.into()), ..Default::default() };
        let id = start(docker, PORT, body).await?;
        let client = redis::Client::open(("127.0.0.1", published(docker, &id, PORT).await?))?;
        let connection = until_ready("redis", async || {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING").exec_async(&mut connection).await.map(|()| connection)
        });
        Ok(Self { connection: connection.await?, id })
    }
}
