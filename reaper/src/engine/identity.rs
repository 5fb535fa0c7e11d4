//! Which engine it is, whatever it is reached by.

use std::io;

use serde_json::Value;

use super::http::bounded;
use super::place::Place;
use super::verdict::invalid;

/// An engine, as it names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: String,
    /// Its host's name.
    pub(crate) name: String,
}

/// Asks an engine who it is. Not every answer lasts: Podman draws another id for each request.
pub(crate) async fn identity(place: &Place) -> io::Result<Identity> {
    let answer = bounded(place, "GET", "/info").await?;
    if answer.status != 200 {
        return Err(answer.unusable());
    }
    let info: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| invalid(format!("no answer of an engine's: {error}")))?;
    let word = |name: &str| info[name].as_str().unwrap_or_default().to_owned();
    Ok(Identity { id: word("ID"), name: word("Name") })
}
