//! What is being done at this moment, on a terminal; nothing where the output is read by a program.

use std::io::{IsTerminal as _, Write as _};

/// Shows one line in the place of the last one.
pub(crate) fn progress(what: &str) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        // What cannot be shown is no reason to stop.
        let _ = write!(out, "\r\x1b[K{what}");
    }
}

/// Takes the line away.
pub(crate) fn done() {
    progress("");
}
