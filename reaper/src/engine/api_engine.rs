//! An engine as acquiring needs one, on what answers for it: its own interface, or what a user has handed over.
//!
//! What was asked, and of whom, is added here: who answers knows neither. What a provider is not asked for goes to the
//! engine's own interface at the address that it names.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

#[cfg(feature = "bollard")]
use serde_json::Value;
use tokio::net::TcpStream;

use super::attend::{Said, attend};
use super::dial::dial;
use super::endpoint::Endpoint;
use super::exec::Exec;
use super::http::REQUEST_TIMEOUT;
#[cfg(feature = "bollard")]
use super::http::{Body, demand};
use super::kind::Kind;
use super::needs::{Container, Engine, Published, ReaperSpec, Refusal};
use super::place::Place;
use super::pluggable::{self, Platform, Problem, Provider};
#[cfg(feature = "bollard")]
use super::pluggable::{created, read_log};
use super::podman;
use super::relay::joined;
use super::verdict::Hopeless;
use crate::error::{Error, Result, chain};

/// Where a provider says no by itself.
const PROVIDERS: &str =
    "the engine that was handed over with `with_engine` says so: see its own documentation";

/// An engine, and what answers for it.
pub(crate) struct ApiEngine {
    provider: Arc<dyn Provider>,
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
        Self { provider: endpoint.provider(), place, origin, host, local }
    }

    /// Creates a container of a test's own, as the engine's interface describes one, and pulls its image where that is
    /// missing; gives its id.
    #[cfg(feature = "bollard")]
    pub(crate) async fn create_container(&self, body: &Value) -> Result<String> {
        let image = body["Image"].as_str().unwrap_or_default();
        let create = || created(&self.place, "/containers/create", body);
        let mut created = create().await;
        if matches!(&created, Err(failure) if failure.status() == Some(404)) {
            self.pull(image).await.map_err(|error| Error::Engine {
                operation: format!("provide the image {image}"),
                source: Arc::new(error),
            })?;
            created = create().await;
        }
        created.map_err(|failure| failed(&format!("create a container of {image}"), failure.into()))
    }

    /// Starts a container of a test's own.
    #[cfg(feature = "bollard")]
    pub(crate) async fn start_container(&self, id: &str) -> Result<()> {
        let started = demand(&self.place, "POST", &format!("/containers/{id}/start"), Body::Nothing).await;
        started.map(drop).map_err(|failure| failed(&format!("start the container {id}"), failure.into()))
    }

    /// Everything that a container wrote.
    #[cfg(feature = "bollard")]
    pub(crate) async fn whole_log(&self, id: &str) -> Result<Vec<String>> {
        let log = read_log(&self.place, id, "all").await;
        log.map_err(|failure| failed("read the log of a container", failure.into()))
    }

    /// The error for what would be refused again.
    fn refused(&self, operation: &str, problem: &Problem) -> Error {
        let advice = problem.downcast_ref().map_or(PROVIDERS, |hopeless: &Hopeless| hopeless.advice);
        Error::Refused {
            operation: operation.to_owned(),
            endpoint: self.place.to_string(),
            origin: self.origin.clone(),
            problem: chain(&**problem),
            advice: advice.to_owned(),
        }
    }

    /// The error for what a creation needs: refused, unless that is known to pass.
    fn answered(&self, operation: &str, refusal: pluggable::Refusal) -> Error {
        match refusal {
            pluggable::Refusal::Unclear(problem) | pluggable::Refusal::Final(problem) => {
                self.refused(operation, &problem)
            }
            other => failed(operation, other.into_problem()),
        }
    }

    /// What is in the way of a creation or a start.
    fn refusal(&self, operation: &str, refusal: pluggable::Refusal) -> Refusal {
        match refusal {
            pluggable::Refusal::NameTaken => Refusal::NameTaken,
            pluggable::Refusal::NoImage => Refusal::NoImage,
            pluggable::Refusal::NoNetwork(problem) => Refusal::NoNetwork(failed(operation, problem)),
            pluggable::Refusal::NoSocket(problem) => Refusal::NoSocket(Arc::new(failed(operation, problem))),
            pluggable::Refusal::Passing(problem) => Refusal::Passing(failed(operation, problem)),
            pluggable::Refusal::Unclear(problem) => Refusal::Unclear(self.refused(operation, &problem)),
            pluggable::Refusal::Final(problem) => Refusal::Final(self.refused(operation, &problem)),
        }
    }
}

