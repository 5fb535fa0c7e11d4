//! Contexts of the docker command: the reaper, the command and whoever else asks use the engine that is chosen.

use std::process::Command;
use std::time::Duration;

use reaper_tests::engine;
use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::suite::{Run, succeeded, text};

use crate::{LABELLED, reaper, stderr, stdout, unique};

const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A context that leads to the engine past its usual socket.
fn context(run: &Run, proxy: &Proxy) {
    run.context("other", &format!("host={}", proxy.endpoint()));
}

/// Who is told of an engine by `DOCKER_HOST` looks at no context, and the engine of all tests may be named so.
fn looking(mut command: Command) -> Command {
    command.env_remove("DOCKER_HOST");
    command
}

fn passing() -> Proxy {
    Proxy::new(|_| Decision::Pass)
}

#[test]
fn a_command_creates_where_the_reaper_is() {
    for by_variable in [true, false] {
        let (run, proxy, name) = (Run::unbuilt(), passing(), unique(&format!("context-{by_variable}")));
        context(&run, &proxy);
        let script = format!("docker volume create {LABELLED} {name} && printenv DOCKER_HOST");
        let mut command = looking(reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]));
        if by_variable {
            command.env("DOCKER_CONTEXT", "other");
        } else {
            let config = run.file(".docker/config.json");
            std::fs::write(config, r#"{"currentContext": "other"}"#).unwrap();
        }
        let output = command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::socket()).output().unwrap();
        assert!(succeeded(&output).contains(&proxy.endpoint()), "{}", text(&output));
        let seen = proxy.seen();
        for path in ["/containers/create", "/volumes/create"] {
            assert!(seen.iter().any(|request| request.line.contains(path)), "{path}: {seen:?}");
        }
        assert!(stderr(&output).contains("removed what `sh` left, 1 volume"), "{}", text(&output));
        // It tells its command, so nobody has to.
        assert!(!stderr(&output).contains("warning"), "{}", text(&output));
        engine::until_gone(&name, GONE_WITHIN);
    }
}

/// To the docker command they are for whatever `DOCKER_HOST` names, and a context is named by that here.
#[test]
fn what_is_set_for_tls_is_not_for_a_context_without() {
    let (run, proxy, name) = (Run::unbuilt(), passing(), unique("context-plain"));
    context(&run, &proxy);
    let script = format!("docker volume create {LABELLED} {name}");
    let mut command = looking(reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]));
    command.env("DOCKER_CONTEXT", "other").env("DOCKER_TLS", "1").env("DOCKER_TLS_VERIFY", "1");
    let output = command.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::socket()).output().unwrap();
    succeeded(&output);
    engine::until_gone(&name, GONE_WITHIN);
}

/// bollard, as most clients, knows of no contexts.
#[test]
fn tests_are_told_where_their_own_client_would_go_elsewhere() {
    let (run, proxy) = (Run::new(), passing());
    context(&run, &proxy);
    // Named, or the session would be that of the runner of this test.
    let test = |name: &str, engine: (&str, &str)| {
        let mut test = looking(run.binary("attribute"));
        test.args(["--exact", "first"]).env("TESTCONTAINERS_SESSION_ID", name).env(engine.0, engine.1);
        let output = test.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::socket()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        engine::until_gone(name, GONE_WITHIN);
        stderr(&output)
    };
    let said = test(&unique("context-told"), ("DOCKER_CONTEXT", "other"));
    let told = format!("warning: the engine is {} (context other from DOCKER_CONTEXT", proxy.endpoint());
    assert_eq!(said.matches(&told).count(), 1, "{said}");
    assert!(said.contains(&format!("set DOCKER_HOST={}", proxy.endpoint())), "{said}");
    // The way out that it names.
    let said = test(&unique("context-obeyed"), ("DOCKER_HOST", &proxy.endpoint()));
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_context_that_cannot_be_used_is_an_error_and_no_other_engine_is_taken() {
    let run = Run::unbuilt();
    let refused = |variables: &[(&str, &str)], parts: &[&str]| {
        let mut command = looking(reaper(&run, &["run", "--", "true"]));
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        for part in parts {
            assert!(stderr(&output).contains(part), "{part}: {}", text(&output));
        }
    };
    refused(
        &[("DOCKER_CONTEXT", "nowhere")],
        &["setting DOCKER_CONTEXT from the environment is \"nowhere\"", "docker context ls"],
    );
    for (name, host) in [("remote", "ssh://user@127.0.0.1:1"), ("gone", "unix:///nowhere.sock")] {
        run.context(name, &format!("host={host}"));
    }
    refused(
        &[("DOCKER_CONTEXT", "remote")],
        &[
            "tried ssh://user@127.0.0.1:1 (context remote from DOCKER_CONTEXT (the environment)): ssh: connect to",
        ],
    );
    refused(
        &[("DOCKER_CONTEXT", "gone")],
        &["tried unix:///nowhere.sock (context gone from DOCKER_CONTEXT (the environment))"],
    );
    // What counts before it is all that is looked at.
    let mut command = reaper(&run, &["ls"]);
    command.env("DOCKER_CONTEXT", "nowhere").env("DOCKER_HOST", engine::docker_host());
    succeeded(&command.output().unwrap());
    std::fs::write(run.file(".docker/config.json"), "{").unwrap();
    refused(&[], &["config.json", "DOCKER_HOST is obeyed without it"]);
}

#[test]
fn doctor_says_which_context_it_was() {
    let (run, proxy) = (Run::unbuilt(), passing());
    context(&run, &proxy);
    let mut command = looking(reaper(&run, &["doctor"]));
    command.env("DOCKER_CONTEXT", "other").env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", engine::socket());
    let output = command.output().unwrap();
    let expected = format!("{}, context other from DOCKER_CONTEXT (the environment)", proxy.endpoint());
    assert!(output.status.success() && stdout(&output).contains(&expected), "{}", text(&output));
}
