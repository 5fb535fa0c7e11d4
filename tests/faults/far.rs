//! Engines that are reached over TLS and over ssh: what is promised on a socket is promised there.
//!
//! The suite's own client takes the engine's socket, past what is under test.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reaper_tests::certificates::{Authority, Validity};
use reaper_tests::engine::Engine;
use reaper_tests::login::Login;
use reaper_tests::process::Process;
use reaper_tests::second_engine::SecondEngine;
use reaper_tests::suite::{Run, text};
use reaper_tests::until;

use crate::engines::until_another_reaper_knows;

const GONE_WITHIN: Duration = Duration::from_secs(120);

/// A test of the suite in a session of its own, which creates over the engine's socket.
fn test(run: &Run, name: &str, session: &str, engine: &Engine) -> Command {
    let mut command = run.binary("attribute");
    command.args(["--exact", name, "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", session);
    command.env("SUITE_ENGINE", format!("unix://{}", engine.socket().display()));
    command.env("RYUK_RECONNECTION_TIMEOUT", "1s");
    command
}

/// A client's certificate, and the variables that name it.
fn secure(command: &mut Command, second: &SecondEngine, certificates: &Path) {
    command.env("DOCKER_HOST", second.docker_host()).env("DOCKER_TLS_VERIFY", "1");
    command.env("DOCKER_CERT_PATH", certificates);
}

fn session(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Starts the test that waits, has the engine's daemon killed under it, and kills the test.
#[track_caller]
fn survives(mut second: SecondEngine, name: &str, mut test: Command, run: &Run) {
    let engine = second.engine().clone();
    let session = session(name);
    let mut held = Process::start(&mut test);
    let before = run.until_recorded("waits");
    // The reaper, and of each kind one.
    assert_eq!(engine.resources(&session).len(), 5, "{:?}", engine.resources(&session));

    second.kill();
    second.start_daemon();
    until_another_reaper_knows(&engine, &before);
    assert!(held.is_running(), "the test has noticed");
    held.kill();
    engine.until_gone(&session, GONE_WITHIN);
}

#[track_caller]
fn survives_over_tls(name: &str, transport: &str) {
    let authority = Authority::new();
    let second = SecondEngine::start_with_tls(&authority);
    let run = Run::new();
    let certificates = run.file("certificates");
    authority.write(&certificates, &["client"], Validity::Now);
    let mut test = test(&run, "waits", &session(name), second.engine());
    secure(test.env("REAPER_TRANSPORT", transport), &second, &certificates);
    survives(second, name, test, &run);
}

#[track_caller]
fn survives_over_ssh(name: &str, transport: &str) {
    let mut second = SecondEngine::start();
    let login = Login::to(&mut second);
    let run = Run::new();
    let mut test = test(&run, "waits", &session(name), second.engine());
    login.set_for(test.env("DOCKER_HOST", login.docker_host()).env("REAPER_TRANSPORT", transport));
    survives(second, name, test, &run);
}

#[test]
fn over_tls_a_guard_heals_and_a_killed_test_leaves_nothing() {
    survives_over_tls("over-tls", "tcp");
}

#[test]
fn over_ssh_a_guard_heals_and_a_killed_test_leaves_nothing() {
    survives_over_ssh("over-ssh", "tcp");
}

/// The connection itself goes over TLS, as an exec session.
#[test]
fn through_an_engine_over_tls_a_guard_heals_and_a_killed_test_leaves_nothing() {
    survives_over_tls("exec-over-tls", "exec");
}

/// The connection itself is a process of ssh's.
#[test]
fn through_an_engine_over_ssh_a_guard_heals_and_a_killed_test_leaves_nothing() {
    survives_over_ssh("exec-over-ssh", "exec");
}

/// Each request is a process, and none of them is to be seen when it has been answered.
#[test]
fn over_ssh_no_process_is_left_behind() {
    let mut second = SecondEngine::start();
    let login = Login::to(&mut second);
    let run = Run::new();
    let session = session("ssh-processes");
    let mut test = test(&run, "waits", &session, second.engine());
    let socket = Path::new("/var/run/docker.sock");
    login.set_for(test.env("DOCKER_HOST", login.whole_docker_host(socket)).env("REAPER_KEEPER", "false"));
    let held = Process::start(&mut test);
    let _ = run.until_recorded("waits");
    assert!(login.log().matches("Accepted publickey").count() > 1, "{}", login.log());
    let parent = held.id().to_string();
    until("no process of ssh's", GONE_WITHIN, || {
        let mut listing = Command::new("ps");
        listing.args(["-o", "stat=,args=", "--ppid", &parent]);
        let output = listing.output().unwrap();
        let left = String::from_utf8_lossy(&output.stdout).into_owned();
        if left.contains("ssh") { Err(left) } else { Ok(()) }
    });
    held.kill();
    second.engine().until_gone(&session, GONE_WITHIN);
}

/// As the docker command writes it down and finds it again.
#[test]
fn a_context_with_certificates_is_used_and_handed_on() {
    let authority = Authority::new();
    let second = SecondEngine::start_with_tls(&authority);
    let run = Run::new();
    let certificates = run.file("certificates");
    authority.write(&certificates, &["client"], Validity::Now);
    let folder = certificates.display();
    let files = format!("ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem");
    run.context("far", &format!("host={},{files}", second.docker_host()));
    // What it has read is its own from then on.
    std::fs::remove_dir_all(&certificates).unwrap();

    let session = session("context-tls");
    let mut test = run.binary("attribute");
    test.args(["--exact", "hands_on", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", &session);
    let held = Process::start(test.env("DOCKER_CONTEXT", "far").env("RYUK_RECONNECTION_TIMEOUT", "1s"));
    let volume = format!("volume handed-on-{}", run.until_recorded("hands_on").pid);
    let found = second.engine().resources(&session);
    assert!(found.contains(&volume) && found.len() == 2, "{found:?}");
    held.kill();
    second.engine().until_gone(&session, GONE_WITHIN);
}

/// testcontainers knows no contexts.
#[test]
fn testcontainers_is_not_let_create_where_nothing_is_guarded() {
    let second = SecondEngine::start();
    let run = Run::of("testcontainers-0.28");
    for engine in [second.engine(), &Engine::system()] {
        engine.load(reaper_examples::ARCHIVE);
    }
    let host = second.docker_host();
    run.context("other", &format!("host={host}"));
    let test = |name: &str, session: &str| {
        let mut test = run.binary("extension");
        test.args(["--exact", name, "--include-ignored"]).env("WORKLOAD", reaper_examples::IMAGE);
        test.env("TESTCONTAINERS_SESSION_ID", session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        test
    };
    for name in ["labelled", "labelled_blocking"] {
        let session = session(&format!("elsewhere-{name}"));
        let output = test(name, &session).env("DOCKER_CONTEXT", "other").output().unwrap();
        let said = text(&output);
        assert!(
            !output.status.success() && said.contains("testcontainers would create on the engine of"),
            "{said}"
        );
        assert!(said.contains(&format!("set DOCKER_HOST={host} for both")), "{said}");
        assert_eq!(Engine::system().resources(&session), Vec::<String>::new());
        second.engine().until_gone(&session, GONE_WITHIN);
    }
    // The way out that it names.
    let session = session("both");
    let held = Process::start(test("labelled", &session).env("DOCKER_HOST", &host));
    let container = format!("container {}", run.until_recorded("labelled").container);
    let found = second.engine().resources(&session);
    assert!(found.contains(&container), "{found:?}");
    held.kill();
    second.engine().until_gone(&session, GONE_WITHIN);
}
