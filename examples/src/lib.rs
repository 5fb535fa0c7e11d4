//! The services that the examples start: real ones, [`postgres`] and [`redis`], which `cargo xtask images` brings to
//! the engine, and a very small database in an image of its own, for those that need nothing but a container.

pub mod compose;
pub mod container;
pub mod orders;
pub mod postgres;
pub mod redis;

use std::collections::HashMap;

use anyhow::Result;
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures_util::TryStreamExt as _;

/// The workload's image, as the engine knows it once [`load`] was called.
pub const IMAGE: &str = env!("WORKLOAD");

/// That image as the engine loads it.
pub static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/image.tar"));

/// Brings the workload's image to the engine, unless it is there.
pub async fn load(docker: &Docker) -> Result<()> {
    if docker.inspect_image(IMAGE).await.is_err() {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        docker
            .import_image(options, bollard::body_full(ARCHIVE.into()), None)
            .try_collect::<Vec<_>>()
            .await?;
    }
    Ok(())
}

/// Starts a database that carries these labels; gives its container's id.
pub async fn start(docker: &Docker, labels: impl Into<HashMap<String, String>>) -> Result<String> {
    load(docker).await?;
    let body =
        ContainerCreateBody { image: Some(IMAGE.into()), labels: Some(labels.into()), ..Default::default() };
    let created = docker.create_container(None, body).await?;
    docker.start_container(&created.id, None).await?;
    Ok(created.id)
}

/// The same for a test without a runtime.
pub fn start_blocking(labels: impl Into<HashMap<String, String>>) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { start(&Docker::connect_with_local_defaults()?, labels).await })
}
