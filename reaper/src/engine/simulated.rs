//! An engine with a will of its own, in virtual time: requests take time, meet each other, fail, or are
//! done and never answered.
//!
//! `fake` does one scripted thing after another and shows single transitions; this one keeps an engine's
//! rules (unique names, removal that takes time, a reaper that prunes and ends by itself) under any number
//! of clients, so that a model can look for what nobody thought of. All chance comes from the outside: the
//! same delays, faults and clients give the same run. What must never be asked of an engine is noted as
//! wrong here, since only here it is seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::fake::{failure, reaper};
use super::simulated_ryuk::Ryuk;
use super::{Container, ContainerSpec, Engine, Published, Refusal, State};
use crate::error::Result;

/// How much longer than usual a stalled request takes.
const STALL: Duration = Duration::from_secs(3);

/// What a client asks of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Inspect,
    Create,
    Start,
    Remove,
    Network,
    Load,
    Dial,
}

/// What is wrong with an operation for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing is done; a dial is refused.
    Fails,
    /// All is done, and the answer is lost; a dial loses the ACK.
    Loses,
    /// Done late; a dial is never answered.
    Stalls,
}

/// A trouble, and when it is there, in milliseconds from the beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) operation: Operation,
    pub(crate) trouble: Trouble,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// What happened, when after the beginning, and to which client.
