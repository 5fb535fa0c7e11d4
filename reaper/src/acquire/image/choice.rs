//! Which Ryuk image the reaper container runs, and getting it to the engine.
//!
//! The choice costs no request: the container is created from the image as if it were there, and only
//! when the engine says that it is not is it brought. Asking first would cost every run what only the
//! first run on an engine needs.

use std::sync::Once;

use crate::engine::Engine;
use crate::error::Result;
use crate::settings::Config;

use super::embedded::{self, Embedded};
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
    /// The testcontainers project's, and why not ours, as it fits behind "since".
    Official { reference: String, reason: String },
}

impl Image {
    /// The image that the settings and this build lead to.
    pub(crate) fn choose(config: &Config) -> Self {
        match (&config.image, embedded::first()) {
            (Some(found), _) => Self::Chosen(prefixed(config, &found.value)),
            (None, Ok(embedded)) => Self::Embedded(embedded),
            (None, Err(reason)) => Self::official(config, reason),
        }
    }

    /// The image that an engine of this platform gets, and why, as it fits behind the image's name.
    #[cfg(feature = "cli")]
    pub(crate) fn explain(config: &Config, os: &str, architecture: &str) -> (Self, String) {
        match Self::choose(config) {
            Self::Chosen(reference) => {
                let found = config.image.as_ref();
                let who = found.map(ToString::to_string);
                (Self::Chosen(reference), format!("asked for by {}", who.unwrap_or_default()))
            }
            Self::Embedded(_) | Self::Official { .. } => match Self::fitting(config, os, architecture) {
                Self::Official { reference, reason } => {
                    let why = format!("since {reason}");
                    (Self::Official { reference, reason }, why)
                }
                embedded => (embedded, "part of this program".to_owned()),
            },
        }
    }

    fn fitting(config: &Config, os: &str, architecture: &str) -> Self {
        match embedded::for_platform(os, architecture) {
            Ok(embedded) => Self::Embedded(embedded),
            Err(reason) => Self::official(config, reason),
        }
    }

    fn official(config: &Config, reason: String) -> Self {
        Self::Official { reference: prefixed(config, OFFICIAL), reason }
    }

    /// The name under which the engine knows it.
    pub(crate) fn reference(&self) -> &str {
        match self {
            Self::Chosen(reference) | Self::Official { reference, .. } => reference,
            Self::Embedded(embedded) => embedded.reference,
        }
    }

    /// Why it is used in place of the embedded one, where nobody has chosen it; as it fits behind "since".
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Official { reason, .. } => Some(reason),
            Self::Chosen(_) | Self::Embedded(_) => None,
        }
    }

    /// Whether it is known to run without any privilege; other images may need more than we would give.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Brings it to the engine, or gives the one that the engine can run in its place.
    pub(crate) async fn provide<E: Engine>(self, engine: &E, config: &Config) -> Result<Self> {
        match &self {
            Self::Embedded(_) => {
                let (os, architecture) = engine.platform().await?;
                let fitting = Self::fitting(config, &os, &architecture);
                // Any other may be there already, which the next attempt tells.
                if let Self::Embedded(embedded) = &fitting {
                    engine.load(embedded.archive()?).await?;
                }
                return Ok(fitting);
            }
            Self::Chosen(reference) => pull::pull(engine, reference, None).await?,
            Self::Official { reference, reason } => {
                tell(reference, reason);
                pull::pull(engine, reference, Some(reason)).await?;
            }
        }
        Ok(self)
    }
}

/// Whoever was promised that nothing is pulled has to know why something is, and how not to have it.
fn tell(reference: &str, reason: &str) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| eprintln!("note: pulling {reference} in place of the embedded reaper, since {reason}"));
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
