//! Cleaning up once the deadline has passed: it has an end, too, and what is not done by then is said.

use std::time::Duration;

use tokio::time::error::Elapsed;

use crate::error::Result;

/// For cleaning up and for the last log lines.
pub(super) const AFTERMATH: Duration = Duration::from_secs(5);

/// Why what had this long is not done; none if it is.
pub(super) fn undone(outcome: Result<Result<()>, Elapsed>) -> Option<String> {
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.report()),
        Err(_) => Some(format!("the engine was not done within {AFTERMATH:?}")),
    }
}
