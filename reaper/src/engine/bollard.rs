//! The engine behind bollard; the only user of that crate. The look-up goes its own way, see there.
//!
//! It talks unversioned paths, which every engine understands as its own newest version, so there is no
//! negotiation to pay for. Errors are sorted here by status, since nobody above knows about HTTP.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error as BollardError;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, Mount, NetworkCreateRequest, NetworkingConfig,
    PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ImportImageOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptions, RemoveContainerOptionsBuilder,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::attend::{Said, attend};
use super::discover::{Endpoint, Place};
use super::look_up::look_up;
use super::podman;
use super::provider::{
    Concessions, Container, ContainerSpec, Engine, Published, RYUK_PORT, RYUK_PORT_NAME, Refusal,
};
use super::verdict::{Hopeless, Missing, Verdict, missing, verdict};
use crate::error::{Error, Result};
use crate::platform;

/// For one request; loading and pulling stream, and are bounded by whoever waits for them.
const REQUEST_TIMEOUT_SECONDS: u64 = 60;

/// What the embedded server needs: measured, see `ARCHITECTURE.md`.
const MEMORY_LIMIT: i64 = 64 << 20;
const PROCESS_LIMIT: i64 = 64;

pub(crate) struct BollardEngine {
    docker: OnceCell<Docker>,
    place: Place,
    /// Who named that.
    origin: String,
    /// Where published ports are reached.
    host: String,
    /// Whether that is this host.
    local: bool,
}

impl BollardEngine {
    /// An engine at this endpoint; nothing is sent yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let Endpoint { place, origin, host, local, .. } = endpoint.clone();
        Self { docker: OnceCell::new(), place, origin, host, local }
    }

    /// The client, made when it is first needed: most test processes need the look-up alone.
    fn docker(&self) -> Result<&Docker> {
        if let Some(docker) = self.docker.get() {
            return Ok(docker);
        }
        let docker = client(&self.place).map_err(|error| failed("prepare a client for the engine", error))?;
        Ok(self.docker.get_or_init(|| docker))
    }

    /// Creates a container of a test's own, and pulls its image where that is missing; gives its id.
    #[cfg(feature = "bollard")]
    pub(crate) async fn create_container(&self, body: ContainerCreateBody) -> Result<String> {
        let image = body.image.clone().unwrap_or_default();
        let docker = self.docker()?;
        let mut created = docker.create_container(None, body.clone()).await;
        if matches!(&created, Err(error) if status(error) == Some(404)) {
            self.pull(&image).await.map_err(|error| Error::Engine {
                operation: format!("provide the image {image}"),
                source: Arc::new(error),
            })?;
            created = docker.create_container(None, body).await;
        }
        created
            .map(|created| created.id)
            .map_err(|error| failed(&format!("create a container of {image}"), error))
    }

    /// Starts a container of a test's own.
    #[cfg(feature = "bollard")]
    pub(crate) async fn start_container(&self, id: &str) -> Result<()> {
        let started = self.docker()?.start_container(id, None).await;
        started.map_err(|error| failed(&format!("start the container {id}"), error))
    }

    /// Everything that a container wrote.
    #[cfg(feature = "bollard")]
    pub(crate) async fn whole_log(&self, id: &str) -> Result<Vec<String>> {
        self.read_log(id, "all").await
    }

    async fn read_log(&self, id: &str, tail: &str) -> Result<Vec<String>> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(tail).build();
        let chunks: Vec<_> = self
            .docker()?
            .logs(id, Some(options))
            .try_collect()
            .await
            .map_err(|error| failed("read the log of a container", error))?;
        let text: String = chunks.iter().map(ToString::to_string).collect();
        Ok(text.lines().map(|line| line.trim_end().to_owned()).collect())
    }

    fn refused(&self, operation: &str, problem: String, advice: &str) -> Error {
        let (endpoint, origin) = (self.place.to_string(), self.origin.clone());
        Error::Refused {
            operation: operation.to_owned(),
            endpoint,
            origin,
            problem,
            advice: advice.to_owned(),
        }
    }

    /// The error for what a creation needs: refused, unless the engine's words are known to pass.
    fn answered(&self, operation: &str, error: BollardError) -> Error {
        if let BollardError::DockerResponseServerError { status_code: status, message } = &error
            && let Verdict::Unclear(advice) | Verdict::Never(advice) = verdict(*status, message)
        {
            return self.refused(operation, format!("the engine answered {status}: {message}"), advice);
        }
        failed(operation, error)
    }

    fn refusal(&self, operation: &str, error: BollardError) -> Refusal {
        let BollardError::DockerResponseServerError { status_code: status, message } = &error else {
            return Refusal::Passing(failed(operation, error));
        };
        match missing(*status, message) {
            Some(Missing::Name) => return Refusal::NameTaken,
            Some(Missing::Image) => return Refusal::NoImage,
            Some(Missing::Network) => return Refusal::NoNetwork(failed(operation, error)),
            Some(Missing::Socket) => return Refusal::NoSocket(Arc::new(failed(operation, error))),
            Some(Missing::Container) => return Refusal::Passing(failed(operation, error)),
            None => {}
        }
        let problem = format!("the engine answered {status}: {message}");
        match verdict(*status, message) {
            Verdict::Passes => Refusal::Passing(failed(operation, error)),
            Verdict::Unclear(advice) => Refusal::Unclear(self.refused(operation, problem, advice)),
            Verdict::Never(advice) => Refusal::Final(self.refused(operation, problem, advice)),
        }
    }

    async fn remove_with(&self, id: &str, options: RemoveContainerOptions) -> Result<()> {
        match self.docker()?.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(failed("remove a reaper container", error)),
        }
    }
}

