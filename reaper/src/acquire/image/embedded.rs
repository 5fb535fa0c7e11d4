//! The embedded server: an image for each architecture of engines, part of this library, so that there is nothing to pull.
//!
//! `build.rs` compiles `ryuk/` into static executables and packs each as `docker save` would; the tag
//! holds the hash of the executable, so an engine loads each version once and never runs a stale one.

use std::io;
use std::sync::Arc;

use miniz_oxide::inflate::decompress_to_vec_zlib;

use crate::error::{Error, Result};

/// An image archive and what it was built for.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// Name and tag inside the archive.
    pub(crate) reference: &'static str,
    /// In the engine's words.
    pub(crate) os: &'static str,
    /// In the engine's words.
    pub(crate) architecture: &'static str,
    /// As `docker save` writes it, compressed.
    archive: &'static [u8],
}

impl Embedded {
    /// As `docker save` writes it. Not all engines take one that is compressed: Podman 4.3 refuses gzip.
    pub(super) fn archive(&self) -> Result<Vec<u8>> {
        decompress_to_vec_zlib(self.archive).map_err(|problem| Error::Engine {
            operation: "unpack the embedded image".into(),
            source: Arc::new(io::Error::other(problem.to_string())),
        })
    }
}

// EMBEDDED, the one for the machine that was built for first, and MISSING: architectures for which there is none, with
// the reason that the build had.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The image for an engine of this platform, or why there is none, as it fits behind "since".
pub(super) fn for_platform(os: &str, architecture: &str) -> Result<&'static Embedded, String> {
    let fits = |embedded: &&Embedded| (embedded.os, embedded.architecture) == (os, architecture);
    if let Some(embedded) = EMBEDDED.iter().find(fits) {
        return Ok(embedded);
    }
    let missing = MISSING.iter().find(|(missing, _)| os == "linux" && *missing == architecture);
    Err(missing.map_or_else(
        || format!("this program has none for {os}/{architecture}"),
        |(architecture, reason)| why(architecture, reason),
    ))
}

/// The one to try first, or why there is none at all.
pub(super) fn first() -> Result<&'static Embedded, String> {
    EMBEDDED.first().ok_or_else(|| {
        let first = MISSING.first();
        first.map_or_else(|| "none was built".to_owned(), |(architecture, reason)| why(architecture, reason))
    })
}

fn why(architecture: &str, reason: &str) -> String {
    format!("the one of this program could not be built for linux/{architecture}: {reason}")
}
