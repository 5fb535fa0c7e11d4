//! Waiting until a container is ready.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::{Instant, sleep};

use super::served::Proxy;
use super::shared_container::{LOG_LINES, SharedContainer, look_at};
use crate::engine::{ApiEngine, Endpoint, Engine as _};
use crate::error::{Error, Result};

const WITHIN: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// The caller's own look at a container.
pub(super) type Check =
    Arc<dyn Fn(&SharedContainer) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync>;

/// When a container is ready; all of it has to hold.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) ports: BTreeSet<u16>,
    pub(super) log: Option<String>,
    pub(super) check: Option<Check>,
    pub(super) within: Duration,
}

impl Default for Ready {
    fn default() -> Self {
        Self { ports: BTreeSet::new(), log: None, check: None, within: WITHIN }
    }
}

/// Waits for a container that has been started.
pub(super) async fn until_ready(
    engine: &ApiEngine,
    place: &Endpoint,
    key: &str,
    id: &str,
    ready: &Ready,
) -> Result<SharedContainer> {
    let began = Instant::now();
    let delays = ExponentialBuilder::new().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY);
    let mut delays = delays.without_max_times().build();
    let mut proxy = Proxy::default();
    let problem = loop {
        let Some(container) = look_at(place, id).await? else { break "it does not run any more".to_owned() };
        match ready.holds(engine, &mut proxy, &container).await? {
            Ok(()) => return Ok(container),
            Err(problem) if began.elapsed() > ready.within => {
                break format!("after {:?} {problem}", ready.within);
            }
            Err(_) => sleep(delays.next().unwrap_or(LONGEST_DELAY)).await,
        }
    };
    let log = engine.log(id, LOG_LINES).await.unwrap_or_else(|error| vec![error.report()]);
    Err(Error::ContainerNotReady { key: key.into(), id: id.into(), problem, log })
}

impl Ready {
    /// The inner error is what does not hold yet.
    async fn holds(
        &self,
        engine: &ApiEngine,
        proxy: &mut Proxy,
        container: &SharedContainer,
    ) -> Result<Result<(), String>> {
        if let Some(text) = &self.log {
            let log = engine.whole_log(container.id()).await?;
            if !log.iter().any(|line| line.contains(text)) {
                return Ok(Err(format!("its log does not contain {text:?}")));
            }
        }
        for port in &self.ports {
            let served = match container.address(*port) {
                Ok(address) => proxy.leads_on(&address).await,
                Err(error) => Err(error.to_string()),
            };
            if let Err(problem) = served {
                return Ok(Err(format!("its port {port}/tcp is not served: {problem}")));
            }
        }
        let checked = self.check.as_ref().map_or(Ok(()), |check| check(container));
        Ok(checked.map_err(|error| format!("its check fails: {error}")))
    }
}
