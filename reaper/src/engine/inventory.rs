//! What is on an engine: listing it, and removing it.
//!
//! Which of a list is meant is decided here, by each thing's own labels (`sought`): engines differ in what they take a
//! filter for. Beside the trait that acquiring needs, since acquiring never lists: its cost must not depend on how much an
//! engine has.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;

use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};

use super::answer::Answer;
use super::http::{bounded, look};
use super::kind::Kind;
use super::percent;
use super::place::Place;
use super::resource::{Resource, read, unreadable};
use super::sought::Sought;

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
        let answer = look(self, &path).await?;
        if kind.is_not_kept(answer.status) { Ok(None) } else { read(kind, &answer).map(Some) }
    }

    async fn attached(&self, network: &str) -> io::Result<Vec<String>> {
        let answer = look(self, &format!("/networks/{}", percent::encoded(network))).await?;
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
