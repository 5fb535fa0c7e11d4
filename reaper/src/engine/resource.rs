//! What is on an engine, read from its lists.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::Answer;
use super::kind::Kind;
use super::moment::moment;
use super::needs::State;
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

/// What a list has of a kind.
pub(super) fn read(kind: Kind, answer: &Answer) -> io::Result<Vec<Resource>> {
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
pub(super) fn unreadable(error: serde_json::Error) -> io::Error {
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
