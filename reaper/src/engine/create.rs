//! The reaper's container as an engine is asked for it: what it may do, and what it may not.

use serde_json::{Map, Value, json};

use super::needs::{Concessions, RYUK_PORT_NAME, ReaperSpec};

/// What the embedded server needs: measured, see `ARCHITECTURE.md`.
const MEMORY_LIMIT: i64 = 64 << 20;
/// A client that comes through the engine is a process, and for a moment its starting is several.
const PROCESS_LIMIT: i64 = 2048;

impl ReaperSpec {
    /// The body of a request to create it, as the Engine API has it.
    #[must_use]
    pub fn body(&self) -> Value {
        body(self)
    }
}

/// The body of the request.
fn body(spec: &ReaperSpec) -> Value {
    let mut host = if spec.hardened { hardened(spec.concessions) } else { Map::new() };
    host.extend(object([
        ("AutoRemove", json!(true)),
        // A bind of the older form makes a folder where the socket should be, and an engine that finds one there does not
        // start any more.
        ("Mounts", json!([{ "Type": "bind", "Source": spec.socket, "Target": "/var/run/docker.sock" }])),
        // Where the engine maps users, the container's root is nobody who may use the socket.
        ("UsernsMode", json!("host")),
        ("NetworkMode", json!(spec.network)),
        ("Privileged", json!(spec.privileged)),
    ]));
    let mut body = object([
        ("Image", json!(spec.image)),
        ("Labels", json!(spec.labels)),
        ("Env", json!(spec.environment)),
    ]);
    if let Some(address) = &spec.publish_on {
        let bindings = json!({ RYUK_PORT_NAME: [{ "HostIp": address, "HostPort": "" }] });
        host.insert("PortBindings".to_owned(), bindings);
        body.extend(object([("ExposedPorts", json!({ RYUK_PORT_NAME: {} }))]));
    }
    body.extend(object([("HostConfig", Value::Object(host))]));
    if !spec.further_networks.is_empty() {
        let networks: Map<_, _> =
            spec.further_networks.iter().map(|name| (name.clone(), json!({}))).collect();
        body.extend(object([("NetworkingConfig", json!({ "EndpointsConfig": networks }))]));
    }
    Value::Object(body)
}

fn hardened(concessions: Concessions) -> Map<String, Value> {
    let Concessions { any_owner, new_privileges } = concessions;
    let mut host = object([
        ("ReadonlyRootfs", json!(true)),
        ("CapDrop", json!(["ALL"])),
        ("Memory", json!(MEMORY_LIMIT)),
        ("PidsLimit", json!(PROCESS_LIMIT)),
    ]);
    if any_owner {
        host.extend(object([("CapAdd", json!(["DAC_OVERRIDE"]))]));
    }
    if !new_privileges {
        host.extend(object([("SecurityOpt", json!(["no-new-privileges"]))]));
    }
    host
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hardened: bool, concessions: Concessions) -> ReaperSpec {
        ReaperSpec {
            name: "reaper_s".into(),
            image: "i:1".into(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            environment: vec!["X=y".into()],
            socket: "/s.sock".into(),
            socket_is_given: false,
            network: "bridge".into(),
            further_networks: Vec::new(),
            publish_on: Some("127.0.0.1".into()),
            privileged: !hardened,
            hardened,
            concessions,
        }
    }

    /// As bollard's models wrote it, when this was theirs to write.
    #[test]
    fn nothing_of_the_hardening_is_lost() {
        let host = json!({
            "Memory": 67_108_864, "PidsLimit": 2048, "NetworkMode": "bridge",
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, "AutoRemove": true,
            "Mounts": [{"Target": "/var/run/docker.sock", "Source": "/s.sock", "Type": "bind"}], "CapDrop": ["ALL"],
            "Privileged": false, "ReadonlyRootfs": true, "SecurityOpt": ["no-new-privileges"], "UsernsMode": "host",
        });
        let whole = json!({
            "ExposedPorts": {"8080/tcp": {}}, "Env": ["X=y"], "Image": "i:1", "Labels": {"a": "b"}, "HostConfig": host,
        });
        assert_eq!(body(&spec(true, Concessions::default())), whole);

        let mut conceded = spec(true, Concessions { any_owner: true, new_privileges: true });
        conceded.further_networks.push("own".into());
        let mut expected = whole.clone();
        expected["HostConfig"]["CapAdd"] = json!(["DAC_OVERRIDE"]);
        expected["NetworkingConfig"] = json!({"EndpointsConfig": {"own": {}}});
        expected["HostConfig"].as_object_mut().unwrap().remove("SecurityOpt");
        assert_eq!(body(&conceded), expected);

        let mut unpublished = spec(true, Concessions::default());
        (unpublished.network, unpublished.publish_on) = ("none".into(), None);
        let mut expected = whole.clone();
        expected["HostConfig"]["NetworkMode"] = json!("none");
        expected["HostConfig"].as_object_mut().unwrap().remove("PortBindings");
        expected.as_object_mut().unwrap().remove("ExposedPorts");
        assert_eq!(body(&unpublished), expected);

        let mut expected = whole;
        expected["HostConfig"]["Privileged"] = json!(true);
        for hardening in ["Memory", "PidsLimit", "CapDrop", "ReadonlyRootfs", "SecurityOpt"] {
            expected["HostConfig"].as_object_mut().unwrap().remove(hardening);
        }
        assert_eq!(body(&spec(false, Concessions::default())), expected);
    }
}
