//! An engine with a script: lists and removes what it was given, and keeps what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// How an answer's end is told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Framing {
    #[default]
    Counted,
    Chunked,
    UntilClosed,
}

/// An answer in place of the usual one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Misbehaviour {
    Status(u16, &'static str),
    /// The body ends before its announced length.
    Cut,
    Rubbish,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) resources: Vec<Resource>,
    pub(crate) framing: Framing,
    /// By the beginning of the request, like `DELETE /containers`.
    pub(crate) script: BTreeMap<&'static str, VecDeque<Misbehaviour>>,
    /// Created when the first resource is removed.
    pub(crate) appears: Vec<Resource>,
    /// A removal waits until this many are under way, or some seconds have passed.
    pub(crate) gather: usize,
    pub(crate) requests: Vec<String>,
    pub(crate) most_at_once: usize,
    pub(crate) at_once: usize,
}

pub(crate) struct Engine {
    folder: tempfile::TempDir,
    shared: Arc<(Mutex<World>, Condvar)>,
}

impl Resource {
    pub(crate) fn new(kind: &'static str, id: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { kind, id: id.to_owned(), labels }
    }

    fn matches(&self, filter: &str) -> bool {
        let (key, value) = filter.split_once('=').expect("key and value");
        self.labels.get(key).is_some_and(|own| own == value)
    }
}

impl Engine {
    pub(crate) fn start(world: World) -> Self {
        let engine = Self {
            folder: tempfile::tempdir().unwrap(),
            shared: Arc::new((Mutex::new(world), Condvar::new())),
        };
        let listener = UnixListener::bind(engine.folder.path().join("engine.sock")).unwrap();
        let shared = Arc::clone(&engine.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        engine
    }

    /// As `DOCKER_HOST` has it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("engine.sock").display())
    }

    /// The same engine behind TCP, as `DOCKER_HOST` has it.
    pub(crate) fn tcp_host(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let socket = self.folder.path().join("engine.sock");
        thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, mut engine) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
                let (mut answers, mut to_client) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut client, &mut engine));
                thread::spawn(move || {
                    let _ = std::io::copy(&mut answers, &mut to_client);
                    let _ = to_client.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        host
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.0.lock().unwrap()
    }

    /// What is left, by id.
    pub(crate) fn left(&self) -> Vec<String> {
        self.world().resources.iter().map(|resource| resource.id.clone()).collect()
    }

    /// The removals that were asked for, in order.
    pub(crate) fn removals(&self) -> Vec<String> {
        let world = self.world();
        world.requests.iter().filter(|request| request.starts_with("DELETE")).cloned().collect()
    }
}

fn serve(stream: &UnixStream, shared: &(Mutex<World>, Condvar)) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    // No request of the server's has a body.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let request = first.trim_end_matches(" HTTP/1.1").to_owned();
    let mut writer = stream;
    // A server that has gone away meanwhile is none of the engine's business.
    let _ = writer.write_all(&answer(&request, shared));
}

fn answer(request: &str, (world, changed): &(Mutex<World>, Condvar)) -> Vec<u8> {
    let mut world = world.lock().unwrap();
    world.requests.push(request.to_owned());
    if request.starts_with("DELETE") {
        world.at_once += 1;
        world.most_at_once = world.most_at_once.max(world.at_once);
        changed.notify_all();
        let gathered = |world: &mut World| world.most_at_once < world.gather;
        world = changed.wait_timeout_while(world, Duration::from_secs(5), gathered).unwrap().0;
        world.at_once -= 1;
    }
    let scripted = world.script.iter_mut().find(|(start, _)| request.starts_with(**start));
    match scripted.and_then(|(_, answers)| answers.pop_front()) {
        Some(Misbehaviour::Status(status, message)) => {
            framed(status, &json!({ "message": message }).to_string(), world.framing)
        }
        Some(Misbehaviour::Cut) => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n[{\"Id\": \"cut\"}".to_vec()
        }
        Some(Misbehaviour::Rubbish) => framed(200, "[{\"Id\": \"rubbish\"},", world.framing),
        None if request.starts_with("DELETE") => {
            let framing = world.framing;
            framed(remove(&mut world, request), "", framing)
        }
        None => framed(200, &list(&world, request).to_string(), world.framing),
    }
}

fn remove(world: &mut World, request: &str) -> u16 {
    let path = request.split([' ', '?']).nth(1).unwrap();
    let (kind, id) = path.trim_start_matches('/').split_once('/').unwrap();
    let Some(found) = world.resources.iter().position(|own| own.kind == kind && own.id == id) else {
        return 404;
    };
    world.resources.remove(found);
    let appears = std::mem::take(&mut world.appears);
    world.resources.extend(appears);
    204
}

fn list(world: &World, request: &str) -> Value {
    let (path, query) = request.trim_start_matches("GET /").split_once('?').unwrap();
    let kind = path.trim_end_matches("/json");
    let (_, encoded) = query.split_once("filters=").unwrap();
    let filter: Value = serde_json::from_slice(&decode(encoded)).unwrap();
    let labels: Vec<_> =
        filter["label"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    // As an engine does with an empty filter.
    let matching = world.resources.iter().filter(|own| own.kind == kind);
    let matching = matching.filter(|own| labels.iter().all(|label| own.matches(label)));
    let id = if kind == "volumes" { "Name" } else { "Id" };
    let items: Value = matching.map(|own| json!({ id: own.id, "Labels": own.labels })).collect();
    if kind == "volumes" { json!({ "Volumes": items, "Warnings": null }) } else { items }
}

fn decode(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}

fn framed(status: u16, body: &str, framing: Framing) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Word\r\nContent-Type: application/json\r\n");
    let text = match framing {
        Framing::Counted => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        Framing::UntilClosed => format!("{head}Connection: close\r\n\r\n{body}"),
        Framing::Chunked => {
            let chunks = body.as_bytes().chunks(7).map(|chunk| String::from_utf8_lossy(chunk));
            let chunks: String = chunks.map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        }
    };
    text.into_bytes()
}
