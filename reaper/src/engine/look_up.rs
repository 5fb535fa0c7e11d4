//! The look-up: the one request that every test process makes on its way to the first line of its test.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::http::{ask, look};
use super::needs::{Container, Ports, Published, RYUK_PORT_NAME, State};
use super::place::Place;
use super::verdict::{invalid, not_described, not_json};

/// Finds a container by its exact name.
pub(crate) async fn look_up(place: &Place, name: &str) -> io::Result<Option<Container>> {
    container(&ask(place, "GET", &format!("/containers/{name}/json")).await?)
}

/// The id of a container and its published ports by their names, like `80/tcp`, with where they are; none if it does not
/// run.
pub(crate) async fn published(
    place: &Place,
    id: &str,
) -> io::Result<Option<(String, BTreeMap<String, Ports>)>> {
    let answer = look(place, &format!("/containers/{id}/json")).await?;
    let Some(found) = found(&answer)? else { return Ok(None) };
    if state(&found.state.status) != State::Running {
        return Ok(None);
    }
    let all = found.network_settings.ports.unwrap_or_default().into_iter();
    let ports = all.filter_map(|(name, bindings)| Some((name, ports(bindings.as_deref()?)?))).collect();
    Ok(Some((found.id, ports)))
}

/// Whether a network of this id is there.
pub(crate) async fn has_network(place: &Place, id: &str) -> io::Result<bool> {
    let answer = look(place, &format!("/networks/{id}")).await?;
    match answer.status {
        200 => Ok(true),
        404 => Ok(false),
        _ => Err(answer.unusable()),
    }
}

impl Container {
    /// A container from what the Engine API answers to `GET /containers/{name}/json`: as JSON, or as a client's own type.
    ///
    /// # Errors
    ///
    /// For what is no such answer; to be tried again.
    pub fn read(answer: &impl Serialize) -> io::Result<Self> {
        let found = serde_json::to_value(answer).and_then(serde_json::from_value::<Found>);
        found.map(Self::from).map_err(|error| invalid(format!("the engine's answer has no use: {error}")))
    }
}

fn container(answer: &Answer) -> io::Result<Option<Container>> {
    Ok(found(answer)?.map(Container::from))
}

fn found(answer: &Answer) -> io::Result<Option<Found>> {
    match answer.status {
        200 | 404 => {
            not_json(&answer.body)?;
            let found = || serde_json::from_slice(&answer.body).map_err(|error| not_described(&error));
            (answer.status == 200).then(found).transpose()
        }
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
    #[serde(default)]
    host_config: FoundHost,
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
    /// The same.
    env: Option<Vec<String>>,
}

/// What its creator has asked for.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundHost {
    #[serde(default)]
    network_mode: String,
    /// Null where there are none.
    port_bindings: Option<HashMap<String, Option<IgnoredAny>>>,
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
    /// Empty for all addresses of the host.
    #[serde(default)]
    host_ip: String,
    host_port: String,
}

impl From<Found> for Container {
    fn from(found: Found) -> Self {
        let FoundNetwork { ports: all, networks } = found.network_settings;
        let all = all.unwrap_or_default();
        let published = ports(all.get(RYUK_PORT_NAME).and_then(Option::as_deref).unwrap_or_default());
        let networks = networks.unwrap_or_default();
        let bindings = found.host_config.port_bindings.unwrap_or_default();
        let is_asked_for = bindings.get(RYUK_PORT_NAME).is_some_and(Option::is_some);
        let on = networks.iter().filter(|(_, endpoint)| !endpoint.network.is_empty());
        let names: Vec<_> = on.map(|(name, _)| name.clone()).collect();
        let address = networks.values().find_map(|network| network.address.parse::<IpAddr>().ok());
        Self {
            id: found.id,
            image: found.config.image,
            state: state(&found.state.status),
            labels: found.config.labels.unwrap_or_default(),
            environment: found.config.env.unwrap_or_default(),
            connected: published.is_some() || !names.is_empty(),
            networks: names,
            // Nothing ever is on no network, whatever was asked for.
            publishes: published.is_some() || (is_asked_for && found.host_config.network_mode != "none"),
            published: published.map(|ports| Published { ports, address }),
        }
    }
}

/// The first place of a port in each family of addresses; none if there is no place.
fn ports(bindings: &[FoundBinding]) -> Option<Ports> {
    let mut ports = Ports::default();
    for FoundBinding { host_ip, host_port } in bindings {
        let Ok(port) = host_port.parse() else { continue };
        let address = host_ip.parse::<IpAddr>().ok();
        if !address.is_some_and(|address| address.is_ipv6()) {
            ports.v4.get_or_insert(port);
        }
        if !address.is_some_and(|address| address.is_ipv4()) {
            ports.v6.get_or_insert(port);
        }
    }
    ports.any().map(|_| ports)
}

