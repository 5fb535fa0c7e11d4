//! An engine that does what a test scripts: one container name, and faults queued for the next requests.
//!
//! It keeps a world of its own, so that the state machine sees consistent answers between the faults, and
//! writes down every request, so that a test can say which were made.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

use crate::engine::{Container, Engine, Ports, Published, ReaperSpec, Refusal, Said, State};
use crate::error::{Error, Result};
use crate::session::REAPER;

const PORT: u16 = 8080;

/// The id of the network that is made here.
pub(crate) const OWN_NETWORK: &str = "network-id";

const FORBIDDEN: &str =
    "ERROR the engine cannot be reached at unix:///var/run/docker.sock: Permission denied\n";

/// What the next connection meets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Refuses,
    Closes,
    Silent,
    /// These lines, each when it was told something.
    Says(&'static str),
}

/// What happens to the container name just before a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Nothing,
    Becomes(Option<Container>),
    Fails,
    /// In words that will not be others.
    Refused,
    /// Without an end.
    Hangs,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "a test sets each by itself")]
pub(crate) struct World {
    pub(crate) container: Option<Container>,
    /// The container that whoever asks runs in, by its own id.
    pub(crate) own: Option<Container>,
    pub(crate) has_image: bool,
    pub(crate) has_network: bool,
    /// As Docker does where its `bridge` is switched off; else as Podman, which refuses.
    pub(crate) starts_without_network: bool,
    pub(crate) requests: Vec<&'static str>,
    pub(crate) specs: Vec<ReaperSpec>,
    /// Taken one per inspect.
    pub(crate) on_inspect: VecDeque<Event>,
    /// Taken one per create, in place of creating.
    pub(crate) on_create: VecDeque<Refusal>,
    /// Taken one per start, in place of starting.
    pub(crate) on_start: VecDeque<Refusal>,
    /// Taken one per network, in place of making it.
    pub(crate) on_network: VecDeque<Error>,
    /// What is refused to create or to start is done all the same: only the answer is lost.
    pub(crate) loses_answers: bool,
    /// Taken one per dial; then the reaper works.
    pub(crate) on_dial: VecDeque<Answer>,
    /// The container's fate at the moment of a dial.
    pub(crate) after_dial: VecDeque<Event>,
    /// Whether each dial was allowed to lead to somebody else.
    pub(crate) provable: Vec<bool>,
    /// How many connections from before were still held at each dial.
    pub(crate) held: Vec<usize>,
    open: Arc<AtomicUsize>,
    /// Every line that whoever answers was told.
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    /// Taken one per container: it says so when it is started, and ends.
    pub(crate) last_words: VecDeque<&'static str>,
    /// Who would listen to a container gets no answer.
    pub(crate) attends_to_nobody: bool,
    /// Of the container that will end.
    ends: bool,
    /// What a reaper without the concession for it says of the socket.
    pub(crate) socket_is_a_users: bool,
    pub(crate) platform: Option<(&'static str, &'static str)>,
}

pub(crate) struct FakeEngine(pub(crate) RefCell<World>);

impl FakeEngine {
    pub(crate) fn new(set: impl FnOnce(&mut World)) -> Self {
        let mut world = World { has_image: true, has_network: true, ..World::default() };
        set(&mut world);
        Self(RefCell::new(world))
    }

    /// How often a request was made.
    pub(crate) fn count(&self, request: &str) -> usize {
        self.0.borrow().requests.iter().filter(|made| **made == request).count()
    }
}

/// A reaper container as another process would have left it.
pub(crate) fn reaper(id: &str, state: State) -> Container {
    Container {
        id: id.into(),
        image: "ryuk".into(),
        state,
        labels: HashMap::from([(REAPER.into(), "true".into())]),
        environment: Vec::new(),
        connected: true,
        networks: Vec::new(),
        publishes: true,
        published: (state == State::Running).then(published),
    }
}

fn published() -> Published {
    Published { ports: Ports { v4: Some(PORT), v6: None }, address: None }
}

pub(crate) fn failure() -> Error {
    Error::Engine { operation: "do as scripted".into(), source: Arc::new(io::Error::other("scripted")) }
}

/// What no engine takes back.
pub(crate) fn refusal() -> Error {
    let [operation, problem, advice] =
        ["do as scripted", "scripted", "write another script"].map(str::to_owned);
    let (endpoint, origin) = ("the fake".to_owned(), "the test".to_owned());
    Error::Refused { operation, endpoint, origin, problem, advice }
}

impl World {
    fn apply(&mut self, event: Option<Event>) -> Result<()> {
        match event {
            Some(Event::Becomes(container)) => self.container = container,
            Some(Event::Fails) => return Err(failure()),
            Some(Event::Refused) => return Err(refusal()),
            Some(Event::Nothing | Event::Hangs) | None => {}
        }
        Ok(())
    }
}

impl Engine for FakeEngine {
    type Stream = DuplexStream;

