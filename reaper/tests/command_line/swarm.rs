//! The commands on the manager of a swarm.

use std::process::Command;

use reaper_tests::suite::{Run, succeeded, text};
use reaper_tests::swarm::{Service, Swarm};
use reaper_tests::world::of_session;
use serde_json::Value;

use crate::{LABELLED, reaper, stderr, stdout, unique};

fn on(swarm: &Swarm, run: &Run, arguments: &[&str]) -> Command {
    let mut command = reaper(run, arguments);
    command.env("DOCKER_HOST", swarm.docker_host());
    command
}

/// As people do it: the tasks do not say whose they are, and have ten seconds to end.
#[test]
fn what_a_command_left_in_a_swarm_is_removed_and_told() {
    let (swarm, run) = (Swarm::start(), Run::unbuilt());
    let script = format!(
        "echo a | docker config create {LABELLED} run-config - && echo b | docker secret create {LABELLED} run-secret - \
         && docker network create --driver overlay {LABELLED} run-network \
         && docker service create --detach --no-resolve-image --endpoint-mode dnsrr {LABELLED} --name run-service \
            --config run-config --secret run-secret --network run-network {} \
         && echo $TESTCONTAINERS_SESSION_ID",
        swarm.image()
    );
    let output = on(&swarm, &run, &["run", "--", "sh", "-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let told = stderr(&output);
    assert!(told.contains("left, 1 service, 1 network, 1 config, 1 secret"), "{told}");
    for line in ["  service    run-service", "  config     run-config", "  secret     run-secret"] {
        assert!(told.contains(line), "{told}");
    }
    swarm.until_gone(stdout(&output).lines().last().unwrap(), &[]);
}

#[test]
fn a_session_in_a_swarm_is_listed_and_removed_and_another_stays() {
    let (swarm, run) = (Swarm::start(), Run::unbuilt());
    let [ours, theirs] = ["swarm-ours", "swarm-theirs"].map(unique);
    let services = [&ours, &theirs].map(|session| {
        let labels = of_session(session);
        let config = swarm.kept("config", session, &labels);
        let configs = vec![(session.as_str(), config.as_str())];
        let task_labels = labels.clone();
        swarm.service(&Service { name: session, labels, task_labels, configs, ..Service::default() })
    });
    let listed = succeeded(&on(&swarm, &run, &["ls"]).output().unwrap());
    assert!(listed.contains("1 service, 2 containers, 1 config"), "{listed}");
    let listed = on(&swarm, &run, &["ls", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let session =
        listed.as_array().unwrap().iter().find(|session| session["session"] == ours.as_str()).unwrap();
    assert_eq!(
        (&session["services"][0]["id"], &session["services"][0]["name"]),
        (&services[0].as_str().into(), &ours.as_str().into())
    );
    let before = swarm.tasks(&services[1]);
    let removed = on(&swarm, &run, &["rm", "--yes", &ours]).output().unwrap();
    assert!(succeeded(&removed).contains("removed 1 service, 2 containers, 1 config"), "{}", text(&removed));
    assert_eq!(swarm.resources(&ours), Vec::<String>::new());
    assert_eq!(swarm.tasks(&services[1]), before);
    assert_eq!(swarm.resources(&theirs).len(), 4, "{:?}", swarm.resources(&theirs));
}
