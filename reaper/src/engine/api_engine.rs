//! The engine behind its own interface: what acquiring needs, as requests.
//!
//! Paths are unversioned, which every engine understands as its own newest version, so there is no negotiation to pay
//! for. Errors are sorted here by status, since nobody above knows about HTTP.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::answer::Failure;
use super::attend::{Said, attend};
use super::create;
use super::dial::dial;
use super::endpoint::Endpoint;
use super::exec::Exec;
use super::http::{Body, REQUEST_TIMEOUT, demand, open};
use super::log;
use super::look_up::look_up;
use super::percent;
use super::place::Place;
use super::podman;
use super::progress::follow;
use super::provider::{Container, ContainerSpec, Engine, Published, Refusal};
use super::relay::joined;
use super::verdict::{Hopeless, Missing, Verdict, invalid, missing, verdict};
use crate::error::{Error, Result};

pub(crate) struct ApiEngine {
    place: Place,
    /// Who named that.
    origin: String,
    /// Where published ports are reached.
    host: String,
    /// Whether that is this host.
    local: bool,
}

impl ApiEngine {
    /// An engine at this endpoint; nothing is sent yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let Endpoint { place, origin, host, local, .. } = endpoint.clone();
        Self { place, origin, host, local }
    }

    /// Creates a container of a test's own, as the engine's interface describes one, and pulls its image where that is
    /// missing; gives its id.
    #[cfg(feature = "bollard")]
    pub(crate) async fn create_container(&self, body: &Value) -> Result<String> {
        let image = body["Image"].as_str().unwrap_or_default();
        let mut created = self.created("/containers/create", body).await;
        if matches!(&created, Err(failure) if failure.status() == Some(404)) {
            self.pull(image).await.map_err(|error| Error::Engine {
                operation: format!("provide the image {image}"),
                source: Arc::new(error),
            })?;
            created = self.created("/containers/create", body).await;
        }
        created.map_err(|failure| failed(&format!("create a container of {image}"), failure))
    }

    /// Starts a container of a test's own.
    #[cfg(feature = "bollard")]
    pub(crate) async fn start_container(&self, id: &str) -> Result<()> {
        let started = self.demand("POST", &format!("/containers/{id}/start"), Body::Nothing).await;
        started.map(drop).map_err(|failure| failed(&format!("start the container {id}"), failure))
    }

    /// Everything that a container wrote.
    #[cfg(feature = "bollard")]
    pub(crate) async fn whole_log(&self, id: &str) -> Result<Vec<String>> {
        self.read_log(id, "all").await
    }

    async fn read_log(&self, id: &str, tail: &str) -> Result<Vec<String>> {
        let path = format!("/containers/{id}/logs?stdout=true&stderr=true&tail={tail}");
        let log = self.demand("GET", &path, Body::Nothing).await;
        let log = log.map_err(|failure| failed("read the log of a container", failure))?;
        Ok(log::lines(&log))
    }

    async fn demand(&self, method: &str, path: &str, body: Body<'_>) -> Result<Vec<u8>, Failure> {
        demand(&self.place, method, path, body).await
    }

    /// Creates something, and gives its id.
    async fn created(&self, path: &str, body: &Value) -> Result<String, Failure> {
        let answer = self.demand("POST", path, Body::Json(body)).await?;
        let created = described(&answer)?;
        let id = created["Id"].as_str().filter(|id| !id.is_empty());
        Ok(id.ok_or_else(|| invalid("the engine's answer has no use: it has no id".to_owned()))?.to_owned())
    }

    async fn remove_with(&self, id: &str, options: &str) -> Result<()> {
        match self.demand("DELETE", &format!("/containers/{id}?{options}"), Body::Nothing).await {
            Ok(_) => Ok(()),
            Err(failure) if matches!(failure.status(), Some(404 | 409)) => Ok(()),
            Err(failure) => Err(failed("remove a reaper container", failure)),
        }
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
    fn answered(&self, operation: &str, failure: Failure) -> Error {
        if let Failure::Said { status, message } = &failure
            && let Verdict::Unclear(advice) | Verdict::Never(advice) = verdict(*status, message)
        {
            return self.refused(operation, failure.to_string(), advice);
        }
        failed(operation, failure)
    }

    fn refusal(&self, operation: &str, failure: Failure) -> Refusal {
        let Failure::Said { status, message } = &failure else {
            return Refusal::Passing(failed(operation, failure));
        };
        match missing(*status, message) {
            Some(Missing::Name) => return Refusal::NameTaken,
            Some(Missing::Image) => return Refusal::NoImage,
            Some(Missing::Network) => return Refusal::NoNetwork(failed(operation, failure)),
            Some(Missing::Socket) => return Refusal::NoSocket(Arc::new(failed(operation, failure))),
            Some(Missing::Container) => return Refusal::Passing(failed(operation, failure)),
            None => {}
        }
        match verdict(*status, message) {
            Verdict::Passes => Refusal::Passing(failed(operation, failure)),
            Verdict::Unclear(advice) => {
                Refusal::Unclear(self.refused(operation, failure.to_string(), advice))
            }
            Verdict::Never(advice) => Refusal::Final(self.refused(operation, failure.to_string(), advice)),
        }
    }
}

