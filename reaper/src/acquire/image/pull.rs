//! Pulling an image, with an error that says which and how to choose another.

use std::sync::Arc;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// The reason is that for pulling this one in place of the embedded one.
pub(super) async fn pull<E: Engine>(engine: &E, image: &str, reason: Option<&str>) -> Result<()> {
    tracing::info!(image, reason, "pulling the reaper's image");
    engine.pull(image).await.map_err(|error| Error::Image {
        image: image.to_owned(),
        reason: reason.map(str::to_owned),
        source: Arc::new(error),
    })
}
