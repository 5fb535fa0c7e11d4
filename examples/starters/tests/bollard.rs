//! bollard by itself: the labels go into the body, as a map.

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptions;
use reaper::{Reaper, with_reaper};

#[with_reaper]
async fn answers(reaper: Reaper) -> anyhow::Result<()> {
    let docker = Docker::connect_with_local_defaults()?;
    let body = ContainerCreateBody {
        image: Some("redis:7".into()),
        labels: Some(reaper.labels().into()),
        host_config: Some(HostConfig { publish_all_ports: Some(true), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let created = docker.create_container(None::<CreateContainerOptions>, body).await?;
    docker.start_container(&created.id, None).await?;

    let found = docker.inspect_container(&created.id, None).await?;
    assert_eq!(found.state.and_then(|state| state.running), Some(true));
    // Nobody removes it here. The reaper does when the run is over.
    Ok(())
}
