//! An engine with a will of its own, in virtual time: requests take time, meet each other, fail, or are
//! done and never answered.
//!
//! `fake` does one scripted thing after another and shows single transitions; this one keeps an engine's
//! rules (unique names, removal that takes time, a reaper that prunes and ends by itself) under any number
//! of clients, so that a model can look for what nobody thought of.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::fake::{failure, reaper};
use super::world::{MOST_EVENTS, Operation, SimulatedEngine, Trouble};
use crate::engine::{Container, Engine, Ports, Published, ReaperSpec, Refusal, State};
use crate::error::Result;

/// How much longer than usual a stalled request takes.
const STALL: Duration = Duration::from_secs(3);

impl SimulatedEngine {
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
                let environment = std::mem::take(&mut one.container.environment);
                one.container = Container { environment, ..reaper(id, State::Running) };
                // By its image, whose server knows the greeting.
                one.container.labels.insert("test-reaper.protocol".into(), "1".into());
                // A new one each time, as an engine gives them out.
                let port = id.trim_start_matches("container-").parse().ok();
                one.container.published = port.map(|port| {
                    let ports = Ports { v4: Some(port), v6: None };
                    Published { ports, address: None }
                });
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

    async fn create(&self, spec: &ReaperSpec) -> Result<String, Refusal> {
        let spec = spec.clone();
        let create = move |engine: &Self| engine.world(|world| world.create(spec));
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
    async fn remove_by_force(&self, _id: &str) -> Result<()> {
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

    async fn load(&self, _archive: Vec<u8>) -> Result<()> {
        self.request(Operation::Load, "load", |engine| engine.world(|world| world.has_image = true)).await
    }

    /// Stands for the load where no image is embedded.
    async fn pull(&self, _image: &str) -> Result<()> {
        self.world(|world| world.has_image = true);
        Ok(())
    }

    async fn dial(&self, reaper: &Published, _is_provable: bool) -> io::Result<DuplexStream> {
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
