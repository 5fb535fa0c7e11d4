//! The reaper inside a simulated engine's container: serves lines, prunes when the last client has been
//! gone for a while, and ends.
//!
//! It keeps what `ryuk/` promises and none of its code: the model is about the clients.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::world::{Ryuk, SimulatedEngine, Trouble, World};

const CONNECTION_TIMEOUT: (&str, u64) = ("RYUK_CONNECTION_TIMEOUT", 60);
const RECONNECTION_TIMEOUT: (&str, u64) = ("RYUK_RECONNECTION_TIMEOUT", 10);

/// For so long nothing is removed between two clients, unless one has said that the run is over.
const GAP: Duration = Duration::from_secs(10);

impl SimulatedEngine {
    /// The server comes up a while after its container was started.
    pub(super) fn boot(&self, id: String) {
        let engine = self.clone();
        spawn_local(async move {
            engine.pause().await;
            let up = engine.world(|world| {
                let one = world.find(&id).filter(|one| one.is_running() && one.ryuk.is_none())?;
                one.ryuk = Some(Ryuk::default());
                let (name, usual) = CONNECTION_TIMEOUT;
                Some(one.seconds(name, usual))
            });
            if let Some(patience) = up {
                engine.prune_unless_used(id, patience).await;
            }
        });
    }

    async fn prune_unless_used(&self, id: String, patience: Duration) {
        let gone = |engine: &Self| {
            let ryuk = |ryuk: &Ryuk| (!ryuk.is_used()).then_some(ryuk.gone);
            engine.world(|world| world.find(&id).and_then(|one| one.ryuk.as_ref()).and_then(ryuk))
        };
        let before = gone(self);
        sleep(patience).await;
        if before.is_none() || gone(self) != before {
            return;
        }
        self.note("pruning");
        // From here on nobody is served.
        let ryuk = self.world(|world| world.find(&id).and_then(|one| one.ryuk.take()));
        let filters = ryuk.map(|mut ryuk| std::mem::take(&mut ryuk.filters)).unwrap_or_default();
        self.pause().await;
        let alive = |engine: &Self| engine.world(|world| world.find(&id).is_some_and(|one| one.is_running()));
        if alive(self) {
            self.world(|world| world.resources.retain(|resource| !filters.contains(resource)));
            self.end(&id);
            self.world(World::remove_unused_networks);
        }
    }

    /// The engine's proxy accepts whether or not the server is up.
    pub(super) fn connect(&self, container: String, trouble: Option<Trouble>) -> DuplexStream {
        let (client, server) = tokio::io::duplex(4096);
        let accepted = self.world(|world| {
            let ryuk = world.find(&container)?.ryuk.as_mut()?;
            ryuk.accepted += 1;
            Some((ryuk.accepted, ryuk.cuts, Rc::clone(&ryuk.interrupt)))
        });
        if let Some((number, cuts, interrupt)) = accepted {
            let engine = self.clone();
            spawn_local(async move {
                let connection = Connection { container, number, cuts, interrupt, trouble };
                engine.serve(&connection, server).await;
                engine.disconnect(connection);
            });
        }
        client
    }

    async fn serve(&self, connection: &Connection, server: DuplexStream) {
        let mut server = BufReader::new(server);
        while self.world(|world| connection.server(world).is_some()) {
            let mut line = String::new();
            let read = tokio::select! {
                biased;
                () = connection.interrupt.notified() => return,
                read = server.read_line(&mut line) => read,
            };
            if !read.is_ok_and(|count| count > 0) {
                return;
            }
            if connection.trouble == Some(Trouble::Stalls) {
                self.note("silent");
                continue;
            }
            self.pause().await;
            sleep(self.world(|world| world.ryuk_takes)).await;
            let Some(answer) = self.answer(connection, line) else { return };
            if connection.trouble == Some(Trouble::Loses) {
                self.note("ACK lost");
                return;
            }
            if server.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// None where the connection is not served any more.
    fn answer(&self, connection: &Connection, line: String) -> Option<String> {
        let acknowledged = || Some("ACK\n".to_owned());
        self.world(|world| {
            let secret =
                world.find(&connection.container)?.variable("REAPER_SECRET").unwrap_or("-").to_owned();
            let ryuk = connection.server(world)?;
            if line.starts_with("%hello ") {
                return Some(format!("HELLO 1 {secret} 0\n"));
            }
            if let Some(wait) = line.strip_prefix("%reconnection-timeout ") {
                ryuk.over = wait.trim_end().strip_suffix('s')?.parse().ok().map(Duration::from_secs);
                return acknowledged();
            }
            ryuk.filters.push(line.clone());
            if !ryuk.connections.contains_key(&connection.number) {
                ryuk.over = None;
            }
            ryuk.connections.entry(connection.number).or_default().push(line);
            acknowledged()
        })
    }

    fn disconnect(&self, Connection { container, number, .. }: Connection) {
        let last = self.world(|world| {
            let one = world.find(&container)?;
            let (name, usual) = RECONNECTION_TIMEOUT;
            let usual = one.seconds(name, usual);
            let ryuk = one.ryuk.as_mut()?;
            let was_registered = ryuk.connections.remove(&number).is_some();
            (was_registered && !ryuk.is_used()).then(|| {
                ryuk.gone += 1;
                (ryuk.over, usual)
            })
        });
        if let Some((over, usual)) = last {
            let engine = self.clone();
            spawn_local(async move {
                if over.is_some() {
                    engine.note("run over");
                } else if usual < GAP {
                    engine.wrong("a gap in a run that nobody has seen the end of ends the session");
                }
                engine.prune_unless_used(container, over.unwrap_or(usual)).await;
            });
        }
    }
}

/// One accepted by a server, while it is open.
struct Connection {
    container: String,
    number: usize,
    /// Of the server, when it was accepted.
    cuts: usize,
    interrupt: Rc<Notify>,
    trouble: Option<Trouble>,
}

impl Connection {
    /// The server, if it still serves this connection.
    fn server<'a>(&self, world: &'a mut World) -> Option<&'a mut Ryuk> {
        world.find(&self.container)?.ryuk.as_mut().filter(|ryuk| ryuk.cuts == self.cuts)
    }
}