fn state(status: &str) -> State {
    match status {
        "running" => State::Running,
        "paused" => State::Paused,
        // This one and the last of the next are Podman's.
        "stopping" => State::Stopping,
        "exited" | "dead" | "removing" | "stopped" => State::Ended,
        _ => State::Created,
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Incoming;
    use super::*;

    fn read(answer: &[u8]) -> io::Result<Option<Container>> {
        // All of it is there, so nothing is waited for.
        let answer = crate::engine::wait(async { Incoming::read(answer).await?.answer().await });
        super::container(&answer?)
    }

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}").into_bytes()
    }

    fn described(status: &str, ports: &str) -> Container {
        let body = format!(
            "{{\"Id\":\"abc\",\"State\":{{\"Status\":{status:?},\"Pid\":1}},\"Config\":{{\"Image\":\"i:1\",\
             \"Labels\":{{\"a\":\"b\"}},\"Env\":[\"X=y\"]}},\"NetworkSettings\":{{\"Ports\":{ports},\"Networks\":{{\"bridge\":\
             {{\"NetworkID\":\"n\",\"IPAddress\":\"172.17.0.2\"}}}}}},\"Mounts\":[]}}"
        );
        read(&answer("200 OK", &body)).unwrap().unwrap()
    }

    #[test]
    fn a_container_is_described() {
        let ports = "{\"8080/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"32768\"}],\"1/tcp\":null}";
        let container = described("running", ports);
        assert_eq!((container.id.as_str(), container.image.as_str()), ("abc", "i:1"));
        let ports = Ports { v4: Some(32768), v6: None };
        let published = Published { ports, address: Some([172, 17, 0, 2].into()) };
        assert_eq!((container.state, container.published), (State::Running, Some(published)));
        assert_eq!((container.labels["a"].as_str(), container.environment), ("b", vec!["X=y".to_owned()]));
    }

    /// As Docker 20.10 was seen to start a container while its `bridge` is switched off.
    #[test]
    fn a_network_that_is_not_there_is_no_connection() {
        let body = "{\"Id\":\"abc\",\"State\":{\"Status\":\"running\"},\"Config\":{},\"NetworkSettings\":{\"Ports\":\
                    {},\"Networks\":{\"bridge\":{\"NetworkID\":\"\",\"EndpointID\":\"\",\"IPAddress\":\"\"}}}}";
        assert!(!read(&answer("200 OK", body)).unwrap().unwrap().connected);
        assert!(described("running", "{}").connected);
    }

    /// Podman's word, for which Docker says that it runs.
    #[test]
    fn a_container_that_is_being_stopped_has_not_ended() {
        assert_eq!(described("stopping", "{}").state, State::Stopping);
        assert_eq!(described("stopped", "{}").state, State::Ended);
    }

    /// Docker gives each family a port of its own where one of the two is taken.
    #[test]
    fn address_and_port_are_of_one_family() {
        let (v4, v6) =
            ("{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"1\"}", "{\"HostIp\":\"::\",\"HostPort\":\"2\"}");
        let all = "{\"HostIp\":\"\",\"HostPort\":\"3\"}";
        let ports = |v4, v6| Some(Ports { v4, v6 });
        for (bindings, expected) in [
            (format!("{v4},{v6}"), ports(Some(1), Some(2))),
            (format!("{v6},{v4}"), ports(Some(1), Some(2))),
            (v4.to_owned(), ports(Some(1), None)),
            (v6.to_owned(), ports(None, Some(2))),
            (all.to_owned(), ports(Some(3), Some(3))),
        ] {
            let found = described("running", &format!("{{\"8080/tcp\":[{bindings}]}}"));
            assert_eq!(found.published.map(|found| found.ports), expected, "{bindings}");
        }
        let ports = Ports { v4: Some(1), v6: Some(2) };
        assert_eq!((ports.at([127, 0, 0, 1].into()), ports.at("::1".parse().unwrap())), (Some(1), Some(2)));
        assert!(
            ports.differ()
                && !Ports { v6: Some(1), ..ports }.differ()
                && !Ports { v6: None, ..ports }.differ()
        );
    }

    /// As Docker 20.10 and Podman 4.3 describe them.
    #[test]
    fn what_was_asked_for_tells_a_port_that_comes_from_one_that_never_will() {
        let publishes = |host: &str| {
            let body = format!(
                "{{\"Id\":\"abc\",\"State\":{{\"Status\":\"running\"}},\"Config\":{{}},\"HostConfig\":{host},\
                 \"NetworkSettings\":{{\"Ports\":{{}},\"Networks\":{{\"none\":{{\"NetworkID\":\"n\"}}}}}}}}"
            );
            read(&answer("200 OK", &body)).unwrap().unwrap().publishes
        };
        let bindings = "\"PortBindings\":{\"8080/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]}";
        assert!(publishes(&format!("{{\"NetworkMode\":\"bridge\",{bindings}}}")));
        assert!(publishes(&format!("{{{bindings}}}")));
        assert!(!publishes(&format!("{{\"NetworkMode\":\"none\",{bindings}}}")));
        for none in ["{}", "{\"8080/tcp\":null}", "{\"80/tcp\":[]}", "null"] {
            assert!(!publishes(&format!("{{\"NetworkMode\":\"bridge\",\"PortBindings\":{none}}}")), "{none}");
        }
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