pub(crate) type Event = (Duration, usize, &'static str);

/// More than any run comes to: without an end to it, virtual time could stand still.
const MOST_EVENTS: usize = 3_000;

pub(crate) struct World {
    pub(crate) containers: Vec<Simulated>,
    pub(crate) has_image: bool,
    pub(crate) networks: BTreeSet<String>,
    pub(crate) faults: Vec<Fault>,
    /// What a reaper needs for each answer, besides.
    pub(crate) ryuk_takes: Duration,
    /// What each step takes, in milliseconds, one after another and from the beginning again.
    pub(crate) delays: Vec<u64>,
    /// What clients created under a reaper's protection: the filter's line that finds it.
    pub(crate) resources: Vec<String>,
    /// Read when a run was wrong.
    pub(crate) trace: Vec<Event>,
    pub(crate) wrongs: Vec<String>,
    began: Instant,
    drawn: usize,
    made: usize,
}

/// A container of this engine.
pub(crate) struct Simulated {
    pub(crate) name: String,
    pub(crate) container: Container,
    network: String,
    pub(crate) auto_remove: bool,
    pub(crate) removing: bool,
    /// Whether it is of the session that is looked at.
    pub(crate) ours: bool,
    /// While it serves.
    pub(crate) ryuk: Option<Ryuk>,
}

impl World {
    /// Nothing but what the clients share with the rest of the world; to be made within a runtime.
    pub(crate) fn new(delays: Vec<u64>, faults: Vec<Fault>) -> Self {
        Self {
            containers: Vec::new(),
            has_image: true,
            networks: BTreeSet::from(["bridge".to_owned()]),
            faults,
            ryuk_takes: Duration::ZERO,
            delays,
            resources: Vec::new(),
            trace: Vec::new(),
            wrongs: Vec::new(),
            began: Instant::now(),
            drawn: 0,
            made: 0,
        }
    }

    /// Adds a container in this state and gives its id.
    pub(crate) fn add(&mut self, name: &str, state: State, ours: bool, auto_remove: bool) -> String {
        self.made += 1;
        let id = format!("container-{}", self.made);
        let container = Container { published: None, ..reaper(&id, state) };
        let (name, network, removing, ryuk) = (name.to_owned(), "bridge".into(), false, None);
        self.containers.push(Simulated { name, container, network, auto_remove, removing, ours, ryuk });
        id
    }

    pub(crate) fn find(&mut self, id: &str) -> Option<&mut Simulated> {
        self.containers.iter_mut().find(|one| one.container.id == id)
    }

    /// The session's: they go with what a reaper removes, unless something runs on them.
    pub(super) fn remove_unused_networks(&mut self) {
        let used = |name: &String| self.containers.iter().any(|one| one.is_running() && one.network == *name);
        self.networks.retain(|name| name == "bridge" || used(name));
    }

    pub(super) fn wait(&mut self) -> Duration {
        self.drawn += 1;
        Duration::from_millis(self.delays[self.drawn % self.delays.len()])
    }

    fn trouble(&self, operation: Operation) -> Option<Trouble> {
        let now = self.began.elapsed();
        let since = |milliseconds| now >= Duration::from_millis(milliseconds);
        let here = |fault: &&Fault| fault.operation == operation && since(fault.from) && !since(fault.until);
        self.faults.iter().find(here).map(|fault| fault.trouble)
    }

    fn create(&mut self, name: &str, network: String) -> Result<String, Refusal> {
        if !self.has_image {
            return Err(Refusal::NoImage);
        }
        if self.containers.iter().any(|one| one.name == name) {
            return Err(Refusal::NameTaken);
        }
        let id = self.add(name, State::Created, true, true);
        if let Some(one) = self.find(&id) {
            one.network = network;
        }
        Ok(id)
    }
}

/// One client's way to the engine that all share.
#[derive(Clone)]
pub(crate) struct SimulatedEngine {
    world: Rc<RefCell<World>>,
    client: usize,
}

impl SimulatedEngine {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Rc::new(RefCell::new(world)), client: 0 }
    }

    /// The same engine for another client.
    pub(crate) fn of(&self, client: usize) -> Self {
        Self { client, ..self.clone() }
    }

    pub(crate) fn client(&self) -> usize {
        self.client
    }

    pub(crate) fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.world.borrow_mut())
    }

    pub(crate) fn note(&self, what: &'static str) {
        self.world(|world| world.trace.push((world.began.elapsed(), self.client, what)));
    }

    pub(crate) fn wrong(&self, what: &str) {
        let line = format!("client {}: {what}", self.client);
        self.world(|world| world.wrongs.push(line));
    }

    pub(super) async fn pause(&self) {
        let wait = self.world(World::wait);
        sleep(wait).await;
    }

    /// A request on its way, at the engine, and on its way back. What has reached the engine is done,
    /// whether or not somebody is left to hear of it.
    async fn request<T: 'static>(
        &self,
        operation: Operation,
        name: &'static str,
        effect: impl FnOnce(&Self) -> T + 'static,
    ) -> Result<T> {
        self.pause().await;
        if self.world(|world| world.trace.len() > MOST_EVENTS) {
            self.wrong("asks without end");
            return std::future::pending().await;
        }
        let engine = self.clone();
        let served = spawn_local(async move {
            let trouble = engine.world(|world| world.trouble(operation));
            if trouble == Some(Trouble::Stalls) {
                engine.note("stalled");
                sleep(STALL).await;
            }
            if trouble == Some(Trouble::Fails) {
                engine.note("failed");
                return Err(failure());
            }
            engine.note(name);
            let done = effect(&engine);
            engine.pause().await;
            if trouble == Some(Trouble::Loses) {
                engine.note("answer lost");
                return Err(failure());
            }
            Ok(done)
        });
        served.await.expect("no effect panics")
    }

    pub(crate) fn start_now(&self, id: &str) -> Result<(), Refusal> {
        let others = self.world(|world| {
            world
                .containers
                .iter()
                .filter(|one| one.ours && one.container.id != id && one.is_running())
                .count()
        });
        let networks = self.world(|world| world.networks.clone());
        let started = self.world(|world| match world.find(id) {
            None => Err(Refusal::Passing(failure())),
            Some(one) if one.removing => Err(Refusal::NameTaken),
            Some(one) if one.is_running() => Ok(false),
            Some(one) if !networks.contains(&one.network) => Err(Refusal::NoNetwork(failure())),
            Some(one) => {
                one.container = reaper(id, State::Running);
                // A new one each time, as an engine gives them out.
                let port = id.trim_start_matches("container-").parse().ok();
                one.container.published = port.map(|port| Published { port, address: None });
                Ok(true)
            }
        })?;
        if started {
            self.note("reaper started");
            if others > 0 {
                self.wrong("started a second reaper");
            }
            self.boot(id.to_owned());
        }
        Ok(())
    }

    fn remove_now(&self, id: &str) {
        let (ours, running) = self.world(|world| match world.find(id) {
            Some(one) => (one.ours, one.is_running()),
            None => (true, false),
        });
        if !ours {
            self.wrong("removed what is not of the session");
        }
        if running {
            self.note("not removed, it runs");
        } else {
            self.vanish(id.to_owned());
        }
    }

    /// The container ends, as if by itself; an engine marks it for removal in the same step.
    pub(crate) fn end(&self, id: &str) {
        let auto_remove = self.world(|world| {
            let one = world.find(id).filter(|one| one.is_running())?;
            one.end();
            Some(one.auto_remove)
        });
        if auto_remove == Some(true) {
            self.vanish(id.to_owned());
        }
    }

    /// Removal keeps the name for a while.
    pub(crate) fn vanish(&self, id: String) {
        self.world(|world| {
            if let Some(one) = world.find(&id) {
                one.end();
                one.removing = true;
            }
        });
        let engine = self.clone();
        spawn_local(async move {
            engine.pause().await;
            engine.world(|world| world.containers.retain(|one| one.container.id != id));
        });
    }
}

