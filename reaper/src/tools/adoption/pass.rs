//! One request, passed on to the engine with labels on what it makes; and its answer, passed back.
//!
//! Bodies are passed on as they come, in both directions, and read whole only where labels are added. What the engine turns
//! into a plain stream (attach, exec, a session of `BuildKit`) is copied both ways, each half closed when the other side
//! closes it. Each request has a connection of its own to the engine: one that is kept may be closed just when the next
//! request is sent, and nobody can tell then whether that was done.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::time::timeout;

use super::creation::{Creation, Labels, NamedVolume};
use super::creator;
use crate::engine::{Place, Stream, authority, connect, percent_encode};

/// A connection to the engine; as for every other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is made is described in kilobytes; a configuration of a Swarm has its content in it.
const DESCRIPTION_AT_MOST: usize = 64 * 1024 * 1024;

/// For each direction of a stream.
const BUFFER: usize = 128 * 1024;

/// What a connection says of itself, and not of what is said over it.
const OF_THE_CONNECTION: [HeaderName; 4] = [
    CONNECTION,
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

type Body = BoxBody<Bytes, hyper::Error>;

/// Where requests go, and the labels for what they make.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) place: Place,
    pub(super) labels: Labels,
}

/// Why a request was not passed on.
struct Refusal(StatusCode, String);

/// Passes a request on, of the process with this pid.
pub(super) async fn pass(
    engine: Arc<Engine>,
    peer: Option<u32>,
    request: Request<Incoming>,
) -> Response<Body> {
    engine.forward(peer, request).await.unwrap_or_else(|Refusal(status, problem)| {
        tracing::debug!(%status, problem, "a request was not passed on");
        // As the engine itself puts it, so that clients show the text.
        let body = serde_json::json!({ "message": format!("reaper: {problem}") }).to_string();
        let mut answer = Response::new(full(body.into_bytes()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    })
}

impl Engine {
    async fn forward(
        &self,
        peer: Option<u32>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let upgrade = request.headers().get(UPGRADE).cloned();
        let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        let body = match Creation::of(head.method.as_str(), head.uri.path(), query) {
            None => body.boxed(),
            Some(creation) if creation.is_in_body() => {
                let described = Limited::new(body, DESCRIPTION_AT_MOST).collect().await;
                let described = described
                    .map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?
                    .to_bytes();
                let labels = creator::labels(&self.labels, peer);
                if creation == Creation::Container {
                    self.make_volumes(&head.uri, &described, &labels).await;
                }
                let labelled = creation.body(&described, &labels).ok_or_else(|| {
                    let problem =
                        "what is to be created is not described by a JSON object, so it cannot be labelled";
                    Refusal(StatusCode::BAD_REQUEST, problem.to_owned())
                })?;
                head.headers.remove(CONTENT_LENGTH);
                full(labelled)
            }
            Some(creation) => {
                let mut labels = creator::labels(&self.labels, peer);
                if creation == Creation::Commit {
                    labels = labels.without(&self.labels_of_container(&head.uri, query).await);
                }
                head.uri = with_query(&head.uri, &creation.query(query, &labels))?;
                body.boxed()
            }
        };
        to_be_passed_on(&mut head.headers, upgrade.as_ref());
        let mut answer = self.send(Request::from_parts(head, body)).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let served = hyper::upgrade::on(&mut answer);
            if let Some(client) = client {
                tokio::spawn(join(client, served));
            }
            return Ok(answer.map(|_| Empty::new().map_err(|never| match never {}).boxed()));
        }
        // Whatever ends with the connection must do so here, too: who reads it expects no chunks.
        let is_framed =
            [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| answer.headers().contains_key(name));
        let has_body = !hyper::body::Body::is_end_stream(answer.body());
        *answer.version_mut() = if is_framed || !has_body { Version::HTTP_11 } else { Version::HTTP_10 };
        to_be_passed_on(answer.headers_mut(), None);
        Ok(answer.map(BodyExt::boxed))
    }

    async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Refusal> {
        let unreachable = |problem: &dyn std::fmt::Display| {
            Refusal(
                StatusCode::BAD_GATEWAY,
                format!("the engine at {} cannot be reached: {problem}", self.place),
            )
        };
        if let Ok(host) = HeaderValue::from_str(authority(&self.place)) {
            request.headers_mut().insert(HOST, host);
        }
        *request.version_mut() = Version::HTTP_11;
        let stream = self.connect().await.map_err(|error| unreachable(&error))?;
        let connection = hyper::client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = connection.await.map_err(|error| unreachable(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to the engine broke off");
            }
        });
        sender.send_request(request).await.map_err(|error| {
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            unreachable(&format!("{error}{source}"))
        })
    }

    async fn connect(&self) -> io::Result<Stream> {
        timeout(CONNECT_TIMEOUT, connect(&self.place))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Makes the volumes that the engine would make by itself and without labels. One that is there is left as it is; what
    /// is wrong with one is told by the creation of the container.
    async fn make_volumes(&self, uri: &Uri, described: &[u8], labels: &Labels) {
        for volume in NamedVolume::of(described) {
            let path = uri.path().replace("/containers/create", "/volumes/create");
            let request = Request::builder().method(Method::POST).uri(path);
            let request = request.header(CONTENT_TYPE, "application/json").body(full(volume.body(labels)));
            if let Ok(request) = request {
                self.ask(request).await;
            }
        }
    }

    /// The labels of the container that is committed, as an object: its image gets them anyway.
    async fn labels_of_container(&self, uri: &Uri, query: &str) -> Vec<u8> {
        let name = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "container");
        let Some((_, name)) = name else { return Vec::new() };
        let version = uri.path().trim_end_matches("/commit").trim_end_matches("/libpod");
        let mut path = format!("{version}/containers/");
        percent_encode(&name, &mut path);
        path.push_str("/json");
        let request = Request::builder().uri(path).body(full(Vec::new()));
        let Ok(request) = request else { return Vec::new() };
        let answer = self.ask(request).await.unwrap_or_default();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        answer["Config"]["Labels"].to_string().into_bytes()
    }

    async fn ask(&self, request: Request<Body>) -> Option<Bytes> {
        let answer = self.send(request).await.ok()?;
        Some(answer.into_body().collect().await.ok()?.to_bytes())
    }
}

/// Copies both ways until both sides have closed.
async fn join(client: OnUpgrade, engine: OnUpgrade) {
    let (client, engine) = tokio::join!(client, engine);
    let outcome = match (client, engine) {
        (Ok(client), Ok(engine)) => {
            let (mut client, mut engine) = (TokioIo::new(client), TokioIo::new(engine));
            copy_bidirectional_with_sizes(&mut client, &mut engine, BUFFER, BUFFER).await.map(drop)
        }
        (Err(error), _) | (_, Err(error)) => Err(io::Error::other(error)),
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a stream broke off");
    }
}

fn to_be_passed_on(headers: &mut HeaderMap, upgrade: Option<&HeaderValue>) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    // It was answered here, when the body was asked for.
    headers.remove(EXPECT);
    headers.remove(UPGRADE);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, upgrade.clone());
    }
}

fn with_query(uri: &Uri, query: &str) -> Result<Uri, Refusal> {
    let uri = if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) };
    uri.parse()
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("no labels fit into the request: {error}")))
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed()
}
