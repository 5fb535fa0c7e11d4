//! The part of a diagnosis that is a session: a reaper, its port, and things for it to remove.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::finding::{Examination, Told};
use crate::acquire::{Image, Plan, acquire};
use crate::engine::{
    ANSWERED_WITHIN, ApiEngine, Container, Endpoint, Engine as _, Inventory as _, Kind, ReaperSpec, Refusal,
    Removal, Resource, Sought, State, Unlisted, create_volume,
};
use crate::error::{Error, Result};
use crate::removal::{Spared, reap};
use crate::session::folder::Memory;
use crate::session::{self, Labels, Owner, RYUK, SessionId};
use crate::settings::{Config, Found, Keep, Transport};

/// The reaper waits a second, and removes in a moment; the rest is for a slow engine.
const GONE_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Where it takes longer, the reaper's log may say why.
const SOON: Duration = Duration::from_secs(2);
const LOG_LINES: usize = 5;
/// A container, a network and a volume.
const CREATED: usize = 3;

impl<T: FnMut(Told)> Examination<T> {
    /// A session from its beginning to its end.
    pub(super) async fn session(&mut self, config: Config, endpoint: Endpoint, image: &str) {
        let plan = match plan(config, endpoint) {
            Ok(plan) => plan,
            Err(error) => return self.bad("reaper", error.report(), "correct it where it was found"),
        };
        let engine = ApiEngine::new(&plan.endpoint);
        (self.tell)(Told::Begins("starting a reaper"));
        if let Some(stream) = self.reaper(&engine, &plan, image).await {
            self.removal(&engine, &plan, stream).await;
        }
        // Whatever went wrong, nothing of it is to stay.
        if let Err(error) = clear(&plan).await {
            self.bad("clean-up", error.report(), &format!("`reaper rm {}`", plan.session));
        }
    }

    /// Whether it starts, and whether it can be reached.
    async fn reaper(&mut self, engine: &ApiEngine, plan: &Plan, image: &str) -> Option<TcpStream> {
        let error = match acquire(engine, plan, &[plan.filter()]).await {
            Ok(acquired) => {
                self.good("reaper", format!("the container {} runs", plan.name()));
                let way = if let Some(exec) = &acquired.joined {
                    format!("{exec} leads to it")
                } else {
                    let at = acquired.stream.peer_addr().map(|address| address.to_string());
                    format!("{} was dialled", at.unwrap_or_default())
                };
                self.good("port", format!("{way}, and the reaper has acknowledged"));
                return Some(acquired.stream);
            }
            Err(error) => error,
        };
        let runs = |container: &Container| container.state == State::Running;
        let running = inspect(engine, plan).await.ok().flatten().filter(runs);
        match (&error, running) {
            // The embedded server acknowledges nothing that it could not remove.
            (Error::FilterRefused { answer, .. }, _) => {
                self.good("reaper", format!("the container {} runs", plan.name()));
                self.good("port", "it was dialled, and the reaper has answered".to_owned());
                self.bad("removal", answer.clone(), &socket_advice(plan));
            }
            (Error::Image { .. }, _) => {
                let advice =
                    "see whether the registry can be reached from the engine, or load the image by hand";
                self.bad("image", error.report(), advice);
            }
            (_, Some(container)) => {
                self.good("reaper", format!("the container {} runs", plan.name()));
                if plan.config.transport == Transport::Exec {
                    let text = format!("no exec session leads to it: {}", error.report());
                    let advice = "see whether this user may run programs in containers there, or set \
                                  REAPER_TRANSPORT=tcp";
                    self.bad("port", text, advice);
                    return None;
                }
                let host = &plan.endpoint.host;
                let port = container.published.and_then(|at| at.ports.any());
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                let text = format!("{host}{port} cannot be dialled: {}", error.report());
                let advice = "have the firewall let connections to the engine's published ports through, or say where \
                              they are reached with TESTCONTAINERS_HOST_OVERRIDE";
                self.bad("port", text, advice);
            }
            (_, None) => {
                let advice = format!(
                    "see what `docker run --rm {image}` says, and whether the engine has its socket at {} \
                     (TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE)",
                    plan.endpoint.socket
                );
                self.bad("reaper", error.report(), &advice);
            }
        }
        None
    }

    /// Whether it removes what it is there for.
    async fn removal(&mut self, engine: &ApiEngine, plan: &Plan, stream: TcpStream) {
        if let Err(error) = create(engine, plan).await {
            let advice = "see what the engine refuses, and why; a test would be refused it, too";
            return self.bad("removal", error.report(), advice);
        }
        (self.tell)(Told::Begins("letting go, and waiting for the reaper"));
        let began = Instant::now();
        // The last connection of the session, and so its end.
        drop(stream);
        let (mut log, mut anything_went) = (Vec::new(), false);
        let left = loop {
            let left = left(plan).await;
            anything_went |=
                left.as_ref().is_ok_and(|left| left.things.len() - usize::from(left.reaper) < CREATED);
            let left = match left {
                Ok(left) if left.things.is_empty() => {
                    let took = began.elapsed().as_secs_f64();
                    let text = format!(
                        "a container, a network, a volume and the reaper were gone after {took:.1} s"
                    );
                    return self.good("removal", text);
                }
                Ok(left) if !left.reaper => {
                    break format!("the reaper has ended and left {}", left.things.join(", "));
                }
                Ok(left) => left.things.join(", "),
                Err(problem) => problem,
            };
            if began.elapsed() > GONE_WITHIN {
                break format!("not removed within {GONE_WITHIN:?}: {left}");
            }
            if began.elapsed() > SOON {
                // It goes with its container.
                log = engine
                    .log(&plan.name(), LOG_LINES)
                    .await
                    .ok()
                    .filter(|log| !log.is_empty())
                    .unwrap_or(log);
            }
            sleep(LOOK_AGAIN).await;
        };
        let log: String = log.iter().map(|line| format!("\n  reaper says: {line}")).collect();
        let advice = if anything_went {
            // Then it has the engine's socket.
            "see why the engine keeps it, with `docker inspect` and in the engine's own log".to_owned()
        } else {
            socket_advice(plan)
        };
        self.bad("removal", left + &log, &advice);
    }
}

