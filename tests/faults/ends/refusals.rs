//! Engines that will never do what they are asked: each is said once, at once, with what leads out; and a hundred
//! processes of one session do not each wait for it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use reaper_tests::process::Process;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::scene::Scene;
use reaper_tests::world::{self, Leftovers};
use reaper_tests::{engine, suite};

use super::told;

const PROCESSES: usize = 100;

/// What a test is told, without what is another each time. How long that took is printed.
#[track_caller]
fn message(scene: &Scene, command: &mut Command) -> String {
    let said = Process::start(command).succeed();
    let (_, rest) = said.split_once("after ").unwrap_or_else(|| panic!("{said}"));
    let (after, rest) = rest.split_once("\ntold: ").unwrap_or_else(|| panic!("{said}"));
    let told = rest.split("\ntest asks").next().unwrap_or(rest).replace(&scene.session, "<session>");
    println!("after {after}: {told}");
    told
}

/// Whoever answers every connection with the same bytes.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut client = client;
            // Whoever only tries whether somebody listens sends nothing.
            let _ = client.read(&mut [0; 4096]).and_then(|_| client.write_all(answer));
        }
    });
    format!("tcp://{address}")
}

const NAME_ONE: &str = "such as DOCKER_HOST=unix:///var/run/docker.sock";
const NO_ENGINE: &str = "what answers there is no container engine; name one, such as \
                         DOCKER_HOST=unix:///var/run/docker.sock";

/// The name of a database in the wrong variable: it runs, answers nothing, and would not end by itself.
#[test]
fn an_image_that_is_no_reaper_is_given_up_with_the_deadline_and_does_not_stay() {
    let scene = Scene::new("no-reaper");
    let mut asks = told(&scene, "asks");
    asks.env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", world::image(&engine::Engine::system()));
    let told = message(&scene, asks.env("REAPER_ACQUIRE_TIMEOUT", "3s"));
    assert!(told.starts_with("no reaper of this session answered within 3s"), "{told}");
    assert!(told.contains("reaper says: ready to accept connections"), "{told}");
    assert_eq!(scene.reaper(), None);
    scene.end();
}

#[test]
fn what_is_no_engine_or_refuses_is_said_at_once() {
    let scene = Scene::new("refused");
    let tls = "it expects TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem; \
               or name a socket, or a port without TLS, "
        .to_owned();
    let forbidden =
        "have whoever guards the engine let this user look up, create, start and remove containers, or \
                     name another engine, "
            .to_owned();
    let cases: [(&'static [u8], &str, String); 7] = [
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "the engine answered 400: Client sent an HTTP request to an HTTPS server.",
            format!("{tls}{NAME_ONE}"),
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it answered with an alert of TLS", format!("{tls}{NAME_ONE}")),
        (
            b"HTTP/1.1 401 Unauthorized\r\n\r\n{\"message\":\"who are you\"}",
            "the engine answered 401: {\"message\":\"who are you\"}",
            forbidden.clone() + NAME_ONE,
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>403 Forbidden</html>",
            "the engine answered 403: <html>403 Forbidden</html>",
            forbidden + NAME_ONE,
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\n<!DOCTYPE html>\n<p>hello",
            "it answered \"<!DOCTYPE html> <p>hello\"",
            NO_ENGINE.into(),
        ),
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n404 page not found\n",
            "it answered \"404 page not found\"",
            NO_ENGINE.into(),
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "it answered \"SSH-2.0-OpenSSH_9.2p1\"", NO_ENGINE.into()),
    ];
    for (answer, problem, advice) in cases {
        let address = answering(answer);
        let told = message(&scene, told(&scene, "asks").env("DOCKER_HOST", &address));
        let expected = format!(
            "failed to look up the reaper container at {address} (DOCKER_HOST from the environment): {problem}\n{advice}"
        );
        assert_eq!(told, expected);
    }
    // The advice that all of them give.
    let told = message(&scene, told(&scene, "asks").env("DOCKER_HOST", engine::docker_host()));
    assert_eq!(told, "acquired");
    scene.end();
}

/// A proxy in which every creation, or every start, is refused with these words.
fn refusing(at_start: bool, status: u16, words: &'static str) -> Proxy {
    Proxy::new(move |request| {
        let refuses = if at_start { request.starts() } else { request.creates_reaper() };
        if refuses { Decision::Refuse(status, words.to_owned()) } else { Decision::Pass }
    })
}

