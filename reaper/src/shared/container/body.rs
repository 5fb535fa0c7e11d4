//! What a shared container is made of: bollard's description of a container, and when it is ready.
//!
//! bollard's own type, since every setting of an engine is in it and its users know it. Rejected: a description of
//! ours, which would be asked for one more setting with every user.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use serde_json::{Value, json};

use super::ready::{Check, Ready, until_ready};
use super::shared_container::{SharedContainer, share};
use crate::engine::{ApiEngine, Endpoint, Inventory as _, Kind, Removal, wait, work};
use crate::error::Result;
use crate::guard::Reaper;
use crate::session::{KEEP, Labels, is_ours};
use crate::settings::usable;

/// A container for [`Reaper::shared_container`]: bollard's description of it, and when it is ready.
///
/// The session's labels are added. The TCP ports of [`ContainerSpec::with_port`] and the ports that the description
/// exposes are published on free ports: of 127.0.0.1 where the engine is local, else of every address of its host;
/// what the description publishes itself is left as it is.
///
/// It is ready when all of its `with_port` accept and hold a connection, the text of
/// [`ContainerSpec::with_ready_log`] is in its log, and the check of [`ContainerSpec::with_ready_check`] has passed,
/// as far as they are given; within 60 s.
///
/// ```
/// use reaper::ContainerSpec;
/// use reaper::bollard::models::ContainerCreateBody;
///
/// let redis = ContainerCreateBody { image: Some("redis:7".into()), ..Default::default() };
/// let redis = ContainerSpec::new(redis).with_port(6379).with_ready_log("Ready to accept connections");
/// ```
#[derive(Clone)]
#[must_use = "a specification does nothing until it is asked for"]
pub struct ContainerSpec {
    body: ContainerCreateBody,
    ready: Ready,
}

impl ContainerSpec {
    /// A container of this description, that is ready as soon as it runs.
    pub fn new(body: ContainerCreateBody) -> Self {
        Self { body, ready: Ready::default() }
    }

    /// A TCP port that is published, and that has to accept connections.
    pub fn with_port(mut self, port: u16) -> Self {
        self.ready.ports.insert(port);
        self
    }

    /// A text that has to be in what the container has written.
    pub fn with_ready_log(mut self, text: impl Into<String>) -> Self {
        self.ready.log = Some(text.into());
        self
    }

    /// A check that has to pass; called again and again, on a thread of its own, until it does.
    ///
    /// It may block, and has to return by itself. Two specifications that differ in their checks alone are the same.
    pub fn with_ready_check<E>(
        mut self,
        check: impl Fn(&SharedContainer) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let check: Check = Arc::new(move |container| check(container).map_err(Into::into));
        self.ready.check = Some(check);
        self
    }

    /// How long it may take to be ready (default: 60 s); above zero and a year at most.
    pub fn with_ready_within(mut self, within: Duration) -> Self {
        self.ready.within = within;
        self
    }

    /// What two callers have to agree upon.
    fn canonical(&self) -> Value {
        let Ready { ports, log, .. } = &self.ready;
        let mut body = self.body.clone();
        // Added anyway, and not the same in every process.
        body.labels.get_or_insert_default().retain(|key, _| !is_ours(key));
        json!({ "container": body, "ports": ports, "ready log": log })
    }

    /// The description as it is sent to the engine.
    fn filled(&self, labels: &Labels, publish_on: &str) -> ContainerCreateBody {
        let mut body = self.body.clone();
        let own = labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        body.labels.get_or_insert_default().extend(own);
        let exposed = body.exposed_ports.get_or_insert_default();
        exposed.extend(self.ready.ports.iter().map(|port| format!("{port}/tcp")));
        exposed.sort();
        exposed.dedup();
        let host: &mut HostConfig = body.host_config.get_or_insert_default();
        let bindings: &mut HashMap<_, _> = host.port_bindings.get_or_insert_default();
        for port in exposed {
            // The engine takes a port without its protocol for a TCP port.
            let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
            bindings.entry(port).or_insert_with(|| {
                Some(vec![PortBinding { host_ip: Some(publish_on.into()), host_port: Some(String::new()) }])
            });
        }
        body
    }
}

impl From<ContainerCreateBody> for ContainerSpec {
    fn from(body: ContainerCreateBody) -> Self {
        Self::new(body)
    }
}

impl fmt::Debug for ContainerSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ContainerSpec");
        shown.field("body", &self.body).field("ports", &self.ready.ports).field("ready_log", &self.ready.log);
        shown.field("has_ready_check", &self.ready.check.is_some()).field("ready_within", &self.ready.within);
        shown.finish()
    }
}

