//! Streams and answers of an engine of our own, as they come out of the socket.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use super::*;
use crate::engine::Place;

/// A socket in front of an engine that does this with its one connection; and a client's connection to it.
struct Scene {
    client: UnixStream,
    engine: JoinHandle<()>,
    _socket: Socket,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(request: &str, serve: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&place).unwrap();
        let engine = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let place = Place::Socket(place);
        let (origin, host) = ("a test".to_owned(), "127.0.0.1".to_owned());
        let endpoint =
            Endpoint { place, origin, host, local: true, socket: String::new(), probed: true, handed: None };
        let socket = Socket::open(&endpoint, [("session", "s")].into_iter().collect()).unwrap();
        let mut client = UnixStream::connect(socket.path()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        Self { client, engine, _socket: socket, _folder: folder }
    }

    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.client.read_to_string(&mut rest).unwrap();
        self.engine.join().unwrap();
        rest
    }
}

/// The head of a message.
fn head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&head));
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

const UPGRADE: &str =
    "POST /containers/c/attach HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

#[test]
fn a_stream_that_the_client_half_closes_goes_on_the_other_way() {
    let mut scene = Scene::new(UPGRADE, |mut engine| {
        assert!(head(&mut engine).to_ascii_lowercase().contains("upgrade: tcp\r\n"));
        engine
            .write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello ")
            .unwrap();
        let mut heard = String::new();
        engine.read_to_string(&mut heard).unwrap();
        engine.write_all(heard.to_uppercase().as_bytes()).unwrap();
    });
    assert!(head(&mut scene.client).starts_with("HTTP/1.1 101 "));
    scene.client.write_all(b"world").unwrap();
    scene.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(scene.rest(), "hello WORLD");
}

#[test]
fn a_stream_that_the_engine_half_closes_goes_on_the_other_way() {
    let (sender, heard) = std::sync::mpsc::channel();
    let mut scene = Scene::new(UPGRADE, move |mut engine| {
        let _ = head(&mut engine);
        engine.write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").unwrap();
        engine.shutdown(Shutdown::Write).unwrap();
        let mut all = String::new();
        engine.read_to_string(&mut all).unwrap();
        sender.send(all).unwrap();
    });
    let _ = head(&mut scene.client);
    assert_eq!(scene.client.read(&mut [0]).unwrap(), 0, "the engine says no more");
    scene.client.write_all(b"still here").unwrap();
    scene.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!((scene.rest().as_str(), heard.recv().unwrap().as_str()), ("", "still here"));
}

/// As older engines answer an attach: whoever reads it would take chunks for what was said.
#[test]
fn an_answer_that_ends_with_its_connection_does_so_for_the_client() {
    let mut scene = Scene::new("GET /logs HTTP/1.1\r\nHost: docker\r\n\r\n", |mut engine| {
        let _ = head(&mut engine);
        engine.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\nraw").unwrap();
    });
    let told = head(&mut scene.client).to_ascii_lowercase();
    assert!(told.starts_with("http/1.0 200 ") && !told.contains("chunked"), "{told}");
    assert_eq!(scene.rest(), "raw");
}

#[test]
fn an_answer_that_breaks_off_does_not_look_like_one_that_is_done() {
    for framed in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut scene = Scene::new("GET /x HTTP/1.1\r\nHost: docker\r\n\r\n", move |mut engine| {
            let _ = head(&mut engine);
            engine.write_all(format!("HTTP/1.1 200 OK\r\n{framed}\r\n\r\n4\r\nabcd\r\n").as_bytes()).unwrap();
        });
        let told = head(&mut scene.client);
        let rest = scene.rest();
        assert!(rest.len() < 10 || !rest.ends_with("0\r\n\r\n"), "{told}{rest}");
    }
}

#[test]
fn a_client_that_is_gone_leaves_no_request_at_the_engine() {
    let (sender, ended) = std::sync::mpsc::channel();
    let scene = Scene::new("GET /events HTTP/1.1\r\nHost: docker\r\n\r\n", move |mut engine| {
        let _ = head(&mut engine);
        engine.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").unwrap();
        sender.send(engine.read(&mut [0]).unwrap_or(0)).unwrap();
    });
    let Scene { mut client, engine, .. } = scene;
    let _ = head(&mut client);
    drop(client);
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(0));
    engine.join().unwrap();
}

#[test]
fn what_is_created_is_labelled_whatever_the_body_comes_in() {
    let request = "POST /v1.41/networks/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\n{\"Nam\r\n8\r\ne\":\"n\"}\n\r\n0\r\n\r\n";
    let (sender, heard) = std::sync::mpsc::channel();
    let scene = Scene::new(request, move |mut engine| {
        let told = head(&mut engine);
        let mut body = vec![0; 1024];
        let read = engine.read(&mut body).unwrap();
        sender.send((told, String::from_utf8_lossy(&body[..read]).into_owned())).unwrap();
        engine.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    });
    let (told, body) = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(told.to_ascii_lowercase().contains(&format!("content-length: {}\r\n", body.len())), "{told}");
    assert!(body.starts_with(r#"{"Name":"n","Labels":{"session":"s","test-reaper.process":""#), "{body}");
    // The client is this process.
    assert!(body.contains(&crate::session::Owner::this().unwrap()), "{body}");
    drop(scene);
}
