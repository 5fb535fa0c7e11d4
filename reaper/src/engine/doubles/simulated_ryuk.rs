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

const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
const RECONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

impl SimulatedEngine {
    /// The server comes up a while after its container was started.
    pub(super) fn boot(&self, id: String) {
        let engine = self.clone();
        spawn_local(async move {
            engine.pause().await;
            let up = engine.world(|world| {
                let one = world.find(&id).filter(|one| one.is_running() && one.ryuk.is_none())?;
                one.ryuk = Some(Ryuk::default());
                Some(())
            });
            if up.is_some() {
                engine.prune_unless_used(id, CONNECTION_TIMEOUT).await;
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
            if !self.register(connection, line) {
                return;
            }
            if connection.trouble == Some(Trouble::Loses) {
                self.note("ACK lost");
                return;
            }
            if server.write_all(b"ACK\n").await.is_err() {
                return;
            }
        }
    }

    fn register(&self, connection: &Connection, line: String) -> bool {
        self.world(|world| {
            let Some(ryuk) = connection.server(world) else { return false };
            ryuk.filters.push(line.clone());
            ryuk.connections.entry(connection.number).or_default().push(line);
            true
        })
    }

    fn disconnect(&self, Connection { container, number, .. }: Connection) {
        let last = self.world(|world| {
            let ryuk = world.find(&container)?.ryuk.as_mut()?;
            let was_registered = ryuk.connections.remove(&number).is_some();
            (was_registered && !ryuk.is_used()).then(|| ryuk.gone += 1)
        });
        if last.is_some() {
            let engine = self.clone();
            spawn_local(async move { engine.prune_unless_used(container, RECONNECTION_TIMEOUT).await });
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
