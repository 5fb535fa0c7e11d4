//! What is on the engine of these tests, and how it lists and removes it: as Docker does, or as Podman.
//!
//! Podman's peculiarities are those that were seen in trials of 4.3 and 5: labels of a volume list are joined with "or",
//! no image is found by two, a `*` in a key stands for anything, an image goes by force with all containers, a network
//! goes from under a running one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

/// On a task's container: its service.
pub(crate) const TASK_OF: &str = "com.docker.swarm.service.id";

/// When all of it was made, where an engine writes a text.
const MADE: &str = "2023-11-14T22:13:20Z";

#[derive(Debug, Clone, Default)]
pub(crate) struct Resource {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Of a container.
    image: String,
    /// And what else it uses: a volume; of a service, its configs and secrets.
    networks: Vec<String>,
    pub(crate) runs: bool,
    /// Of an image.
    tags: Vec<String>,
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
    /// The usual one, after as many milliseconds, whether or not anybody still waits.
    Late(u64),
    Never,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) resources: Vec<Resource>,
    pub(crate) is_podman: bool,
    /// Of a swarm; who is none lists no services, configs and secrets.
    pub(crate) is_manager: bool,
    /// For how many looks the tasks of a service that was removed stay.
    pub(crate) tasks_stay: usize,
    pub(crate) framing: Framing,
    /// By the beginning of the request, like `DELETE /containers`.
    pub(crate) script: BTreeMap<&'static str, VecDeque<Misbehaviour>>,
    /// Created when the first resource is removed.
    pub(crate) appears: Vec<Resource>,
    /// Somebody creates another container for each that is removed.
    pub(crate) is_refilled: bool,
    /// A removal waits until this many are under way, or some seconds have passed.
    pub(crate) gather: usize,
    pub(crate) requests: Vec<String>,
    pub(crate) most_at_once: usize,
    pub(crate) at_once: usize,
}

impl Resource {
    pub(crate) fn new(kind: &'static str, id: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { kind, id: id.to_owned(), labels, ..Self::default() }
    }

