//! The engine by a user's own client.

use std::collections::{BTreeMap, HashMap};

use ::bollard::Docker;
use ::bollard::body_full;
use ::bollard::errors::Error;
use ::bollard::models::{ContainerCreateBody, NetworkCreateRequest};
use ::bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ImportImageOptionsBuilder,
    ListConfigsOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
    ListNetworksOptionsBuilder, ListSecretsOptionsBuilder, ListServicesOptionsBuilder,
    ListVolumesOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use futures_util::TryStreamExt as _;
use serde::Serialize;

use super::super::answer::Failure;
use super::super::inventory::{attached, is_under_way};
use super::super::kind::Kind;
use super::super::needs::{Container, ReaperSpec};
use super::super::resource::Resource;
use super::direct::with_tag;
use super::provider::{Answer, Platform, Provider, Removal};
use super::refusal::Refusal;

/// The engine by a bollard client: one with a transport, a proxy or certificates of its own (feature `bollard`).
///
/// ```no_run
/// use std::sync::Arc;
///
/// use reaper::Reaper;
/// use reaper::bollard::Docker;
/// use reaper::provider::Bollard;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let docker = Docker::connect_with_http("tcp://build.example:2375", 120, reaper::bollard::API_DEFAULT_VERSION)?;
/// let engine = Arc::new(Bollard::new(docker, "tcp://build.example:2375"));
/// let reaper = Reaper::builder().with_engine(engine).acquire()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Bollard {
    docker: Docker,
    docker_host: String,
}

impl Bollard {
    /// A client, and the address of the engine that it reaches, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn new(docker: Docker, docker_host: impl Into<String>) -> Self {
        Self { docker, docker_host: docker_host.into() }
    }
}

impl Provider for Bollard {
    fn docker_host(&self) -> String {
        self.docker_host.clone()
    }

    fn look_up<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Container>> {
        Box::pin(async move {
            match self.docker.inspect_container(name, None).await {
                Ok(found) => Ok(Some(Container::read(&found)?)),
                Err(error) if status(&error) == Some(404) => Ok(None),
                Err(error) => Err(refusal(error)),
            }
        })
    }

    fn create<'a>(&'a self, reaper: &'a ReaperSpec) -> Answer<'a, String> {
        Box::pin(async move {
            let body: ContainerCreateBody =
                serde_json::from_value(reaper.body()).map_err(|error| Refusal::Final(error.into()))?;
            let options = CreateContainerOptionsBuilder::default().name(&reaper.name).build();
            let created = self.docker.create_container(Some(options), body).await.map_err(of_creation)?;
            Ok(created.id)
        })
    }

    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.docker.start_container(id, None).await.map_err(of_creation) })
    }

    fn remove_stopped<'a>(&'a self, id: &'a str) -> Answer<'a, Removal> {
        Box::pin(async move {
            let options = RemoveContainerOptionsBuilder::default().v(true).build();
            removal(self.docker.remove_container(id, Some(options)).await, |status, _| status == 409)
        })
    }

    fn remove<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Removal> {
        Box::pin(async move {
            let removed = match kind {
                Kind::Service => self.docker.delete_service(id).await,
                Kind::Container => {
                    let options = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
                    self.docker.remove_container(id, Some(options)).await
                }
                Kind::Network => self.docker.remove_network(id).await,
                Kind::Volume => {
                    let options = RemoveVolumeOptionsBuilder::default().force(true).build();
                    self.docker.remove_volume(id, Some(options)).await
                }
                Kind::Image => {
                    let options = RemoveImageOptionsBuilder::default().build();
                    self.docker.remove_image(id, Some(options), None).await.map(drop)
                }
                Kind::Config => self.docker.delete_config(id).await,
                Kind::Secret => self.docker.delete_secret(id).await,
            };
            removal(removed, |status, words| is_under_way(kind, status, words))
        })
    }

    fn list<'a>(&'a self, kind: Kind, label: Option<&'a str>) -> Answer<'a, Option<Vec<Resource>>> {
        Box::pin(async move {
            let labels = label.map(|label| ("label".to_owned(), Vec::from([label.to_owned()])));
            match self.listed(kind, labels.into_iter().collect()).await {
                Ok(listed) => listed.map(Some),
                Err(error) if status(&error).is_some_and(|status| kind.is_not_kept(status)) => Ok(None),
                Err(error) => Err(refusal(error)),
            }
        })
    }

    fn attached<'a>(&'a self, network: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            match self.docker.inspect_network(network, None).await {
                Ok(found) => Ok(attached(found.containers.unwrap_or_default().into_keys())),
                Err(error) if status(&error) == Some(404) => Ok(Vec::new()),
                Err(error) => Err(refusal(error)),
            }
        })
    }

    fn log<'a>(&'a self, id: &'a str, lines: usize) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let tail = lines.to_string();
            let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&tail).build();
            let pieces: Vec<_> = self.docker.logs(id, Some(options)).try_collect().await.map_err(refusal)?;
            let log: Vec<u8> =
                pieces.into_iter().flat_map(::bollard::container::LogOutput::into_bytes).collect();
            Ok(String::from_utf8_lossy(&log).lines().map(str::to_owned).collect())
        })
    }

    fn create_network<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> Answer<'a, String> {
        Box::pin(async move {
            let labels = labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            let request =
                NetworkCreateRequest { name: name.to_owned(), labels: Some(labels), ..Default::default() };
            Ok(self.docker.create_network(request).await.map_err(refusal)?.id)
        })
    }

    fn platform(&self) -> Answer<'_, Platform> {
        Box::pin(async move {
            let version = self.docker.version().await.map_err(refusal)?;
            let (os, architecture) = (version.os.unwrap_or_default(), version.arch.unwrap_or_default());
            Ok(Platform { os, architecture })
        })
    }

    fn load<'a>(&'a self, archive: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let options = ImportImageOptionsBuilder::default().quiet(true).build();
            let loading = self.docker.import_image(options, body_full(archive.to_vec().into()), None);
            loading.try_for_each(async |_| Ok(())).await.map_err(refusal)
        })
    }

    fn pull<'a>(&'a self, image: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
            let pulling = self.docker.create_image(Some(options), None, None);
            pulling.try_for_each(async |_| Ok(())).await.map_err(refusal)
        })
    }
}