/// A client for an endpoint as [`Place`] displays it, for those who want to go on by themselves.
#[cfg(feature = "rstest")]
pub(crate) fn client_at(endpoint: &str) -> Result<Docker> {
    let place = match endpoint.split_once("://") {
        Some(("unix", path)) => Place::Socket(path.into()),
        Some((_, address)) => Place::Tcp(address.to_owned()),
        None => Place::Tcp(endpoint.to_owned()),
    };
    client(&place).map_err(|error| failed("prepare a client for the engine", error))
}

fn client(place: &Place) -> Result<Docker, BollardError> {
    let version = bollard::API_DEFAULT_VERSION;
    match place {
        #[cfg(unix)]
        Place::Socket(path) => {
            Docker::connect_with_unix(&path.to_string_lossy(), REQUEST_TIMEOUT_SECONDS, version)
        }
        #[cfg(not(unix))]
        Place::Socket(path) => {
            Docker::connect_with_named_pipe(&path.to_string_lossy(), REQUEST_TIMEOUT_SECONDS, version)
        }
        Place::Tcp(address) => Docker::connect_with_http(address, REQUEST_TIMEOUT_SECONDS, version),
    }
}

impl Engine for BollardEngine {
    type Stream = TcpStream;

    async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        let operation = "look up the reaper container";
        look_up(&self.place, name).await.map_err(|error| match Hopeless::found_in(&error) {
            Some(Hopeless { problem, advice }) => self.refused(operation, problem.clone(), advice),
            None => Error::Engine { operation: operation.to_owned(), source: Arc::new(error) },
        })
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<String, Refusal> {
        let socket = podman::socket(&self.place, spec, self.local).await.map_err(Refusal::NoSocket)?;
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let body = body(spec, socket);
        match self.docker().map_err(Refusal::Final)?.create_container(Some(options), body).await {
            Ok(created) => Ok(created.id),
            Err(error) => Err(self.refusal("create the reaper container", error)),
        }
    }

    async fn start(&self, id: &str) -> Result<(), Refusal> {
        let started = self.docker().map_err(Refusal::Final)?.start_container(id, None).await;
        started.map_err(|error| self.refusal("start the reaper container", error))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        // A conflict means that it is being removed, or running.
        self.remove_with(id, RemoveContainerOptionsBuilder::default().v(true).build()).await
    }

