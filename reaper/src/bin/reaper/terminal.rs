//! What the commands write, and in which words.
//!
//! Nothing is written with `println!`, which panics when the reader has gone, as `reaper ls | head` does.

use std::io::Write as _;

use reaper::sessions::{Kind, Resource};

/// A word to the user, on standard error.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell where that fails.
    let _ = writeln!(std::io::stderr().lock(), "reaper: {text}");
}

/// `2 containers, 1 network`
pub(crate) fn counted(resources: &[Resource]) -> String {
    let count = |kind| resources.iter().filter(|resource| resource.kind == kind).count();
    let kinds = [Kind::Container, Kind::Network, Kind::Volume, Kind::Image];
    let counts = kinds.map(|kind| (kind, count(kind))).into_iter().filter(|(_, count)| *count > 0);
    let words = counts.map(|(kind, count)| format!("{count} {kind}{}", if count == 1 { "" } else { "s" }));
    words.collect::<Vec<_>>().join(", ")
}
