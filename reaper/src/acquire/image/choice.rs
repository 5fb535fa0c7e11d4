//! Which Ryuk image the reaper container runs, and getting it to the engine.
//!
//! The choice costs no request: the container is created from the image as if it were there, and only
//! when the engine says that it is not is it brought. Asking first would cost every run what only the
//! first run on an engine needs.

use crate::engine::Engine;
use crate::error::Result;
use crate::settings::Config;

use super::embedded::{EMBEDDED, Embedded};
use super::pull;

/// The official image, used where the embedded server does not fit the engine.
const OFFICIAL: &str = "testcontainers/ryuk:0.14.0";

/// A Ryuk image.
#[derive(Debug, Clone)]
pub(crate) enum Image {
    /// The one a setting asks for.
    Chosen(String),
    /// Ours, part of this library.
    Embedded(&'static Embedded),
    /// The testcontainers project's.
    Official(String),
}

impl Image {
    /// The image that the settings and this build lead to.
    pub(crate) fn choose(config: &Config) -> Self {
        match (&config.image, &EMBEDDED) {
            (Some(found), _) => Self::Chosen(prefixed(config, &found.value)),
            (None, Some(embedded)) => Self::Embedded(embedded),
            (None, None) => Self::official(config),
        }
    }

    /// The image that an engine of this platform gets, and why, as it fits behind the image's name.
    #[cfg(feature = "cli")]
    pub(crate) fn explain(config: &Config, os: &str, architecture: &str) -> (Self, String) {
        match Self::choose(config) {
            Self::Embedded(embedded) if (os, architecture) == (embedded.os, embedded.architecture) => {
                (Self::Embedded(embedded), "part of this program".to_owned())
            }
            Self::Embedded(embedded) => {
                let ours = format!("{}/{}", embedded.os, embedded.architecture);
                (Self::official(config), format!("since the one in this program is for {ours}"))
            }
            Self::Chosen(reference) => {
                let found = config.image.as_ref();
                let who = found.map(|found| format!("{} from {}", found.name, found.origin));
                (Self::Chosen(reference), format!("asked for by {}", who.unwrap_or_default()))
            }
            official @ Self::Official(_) => (official, "since none is part of this program".to_owned()),
        }
    }

    fn official(config: &Config) -> Self {
        Self::Official(prefixed(config, OFFICIAL))
    }

    /// The name under which the engine knows it.
    pub(crate) fn reference(&self) -> &str {
        match self {
            Self::Chosen(reference) | Self::Official(reference) => reference,
            Self::Embedded(embedded) => embedded.reference,
        }
    }

    /// Whether it is known to run without any privilege; other images may need more than we would give.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Brings it to the engine, or in its place the one that the engine can run.
    pub(crate) async fn provide<E: Engine>(self, engine: &E, config: &Config) -> Result<Self> {
        let Self::Embedded(embedded) = self else {
            pull::pull(engine, self.reference()).await?;
            return Ok(self);
        };
        let (os, architecture) = engine.platform().await?;
        if (os.as_str(), architecture.as_str()) == (embedded.os, embedded.architecture) {
            engine.load(embedded.archive).await?;
            return Ok(self);
        }
        let official = Self::official(config);
        tracing::info!(
            os,
            architecture,
            image = official.reference(),
            "the embedded reaper is for another platform"
        );
        pull::pull(engine, official.reference()).await?;
        Ok(official)
    }
}

/// The image's name behind the registry prefix, unless it names a registry of its own.
fn prefixed(config: &Config, image: &str) -> String {
    let first = image.split_once('/').map_or("", |(first, _)| first);
    let has_registry = first.contains(['.', ':']) || first == "localhost";
    match &config.hub_prefix {
        Some(prefix) if !has_registry => format!("{}/{image}", prefix.value.trim_end_matches('/')),
        _ => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Found;

    #[test]
    fn the_prefix_goes_before_hub_images_only() {
        let found = |value: &str| Some(Found::built("test", value.to_owned()));
        let mut config = Config { hub_prefix: found("mirror.example/"), ..Config::load().unwrap() };
        for (image, expected) in [
            ("testcontainers/ryuk:1", "mirror.example/testcontainers/ryuk:1"),
            ("ryuk", "mirror.example/ryuk"),
            ("registry.example/ryuk", "registry.example/ryuk"),
            ("localhost/ryuk", "localhost/ryuk"),
        ] {
            config.image = found(image);
            assert_eq!(Image::choose(&config).reference(), expected);
        }
    }
}
