//! Listening to a container from before its start to its end: what a reaper says that ends at once is gone with it,
//! since the engine removes it.
//!
//! The answer to an attach has no end of HTTP's, it ends with the container. Asking for the log afterwards was rejected: the
//! engine is faster in removing it.

use std::pin::Pin;

use tokio::io::AsyncRead;

use super::answer::{Failure, Incoming};
use super::http::{Body, open};
use super::log::lines;
use super::place::Place;

/// Gives the lines that a container wrote, once it has ended.
pub(crate) type Said = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// More than anybody reads; a reaper that lives long is not listened to for long.
const MOST: usize = 64 << 10;

/// Begins to listen; the container has been created, and nothing that it says from now on is missed.
pub(super) async fn attend(place: &Place, id: &str) -> Result<Said, Failure> {
    let path = format!("/containers/{id}/attach?stream=1&logs=1&stdout=1&stderr=1");
    let answer = open(place, "POST", &path, Body::Nothing).await?;
    // Either way the connection is the container's now.
    let answer = if answer.status == 101 { answer } else { answer.done().await? };
    Ok(Box::pin(listen(answer)))
}

async fn listen(mut answer: Incoming<impl AsyncRead + Unpin>) -> Vec<String> {
    let mut bytes = Vec::new();
    // What came before an error is still what it said.
    while let Ok(Some(piece)) = answer.piece().await {
        bytes.extend_from_slice(&piece);
        if bytes.len() >= MOST {
            break;
        }
    }
    lines(&bytes)
}
