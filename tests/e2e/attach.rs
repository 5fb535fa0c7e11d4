//! What attaching to a session's reaper asks of the engine: counted by a proxy in between.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use reaper_tests::suite::{Run, text};
use reaper_tests::{engine, until};

/// Passes everything on, and keeps what clients sent.
fn proxy(path: &Path) -> Arc<Mutex<Vec<u8>>> {
    let listener = UnixListener::bind(path).unwrap();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, engine) = (client.unwrap(), UnixStream::connect(engine::SOCKET).unwrap());
            let (mut answers, mut to_client) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
            let kept = Arc::clone(&kept);
            thread::spawn(move || forward(client, engine, &kept));
        }
    });
    sent
}

fn forward(mut client: UnixStream, mut engine: UnixStream, kept: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        kept.lock().unwrap().extend_from_slice(&bytes[..count]);
        if engine.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = engine.shutdown(Shutdown::Write);
}

#[test]
fn an_attach_is_one_look_at_the_engine_and_one_filter() {
    let run = Run::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let sent = proxy(&socket);
    let session = format!("attach-{}", std::process::id());
    let attach = |docker_host: &str| {
        let mut command = run.binary("attribute");
        command.args(["--exact", "attaches", "--include-ignored"]);
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("DOCKER_HOST", docker_host);
        command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::SOCKET);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    attach(&format!("unix://{}", engine::SOCKET));
    let container = run.records()[0].reaper.clone();
    let registered = |expected: usize| {
        // What a container writes reaches its log a moment later.
        until("the reaper's log has the filter", Duration::from_secs(30), || {
            let log = engine::log(&container);
            let count = log.matches("registered").count();
            if count == expected { Ok(()) } else { Err(log) }
        });
    };
    registered(1);

    attach(&format!("unix://{}", socket.display()));
    assert_eq!(run.records()[1].reaper, container);
    let requests = String::from_utf8_lossy(&sent.lock().unwrap()).into_owned();
    let requests: Vec<_> = requests.lines().filter(|line| line.contains(" HTTP/1.")).collect();
    assert_eq!(requests, [format!("GET /containers/reaper_{session}/json HTTP/1.0")]);
    registered(2);
    engine::until_gone(&session, Duration::from_secs(60));
}
