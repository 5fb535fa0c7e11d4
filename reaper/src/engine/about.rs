//! What only a diagnosis asks of an engine: who it is, whether it has an image, and a volume to be removed.
//!
//! Beside the trait, since acquiring needs none of it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Body, ask, demand, look};
use super::percent;
use super::place::Place;
use super::verdict::invalid;

/// For an engine that accepts a connection and then says nothing.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// An engine, as it describes itself.
pub(crate) struct About {
    /// For people: name, version, version of the interface.
    pub(crate) name: String,
    /// In its own words.
    pub(crate) os: String,
    /// In its own words.
    pub(crate) architecture: String,
}

/// Asks the engine who it is.
pub(crate) async fn about(place: &Place) -> io::Result<About> {
    let asked = tokio::time::timeout(ANSWERED_WITHIN, ask(place, "GET", "/version"));
    let answer = asked.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if answer.status != 200 {
        return Err(answer.unusable());
    }
    read(&answer.body)
}

fn read(body: &[u8]) -> io::Result<About> {
    let version: Value = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("what answers is no engine: {error}")))?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let [number, interface] = [&version["Version"], &version["ApiVersion"]].map(word);
    if interface.is_empty() {
        return Err(invalid("what answers is no engine: it has no ApiVersion".to_owned()));
    }
    // Distributions leave the first empty.
    let names = [word(&version["Platform"]["Name"]), word(&version["Components"][0]["Name"])];
    let name = names.into_iter().find(|name| !name.is_empty() && name != "Engine");
    let name = name.unwrap_or_else(|| "Docker Engine".to_owned());
    Ok(About {
        name: format!("{name} {number}, API {interface}"),
        os: word(&version["Os"]),
        architecture: word(&version["Arch"]),
    })
}

/// Whether the engine has an image.
pub(crate) async fn has_image(place: &Place, reference: &str) -> io::Result<bool> {
    let answer = look(place, &format!("/images/{}/json", percent::encoded(reference))).await?;
    match answer.status {
        200 => Ok(true),
        404 => Ok(false),
        _ => Err(answer.unusable()),
    }
}

/// Creates a volume with these labels.
pub(crate) async fn create_volume(
    place: &Place,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> io::Result<()> {
    let body = json!({"Name": name, "Labels": labels});
    demand(place, "POST", "/volumes/create", Body::Json(&body)).await.map(drop).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_says_who_it_is() {
        for (platform, component, expected) in [
            ("Docker Engine - Community", "Engine", "Docker Engine - Community 1.2, API 1.41"),
            ("", "Engine", "Docker Engine 1.2, API 1.41"),
            ("", "Podman Engine", "Podman Engine 1.2, API 1.41"),
        ] {
            let body = json!({"Platform": {"Name": platform}, "Components": [{"Name": component}],
                "Version": "1.2", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"});
            let about = read(body.to_string().as_bytes()).unwrap();
            assert_eq!((about.name.as_str(), about.os.as_str()), (expected, "linux"));
        }
        for other in ["", "<html>", "{}", "[]"] {
            assert!(read(other.as_bytes()).is_err(), "{other}");
        }
    }
}
