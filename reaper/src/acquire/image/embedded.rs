//! The embedded server: an image that is part of this library, so that there is nothing to pull.
//!
//! `build.rs` compiles `ryuk/` into one static executable and packs it as `docker save` would; the tag
//! holds the hash of the executable, so an engine loads each version once and never runs a stale one.

/// An image archive and what it was built for.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// Name and tag inside the archive.
    pub(crate) reference: &'static str,
    /// In the engine's words.
    pub(crate) os: &'static str,
    /// In the engine's words.
    pub(crate) architecture: &'static str,
    /// As `docker save` writes it.
    pub(crate) archive: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