/// The reaper, as an engine that answers describes it.
async fn inspect(engine: &ApiEngine, plan: &Plan) -> Result<Option<Container>> {
    let name = plan.name();
    timeout(ANSWERED_WITHIN, engine.inspect(&name)).await.unwrap_or_else(|_| {
        let silent = format!("the engine did not answer within {ANSWERED_WITHIN:?}");
        Err(Error::Engine {
            operation: "look up the reaper container".into(),
            source: Arc::new(io::Error::new(io::ErrorKind::TimedOut, silent)),
        })
    })
}

fn socket_advice(plan: &Plan) -> String {
    format!(
        "see whether the engine's socket is at {} on its own host (TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE), and \
         whether a container may use it (TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED=true)",
        plan.endpoint.socket
    )
}

/// A session of its own, in which nothing is kept and nobody is waited for.
fn plan(mut config: Config, endpoint: Endpoint) -> Result<Plan> {
    let id = format!("doctor-{:.16}", SessionId::fresh().as_str());
    config.session_id = Some(Found::built("with_session_id", id));
    config.keep = Keep::Nothing;
    config.pass_duration("RYUK_RECONNECTION_TIMEOUT", Duration::from_secs(1));
    // Nobody is killed here while the engine creates something.
    config.pass_duration("RYUK_CHANGES_RETRY_INTERVAL", Duration::from_millis(100));
    // An engine that the reaper does not reach by then is what is looked for.
    config.pass_duration("RYUK_SHUTDOWN_TIMEOUT", Duration::from_secs(5));
    let session = session::resolve(&config)?;
    // An engine that answers with an error at once is not asked again.
    let endpoint = Endpoint { probed: false, ..endpoint };
    let (memory, own_container, runner) = (Memory::default(), OnceCell::new(), OnceCell::new());
    Ok(Plan { session, config, endpoint, memory, own_container, runner })
}

/// One thing of each kind that needs nothing but the engine; the container of the reaper's image, since there may be
/// no other, and never started.
async fn create(engine: &ApiEngine, plan: &Plan) -> Result<()> {
    let name = plan.session.to_string();
    let labels = Labels::new(&plan.session, Owner::of(&plan.session, &plan.config));
    let mut labels: BTreeMap<_, _> =
        labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    // The image's own value would spare the container.
    labels.insert(RYUK.to_owned(), String::new());
    let image = inspect(engine, plan).await?.map(|reaper| reaper.image).unwrap_or_default();
    let reaper = plan.container(&Image::choose(&plan.config), None);
    // Not on the engine's usual network, which it may not have.
    let network = engine.create_network(&name, &labels).await?;
    let container = ReaperSpec { name: name.clone(), image, labels: labels.clone(), network, ..reaper };
    match engine.create(&container).await {
        Ok(_) => {}
        Err(
            Refusal::NoNetwork(error)
            | Refusal::Passing(error)
            | Refusal::Unclear(error)
            | Refusal::Final(error),
        ) => {
            return Err(error);
        }
        Err(Refusal::NoSocket(source)) => {
            return Err(Error::Engine { operation: "create a container".into(), source });
        }
        Err(Refusal::NameTaken) => return Err(refused("the name of the container is taken")),
        Err(Refusal::NoImage) => return Err(refused("the reaper's image is gone")),
    }
    let volume = create_volume(&plan.endpoint.place, &name, &labels).await;
    volume.map_err(|error| Error::Engine { operation: "create a volume".into(), source: Arc::new(error) })
}

fn refused(why: &str) -> Error {
    Error::Engine { operation: "create a container".into(), source: Arc::new(std::io::Error::other(why)) }
}

/// What is there of the session.
struct Left {
    things: Vec<String>,
    /// Whether the reaper is among them: without it, nobody removes the others.
    reaper: bool,
}

async fn left(plan: &Plan) -> Result<Left, String> {
    let mut left = Left { things: Vec::new(), reaper: false };
    let found = plan.endpoint.place.list_all(Sought::AnyOf(&[plan.filter()])).await;
    let found = found.map_err(|Unlisted { kind, problem }| format!("the list of {kind}s: {problem}"))?;
    left.reaper |= found.iter().any(Resource::is_reaper);
    left.things.extend(found.into_iter().map(|found| format!("{} {}", found.kind, found.name)));
    Ok(left)
}

async fn clear(plan: &Plan) -> Result<()> {
    let place = &plan.endpoint.place;
    let reapers = place.list(Kind::Container, Sought::AnyOf(&[plan.filter()])).await;
    reap(place, &[plan.filter()], Spared::Reapers).await?;
    for reaper in reapers.unwrap_or_default().iter().filter(|found| found.is_reaper()) {
        if let Removal::Failed(error) = place.remove(Kind::Container, &reaper.id).await {
            let source = Arc::new(error);
            return Err(Error::Engine { operation: "remove the reaper".into(), source });
        }
    }
    Ok(())
}
