//! The engine by its own interface: what is asked where nothing was handed over.
//!
//! Paths are unversioned, which every engine understands as its own newest version, so there is no negotiation to pay for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::answer::Failure;
use super::super::http::{Body, demand, open};
use super::super::inventory::{Inventory as _, Removal as Removed};
use super::super::kind::Kind;
use super::super::log;
use super::super::look_up::look_up;
use super::super::needs::{Container, ReaperSpec};
use super::super::percent;
use super::super::place::Place;
use super::super::progress::{Step, follow};
use super::super::resource::Resource;
use super::super::verdict::invalid;
use super::provider::{Answer, Platform, Provider, Removal};
use super::refusal::Refusal;

/// The engine by its own HTTP interface: what the reaper uses unless another is handed over, and what others wrap.
#[derive(Debug, Clone)]
pub struct Direct {
    place: Place,
}

impl Direct {
    /// The engine at a place; nothing is asked yet.
    pub(crate) fn at(place: &Place) -> Self {
        Self { place: place.clone() }
    }

    async fn demand(&self, method: &str, path: &str) -> Result<Vec<u8>, Failure> {
        demand(&self.place, method, path, Body::Nothing).await
    }

    /// Has something done that takes as long as it takes, and is told of as it goes on.
    async fn followed(&self, path: &str, body: Body<'_>, each: impl FnMut(&Step)) -> Result<(), Failure> {
        let answer = open(&self.place, "POST", path, body).await?;
        Ok(follow(answer.done().await?, each).await?)
    }
}

impl Provider for Direct {
    fn docker_host(&self) -> String {
        self.place.to_string()
    }

    fn look_up<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Container>> {
        Box::pin(async move { Ok(look_up(&self.place, name).await?) })
    }

    fn create<'a>(&'a self, reaper: &'a ReaperSpec) -> Answer<'a, String> {
        Box::pin(async move {
            let path = format!("/containers/create?name={}", percent::encoded(&reaper.name));
            created(&self.place, &path, &reaper.body()).await.map_err(Refusal::of_creation)
        })
    }

    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let started = self.demand("POST", &format!("/containers/{id}/start")).await;
            started.map(drop).map_err(Refusal::of_creation)
        })
    }

    fn remove_stopped<'a>(&'a self, id: &'a str) -> Answer<'a, Removal> {
        Box::pin(async move { removal(self.place.remove_idle(id).await) })
    }

    fn remove<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Removal> {
        Box::pin(async move { removal(self.place.remove(kind, id).await) })
    }

    fn list<'a>(&'a self, kind: Kind, label: Option<&'a str>) -> Answer<'a, Option<Vec<Resource>>> {
        Box::pin(async move { Ok(self.place.ask(kind, label).await?) })
    }

    fn attached<'a>(&'a self, network: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move { Ok(self.place.attached(network).await?) })
    }

    fn log<'a>(&'a self, id: &'a str, lines: usize) -> Answer<'a, Vec<String>> {
        Box::pin(async move { read_log(&self.place, id, &lines.to_string()).await.map_err(Refusal::of) })
    }

    fn create_network<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> Answer<'a, String> {
        Box::pin(async move {
            let body = json!({ "Name": name, "Labels": labels });
            created(&self.place, "/networks/create", &body).await.map_err(Refusal::of)
        })
    }

    fn platform(&self) -> Answer<'_, Platform> {
        Box::pin(async move {
            let version = described(&self.demand("GET", "/version").await.map_err(Refusal::of)?)?;
            let word = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
            Ok(Platform { os: word("Os"), architecture: word("Arch") })
        })
    }

    fn load<'a>(&'a self, archive: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let loaded = self.followed("/images/load?quiet=true", Body::Tar(archive), |_| {}).await;
            loaded.map_err(Refusal::of)
        })
    }

    fn pull<'a>(&'a self, image: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let path = format!("/images/create?fromImage={}", percent::encoded(&with_tag(image)));
            let pulled = self.followed(&path, Body::Nothing, |step| {
                tracing::info!(image, layer = step.id, status = step.status, "pulling");
            });
            pulled.await.map_err(Refusal::of)
        })
    }
}

/// Creates something, and gives its id.
pub(in super::super) async fn created(place: &Place, path: &str, body: &Value) -> Result<String, Failure> {
    let answer = demand(place, "POST", path, Body::Json(body)).await?;
    let created = described(&answer)?;
    let id = created["Id"].as_str().filter(|id| !id.is_empty());
    Ok(id.ok_or_else(|| invalid("the engine's answer has no use: it has no id".to_owned()))?.to_owned())
}

/// The last lines of a container's log, or `all`.
pub(in super::super) async fn read_log(place: &Place, id: &str, tail: &str) -> Result<Vec<String>, Failure> {
    let path = format!("/containers/{id}/logs?stdout=true&stderr=true&tail={tail}");
    Ok(log::lines(&demand(place, "GET", &path, Body::Nothing).await?))
}

fn removal(removed: Removed) -> Result<Removal, Refusal> {
    match removed {
        Removed::Removed => Ok(Removal::Gone),
        Removed::UnderWay => Ok(Removal::UnderWay),
        Removed::Failed(error) => Err(error.into()),
    }
}

fn described(answer: &[u8]) -> std::io::Result<Value> {
    serde_json::from_slice(answer)
        .map_err(|error| invalid(format!("the engine's answer has no use: {error}")))
}

/// An image's name as it is pulled. Of one with neither tag nor digest, an engine pulls every tag that the repository has.
pub(super) fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    let is_whole = image.contains('@') || last.contains(':');
    format!("{image}{}", if is_whole { "" } else { ":latest" })
}
