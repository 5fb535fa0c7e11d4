//! What is on an engine: listing it, and removing it.
//!
//! Which of a list is meant is decided here, by each thing's own labels (`sought`): engines differ in what they take a
//! filter for. Beside the trait that acquiring needs, since acquiring never lists: its cost must not depend on how much an
//! engine has.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime};

use futures_util::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::http::bounded;
use super::kind::Kind;
use super::moment::moment;
use super::needs::State;
use super::percent;
use super::place::Place;
use super::sought::Sought;
use super::verdict::invalid;
use crate::session::RYUK;

/// Something on an engine, as its list describes it.
///
/// [`Resource::read`] makes one of what the Engine API lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub(crate) kind: Kind,
    /// What the engine removes it by: an id, for a volume its name.
    pub(crate) id: String,
    pub(crate) labels: HashMap<String, String>,
    /// Of a container.
    pub(crate) state: Option<State>,
    /// As people call it; empty for an image without a tag.
    pub(crate) name: String,
    /// None where the engine does not say.
    pub(crate) created: Option<SystemTime>,
    /// Of an image: its names.
    pub(crate) tags: Vec<String>,
    /// Of a container: the id of its image.
    pub(crate) image: String,
    /// Of a container: the ids of its networks, or their names where it has not been on them yet.
    pub(crate) networks: Vec<String>,
}

impl Resource {
    /// Something of a kind from an item of what the Engine API lists of it: as JSON, or as a client's own type.
    ///
    /// # Errors
    ///
    /// For what is no such item; to be tried again.
    pub fn read(kind: Kind, item: &impl Serialize) -> io::Result<Self> {
        let item = serde_json::to_value(item).and_then(serde_json::from_value::<Item>);
        item.map_err(unreadable)?.resource(kind)
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the engine removes it by: an id, for a volume its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &HashMap<String, String> {
        &self.labels
    }

    /// Of a container: whether it runs, or is paused.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.state, Some(State::Running | State::Paused))
    }

    /// Whether it does something, or is what others are made of; what else there is is for containers to use.
    pub(crate) fn is_of_use_by_itself(&self) -> bool {
        matches!(self.kind, Kind::Service | Kind::Container | Kind::Image)
    }

    /// Ryuk's rule: what carries this label is a reaper, which removes itself.
    pub(crate) fn is_reaper(&self) -> bool {
        self.labels.get(RYUK).is_some_and(|value| value == "true")
    }
}

/// How a removal ended.
#[derive(Debug)]
pub(crate) enum Removal {
    /// It is gone, by us or by somebody else.
    Removed,
    /// Somebody else is at it; the next list tells whether it went.
    UnderWay,
    Failed(io::Error),
}

/// An engine, as far as looking through it goes.
pub(crate) trait Inventory {
    /// What the engine lists of a kind for a label, a key or `key=value`, which may be more than what carries that label;
    /// everything for no label. None where the engine keeps no such things.
    fn ask(&self, kind: Kind, label: Option<&str>)
    -> impl Future<Output = io::Result<Option<Vec<Resource>>>>;
    /// The containers that are on a network now.
    fn attached(&self, network: &str) -> impl Future<Output = io::Result<Vec<String>>>;
    /// Removes it, whoever uses it: whether it may be removed is decided before.
    fn remove(&self, kind: Kind, id: &str) -> impl Future<Output = Removal>;
    /// Removes a container, unless it runs: then somebody has started it since it was listed.
    fn remove_idle(&self, id: &str) -> impl Future<Output = Removal>;

    /// Everything of a kind that is meant, by its own labels; none where the engine keeps no such things.
    fn kept(
        &self,
        kind: Kind,
        sought: Sought<'_>,
    ) -> impl Future<Output = io::Result<Option<Vec<Resource>>>> {
        async move {
            let mut found = BTreeMap::new();
            for label in sought.asked() {
                let Some(listed) = self.ask(kind, label.as_deref()).await? else { return Ok(None) };
                let meant = listed.into_iter().filter(|resource| sought.includes(&resource.labels));
                found.extend(meant.map(|resource| (resource.id.clone(), resource)));
            }
            Ok(Some(found.into_values().collect()))
        }
    }