impl Engine for ApiEngine {
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
        let path = format!("/containers/create?name={}", percent::encoded(&spec.name));
        let created = self.created(&path, &create::body(spec, &socket)).await;
        created.map_err(|failure| self.refusal("create the reaper container", failure))
    }

    async fn start(&self, id: &str) -> Result<(), Refusal> {
        let started = self.demand("POST", &format!("/containers/{id}/start"), Body::Nothing).await;
        started.map(drop).map_err(|failure| self.refusal("start the reaper container", failure))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        // A conflict means that it is being removed, or running.
        self.remove_with(id, "v=true").await
    }

    async fn remove_by_force(&self, id: &str) -> Result<()> {
        self.remove_with(id, "v=true&force=true").await
    }

    async fn attend(&self, id: &str) -> Option<Said> {
        let listening = attend(&self.place, id).await;
        listening.inspect_err(|error| tracing::debug!(id, %error, "what it says will not be heard")).ok()
    }

    async fn log(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        self.read_log(id, &lines.to_string()).await
    }

    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<String> {
        let created = self.created("/networks/create", &json!({ "Name": name, "Labels": labels })).await;
        created.map_err(|failure| self.answered(&format!("create the network {name}"), failure))
    }

    async fn platform(&self) -> Result<(String, String)> {
        let version = self.demand("GET", "/version", Body::Nothing).await;
        let version = version.and_then(|version| Ok(described(&version)?));
        let version = version.map_err(|failure| self.answered("ask the engine for its platform", failure))?;
        let word = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
        Ok((word("Os"), word("Arch")))
    }

    async fn load(&self, archive: Vec<u8>) -> Result<()> {
        let loaded = async {
            let answer = open(&self.place, "POST", "/images/load?quiet=true", Body::Tar(&archive)).await?;
            Ok(follow(answer.done().await?, |_| {}).await?)
        };
        loaded.await.map_err(|failure| self.answered("load the reaper's image", failure))
    }

    async fn pull(&self, image: &str) -> Result<()> {
        let path = format!("/images/create?fromImage={}", percent::encoded(&with_tag(image)));
        let pulled = async {
            let answer = open(&self.place, "POST", &path, Body::Nothing).await?;
            let told = follow(answer.done().await?, |step| {
                tracing::info!(image, layer = step.id, status = step.status, "pulling");
            });
            Ok(told.await?)
        };
        pulled.await.map_err(|failure| failed("pull the image", failure))
    }

    async fn dial(&self, reaper: &Published, is_provable: bool) -> io::Result<TcpStream> {
        dial(&self.host, self.local, reaper, is_provable).await
    }

    async fn join(&self, container: &str, program: &str) -> io::Result<TcpStream> {
        let (container, program) = (container.to_owned(), program.to_owned());
        joined(Exec { place: self.place.clone(), container, program }, REQUEST_TIMEOUT).await
    }
}

fn described(answer: &[u8]) -> io::Result<Value> {
    serde_json::from_slice(answer)
        .map_err(|error| invalid(format!("the engine's answer has no use: {error}")))
}

/// An image's name as it is pulled. Of one with neither tag nor digest, an engine pulls every tag that the repository has.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    let is_whole = image.contains('@') || last.contains(':');
    format!("{image}{}", if is_whole { "" } else { ":latest" })
}

fn failed(operation: &str, failure: Failure) -> Error {
    Error::Engine { operation: operation.to_owned(), source: Arc::new(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the engine is asked, and gives this answer to.
    #[cfg(unix)]
    async fn asked<T>(status: &str, body: &str, ask: impl AsyncFnOnce(&ApiEngine) -> T) -> (T, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let (origin, host) = (String::new(), String::new());
        let engine = ApiEngine { place: Place::Socket(socket), origin, host, local: true };
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

    /// The status has said that all is well by then.
    #[cfg(unix)]
    #[tokio::test]
    async fn an_image_that_does_not_come_is_an_error_with_the_engines_words() {
        let answer = "{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"no such host\"},\"error\":\"no such host\"}\n";
        let (pulled, _) = asked("200 OK", answer, async |engine| engine.pull("ryuk").await).await;
        assert_eq!(pulled.unwrap_err().report(), "failed to pull the image\n  caused by: no such host");
        let (loaded, request) =
            asked("200 OK", answer, async |engine| engine.load(b"tar".into()).await).await;
        assert_eq!(
            loaded.unwrap_err().report(),
            "failed to load the reaper's image\n  caused by: no such host"
        );
        assert!(request.starts_with("POST /images/load?quiet=true HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\ntar"), "{request}");
    }

    /// An engine that has no room does not read what it will not keep.
    #[cfg(unix)]
    #[tokio::test]
    async fn an_answer_that_comes_before_the_body_was_taken_counts() {
        let answer = "{\"message\":\"no space left\"}";
        let archive = vec![0; 8 << 20];
        let (loaded, _) = asked("507 X", answer, async |engine| engine.load(archive).await).await;
        let report = loaded.unwrap_err().report();
        assert!(report.contains("the engine answered 507: no space left"), "{report}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_stands_in_the_way_of_a_start_is_told_by_status_and_words() {
        let start = async |engine: &ApiEngine| engine.start("abc").await;
        for (status, body, expected) in [
            ("204 No Content", "", "Ok(())"),
            ("304 Not Modified", "", "Ok(())"),
            ("404 Not Found", "{\"message\":\"No such container: abc\"}", "Err(Passing("),
            ("500 X", "{\"message\":\"on fire\"}", "Err(Unclear("),
            ("500 X", "{\"message\":\"port is already allocated\"}", "Err(Passing("),
            ("422 X", "{\"message\":\"policy\"}", "Err(Final("),
            ("502 X", "<html>Bad Gateway</html>", "Err(Passing("),
        ] {
            let (started, _) = asked(status, body, start).await;
            assert!(format!("{started:?}").starts_with(expected), "{status} {body}: {started:?}");
        }
    }
}