    async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        self.0.borrow_mut().requests.push("inspect");
        if let Some(own) = self.0.borrow().own.clone().filter(|own| own.id == name) {
            return Ok(Some(own));
        }
        let event = self.0.borrow_mut().on_inspect.pop_front();
        if matches!(event, Some(Event::Hangs)) {
            std::future::pending::<()>().await;
        }
        let mut world = self.0.borrow_mut();
        world.apply(event)?;
        Ok(world.container.clone())
    }

    async fn create(&self, spec: &ReaperSpec) -> Result<String, Refusal> {
        let mut world = self.0.borrow_mut();
        world.requests.push("create");
        let id = format!("created-{}", world.specs.len() + 1);
        let answer = world.on_create.pop_front().map_or(Ok(id.clone()), Err);
        if answer.is_err() && !world.loses_answers {
            return answer;
        }
        if world.container.is_some() {
            return Err(Refusal::NameTaken);
        }
        if !world.has_image {
            return Err(Refusal::NoImage);
        }
        world.specs.push(spec.clone());
        let mut created = reaper(&id, State::Created);
        let conceded = spec.labels.iter().filter(|(key, _)| key.ends_with("concessions"));
        created.labels.extend(conceded.map(|(key, value)| (key.clone(), value.clone())));
        world.container = Some(created);
        answer
    }

    async fn start(&self, id: &str) -> Result<(), Refusal> {
        let mut world = self.0.borrow_mut();
        world.requests.push("start");
        let answer = world.on_start.pop_front().map_or(Ok(()), Err);
        if answer.is_err() && !world.loses_answers {
            return answer;
        }
        if !world.has_network && world.specs.last().is_some_and(|spec| spec.network == "bridge") {
            if !world.starts_without_network {
                return Err(Refusal::NoNetwork(failure()));
            }
            world.container =
                Some(Container { connected: false, published: None, ..reaper(id, State::Running) });
            return Ok(());
        }
        if std::mem::take(&mut world.ends) {
            world.container = None;
            return answer;
        }
        match &mut world.container {
            Some(container) if container.id == id => {
                let labels = std::mem::take(&mut container.labels);
                *container = Container { labels, ..reaper(id, State::Running) };
            }
            _ => return Err(Refusal::Passing(failure())),
        }
        answer
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let mut world = self.0.borrow_mut();
        world.requests.push("remove");
        let removed =
            world.container.take_if(|container| container.id == id && container.state != State::Running);
        world.ends &= removed.is_none();
        Ok(())
    }

    async fn remove_by_force(&self, id: &str) -> Result<()> {
        let mut world = self.0.borrow_mut();
        world.requests.push("remove");
        let removed = world.container.take_if(|container| container.id == id);
        world.ends &= removed.is_none();
        Ok(())
    }

    async fn attend(&self, _id: &str) -> Option<Said> {
        if self.0.borrow().attends_to_nobody {
            std::future::pending::<()>().await;
        }
        let mut world = self.0.borrow_mut();
        let words = world.last_words.pop_front()?;
        world.ends = true;
        Some(Box::pin(async move { words.lines().map(str::to_owned).collect() }))
    }

    async fn log(&self, _id: &str, _lines: usize) -> Result<Vec<String>> {
        let is_there = self.0.borrow().container.is_some();
        Ok(is_there.then(|| "the last words".into()).into_iter().collect())
    }

    async fn create_network(&self, _name: &str, _labels: &BTreeMap<String, String>) -> Result<String> {
        let mut world = self.0.borrow_mut();
        world.requests.push("network");
        world.on_network.pop_front().map_or(Ok(OWN_NETWORK.to_owned()), Err)
    }

    async fn platform(&self) -> Result<(String, String)> {
        let (os, architecture) = self.0.borrow().platform.unwrap_or(("linux", "amd64"));
        Ok((os.into(), architecture.into()))
    }

    async fn load(&self, _archive: Vec<u8>) -> Result<()> {
        let mut world = self.0.borrow_mut();
        world.requests.push("load");
        world.has_image = true;
        Ok(())
    }

    async fn pull(&self, image: &str) -> Result<()> {
        let mut world = self.0.borrow_mut();
        world.requests.push("pull");
        if image.contains("nowhere") {
            return Err(failure());
        }
        world.has_image = true;
        Ok(())
    }

    async fn dial(&self, _reaper: &Published, is_provable: bool) -> io::Result<DuplexStream> {
        let (told, open) = (Arc::clone(&self.0.borrow().told), Arc::clone(&self.0.borrow().open));
        let answer = {
            let mut world = self.0.borrow_mut();
            world.requests.push("dial");
            world.provable.push(is_provable);
            world.held.push(open.load(Ordering::Relaxed));
            let event = world.after_dial.pop_front();
            let _ = world.apply(event);
            let concedes = world.specs.last().is_some_and(|spec| spec.concessions.any_owner);
            let usual = if world.socket_is_a_users && !concedes { FORBIDDEN } else { "ACK\n" };
            world.on_dial.pop_front().unwrap_or(Answer::Says(usual))
        };
        let (client, server) = tokio::io::duplex(4096);
        match answer {
            Answer::Refuses => return Err(io::ErrorKind::ConnectionRefused.into()),
            Answer::Closes => drop(server),
            Answer::Silent | Answer::Says(_) => {
                open.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut server = BufReader::new(server);
                    let says = if let Answer::Says(says) = answer { says } else { "" };
                    let mut says = says.split_inclusive('\n');
                    let mut line = String::new();
                    // Held open, as a reaper would, until the client goes.
                    while server.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                        told.lock().expect("nobody panics").push(std::mem::take(&mut line));
                        if let Some(answer) = says.next() {
                            let _ = server.write_all(answer.as_bytes()).await;
                        }
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        }
        Ok(client)
    }
}
