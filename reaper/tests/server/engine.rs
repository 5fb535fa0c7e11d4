//! An engine with a script: lists and removes what it was given, and keeps what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::world::{Framing, Misbehaviour, World, decode};

/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(600);

pub(crate) struct Engine {
    folder: tempfile::TempDir,
    shared: Arc<(Mutex<World>, Condvar)>,
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

    /// What was asked for that begins like this, in order.
    pub(crate) fn asked(&self, start: &str) -> Vec<String> {
        let world = self.world();
        world.requests.iter().filter(|request| request.starts_with(start)).cloned().collect()
    }

    /// The removals that were asked for, in order.
    pub(crate) fn removals(&self) -> Vec<String> {
        self.asked("DELETE")
    }
}

fn serve(stream: &UnixStream, shared: &(Mutex<World>, Condvar)) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    // The bodies of requests are not looked at.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let request = first.trim_end_matches(" HTTP/1.1").to_owned();
    let answer = answer(&request, shared);
    let mut writer = stream;
    // A server that has gone away meanwhile is none of the engine's business.
    let _ = writer.write_all(&answer);
}

fn answer(request: &str, (world, changed): &(Mutex<World>, Condvar)) -> Vec<u8> {
    let mut known = world.lock().unwrap();
    known.requests.push(request.to_owned());
    if request.starts_with("DELETE") {
        known.at_once += 1;
        known.most_at_once = known.most_at_once.max(known.at_once);
        changed.notify_all();
        let gathered = |world: &mut World| world.most_at_once < world.gather;
        known = changed.wait_timeout_while(known, Duration::from_secs(5), gathered).unwrap().0;
        known.at_once -= 1;
    }
    let framing = known.framing;
    let scripted = known.script.iter_mut().find(|(start, _)| request.starts_with(**start));
    match scripted.and_then(|(_, answers)| answers.pop_front()) {
        Some(Misbehaviour::Status(status, message)) => {
            return framed(status, &json!({ "message": message }).to_string(), framing, "");
        }
        Some(Misbehaviour::Cut) => {
            return b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n[{\"Id\": \"cut\"}".to_vec();
        }
        Some(Misbehaviour::Rubbish) => return framed(200, "[{\"Id\": \"rubbish\"},", framing, ""),
        Some(Misbehaviour::Late(milliseconds)) => {
            drop(known);
            thread::sleep(Duration::from_millis(milliseconds));
            known = world.lock().unwrap();
        }
        Some(Misbehaviour::Never) => {
            drop(known);
            thread::sleep(NEVER);
            return Vec::new();
        }
        None => {}
    }
    let (method, path) = request.split_once(' ').unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts = path.trim_start_matches('/').split('/');
    let (kind, id, verb) = (parts.next().unwrap(), parts.next().map(decoded), parts.next());
    let (status, body) = match (method, kind, id.as_deref(), verb) {
        ("GET", kind, None | Some("json"), None) => {
            let (status, listed) = known.answer(kind, query);
            (status, listed.to_string())
        }
        ("GET", "networks", Some(id), None) => match known.network(id) {
            Some(network) => (200, network.to_string()),
            None => (404, String::new()),
        },
        ("POST", "containers", Some(id), Some("kill")) => {
            let found = known.resources.iter_mut().find(|own| own.kind == "containers" && own.id == id);
            (
                found.map_or(404, |found| if std::mem::take(&mut found.runs) { 204 } else { 409 }),
                String::new(),
            )
        }
        ("DELETE", kind, Some(id), None) => {
            let runs = |known: &World| known.resources.iter().any(|own| own.runs && own.id == id);
            if kind == "containers" && known.is_podman && runs(&known) {
                // It is asked to end, and has the usual ten seconds for it.
                drop(known);
                thread::sleep(Duration::from_secs(10));
                known = world.lock().unwrap();
            }
            let (status, said) = known.remove(kind, id, query.contains("force=1"));
            (status, if said.is_empty() { String::new() } else { json!({ "message": said }).to_string() })
        }
        _ => (404, json!({ "message": "page not found" }).to_string()),
    };
    framed(status, &body, framing, if known.is_podman { "Libpod/5.8.6 (linux)" } else { "Docker/20.10" })
}

fn decoded(id: &str) -> String {
    String::from_utf8(decode(id)).unwrap()
}

fn framed(status: u16, body: &str, framing: Framing, server: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Word\r\nContent-Type: application/json\r\nServer: {server}\r\n");
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