    async fn remove_by_force(&self, id: &str) -> Result<()> {
        self.remove_with(id, RemoveContainerOptionsBuilder::default().v(true).force(true).build()).await
    }

    async fn attend(&self, id: &str) -> Option<Said> {
        let listening = attend(&self.place, id).await;
        listening.inspect_err(|error| tracing::debug!(id, %error, "what it says will not be heard")).ok()
    }

    async fn log(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        self.read_log(id, &lines.to_string()).await
    }

    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<String> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        match self.docker()?.create_network(request).await {
            Ok(created) => Ok(created.id),
            Err(error) => Err(self.answered(&format!("create the network {name}"), error)),
        }
    }

    async fn platform(&self) -> Result<(String, String)> {
        let version = self
            .docker()?
            .version()
            .await
            .map_err(|error| self.answered("ask the engine for its platform", error))?;
        Ok((version.os.unwrap_or_default(), version.arch.unwrap_or_default()))
    }

    async fn load(&self, archive: Vec<u8>) -> Result<()> {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let body = bollard::body_full(archive.into());
        let mut answers = self.docker()?.import_image(options, body, None);
        while let Some(answer) = answers.next().await {
            answer.map_err(|error| self.answered("load the reaper's image", error))?;
        }
        Ok(())
    }

    async fn pull(&self, image: &str) -> Result<()> {
        let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
        let mut progress = self.docker()?.create_image(Some(options), None, None);
        while let Some(step) = progress.next().await {
            let step = step.map_err(|error| failed("pull the image", error))?;
            tracing::info!(image, layer = step.id, status = step.status, "pulling");
        }
        Ok(())
    }

    async fn dial(&self, reaper: &Published, is_provable: bool) -> io::Result<TcpStream> {
        let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in self.addresses(reaper, is_provable).await? {
            outcome = TcpStream::connect(address).await;
            if outcome.is_ok() {
                break;
            }
        }
        let stream = match (outcome, reaper.address) {
            (Ok(stream), _) => stream,
            // A published port is served by a process of the engine's, which may be gone while the reaper
            // is not. Only where the container's network is this host's: elsewhere its address is another's. That
            // cannot be seen where the engine's socket is forwarded, so it has to be proved.
            (Err(refused), Some(address)) if self.local && is_provable => {
                TcpStream::connect((address, RYUK_PORT)).await.map_err(|_| refused)?
            }
            (Err(refused), _) => return Err(refused),
        };
        stream.set_nodelay(true)?;
        platform::keep_alive(&SockRef::from(&stream))?;
        Ok(stream)
    }
}

impl BollardEngine {
    /// Where the published port is, address and port of one family.
    async fn addresses(&self, reaper: &Published, is_provable: bool) -> io::Result<Vec<SocketAddr>> {
        let resolved: Vec<_> = tokio::net::lookup_host((self.host.as_str(), 0)).await?.collect();
        let of = |address: &SocketAddr| Some(SocketAddr::new(address.ip(), reaper.ports.at(address.ip())?));
        let mut addresses: Vec<_> = resolved.iter().filter_map(of).collect();
        if is_provable && let Some(port) = reaper.ports.any() {
            // An engine may publish on both and tell of one.
            let others = resolved.iter().filter(|address| reaper.ports.at(address.ip()).is_none());
            addresses.extend(others.map(|address| SocketAddr::new(address.ip(), port)));
        }
        Ok(addresses)
    }
}