impl Bollard {
    /// The outer error is the engine's, the inner one for a list that cannot be read.
    async fn listed(
        &self,
        kind: Kind,
        filters: HashMap<String, Vec<String>>,
    ) -> Result<Result<Vec<Resource>, Refusal>, Error> {
        let docker = &self.docker;
        Ok(match kind {
            Kind::Service => {
                let options = ListServicesOptionsBuilder::default().filters(&filters).build();
                read(kind, &docker.list_services(Some(options)).await?)
            }
            Kind::Container => {
                let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
                read(kind, &docker.list_containers(Some(options)).await?)
            }
            Kind::Network => {
                let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
                read(kind, &docker.list_networks(Some(options)).await?)
            }
            Kind::Volume => {
                let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
                read(kind, &docker.list_volumes(Some(options)).await?.volumes.unwrap_or_default())
            }
            Kind::Image => {
                let options = ListImagesOptionsBuilder::default().filters(&filters).build();
                read(kind, &docker.list_images(Some(options)).await?)
            }
            Kind::Config => {
                let options = ListConfigsOptionsBuilder::default().filters(&filters).build();
                read(kind, &docker.list_configs(Some(options)).await?)
            }
            Kind::Secret => {
                let options = ListSecretsOptionsBuilder::default().filters(&filters).build();
                read(kind, &docker.list_secrets(Some(options)).await?)
            }
        })
    }
}

fn read<T: Serialize>(kind: Kind, items: &[T]) -> Result<Vec<Resource>, Refusal> {
    items.iter().map(|item| Ok(Resource::read(kind, item)?)).collect()
}

fn removal(
    removed: Result<(), Error>,
    is_under_way: impl FnOnce(u16, &str) -> bool,
) -> Result<Removal, Refusal> {
    match removed {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(Removal::Gone),
        Err(Error::DockerResponseServerError { status_code, message })
            if is_under_way(status_code, &message) =>
        {
            Ok(Removal::UnderWay)
        }
        Err(error) => Err(refusal(error)),
    }
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn of_creation(error: Error) -> Refusal {
    match error {
        Error::DockerResponseServerError { status_code, message } => Refusal::said(status_code, &message),
        other => refusal(other),
    }
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::DockerResponseServerError { status_code: status, message } => {
            Refusal::of(Failure::Said { status, message })
        }
        other => Refusal::Passing(other.into()),
    }
}
