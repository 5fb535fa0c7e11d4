//! A swarm of one node, the manager of which is an engine of the tests' own.
//!
//! Its networks have no address of a service's own (`dnsrr`): that takes IPVS, which not every kernel has.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{Engine, SESSION};
use crate::holder::Holder;
use crate::second_engine::SecondEngine;
use crate::suite::Run;
use crate::{until, world};

/// For tasks to start where everybody else's tests run beside.
const STARTED_WITHIN: Duration = Duration::from_secs(120);
/// What gives tasks time to end is the swarm, and its agent takes some more.
const GONE_WITHIN: Duration = Duration::from_secs(180);

/// It ends when this is dropped.
pub struct Swarm {
    second: SecondEngine,
    /// By its id: a swarm looks for an image by name where it cannot be had, and takes its time for that.
    image: String,
}

/// What a service is made of.
#[derive(Debug, Clone, Default)]
pub struct Service<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its own labels.
    pub labels: Value,
    /// Those of its tasks' containers.
    pub task_labels: Value,
    /// A volume of its tasks, which the first of them makes, with these labels.
    pub volume: Option<(&'a str, Value)>,
    /// A network by its name.
    pub network: Option<&'a str>,
    /// Configs and secrets, by name and id.
    pub configs: Vec<(&'a str, &'a str)>,
    /// The same.
    pub secrets: Vec<(&'a str, &'a str)>,
}

impl Swarm {
    /// One with the workload's image.
    ///
    /// # Panics
    ///
    /// When this machine cannot have one; says what is missing.
    #[must_use]
    pub fn start() -> Self {
        let second = SecondEngine::start();
        // Of a task that failed to start, on a busy machine, is nothing left once another runs for it.
        let orchestration = json!({"Orchestration": {"TaskHistoryRetentionLimit": 0}});
        let init =
            json!({"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1", "Spec": orchestration});
        second.engine().done("POST", "/swarm/init", &init);
        let image = format!("/images/{}/json", world::image(second.engine()));
        let image =
            second.engine().inspect(&image).map(|image| image["Id"].as_str().unwrap_or("?").to_owned());
        Self { second, image: image.expect("the image was loaded") }
    }

