//! Where a Podman has its socket, by its own word.
//!
//! Podman makes a folder where a bind's source is missing, whichever form the bind has, and does not start any more where
//! its socket should be. So it is asked before. Other engines have no such path to ask at, and answer at once.

use std::sync::Arc;

use serde_json::Value;

use super::discover::is_there;
use super::http::ask;
use super::needs::ReaperSpec;
use super::place::Place;
use super::verdict::invalid;
use crate::error::Cause;

/// Unlike what Docker has, too, this is there behind a version alone; any from 4.0.0 on has it.
const INFO: &str = "/v4.0.0/libpod/info";

/// The socket that the reaper container is given.
pub(super) async fn socket(place: &Place, spec: &ReaperSpec, local: bool) -> Result<String, Cause> {
    let asked = spec.socket.clone();
    match told(place).await {
        Some(told) if told != asked => {
            // It may be another way to the same, such as the link of Debian's `podman-docker`.
            if spec.socket_is_given && !(local && is_there(&Place::Socket((&asked).into()))) {
                return Err(Arc::new(invalid(format!("Podman says that its socket is {told}"))));
            }
            Ok(if spec.socket_is_given { asked } else { told })
        }
        _ => Ok(asked),
    }
}

/// None where it is no Podman, or one that listens on no socket.
async fn told(place: &Place) -> Option<String> {
    let answer = ask(place, "GET", INFO).await.ok().filter(|answer| answer.status == 200)?;
    let info: Value = serde_json::from_slice(&answer.body).ok()?;
    let path = info["host"]["remoteSocket"]["path"].as_str()?;
    let path = path.strip_prefix("unix://").unwrap_or(path);
    path.starts_with('/').then(|| path.to_owned())
}