impl Engine for ApiEngine {
    type Stream = TcpStream;

    async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        let operation = "look up the reaper container";
        self.provider.look_up(name).await.map_err(|refusal| match refusal {
            pluggable::Refusal::Final(problem) => self.refused(operation, &problem),
            other => failed(operation, other.into_problem()),
        })
    }

    async fn create(&self, spec: &ReaperSpec) -> Result<String, Refusal> {
        let socket = podman::socket(&self.place, spec, self.local).await.map_err(Refusal::NoSocket)?;
        let created = self.provider.create(&ReaperSpec { socket, ..spec.clone() }).await;
        created.map_err(|refusal| self.refusal("create the reaper container", refusal))
    }

    async fn start(&self, id: &str) -> Result<(), Refusal> {
        let started = self.provider.start(id).await;
        started.map_err(|refusal| self.refusal("start the reaper container", refusal))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        // It runs, or is being removed.
        let removed = self.provider.remove_stopped(id).await;
        removed.map(drop).map_err(|refusal| failed(REMOVE, refusal.into_problem()))
    }

    async fn remove_by_force(&self, id: &str) -> Result<()> {
        let removed = self.provider.remove(Kind::Container, id).await;
        removed.map(drop).map_err(|refusal| failed(REMOVE, refusal.into_problem()))
    }

    async fn attend(&self, id: &str) -> Option<Said> {
        let listening = attend(&self.place, id).await;
        listening.inspect_err(|error| tracing::debug!(id, %error, "what it says will not be heard")).ok()
    }

    async fn log(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        let log = self.provider.log(id, lines).await;
        log.map_err(|refusal| failed("read the log of a container", refusal.into_problem()))
    }

    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<String> {
        let created = self.provider.create_network(name, labels).await;
        created.map_err(|refusal| self.answered(&format!("create the network {name}"), refusal))
    }

    async fn platform(&self) -> Result<(String, String)> {
        match self.provider.platform().await {
            Ok(Platform { os, architecture }) => Ok((os, architecture)),
            Err(refusal) => Err(self.answered("ask the engine for its platform", refusal)),
        }
    }

    async fn load(&self, archive: Vec<u8>) -> Result<()> {
        let loaded = self.provider.load(&archive).await;
        loaded.map_err(|refusal| self.answered("load the reaper's image", refusal))
    }

    async fn pull(&self, image: &str) -> Result<()> {
        let pulled = self.provider.pull(image).await;
        pulled.map_err(|refusal| failed("pull the image", refusal.into_problem()))
    }

    async fn dial(&self, reaper: &Published, is_provable: bool) -> io::Result<TcpStream> {
        dial(&self.host, self.local, reaper, is_provable).await
    }

    async fn join(&self, container: &str, program: &str) -> io::Result<TcpStream> {
        let (container, program) = (container.to_owned(), program.to_owned());
        joined(Exec { place: self.place.clone(), container, program }, REQUEST_TIMEOUT).await
    }
}

const REMOVE: &str = "remove a reaper container";

fn failed(operation: &str, problem: Problem) -> Error {
    Error::Engine { operation: operation.to_owned(), source: Arc::from(problem) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use crate::engine::doubles::scripted;

    /// What the engine is asked, and gives this answer to.
    #[cfg(unix)]
    async fn asked<T>(status: &str, body: &str, ask: impl AsyncFnOnce(&ApiEngine) -> T) -> (T, String) {
        let ask = async |place| {
            let (origin, host, socket) = (String::new(), String::new(), String::new());
            let endpoint = Endpoint { place, origin, host, local: true, socket, probed: true, handed: None };
            ask(&ApiEngine::new(&endpoint)).await
        };
        let (outcome, requests) = scripted(&[(status, body)], ask).await;
        (outcome, requests.concat())
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