    /// Its raw API.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.second.engine()
    }

    /// What a test sets as `DOCKER_HOST` to use it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        self.second.docker_host()
    }

    /// The workload's image, as a service is to name it.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// One of the suite's tests with it, in a session that has been given a name, whose reaper waits a second.
    #[must_use]
    pub fn test(&self, run: &Run, binary: &str, test: &str, session: &str) -> Command {
        let mut command = run.binary(binary);
        command.args(["--exact", test, "--include-ignored"]).env("DOCKER_HOST", self.docker_host());
        command.env("TESTCONTAINERS_SESSION_ID", session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command
    }

    /// A session on it that is held until it is let go.
    ///
    /// # Panics
    ///
    /// When it gets no guard.
    #[must_use]
    pub fn hold(&self, name: &str) -> Holder {
        Holder::start_on(self.engine(), name, &[], |run, session| {
            self.test(run, "attribute", "holds", session)
        })
    }

    /// A network for the whole swarm.
    #[track_caller]
    pub fn network(&self, name: &str, labels: &Value) {
        let network = json!({"Name": name, "Driver": "overlay", "Labels": labels});
        self.engine().done("POST", "/networks/create", &network);
    }

    /// A config or a secret, by the name of the kind; gives its id.
    ///
    /// # Panics
    ///
    /// When the engine refuses it.
    #[track_caller]
    #[must_use]
    pub fn kept(&self, kind: &str, name: &str, labels: &Value) -> String {
        let content = json!({"Name": name, "Labels": labels, "Data": "Y29udGVudA=="});
        created(&self.engine().done("POST", &format!("/{kind}s/create"), &content))
    }

    /// A service with two tasks, deaf to SIGTERM, which have two seconds to end; gives its id when they run, and no other
    /// is left of it.
    ///
    /// # Panics
    ///
    /// When they do not.
    #[track_caller]
    #[must_use]
    pub fn service(&self, service: &Service<'_>) -> String {
        let reference = |kind: &str, (name, id): &(&str, &str)| {
            let file = json!({"Name": name, "UID": "0", "GID": "0", "Mode": 292});
            json!({"File": file, format!("{kind}ID"): id, format!("{kind}Name"): name})
        };
        let volumes = service.volume.iter().map(|(name, labels)| {
            let options = json!({"Labels": labels});
            json!({"Type": "volume", "Source": name, "Target": "/kept", "VolumeOptions": options})
        });
        let container = json!({
            "Image": self.image,
            "Labels": service.task_labels,
            "Mounts": volumes.collect::<Vec<_>>(),
            "StopGracePeriod": 2_000_000_000_u64,
            "Configs": service.configs.iter().map(|of| reference("Config", of)).collect::<Vec<_>>(),
            "Secrets": service.secrets.iter().map(|of| reference("Secret", of)).collect::<Vec<_>>(),
        });
        let networks = service.network.iter().map(|network| json!({"Target": network}));
        let body = json!({
            "Name": service.name,
            "Labels": service.labels,
            "TaskTemplate": {"ContainerSpec": container, "Networks": networks.collect::<Vec<_>>()},
            "Mode": {"Replicated": {"Replicas": 2}},
            "EndpointSpec": {"Mode": "dnsrr"},
        });
        let id = created(&self.engine().done("POST", "/services/create", &body));
        until(&format!("two tasks of service {} run", service.name), STARTED_WITHIN, || {
            let (run, all) = (self.tasks(&id).len(), self.task_containers(&id).len());
            if (run, all) == (2, 2) { Ok(()) } else { Err(format!("{run} of {all}: {}", self.told(&id))) }
        });
        id
    }

    /// The containers of a service that run, sorted.
    #[must_use]
    pub fn tasks(&self, service: &str) -> Vec<String> {
        let mut tasks: Vec<_> = self.task_containers(service);
        tasks.retain(|id| {
            let found = self.engine().inspect(&format!("/containers/{id}/json"));
            found.is_some_and(|found| found["State"]["Running"] == true)
        });
        tasks.sort();
        tasks
    }

    /// The containers of a service, running or not.
    #[must_use]
    pub fn task_containers(&self, service: &str) -> Vec<String> {
        let tasks = self.engine().labelled("com.docker.swarm.service.id", service);
        tasks.iter().filter_map(|found| found.strip_prefix("container ")).map(str::to_owned).collect()
    }

    /// Everything of a session, those kinds that only a swarm has among it: `kind name-or-id`.
    #[must_use]
    pub fn resources(&self, session: &str) -> Vec<String> {
        let mut all = self.engine().labelled(SESSION, session);
        for kind in ["service", "config", "secret"] {
            let filters = format!("%7B%22label%22%3A%5B%22{SESSION}%3D{session}%22%5D%7D");
            let listed = self.engine().done("GET", &format!("/{kind}s?filters={filters}"), &Value::Null);
            let named = |one: &Value| format!("{kind} {}", one["Spec"]["Name"].as_str().unwrap_or("?"));
            all.extend(listed.as_array().into_iter().flatten().map(named));
        }
        all
    }

    /// Waits until nothing of a session is left, and no task of these services.
    ///
    /// # Panics
    ///
    /// When something is.
    #[track_caller]
    pub fn until_gone(&self, session: &str, services: &[&str]) {
        until(&format!("nothing of session {session} is left"), GONE_WITHIN, || {
            let mut left = self.resources(session);
            left.extend(services.iter().flat_map(|service| self.task_containers(service)));
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    /// What the swarm says of a service's tasks.
    fn told(&self, service: &str) -> String {
        let filters = format!("%7B%22service%22%3A%5B%22{service}%22%5D%7D");
        let (_, tasks) = self.engine().request("GET", &format!("/tasks?filters={filters}"), &Value::Null);
        let told = tasks.as_array().into_iter().flatten().map(|task| task["Status"].to_string());
        told.collect::<Vec<_>>().join("\n")
    }
}

#[track_caller]
fn created(answer: &Value) -> String {
    answer["ID"].as_str().unwrap_or_else(|| panic!("no id: {answer}")).to_owned()
}
