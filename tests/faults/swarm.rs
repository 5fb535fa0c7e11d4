//! A session on the manager of a swarm: its services go, what they had goes after them, and what is others' stays.

use reaper_tests::engine::SESSION;
use reaper_tests::process::Process;
use reaper_tests::suite::Run;
use reaper_tests::swarm::{Service, Swarm};
use reaper_tests::world::of_session;
use serde_json::{Value, json};

/// Of every kind one, with these labels, and services whose tasks use them; gives the services.
fn everything(swarm: &Swarm, name: &str, labels: &Value) -> [String; 2] {
    swarm.network(name, labels);
    let [config, secret] = ["config", "secret"].map(|kind| swarm.kept(kind, name, labels));
    let (configs, secrets) = (vec![(name, config.as_str())], vec![(name, secret.as_str())]);
    let labelled = format!("{name}-labelled");
    let labelled = swarm.service(&Service {
        name: &labelled,
        labels: labels.clone(),
        task_labels: labels.clone(),
        volume: Some((&labelled, labels.clone())),
        network: Some(name),
        configs: configs.clone(),
        ..Service::default()
    });
    // As `docker service create --label` does it: the tasks do not say whose they are.
    let bare = format!("{name}-bare");
    let bare = swarm.service(&Service {
        name: &bare,
        labels: labels.clone(),
        volume: Some((&bare, labels.clone())),
        network: Some(name),
        configs,
        secrets,
        ..Service::default()
    });
    [labelled, bare]
}

/// What is somebody else's, and runs on.
struct Others {
    services: Vec<String>,
    before: Vec<Vec<String>>,
}

impl Others {
    fn on(swarm: &Swarm) -> Self {
        let mut services = everything(swarm, "theirs", &json!({SESSION: "somebody-else"})).to_vec();
        services.push(swarm.service(&Service { name: "nobodys", ..Service::default() }));
        let before = services.iter().map(|service| swarm.tasks(service)).collect();
        Self { services, before }
    }

    #[track_caller]
    fn are_untouched(&self, swarm: &Swarm) {
        let now: Vec<_> = self.services.iter().map(|service| swarm.tasks(service)).collect();
        assert_eq!(now, self.before);
        // Two services with two tasks each, of which two say whose they are; two volumes, a network, a config, a secret.
        assert_eq!(swarm.resources("somebody-else").len(), 9, "{:?}", swarm.resources("somebody-else"));
    }
}

#[test]
fn what_a_killed_test_had_in_a_swarm_goes_and_what_others_have_stays() {
    let swarm = Swarm::start();
    let others = Others::on(&swarm);
    let mut holder = swarm.hold("swarm");
    let services = everything(&swarm, "ours", &holder.labels());
    holder.kill();
    let summary = holder.log.until_says(&["removed containers="]);
    assert!(summary.ends_with("networks=1 volumes=2 images=0 services=2 configs=1 secrets=1"), "{summary}");
    swarm.until_gone(&holder.session, &services.each_ref().map(String::as_str));
    assert!(!holder.log.text().contains("left behind"), "{}", holder.log.text());
    others.are_untouched(&swarm);
}

#[test]
fn when_a_test_removes_what_it_had_in_a_swarm_it_is_gone_when_that_returns() {
    let swarm = Swarm::start();
    let others = Others::on(&swarm);
    let (run, session) = (Run::new(), format!("swarm-reaps-{}", std::process::id()));
    let mut command = swarm.test(&run, "reaps", "when_told", &session);
    command.env("SUITE_ALSO", "org.example.project=orders,org.example.part=web");
    let test = Process::start(&mut command);
    let reaper = run.until_recorded("when_told").reaper;
    let services = everything(&swarm, "ours", &of_session(&session));
    std::fs::write(run.file("go-on"), "").unwrap();
    let _ = run.until_recorded("reaped");
    assert_eq!(swarm.resources(&session), [format!("container {reaper}")]);
    for service in &services {
        assert_eq!(swarm.task_containers(service), Vec::<String>::new());
    }
    others.are_untouched(&swarm);
    test.kill();
    swarm.until_gone(&session, &[]);
}