    /// Everything of a kind that is meant, by its own labels.
    fn list(&self, kind: Kind, sought: Sought<'_>) -> impl Future<Output = io::Result<Vec<Resource>>> {
        async move { Ok(self.kept(kind, sought).await?.unwrap_or_default()) }
    }

    /// Everything that is meant, of all kinds, which are asked for at once; those of a swarm when its services were listed.
    fn list_all(&self, sought: Sought<'_>) -> impl Future<Output = Result<Vec<Resource>, Unlisted>> {
        let kept = move |kind| async move {
            self.kept(kind, sought).await.map_err(|problem| Unlisted { kind, problem })
        };
        let (of_swarm, usual): (Vec<_>, Vec<_>) = Kind::ALL.into_iter().partition(|kind| kind.is_of_swarm());
        async move {
            let of_swarm = async {
                let mut found = Vec::new();
                for kind in of_swarm {
                    let Some(kept) = kept(kind).await? else { break };
                    found.extend(kept);
                }
                Ok(found)
            };
            let (mut found, usual) = try_join(of_swarm, try_join_all(usual.into_iter().map(kept))).await?;
            found.extend(usual.into_iter().flatten().flatten());
            found.sort_by_key(|resource| resource.kind);
            Ok(found)
        }
    }
}

/// A kind that an engine does not list.
#[derive(Debug)]
pub(crate) struct Unlisted {
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "for the command line's messages"))]
    pub(crate) kind: Kind,
    pub(crate) problem: io::Error,
}

impl Inventory for Place {
    async fn ask(&self, kind: Kind, label: Option<&str>) -> io::Result<Option<Vec<Resource>>> {
        let filters = label.map_or(json!({}), |label| json!({ "label": [label] }));
        let path = format!("{}{}", kind.list(), percent::encoded(&filters.to_string()));
        let answer = bounded(self, "GET", &path).await?;
        if kind.is_not_kept(answer.status) { Ok(None) } else { read(kind, &answer).map(Some) }
    }

    async fn attached(&self, network: &str) -> io::Result<Vec<String>> {
        let answer = bounded(self, "GET", &format!("/networks/{}", percent::encoded(network))).await?;
        match answer.status {
            200 => {
                let found: Value = serde_json::from_slice(&answer.body).map_err(unreadable)?;
                let ids = found["Containers"].as_object().into_iter().flat_map(|found| found.keys());
                Ok(attached(ids.cloned()))
            }
            404 => Ok(Vec::new()),
            _ => Err(answer.unusable()),
        }
    }

    async fn remove(&self, kind: Kind, id: &str) -> Removal {
        removal(bounded(self, "DELETE", &kind.removal(&percent::encoded(id))).await, |status, words| {
            is_under_way(kind, status, words)
        })
    }

    async fn remove_idle(&self, id: &str) -> Removal {
        let answer = bounded(self, "DELETE", &format!("/containers/{}?v=1", percent::encoded(id))).await;
        // Any conflict: the engine's word for one that runs, and for one that is being removed.
        removal(answer, |status, _| status == 409)
    }
}

/// The containers among what is on a network.
pub(super) fn attached(ids: impl Iterator<Item = String>) -> Vec<String> {
    // Docker has other endpoints among them, whose keys are no ids; those are the engine's to judge.
    ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
}

/// Whether an answer to a removal says that it is somebody else's doing, or is done soon.
pub(super) fn is_under_way(kind: Kind, status: u16, words: &str) -> bool {
    match status {
        409 => words.contains("already in progress"),
        // A network of a swarm that is gone, and on this node not before its last task has let go.
        500 => kind == Kind::Network && words.contains("not found"),
        _ => false,
    }
}