#[test]
fn a_creation_or_a_start_that_is_refused_for_ever_is_said_at_once() {
    let again = "the engine says so again and again: see its own log, name another engine with DOCKER_HOST, or switch the \
                 reaper off with TESTCONTAINERS_RYUK_DISABLED=true";
    let image = "the image cannot run on this engine, for another architecture perhaps: choose another with \
                 TESTCONTAINERS_RYUK_CONTAINER_IMAGE, or unset that";
    let exec = "OCI runtime create failed: exec /reaper-ryuk: exec format error: unknown";
    let policy = "policy forbids it";
    for (number, (at_start, status, words, advice)) in [
        (false, 500, "the engine is on fire", again),
        (true, 500, "the engine is on fire", again),
        (true, 500, exec, image),
        (false, 422, policy, "see the engine's own log, or name another engine with DOCKER_HOST"),
    ]
    .into_iter()
    .enumerate()
    {
        let scene = Scene::new(&format!("refused-for-ever-{number}"));
        let proxy = refusing(at_start, status, words);
        let told = message(&scene, proxy.serve(&mut told(&scene, "asks")));
        let (operation, endpoint) = (if at_start { "start" } else { "create" }, proxy.endpoint());
        let expected = format!(
            "failed to {operation} the reaper container at {endpoint} (DOCKER_HOST from the environment): the engine \
             answered {status}: {words}\n{advice}"
        );
        assert_eq!(told, expected);
        scene.end();
    }
}

/// What a reaper needs is missing, and the engine does not let it be brought.
#[test]
fn what_cannot_be_brought_to_the_engine_is_said_at_once() {
    for (missing, path, operation) in [
        ("No such image: reaper-ryuk", "/images/load", "load the reaper's image".to_owned()),
        ("network bridge not found", "/networks/create", "create the network <network>".to_owned()),
    ] {
        let scene = Scene::new("missing");
        let proxy = Proxy::new(move |request| match request.creates_reaper() {
            true => Decision::Refuse(404, missing.to_owned()),
            false if request.is("POST", path) => Decision::Refuse(500, "no space left on device".to_owned()),
            false => Decision::Pass,
        });
        let told = message(&scene, proxy.serve(&mut told(&scene, "asks")));
        // Its name has a number in it that is another for each process.
        let network =
            told.split("network ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let told = if network.is_empty() { told.clone() } else { told.replace(network, "<network>") };
        let expected = format!(
            "failed to {operation} at {} (DOCKER_HOST from the environment): the engine answered 500: no space left on \
             device\nthe engine says so again and again",
            proxy.endpoint()
        );
        assert!(told.starts_with(&expected), "{told}\n{expected}");
        scene.end();
    }
}

/// A hundred processes of a session that can have no reaper, so many at a time.
#[track_caller]
fn hundred(name: &str, at_once: usize, environment: impl Fn(&mut Command) + Sync) -> Vec<String> {
    let scene = Scene::new(name);
    // The first of all builds the suite.
    let _ = told(&scene, "asks");
    let began = Instant::now();
    let next = std::sync::Mutex::new(0..PROCESSES);
    let all = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(_number) = { next.lock().unwrap().next() } {
                    let mut command = told(&scene, "asks");
                    environment(&mut command);
                    let said = suite::text(&command.output().unwrap());
                    all.lock().unwrap().push(said);
                }
            });
        }
    });
    println!("{PROCESSES} processes: {:?}", began.elapsed());
    scene.end();
    all.into_inner().unwrap()
}

#[test]
fn a_hundred_processes_do_not_each_ask_again_and_again() {
    let proxy = refusing(true, 500, "the engine is on fire");
    let all = hundred("hundred-refused", PROCESSES, |command| {
        let _ = proxy.serve(command);
    });
    let mut found_before = 0;
    for said in &all {
        assert!(
            said.contains("the engine answered 500: the engine is on fire\nthe engine says so again"),
            "{said}"
        );
        found_before += usize::from(said.contains("found by process"));
    }
    assert!(found_before > PROCESSES / 2, "{found_before} were told by another");
    let starts = proxy.seen().iter().filter(|request| request.starts()).count();
    assert!(starts < PROCESSES, "{starts} times");
}

