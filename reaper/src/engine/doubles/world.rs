//! What a simulated engine and the reapers on it have in common: containers, networks, faults, and time.
//!
//! All chance comes from the outside: the same delays, faults and clients give the same run. What must never be asked
//! of an engine is noted as wrong here, since only here it is seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::fake::reaper;
use crate::engine::{Container, ReaperSpec, Refusal, State};

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
pub(super) const MOST_EVENTS: usize = 3_000;

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
    pub(super) network: String,
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

    pub(super) fn trouble(&self, operation: Operation) -> Option<Trouble> {
        let now = self.began.elapsed();
        let since = |milliseconds| now >= Duration::from_millis(milliseconds);
        let here = |fault: &&Fault| fault.operation == operation && since(fault.from) && !since(fault.until);
        self.faults.iter().find(here).map(|fault| fault.trouble)
    }

    pub(super) fn create(&mut self, spec: ReaperSpec) -> Result<String, Refusal> {
        let ReaperSpec { name, network, environment, .. } = spec;
        if !self.has_image {
            return Err(Refusal::NoImage);
        }
        if self.containers.iter().any(|one| one.name == name) {
            return Err(Refusal::NameTaken);
        }
        let id = self.add(&name, State::Created, true, true);
        if let Some(one) = self.find(&id) {
            (one.network, one.container.environment) = (network, environment);
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
    /// A time in whole seconds that its creator has set, or what the server takes otherwise.
    pub(super) fn seconds(&self, name: &str, usual: u64) -> Duration {
        let set = self.variable(name).and_then(|value| value.strip_suffix('s')?.parse().ok());
        Duration::from_secs(set.unwrap_or(usual))
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.container.environment.iter().filter_map(|line| line.split_once('='));
        variables.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.container.state == State::Running
    }

    fn end(&mut self) {
        self.container.state = State::Ended;
        self.container.published = None;
        self.ryuk = None;
    }
}

/// The reaper in a container, while it serves.
#[derive(Default)]
pub(crate) struct Ryuk {
    pub(super) filters: Vec<String>,
    /// The lines that were registered on each connection that has any.
    pub(super) connections: BTreeMap<usize, Vec<String>>,
    pub(super) accepted: usize,
    /// How long to wait for another client, where one has said that the run is over.
    pub(super) over: Option<Duration>,
    /// Counts the times that the last client went, so that a wait knows whether it was the last.
    pub(super) gone: usize,
    /// Ends all connections that are open. Not `watch`, which wakes in a random order.
    pub(super) interrupt: Rc<Notify>,
    /// How often that was done; a connection from before is not served any more.
    pub(super) cuts: usize,
}

impl Ryuk {
    pub(super) fn is_used(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Whether all these lines are registered, and on one connection that is open.
    pub(crate) fn serves(&self, lines: &[String]) -> bool {
        lines.iter().all(|line| self.filters.contains(line))
            && self.connections.values().any(|theirs| lines.iter().all(|line| theirs.contains(line)))
    }

    pub(crate) fn cut(&mut self) {
        self.cuts += 1;
        self.interrupt.notify_waiters();
    }
}

impl Drop for Ryuk {
    fn drop(&mut self) {
        self.cut();
    }
}