impl Reaper {
    /// A container that the whole session shares: started by the first of its processes that asks, and ready.
    ///
    /// All others wait, and get the same. Each time it is looked at on the engine, by one request, and made again
    /// where it does not run any more; what is left of the old one stays until the session ends. An image that is
    /// not on the engine is pulled. Under one key there is one specification.
    ///
    /// ```no_run
    /// use reaper::bollard::models::ContainerCreateBody;
    /// use reaper::{ContainerSpec, Reaper, with_reaper};
    ///
    /// #[with_reaper]
    /// async fn orders_are_cached(reaper: Reaper) -> reaper::Result<()> {
    ///     let redis = ContainerCreateBody { image: Some("redis:7".into()), ..Default::default() };
    ///     let redis = reaper.shared_container("redis", ContainerSpec::new(redis).with_port(6379)).await?;
    ///     let address = redis.address(6379)?;
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// Containers and values have their keys in common: see [`Reaper::shared`], for the waiting, too.
    ///
    /// # Errors
    ///
    /// [`Error::ContainerNotReady`](crate::Error::ContainerNotReady) with the container's last log lines,
    /// [`Error::SharedSpec`](crate::Error::SharedSpec) with what two callers do not agree upon,
    /// [`Error::Engine`](crate::Error::Engine) if the engine will not create it; and as for [`Reaper::shared`].
    pub fn shared_container(
        &self,
        key: &str,
        spec: impl Into<ContainerSpec>,
    ) -> impl Future<Output = Result<SharedContainer>> + Send {
        shared_container(self.clone(), key.to_owned(), spec.into())
    }

    /// The same as [`Reaper::shared_container`] for a caller who can wait.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::shared_container`].
    pub fn shared_container_blocking(
        &self,
        key: &str,
        spec: impl Into<ContainerSpec>,
    ) -> Result<SharedContainer> {
        wait(self.shared_container(key, spec))
    }
}

async fn shared_container(reaper: Reaper, key: String, spec: ContainerSpec) -> Result<SharedContainer> {
    usable("with_ready_within", spec.ready.within)?;
    let canonical = spec.canonical();
    let make = || {
        let (reaper, key) = (reaper.clone(), key.clone());
        work(async move || make(&reaper.engine()?, reaper.session_labels(), &key, &spec).await)
    };
    share(&reaper, &key, canonical, make).await
}

async fn make(place: &Endpoint, labels: &Labels, key: &str, spec: &ContainerSpec) -> Result<SharedContainer> {
    let engine = ApiEngine::new(place);
    let id = engine.create_container(&json!(spec.filled(labels, place.publish_on()))).await?;
    let made = async {
        engine.start_container(&id).await?;
        until_ready(&engine, place, key, &id, &spec.ready).await
    };
    let error = match made.await {
        Ok(container) => return Ok(container),
        Err(error) => error,
    };
    // Each who asks tries again, so failures would pile up; unless somebody wants to look at them.
    let is_kept = labels.iter().any(|(label, _)| label == KEEP);
    if !is_kept && let Removal::Failed(error) = place.place.remove(Kind::Container, &id).await {
        tracing::warn!(key, container = id, %error, "a container that did not get ready stays");
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session;
    use crate::session::Owner;
    use crate::settings::{Config, Found};

    fn labels() -> Labels {
        let named = Some(Found::built("with_session_id", "s".into()));
        let session = session::resolve(&Config { session_id: named, ..Config::load().unwrap() }).unwrap();
        Labels::new(&session, Owner { runner: None, process: None })
    }

    #[test]
    fn ports_are_published_on_loopback_unless_the_description_says_where() {
        let fixed = Some(vec![PortBinding { host_ip: None, host_port: Some("8080".into()) }]);
        let port_bindings = Some(HashMap::from([("80/tcp".to_owned(), fixed.clone())]));
        let body = ContainerCreateBody {
            exposed_ports: Some(vec!["80/tcp".into(), "53/udp".into(), "90".into()]),
            host_config: Some(HostConfig { port_bindings, ..Default::default() }),
            labels: Some(HashMap::from([("own".into(), "kept".into())])),
            ..Default::default()
        };
        let filled = ContainerSpec::new(body).with_port(6000).filled(&labels(), "127.0.0.1");
        let bindings = filled.host_config.unwrap().port_bindings.unwrap();
        assert_eq!(bindings["80/tcp"], fixed);
        assert_eq!(bindings.len(), 4);
        for port in ["53/udp", "90/tcp", "6000/tcp"] {
            let binding = &bindings[port].as_ref().unwrap()[0];
            assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"), "{port}");
        }
        let labels = filled.labels.unwrap();
        assert_eq!((labels["own"].as_str(), labels[crate::session::SESSION].as_str()), ("kept", "s"));
    }

    #[test]
    fn callers_have_to_agree_upon_the_container_and_its_readiness_and_not_upon_its_check() {
        let spec =
            || ContainerSpec::new(ContainerCreateBody { image: Some("a".into()), ..Default::default() });
        let checked =
            spec().with_ready_check(|_| Ok::<_, String>(())).with_ready_within(Duration::from_secs(1));
        assert_eq!(spec().canonical(), checked.canonical());
        let labels = Some((&labels()).into());
        let labelled = ContainerCreateBody { image: Some("a".into()), labels, ..Default::default() };
        assert_eq!(spec().canonical(), ContainerSpec::new(labelled).canonical());
        assert_ne!(spec().canonical(), spec().with_port(1).canonical());
        assert_ne!(spec().canonical(), spec().with_ready_log("x").canonical());
    }
}