#[test]
fn a_hundred_processes_do_not_each_wait_for_the_deadline() {
    let proxy = Proxy::new(|_| Decision::Refuse(503, "away".into()));
    let all = hundred("hundred-deadline", 4, |command| {
        let _ = proxy.serve(command.env("REAPER_ACQUIRE_TIMEOUT", "3s"));
    });
    let mut found_before = 0;
    for said in &all {
        assert!(said.contains("no reaper of this session answered within 3s"), "{said}");
        found_before += usize::from(said.contains("found by process"));
    }
    assert!(found_before > PROCESSES / 2, "{found_before} were told by another");
}

/// What was mended is tried when the report has had its time, and a setting that was mended at once.
#[test]
fn a_failure_is_not_told_for_ever_nor_to_those_with_other_settings() {
    let scene = Scene::new("mended");
    let proxy = refusing(true, 500, "the engine is on fire");
    let first = message(&scene, proxy.serve(&mut told(&scene, "asks")));
    let second = message(&scene, proxy.serve(&mut told(&scene, "asks")));
    assert!(second.starts_with(&first) && second.contains("found by process"), "{second}");
    let mended = message(&scene, &mut told(&scene, "asks"));
    assert_eq!(mended, "acquired");
    scene.end();
}

/// An image of one program, which is these bytes.
fn image(scene: &Scene, name: &str, program: &[u8]) -> (String, Leftovers) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    std::fs::write(&path, program).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let tar = Command::new("tar").arg("-C").arg(folder.path()).args(["-c", "program"]).output().unwrap();
    assert!(tar.status.success(), "{}", suite::text(&tar));
    let reference = format!("{name}-{}:1", scene.session);
    // In one word, for Podman 4.3 leaves a tag of its own out.
    let mut path = format!("/images/create?fromSrc=-&repo={reference}");
    write!(path, "&changes=ENTRYPOINT%20%5B%22/program%22%5D").unwrap();
    let (status, answer) = engine::send("POST", &path, &tar.stdout);
    assert_eq!(status, 200, "{answer}");
    let leftovers = Leftovers::new(&engine::Engine::system(), [format!("/images/{reference}")]);
    (reference, leftovers)
}

#[test]
fn an_image_that_ends_at_once_is_said_with_its_last_words() {
    let scene = Scene::new("ends-at-once");
    let (reference, _leftovers) = image(&scene, "another-machine", &foreign_program());
    let told_first =
        message(&scene, told(&scene, "asks").env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", &reference));
    assert!(told_first.contains("exec format error"), "{told_first}");
    assert!(
        told_first.ends_with(
            "the image is for another kind of machine than the engine's: choose another with \
             TESTCONTAINERS_RYUK_CONTAINER_IMAGE, or unset that"
        ),
        "{told_first}"
    );
    scene.end();
}

/// An executable for a machine that no test runs on.
fn foreign_program() -> Vec<u8> {
    let mut elf = std::fs::read(Path::new("/proc/self/exe")).unwrap();
    elf.truncate(4096);
    // The machine's number in the head: SPARC.
    elf[18..20].copy_from_slice(&[2, 0]);
    elf
}

/// As official Ryuk ends where it cannot reach its engine: it says so and exits.
#[test]
fn a_reaper_that_ends_again_and_again_carries_its_log() {
    let scene = Scene::new("ends-again");
    let script = "panic: ping: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    let program = complaining(script);
    let (reference, _leftovers) = image(&scene, "complains", &program);
    let told_first =
        message(&scene, told(&scene, "asks").env("TESTCONTAINERS_RYUK_CONTAINER_IMAGE", &reference));
    let expected = format!(
        "the reaper container ends as soon as it is started, of the image {reference}\n  reaper says: {script}\nsay \
         where the engine's own host has its socket with TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"
    );
    assert_eq!(told_first, expected.replace(&scene.session, "<session>"));
    scene.end();
}

/// A program without a library or a shell: it writes these words to its standard error, and fails.
fn complaining(words: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("main.rs");
    let text = format!("fn main() {{ eprintln!({words:?}); std::process::exit(1) }}");
    std::fs::write(&source, text).unwrap();
    let output = folder.path().join("main");
    let mut rustc = Command::new("rustc");
    rustc.args([
        "--crate-name",
        "complains",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "relocation-model=static",
    ]);
    let built = rustc.arg("-o").arg(&output).arg(&source).output().unwrap();
    assert!(built.status.success(), "{}", suite::text(&built));
    std::fs::read(output).unwrap()
}
