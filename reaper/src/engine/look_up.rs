//! The look-up: the one request that every test process makes on its way to the first line of its test.

#[cfg(any(feature = "bollard", feature = "testcontainers"))]
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use serde::Deserialize;

use super::discover::Place;
use super::http::{Answer, ask, bounded, invalid};
use super::provider::{Container, Published, RYUK_PORT_NAME, State};

/// Finds a container by its exact name.
pub(crate) async fn look_up(place: &Place, name: &str) -> io::Result<Option<Container>> {
    container(&ask(place, "GET", &format!("/containers/{name}/json")).await?)
}

/// The published ports of a container by their names, like `80/tcp`, and where they are; none if it does not run.
#[cfg(any(feature = "bollard", feature = "testcontainers"))]
pub(crate) async fn published(place: &Place, id: &str) -> io::Result<Option<BTreeMap<String, u16>>> {
    let answer = bounded(place, "GET", &format!("/containers/{id}/json")).await?;
    let Some(found) = found(&answer)? else { return Ok(None) };
    if state(&found.state.status) != State::Running {
        return Ok(None);
    }
    let ports = found.network_settings.ports.unwrap_or_default().into_iter();
    Ok(Some(ports.filter_map(|(name, bindings)| Some((name, first(bindings.as_deref()?)?))).collect()))
}

/// Whether a network of this id is there.
pub(crate) async fn has_network(place: &Place, id: &str) -> io::Result<bool> {
    let answer = bounded(place, "GET", &format!("/networks/{id}")).await?;
    match answer.status {
        200 => Ok(true),
        404 => Ok(false),
        _ => Err(answer.unusable()),
    }
}

fn container(answer: &Answer) -> io::Result<Option<Container>> {
    Ok(found(answer)?.map(Container::from))
}

fn found(answer: &Answer) -> io::Result<Option<Found>> {
    match answer.status {
        200 => {
            let found = serde_json::from_slice(&answer.body);
            Ok(Some(found.map_err(|error| invalid(format!("the engine's answer has no use: {error}")))?))
        }
        404 => Ok(None),
        _ => Err(answer.unusable()),
    }
}

/// What of the engine's description is needed here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    id: String,
    state: FoundState,
    config: FoundConfig,
    network_settings: FoundNetwork,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundState {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundConfig {
    #[serde(default)]
    image: String,
    /// Null where there are none.
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundNetwork {
    ports: Option<HashMap<String, Option<Vec<FoundBinding>>>>,
    networks: Option<HashMap<String, FoundEndpoint>>,
}

#[derive(Deserialize)]
struct FoundEndpoint {
    /// Empty where the engine was asked for a network that it does not have, and did not mind.
    #[serde(default, rename = "NetworkID")]
    network: String,
    /// Empty while the container does not run.
    #[serde(default, rename = "IPAddress")]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundBinding {
    host_port: String,
}

impl From<Found> for Container {
    fn from(found: Found) -> Self {
        let FoundNetwork { ports, networks } = found.network_settings;
        let ports = ports.unwrap_or_default();
        let bindings = ports.get(RYUK_PORT_NAME).and_then(Option::as_deref).unwrap_or_default();
        let port = first(bindings);
        let networks = networks.unwrap_or_default();
        let address = networks.values().find_map(|network| network.address.parse::<IpAddr>().ok());
        Self {
            id: found.id,
            image: found.config.image,
            state: state(&found.state.status),
            labels: found.config.labels.unwrap_or_default(),
            connected: port.is_some() || networks.values().any(|endpoint| !endpoint.network.is_empty()),
            published: port.map(|port| Published { port, address }),
        }
    }
}

/// The first place of a port that is published at several: the others are the same for other families of addresses.
fn first(bindings: &[FoundBinding]) -> Option<u16> {
    bindings.iter().find_map(|binding| binding.host_port.parse().ok())
}

fn state(status: &str) -> State {
    match status {
        "running" => State::Running,
        "paused" => State::Paused,
        // The last two are Podman's.
        "exited" | "dead" | "removing" | "stopped" | "stopping" => State::Ended,
        _ => State::Created,
    }
}

#[cfg(test)]
mod tests {
    use super::super::http;
    use super::*;

    fn read(answer: &[u8]) -> io::Result<Option<Container>> {
        super::container(&http::read(answer)?)
    }

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}").into_bytes()
    }

    fn described(status: &str, ports: &str) -> Container {
        let body = format!(
            "{{\"Id\":\"abc\",\"State\":{{\"Status\":{status:?},\"Pid\":1}},\"Config\":{{\"Image\":\"i:1\",\
             \"Labels\":{{\"a\":\"b\"}}}},\"NetworkSettings\":{{\"Ports\":{ports},\"Networks\":{{\"bridge\":\
             {{\"NetworkID\":\"n\",\"IPAddress\":\"172.17.0.2\"}}}}}},\"Mounts\":[]}}"
        );
        read(&answer("200 OK", &body)).unwrap().unwrap()
    }

    #[test]
    fn a_container_is_described() {
        let ports = "{\"8080/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"32768\"}],\"1/tcp\":null}";
        let container = described("running", ports);
        assert_eq!((container.id.as_str(), container.image.as_str()), ("abc", "i:1"));
        let published = Published { port: 32768, address: Some([172, 17, 0, 2].into()) };
        assert_eq!((container.state, container.published), (State::Running, Some(published)));
        assert_eq!(container.labels["a"], "b");
    }

    /// As Docker 20.10 was seen to start a container while its `bridge` is switched off.
    #[test]
    fn a_network_that_is_not_there_is_no_connection() {
        let body = "{\"Id\":\"abc\",\"State\":{\"Status\":\"running\"},\"Config\":{},\"NetworkSettings\":{\"Ports\":\
                    {},\"Networks\":{\"bridge\":{\"NetworkID\":\"\",\"EndpointID\":\"\",\"IPAddress\":\"\"}}}}";
        assert!(!read(&answer("200 OK", body)).unwrap().unwrap().connected);
        assert!(described("running", "{}").connected);
    }

    #[test]
    fn a_port_that_is_not_published_yet_is_none() {
        for ports in ["null", "{}", "{\"8080/tcp\":null}", "{\"8080/tcp\":[]}"] {
            assert_eq!(described("created", ports).published, None, "{ports}");
        }
    }

    #[test]
    fn absence_is_no_error_and_everything_else_is_one() {
        assert_eq!(read(&answer("404 Not Found", "{\"message\":\"no such container\"}")).unwrap(), None);
        let error = read(&answer("500 Internal Server Error", "{\"message\":\"on fire\"}")).unwrap_err();
        assert!(error.to_string().contains("on fire"), "{error}");
        for cut in [&b""[..], b"HTTP/1.0 200", &answer("200 OK", "{\"Id\":\"abc\"")] {
            assert!(read(cut).is_err());
        }
    }
}