fn removal(answer: io::Result<Answer>, is_under_way: impl FnOnce(u16, &str) -> bool) -> Removal {
    match answer {
        Ok(Answer { status: 200..=299 | 404, .. }) => Removal::Removed,
        Ok(answer) if is_under_way(answer.status, &String::from_utf8_lossy(&answer.body)) => {
            Removal::UnderWay
        }
        Ok(answer) => Removal::Failed(answer.unusable()),
        Err(error) => Removal::Failed(error),
    }
}

fn read(kind: Kind, answer: &Answer) -> io::Result<Vec<Resource>> {
    if answer.status != 200 {
        return Err(answer.unusable());
    }
    let mut list: Value = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    if kind == Kind::Volume {
        list = list["Volumes"].take();
    }
    // Null where there is none.
    let items: Option<Vec<Item>> = serde_json::from_value(list).map_err(unreadable)?;
    items.unwrap_or_default().into_iter().map(|item| item.resource(kind)).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` has it")]
fn unreadable(error: serde_json::Error) -> io::Error {
    invalid(format!("the engine's answer has no use: {error}"))
}

/// What of an item is needed here. A volume has a name and no id; only a container has a state.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    id: Option<String>,
    name: Option<String>,
    /// The next two are of things of a swarm.
    #[serde(rename = "ID")]
    of_swarm: Option<String>,
    spec: Option<ItemSpecification>,
    /// Of a container, each behind a slash.
    names: Option<Vec<String>>,
    /// Of an image.
    repo_tags: Option<Vec<String>>,
    labels: Option<HashMap<String, String>>,
    state: Option<String>,
    /// Seconds of a container and of an image, text of a network.
    created: Option<Value>,
    /// Of a volume, and of things of a swarm.
    created_at: Option<String>,
    /// The next three are of a container.
    #[serde(rename = "ImageID")]
    image: Option<String>,
    network_settings: Option<ItemNetworks>,
    host_config: Option<ItemHost>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemSpecification {
    name: Option<String>,
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemNetworks {
    networks: Option<HashMap<String, Option<ItemEndpoint>>>,
}

#[derive(Deserialize)]
struct ItemEndpoint {
    #[serde(rename = "NetworkID")]
    network: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemHost {
    network_mode: Option<String>,
}

impl Item {
    fn resource(mut self, kind: Kind) -> io::Result<Resource> {
        if kind.is_of_swarm() {
            self.id = self.of_swarm.take();
            let specification = self.spec.take();
            (self.name, self.labels) = specification.map_or((None, None), |of| (of.name, of.labels));
        }
        let networks = self.networks();
        let mut tags = self.repo_tags.unwrap_or_default();
        tags.retain(|tag| tag != "<none>:<none>");
        let first = self.names.unwrap_or_default().into_iter().next();
        // Podman has an empty name beside the names of a container.
        let name = self.name.clone().filter(|name| !name.is_empty());
        let name = name.or(first).or(tags.first().cloned()).unwrap_or_default();
        // A volume is called by its name.
        let id = self.id.or(self.name.filter(|_| !kind.is_of_swarm())).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| invalid(format!("a {kind} without an id in the engine's list")))?;
        let created = match &self.created {
            Some(Value::Number(seconds)) => {
                seconds.as_u64().map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            }
            Some(Value::String(text)) => moment(text),
            _ => self.created_at.as_deref().and_then(moment),
        };
        let state = self.state.as_deref().map(|state| match state {
            "running" | "restarting" => State::Running,
            "paused" => State::Paused,
            "created" | "initialized" | "configured" => State::Created,
            "stopping" => State::Stopping,
            _ => State::Ended,
        });
        let name = name.trim_start_matches('/').to_owned();
        let (labels, image) = (self.labels.unwrap_or_default(), self.image.unwrap_or_default());
        Ok(Resource { kind, id, labels, state, name, created, tags, image, networks })
    }

    fn networks(&self) -> Vec<String> {
        let on = self.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let id =
            |endpoint: &Option<ItemEndpoint>| endpoint.as_ref()?.network.clone().filter(|id| !id.is_empty());
        let on: Vec<_> =
            on.into_iter().flatten().map(|(name, found)| id(found).unwrap_or_else(|| name.clone())).collect();
        let asked = || self.host_config.as_ref()?.network_mode.clone();
        if on.is_empty() { asked().into_iter().collect() } else { on }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(kind: Kind, status: u16, body: &str) -> io::Result<Vec<Resource>> {
        read(kind, &Answer { status, body: body.into() })
    }

    #[test]
    fn every_kind_is_read() {
        let body = "[{\"Id\":\"c\",\"Names\":[\"/x\"],\"State\":\"running\",\"Labels\":{\"a\":\"b\"}},\
                    {\"Id\":\"d\",\"State\":\"created\",\"Labels\":{}}]";
        let found = listed(Kind::Container, 200, body).unwrap();
        assert_eq!((found[0].id.as_str(), found[0].runs(), found[1].runs()), ("c", true, false));
        assert_eq!((found[0].labels["a"].as_str(), found[0].name.as_str()), ("b", "x"));
        // As Podman 4.3 has it.
        let body = "[{\"Id\":\"c\",\"Names\":[\"/x\"],\"State\":\"created\",\"Name\":\"\",\"Config\":null}]";
        assert_eq!(listed(Kind::Container, 200, body).unwrap()[0].name, "x");
        let found = listed(Kind::Network, 200, "[{\"Name\":\"x\",\"Id\":\"n\",\"Labels\":{}}]").unwrap();
        assert_eq!(found[0].id, "n");
        let body = "{\"Volumes\":[{\"Name\":\"v\",\"Labels\":null}],\"Warnings\":null}";
        let found = listed(Kind::Volume, 200, body).unwrap();
        assert_eq!((found[0].id.as_str(), found[0].name.as_str()), ("v", "v"));
        for (tags, name) in [("[\"a:1\",\"b:2\"]", "a:1"), ("[\"<none>:<none>\"]", ""), ("null", "")] {
            let body = format!("[{{\"Id\":\"i\",\"RepoTags\":{tags},\"Created\":1700000000}}]");
            assert_eq!(listed(Kind::Image, 200, &body).unwrap()[0].name, name);
        }
        let body = "[{\"ID\":\"s\",\"Spec\":{\"Name\":\"x\",\"Labels\":{\"a\":\"b\"},\"TaskTemplate\":{\"Labels\":{}}}}]";
        for kind in [Kind::Service, Kind::Config, Kind::Secret] {
            let found = listed(kind, 200, body).unwrap();
            assert_eq!((found[0].id.as_str(), found[0].name.as_str()), ("s", "x"));
            assert_eq!(found[0].labels["a"], "b");
        }
        for none in ["{\"Volumes\":null}", "{}"] {
            assert_eq!(listed(Kind::Volume, 200, none).unwrap(), []);
        }
    }

    #[test]
    fn every_kind_says_when_it_was_created() {
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let text = "2023-11-14T22:13:20.5Z";
        for (kind, body) in [
            (Kind::Container, "[{\"Id\":\"c\",\"Created\":1700000000}]".to_owned()),
            (Kind::Image, "[{\"Id\":\"i\",\"Created\":1700000000}]".to_owned()),
            (Kind::Network, format!("[{{\"Id\":\"n\",\"Created\":\"{text}\"}}]")),
            (Kind::Service, format!("[{{\"ID\":\"s\",\"CreatedAt\":\"{text}\"}}]")),
            (Kind::Volume, format!("{{\"Volumes\":[{{\"Name\":\"v\",\"CreatedAt\":\"{text}\"}}]}}")),
        ] {
            assert_eq!(listed(kind, 200, &body).unwrap()[0].created, Some(expected), "{kind}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_an_empty_one() {
        for (status, body) in
            [(500, "on fire"), (200, "[{\"Id\":\"c\""), (200, ""), (200, "[{}]"), (200, "{}")]
        {
            assert!(listed(Kind::Container, status, body).is_err(), "{status} {body}");
        }
    }
}