impl Simulated {
    pub(crate) fn is_running(&self) -> bool {
        self.container.state == State::Running
    }

    fn end(&mut self) {
        self.container.state = State::Ended;
        self.container.published = None;
        self.ryuk = None;
    }
}

impl Engine for SimulatedEngine {
    type Stream = DuplexStream;

    async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        let name = name.to_owned();
        let find = move |engine: &Self| {
            engine.world(|world| {
                world.containers.iter().find(|one| one.name == name).map(|one| one.container.clone())
            })
        };
        self.request(Operation::Inspect, "inspect", find).await
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<String, Refusal> {
        let ContainerSpec { name, network, .. } = spec.clone();
        let create = move |engine: &Self| engine.world(|world| world.create(&name, network));
        let outcome = self.request(Operation::Create, "create", create).await.map_err(Refusal::Passing)?;
        match outcome {
            Err(Refusal::NameTaken) => self.note("name taken"),
            Err(Refusal::NoImage) => self.note("no image"),
            _ => {}
        }
        outcome
    }

    async fn start(&self, id: &str) -> Result<(), Refusal> {
        let id = id.to_owned();
        let start = move |engine: &Self| engine.start_now(&id);
        self.request(Operation::Start, "start", start).await.map_err(Refusal::Passing)?
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.request(Operation::Remove, "remove", move |engine| engine.remove_now(&id)).await
    }

    /// This engine has no such containers.
    async fn remove_disconnected(&self, _id: &str) -> Result<()> {
        Ok(())
    }

    async fn log(&self, _id: &str, _lines: usize) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn create_network(&self, name: &str, _labels: &BTreeMap<String, String>) -> Result<String> {
        let name = name.to_owned();
        let create = move |engine: &Self| {
            engine.world(|world| world.networks.insert(name.clone()));
            name
        };
        self.request(Operation::Network, "network", create).await
    }

    async fn platform(&self) -> Result<(String, String)> {
        Ok(("linux".into(), "amd64".into()))
    }

    async fn load(&self, _archive: &'static [u8]) -> Result<()> {
        self.request(Operation::Load, "load", |engine| engine.world(|world| world.has_image = true)).await
    }

    /// Stands for the load where no image is embedded.
    async fn pull(&self, _image: &str) -> Result<()> {
        self.world(|world| world.has_image = true);
        Ok(())
    }

    async fn dial(&self, reaper: &Published) -> io::Result<DuplexStream> {
        self.pause().await;
        self.note("dial");
        let trouble = self.world(|world| world.trouble(Operation::Dial));
        let listener = self.world(|world| {
            let one = world.containers.iter().find(|one| one.container.published.as_ref() == Some(reaper));
            one.map(|one| one.container.id.clone())
        });
        match (listener, trouble) {
            (None, _) | (_, Some(Trouble::Fails)) => Err(io::ErrorKind::ConnectionRefused.into()),
            (Some(id), trouble) => Ok(self.connect(id, trouble)),
        }
    }
}
