//! The steps of an examination, each of which needs those before it.

use std::io;
use std::sync::Arc;

use super::finding::{Examination, Told};
use crate::acquire::Image;
use crate::engine::{Endpoint, Place, Probed, about, has_image, probes};
use crate::error::Error;
use crate::settings::Config;

/// Examines the engine that a test would use; gives whether everything is as it should be.
///
/// It creates a session of its own on the engine, with a container that is never started, a network and a volume, and
/// leaves nothing there but the reaper's image. It takes some seconds, and where no reaper answers as long as an acquiring
/// may take (`REAPER_ACQUIRE_TIMEOUT`, 60 s). For any tokio runtime with a timer and input and output.
pub async fn examine(tell: impl FnMut(Told)) -> bool {
    let mut examination = Examination { tell, all_good: true };
    examination.run().await;
    examination.all_good
}

impl<T: FnMut(Told)> Examination<T> {
    /// Each step needs those before it.
    async fn run(&mut self) {
        let Some(config) = self.settings() else { return };
        let Some(endpoint) = self.endpoint(&config) else { return };
        let Some(image) = self.engine(&config, &endpoint.place).await else { return };
        self.session(config, endpoint, &image).await;
    }

    fn settings(&mut self) -> Option<Config> {
        let config = match Config::load() {
            Ok(config) => config,
            Err(error) => {
                let advice = "correct it where it was found; `reaper doctor` goes on from there";
                self.bad("settings", error.report(), advice);
                return None;
            }
        };
        let given = [&config.docker_host, &config.host, &config.socket, &config.image, &config.hub_prefix];
        let given = given.into_iter().flatten();
        let given: Vec<_> = given.map(ToString::to_string).collect();
        if config.disabled {
            let text = "the reaper is switched off by TESTCONTAINERS_RYUK_DISABLED or ryuk.disabled: nothing is removed";
            self.bad("settings", text.to_owned(), "unset it, unless you mean it");
        } else if given.is_empty() {
            self.good("settings", "nothing that says which engine or image, so the usual ones".to_owned());
        } else {
            self.good("settings", given.join(", "));
        }
        Some(config)
    }

    /// Which engine, how it was found, and what else was tried.
    fn endpoint(&mut self, config: &Config) -> Option<Endpoint> {
        let probed = match probes(config) {
            Ok(probed) => probed,
            Err(error) => {
                self.bad("engine", error.report(), "correct it where it was found");
                return None;
            }
        };
        let mut found = None;
        let mut problems = Vec::new();
        for Probed { place, origin, outcome } in probed {
            match (outcome, &found) {
                (Ok(()), None) => {
                    self.good("engine", format!("{place}, {origin}"));
                    found = Some(place);
                }
                (Ok(()), Some(_)) => {
                    self.note("another", format!("{place}, {origin}; choose it with DOCKER_HOST={place}"));
                }
                (Err(error), None) => {
                    self.note("tried", format!("{place}, {origin}: {error}"));
                    problems.push(error);
                }
                // Nobody misses what comes after the one that is there.
                (Err(_), Some(_)) => {}
            }
        }
        if found.is_none() {
            let text = "no container engine could be reached".to_owned();
            self.bad("engine", text, &unreachable(config, &problems));
        }
        found.map(|place| Endpoint::at(config, place))
    }

    /// Who it is, and which image its reapers are of.
    async fn engine(&mut self, config: &Config, place: &Place) -> Option<String> {
        let about = match about(place).await {
            Ok(about) => about,
            Err(error) => {
                let advice =
                    "see whether it is an engine's address, and without TLS; restart the engine if it is";
                self.bad(
                    "answer",
                    format!("{place} takes connections and gives no good answer: {error}"),
                    advice,
                );
                return None;
            }
        };
        self.good("answer", format!("{}, {}/{}", about.name, about.os, about.architecture));
        let (image, reason) = Image::explain(config, &about.os, &about.architecture);
        let reference = image.reference().to_owned();
        let there = match has_image(place, &reference).await {
            Ok(true) => "on the engine already",
            Ok(false) if image.is_embedded() => "to be loaded",
            Ok(false) => "to be pulled",
            Err(error) => {
                let error = Error::Engine { operation: "look for the image".into(), source: Arc::new(error) };
                self.bad("image", error.report(), "see the engine's own log");
                return None;
            }
        };
        self.good("image", format!("{reference}, {reason}, {there}"));
        Some(reference)
    }
}

/// What to do where no engine is reached; the nearest to success first.
fn unreachable(config: &Config, problems: &[io::Error]) -> String {
    let any = |kind| problems.iter().any(|problem| problem.kind() == kind);
    if any(io::ErrorKind::PermissionDenied) {
        return "join the group that owns the socket, usually with `sudo usermod -aG docker $USER`, and log in again"
            .to_owned();
    }
    let start = "start the engine, with `sudo systemctl start docker` or by starting Docker Desktop";
    match &config.docker_host {
        Some(found) => format!("correct or unset {} in {}, or {start}", found.name, found.origin),
        None => format!("{start}, or say where it is with DOCKER_HOST"),
    }
}
