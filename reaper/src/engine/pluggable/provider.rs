//! What the reaper asks of an engine, as a trait that anybody may implement.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use super::super::kind::Kind;
use super::super::needs::{Container, ReaperSpec};
use super::super::resource::Resource;
use super::refusal::Refusal;

/// What becomes of a request, to be awaited.
///
/// Not `Send`: whoever asks an engine does so on a thread of its own, on a tokio runtime with timers and I/O.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + 'a>>;

/// What an engine runs on, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Of its containers: `linux`.
    pub os: String,
    /// Of its machine: `amd64`, `arm64`.
    pub architecture: String,
}

/// How a removal that was not refused ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// It is gone, by this request or before it.
    Gone,
    /// It is there still: somebody else is removing it, or uses it. The next list tells whether it went.
    UnderWay,
}

/// A container engine, as far as the reaper needs one; see [the module](crate::provider).
///
/// Each method is one request. Requests are made by many threads and processes at once, and may be dropped half-way. What is
/// created carries labels: a request that was answered as failed and done all the same is found by them.
///
/// What only changes some of it implements [`Provider::inner`] and those methods; all others are the inner provider's, those that
/// are added later, too. What wraps nothing implements all of them but [`Provider::inner`].
pub trait Provider: fmt::Debug + Send + Sync {
    /// The provider that this one wraps: has whatever this one does not do itself (default: there is none).
    fn inner(&self) -> Option<&dyn Provider> {
        None
    }

    /// The engine's address, as `DOCKER_HOST` takes it.
    ///
    /// Published ports are dialled at its host, other clients are told of it, and what is not asked for here goes there: shared
    /// containers, the reaper's connection where no port leads to it, and which socket a Podman has.
    fn docker_host(&self) -> String {
        self.inner().map(<dyn Provider>::docker_host).unwrap_or_default()
    }

    /// Looks a container up by its exact name; none where there is none.
    ///
    /// The first request of each process, and the only one where the reaper is there already. [`Refusal::Final`] is an error at once;
    /// anything else is asked again until the deadline, unless it is the very first answer.
    fn look_up<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Container>> {
        self.inner().map_or_else(|| missing("look_up"), |inner| inner.look_up(name))
    }

    /// Creates the reaper's container, and gives its id. Each [`Refusal`] means something here.
    fn create<'a>(&'a self, reaper: &'a ReaperSpec) -> Answer<'a, String> {
        self.inner().map_or_else(|| missing("create"), |inner| inner.create(reaper))
    }

    /// Starts a container; one that runs already is started. [`Refusal`]s as for [`Provider::create`].
    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        self.inner().map_or_else(|| missing("start"), |inner| inner.start(id))
    }

    /// Removes a container and its anonymous volumes, unless it runs: then it stays, and is [`Removal::UnderWay`].
    ///
    /// Never by force: somebody may have started it meanwhile, and others may be connected to it.
    fn remove_stopped<'a>(&'a self, id: &'a str) -> Answer<'a, Removal> {
        self.inner().map_or_else(|| missing("remove_stopped"), |inner| inner.remove_stopped(id))
    }

    /// Removes something by its id, of a volume its name: a container by force and with its anonymous volumes, an image never by
    /// force.
    ///
    /// Whether it may be removed was decided before. A refusal is said to who asked, after it was tried for a minute.
    fn remove<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Removal> {
        self.inner().map_or_else(|| missing("remove"), |inner| inner.remove(kind, id))
    }

    /// Lists what there is of a kind with a label, `key` or `key=value`; all of it for none. None where the engine keeps no such
    /// things, as one that is in no swarm has no services.
    ///
    /// It may give more than was asked for: what is meant is decided by each thing's own labels.
    fn list<'a>(&'a self, kind: Kind, label: Option<&'a str>) -> Answer<'a, Option<Vec<Resource>>> {
        self.inner().map_or_else(|| missing("list"), |inner| inner.list(kind, label))
    }

    /// The ids of the containers that are on a network now; none where it is gone.
    fn attached<'a>(&'a self, network: &'a str) -> Answer<'a, Vec<String>> {
        self.inner().map_or_else(|| missing("attached"), |inner| inner.attached(network))
    }

    /// The last lines that a container wrote; for messages, so a refusal is no error.
    fn log<'a>(&'a self, id: &'a str, lines: usize) -> Answer<'a, Vec<String>> {
        self.inner().map_or_else(|| missing("log"), |inner| inner.log(id, lines))
    }

    /// Creates a network with these labels, and gives its id: where the engine has no usual one, and for
    /// [`Reaper::network`](crate::Reaper::network).
    fn create_network<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> Answer<'a, String> {
        self.inner().map_or_else(|| missing("create_network"), |inner| inner.create_network(name, labels))
    }

    /// What it runs on: which of the embedded servers it is given.
    fn platform(&self) -> Answer<'_, Platform> {
        self.inner().map_or_else(|| missing("platform"), |inner| inner.platform())
    }

    /// Brings an image from an archive, as `docker save` writes it. A [`Refusal`] of any kind is an error.
    fn load<'a>(&'a self, archive: &'a [u8]) -> Answer<'a, ()> {
        self.inner().map_or_else(|| missing("load"), |inner| inner.load(archive))
    }

    /// Brings an image from its registry, with its default tag where none is named. A [`Refusal`] of any kind is an error.
    fn pull<'a>(&'a self, image: &'a str) -> Answer<'a, ()> {
        self.inner().map_or_else(|| missing("pull"), |inner| inner.pull(image))
    }
}

/// The answer of a provider that neither does something itself nor wraps another that does.
fn missing<'a, T: 'a>(method: &str) -> Answer<'a, T> {
    let problem = format!("the provider that was handed over has no `{method}`");
    Box::pin(ready(Err(Refusal::Final(problem.into()))))
}

/// A provider that was handed over: the same one where it is the same object.
#[derive(Debug, Clone)]
pub(crate) struct Handed(pub(crate) Arc<dyn Provider>);

impl PartialEq for Handed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Handed {}
