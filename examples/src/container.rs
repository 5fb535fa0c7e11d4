//! A container with a published port, and waiting until what runs in it answers.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};

/// How long a service may take until it answers; on a busy machine that is much longer than usual.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Creates and starts a container whose port is published on a free port of this machine; gives its id.
pub async fn start(docker: &Docker, port: &str, body: ContainerCreateBody) -> Result<String> {
    let image = body.image.clone().unwrap_or_default();
    let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: None };
    let port_bindings = Some(HashMap::from([(port.to_owned(), Some(vec![binding]))]));
    let host_config = Some(HostConfig { port_bindings, ..Default::default() });
    let created = match docker.create_container(None, ContainerCreateBody { host_config, ..body }).await {
        Err(Error::DockerResponseServerError { status_code: 404, message }) => {
            return Err(anyhow!(message).context(format!("no image {image}: run `cargo xtask images`")));
        }
        created => created.with_context(|| format!("failed to create a container of {image}"))?,
    };
    docker.start_container(&created.id, None).await.with_context(|| format!("failed to start {image}"))?;
    Ok(created.id)
}

/// The port of this machine on which a container's port is published. It changes when the container is restarted.
pub async fn published(docker: &Docker, id: &str, port: &str) -> Result<u16> {
    let container = docker.inspect_container(id, None).await?;
    let ports = container.network_settings.and_then(|network| network.ports).unwrap_or_default();
    let binding = ports.get(port).cloned().flatten().and_then(|bindings| bindings.into_iter().next());
    let published = binding.and_then(|binding| binding.host_port?.parse().ok());
    published.with_context(|| format!("the container {id} publishes no {port}; is it running?"))
}

/// Tries until the service answers. An open port proves nothing: the engine accepts before the service does.
pub async fn until_ready<T, E: Display>(
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let mut last = "no answer".to_owned();
    let attempts = async {
        loop {
            match attempt().await {
                Ok(answer) => return answer,
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::time::timeout(READY_WITHIN, attempts).await;
    answer.map_err(|_| anyhow!("{what} is not ready after {READY_WITHIN:?}: {last}"))
}
