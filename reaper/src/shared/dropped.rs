//! Whether what a maker has started was gone when it returned: the handle of a container that is dropped removes it.
//!
//! What a maker creates with its labels can be told by a label of the making (`guard/making.rs`), and what became of it by the
//! engine's events. A container that has done its work and ended by itself may be gone, and so may a helper where another
//! is there. To ask the list alone was rejected: one that has done its work is in no list, either. To count what handles
//! do was rejected: they are any library's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::engine::{Endpoint, Inventory as _, Resource, Sought, taken, work};
use crate::error::{Error, Result};
use crate::guard::{Mark, Reaper};
use crate::session::{Filter, MAKING};

/// What is not known by then is not claimed.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// An error where all that was started under this mark is gone, and some of it was taken while it ran. Where no labels were
/// handed out, nothing is asked.
pub(super) async fn look(reaper: &Reaper, key: &str, mark: &Arc<Mark>) -> Result<()> {
    // Without a reaper nobody is guarded, and no engine may be there.
    if !mark.was_handed_out() || reaper.endpoint().is_none() {
        return Ok(());
    }
    let (engine, mark, key) = (reaper.engine()?, Arc::clone(mark), key.to_owned());
    let asked = work(async move || Ok(timeout(TOLD_WITHIN, gone(&engine, &mark)).await));
    match asked.await? {
        Ok(Ok(ids)) if ids.is_empty() => Ok(()),
        Ok(Ok(ids)) => Err(Error::SharedDropped { key, ids }),
        Ok(Err(error)) => {
            tracing::debug!(
                key,
                error = error.report(),
                "whether what a maker started is there is not known"
            );
            Ok(())
        }
        Err(_) => {
            tracing::debug!(key, "whether what a maker started is there was not told in time");
            Ok(())
        }
    }
}

async fn gone(engine: &Endpoint, mark: &Mark) -> Result<Vec<String>> {
    let failed = |source| Error::Engine {
        operation: "ask what became of a maker's containers".into(),
        source: Arc::new(source),
    };
    let label = format!("{MAKING}={}", mark.name);
    let ids = taken(&engine.place, &label, mark.since).await.map_err(failed)?;
    if ids.is_empty() {
        return Ok(ids);
    }
    // Events may be missing, and an image may have been made of the container: then it was meant to go.
    let filter = [Filter::label(MAKING, &mark.name)?];
    let there =
        engine.place.list_all(Sought::AnyOf(&filter)).await.map_err(|unlisted| failed(unlisted.problem))?;
    let is_of_use = there.iter().any(Resource::is_of_use_by_itself);
    Ok(if is_of_use { Vec::new() } else { ids })
}
