//! Pulling an image, with an error that says which and how to choose another.

use std::sync::Arc;

use crate::engine::Engine;
use crate::error::{Error, Result};

pub(super) async fn pull<E: Engine>(engine: &E, image: &str) -> Result<()> {
    tracing::info!(image, "pulling the reaper's image");
    engine
        .pull(image)
        .await
        .map_err(|error| Error::Image { image: image.to_owned(), source: Arc::new(error) })
}