    /// A container of this image.
    pub(crate) fn of(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    /// A container on this network, or with this volume; a service with this config or secret.
    pub(crate) fn on(mut self, network: &str) -> Self {
        self.networks.push(network.to_owned());
        self
    }

    pub(crate) fn running(mut self) -> Self {
        self.runs = true;
        self
    }

    /// An image with these names.
    pub(crate) fn tagged(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    fn matches(&self, filter: &str, is_podman: bool) -> bool {
        let (key, value) = filter.split_once('=').map_or((filter, None), |(key, value)| (key, Some(value)));
        self.labels.iter().any(|(own, has)| {
            let named = match key.split_once('*').filter(|_| is_podman) {
                Some((start, end)) => own.starts_with(start) && own.ends_with(end),
                None => own == key,
            };
            named && value.is_none_or(|value| value == has)
        })
    }

    fn listed(&self) -> Value {
        let networks: BTreeMap<_, _> =
            self.networks.iter().map(|network| (network.clone(), json!({ "NetworkID": network }))).collect();
        match self.kind {
            "volumes" => {
                json!({"Name": self.id, "Driver": "local", "Labels": self.labels, "CreatedAt": MADE})
            }
            "images" => {
                json!({"Id": self.id, "RepoTags": self.tags, "Labels": self.labels, "Created": 1_700_000_000})
            }
            "networks" => {
                let name = format!("named {}", self.id);
                json!({"Id": self.id, "Name": name, "Labels": self.labels, "Created": MADE})
            }
            "services" | "configs" | "secrets" => {
                let specification = json!({"Name": format!("named {}", self.id), "Labels": self.labels});
                json!({"ID": self.id, "Version": {"Index": 7}, "CreatedAt": MADE, "Spec": specification})
            }
            _ => json!({
                "Id": self.id, "ImageID": self.image, "Labels": self.labels, "Created": 1_700_000_000, "Ports": [],
                "Names": [format!("/named {}", self.id)],
                "State": if self.runs { "running" } else { "exited" },
                "HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {"Networks": networks},
            }),
        }
    }
}

impl World {
    pub(crate) fn list(&self, kind: &str, query: &str) -> Value {
        let (_, encoded) = query.split_once("filters=").unwrap_or_default();
        let filter: Value = serde_json::from_slice(&decode(encoded)).unwrap_or_default();
        let labels = filter["label"].as_array().cloned().unwrap_or_default();
        let matches = |own: &&Resource| {
            let mut found = labels.iter().map(|label| own.matches(label.as_str().unwrap(), self.is_podman));
            match kind {
                "volumes" if self.is_podman && !labels.is_empty() => found.any(|found| found),
                "images" if self.is_podman && labels.len() > 1 => false,
                _ => found.all(|found| found),
            }
        };
        let all = self.resources.iter().filter(|own| own.kind == kind);
        let items: Value = all.filter(matches).map(Resource::listed).collect();
        if kind == "volumes" { json!({ "Volumes": items, "Warnings": null }) } else { items }
    }

    /// A list, and what that is answered with.
    pub(crate) fn answer(&mut self, kind: &str, query: &str) -> (u16, Value) {
        if ["services", "configs", "secrets"].contains(&kind) && !self.is_manager {
            return if self.is_podman {
                (404, json!({"cause": "no such route", "message": "Not Found"}))
            } else {
                (503, json!({"message": "This node is not a swarm manager. Use \"docker swarm init\" …"}))
            };
        }
        let listed = self.list(kind, query);
        if kind == "containers" {
            self.end_tasks();
        }
        (200, listed)
    }

    /// A task comes back while its service is there, and stays for a while when that is gone.
    fn end_tasks(&mut self) {
        let services: BTreeSet<_> =
            self.resources.iter().filter(|own| own.kind == "services").map(|own| own.id.clone()).collect();
        let is_orphan = |own: &Resource| own.labels.get(TASK_OF).is_some_and(|of| !services.contains(of));
        if self.resources.iter().any(is_orphan) {
            if self.tasks_stay == 0 {
                self.resources.retain(|own| !is_orphan(own));
            } else {
                self.tasks_stay -= 1;
            }
        }
    }

    /// A look at a network: the running containers are on it.
    pub(crate) fn network(&self, id: &str) -> Option<Value> {
        let network = self.resources.iter().find(|own| own.kind == "networks" && own.id == id)?;
        let on_it = self.resources.iter().filter(|own| own.runs && own.networks.contains(&network.id));
        let on_it: BTreeMap<_, _> = on_it.map(|own| (own.id.clone(), json!({"Name": own.id}))).collect();
        Some(json!({"Id": id, "Containers": on_it, "Labels": network.labels}))
    }

    /// The status, and what is said.
    pub(crate) fn remove(&mut self, kind: &str, id: &str, is_forced: bool) -> (u16, &'static str) {
        let Some(found) = self.resources.iter().position(|own| own.kind == kind && own.id == id) else {
            return (404, "no such thing");
        };
        let users = |own: &Resource| match kind {
            "networks" => own.runs && own.networks.iter().any(|network| network == id),
            "images" => own.image == id,
            "volumes" => own.kind == "containers" && own.networks.iter().any(|used| used == id),
            "configs" | "secrets" => own.kind == "services" && own.networks.iter().any(|used| used == id),
            _ => false,
        };
        let users: BTreeSet<_> =
            self.resources.iter().filter(|own| users(own)).map(|own| own.id.clone()).collect();
        match kind {
            "networks" if !self.is_podman && !users.is_empty() => return (403, "it has active endpoints"),
            "volumes" if !users.is_empty() => return (409, "volume is in use"),
            "configs" | "secrets" if !users.is_empty() => return (400, "it is in use by a service"),
            "images" if !is_forced && self.resources[found].tags.len() > 1 => {
                return (409, "it must be forced: it has several names");
            }
            "images" if !is_forced && !users.is_empty() => return (409, "it must be forced: it is used"),
            "images" if self.is_podman => {
                self.resources.retain(|own| own.kind != "containers" || !users.contains(&own.id));
            }
            _ => {}
        }
        let found = self.resources.iter().position(|own| own.kind == kind && own.id == id).unwrap();
        let gone = self.resources.remove(found);
        let is_there = |id: &String| self.resources.iter().any(|own| own.kind == "services" && own.id == *id);
        if gone.labels.get(TASK_OF).is_some_and(is_there) {
            let id = format!("{}0", gone.id);
            self.resources.push(Resource { id, ..gone.clone() });
        }
        let appears = std::mem::take(&mut self.appears);
        self.resources.extend(appears);
        if self.is_refilled && kind == "containers" {
            let id = format!("{}0", gone.id);
            self.resources.push(Resource { id, ..gone });
        }
        (204, "")
    }
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}