fn body(spec: &ContainerSpec, socket: String) -> ContainerCreateBody {
    let binding = PortBinding { host_ip: Some(spec.publish_on.clone()), host_port: Some(String::new()) };
    // A bind of the older form makes a folder where the socket should be, and an engine that finds one there does not
    // start any more.
    let socket = Mount {
        // The two releases of bollard name the type differently.
        typ: "bind".parse().ok(),
        source: Some(socket),
        target: Some("/var/run/docker.sock".to_owned()),
        ..Default::default()
    };
    let host = HostConfig {
        auto_remove: Some(true),
        mounts: Some(vec![socket]),
        // Where the engine maps users, the container's root is nobody who may use the socket.
        userns_mode: Some("host".into()),
        network_mode: Some(spec.network.clone()),
        port_bindings: Some(HashMap::from([(RYUK_PORT_NAME.to_owned(), Some(vec![binding]))])),
        privileged: Some(spec.privileged),
        ..if spec.hardened { hardened(spec.concessions) } else { HostConfig::default() }
    };
    let networks =
        spec.further_networks.iter().map(|name| (name.clone(), EndpointSettings::default())).collect();
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        env: Some(spec.environment.clone()),
        exposed_ports: Some(vec![RYUK_PORT_NAME.to_owned()]),
        host_config: Some(host),
        networking_config: (!spec.further_networks.is_empty())
            .then_some(NetworkingConfig { endpoints_config: Some(networks) }),
        ..Default::default()
    }
}

/// An image's name as it is pulled. Of one with neither tag nor digest, an engine pulls every tag that the repository has.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    let is_whole = image.contains('@') || last.contains(':');
    format!("{image}{}", if is_whole { "" } else { ":latest" })
}

fn hardened(concessions: Concessions) -> HostConfig {
    let Concessions { any_owner, new_privileges } = concessions;
    HostConfig {
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".into()]),
        cap_add: any_owner.then(|| vec!["DAC_OVERRIDE".into()]),
        security_opt: (!new_privileges).then(|| vec!["no-new-privileges".into()]),
        memory: Some(MEMORY_LIMIT),
        pids_limit: Some(PROCESS_LIMIT),
        ..Default::default()
    }
}

fn status(error: &BollardError) -> Option<u16> {
    match error {
        BollardError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn failed(operation: &str, error: BollardError) -> Error {
    Error::Engine { operation: operation.to_owned(), source: Arc::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the engine is asked, and gives this answer to.
    #[cfg(unix)]
    async fn asked<T>(status: &str, body: &str, ask: impl AsyncFnOnce(&BollardEngine) -> T) -> (T, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let place = Place::Socket(socket);
        let (docker, origin, host) = (OnceCell::new(), String::new(), String::new());
        let engine = BollardEngine { docker, place, origin, host, local: true };
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        tokio::join!(ask(&engine), answer)
    }

    /// By force it would take away a reaper that others are connected to.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_container_that_runs_is_asked_for_without_force_and_stays() {
        let body = "{\"message\":\"You cannot remove a running container abc\"}";
        let (removed, request) = asked("409 Conflict", body, async |engine| engine.remove("abc").await).await;
        removed.unwrap();
        assert!(request.starts_with("DELETE ") && request.contains("/containers/abc?"), "{request}");
        assert!(!request.contains("force=true"), "{request}");
    }

    /// Without one, the engine would pull every tag of the repository.
    #[cfg(unix)]
    #[tokio::test]
    async fn an_image_is_pulled_by_one_tag_or_digest() {
        for (image, pulled) in [
            ("ryuk", "ryuk%3Alatest"),
            ("registry.example:5000/ryuk", "registry.example%3A5000%2Fryuk%3Alatest"),
            ("registry.example:5000/ryuk:1", "registry.example%3A5000%2Fryuk%3A1"),
            ("ryuk@sha256:abc", "ryuk%40sha256%3Aabc"),
            ("ryuk:1@sha256:abc", "ryuk%3A1%40sha256%3Aabc"),
        ] {
            let (done, request) = asked("200 OK", "{}", async |engine| engine.pull(image).await).await;
            done.unwrap();
            let asked = request.lines().next().unwrap_or_default().to_owned();
            let asked = asked.split(['?', '&', ' ']).find_map(|part| part.strip_prefix("fromImage="));
            assert_eq!(asked, Some(pulled), "{request}");
        }
    }
}
