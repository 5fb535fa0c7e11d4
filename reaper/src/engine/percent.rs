//! Percent-encoding, for what goes into a path of the engine's and into a line to the reaper.
//!
//! Everything but the unreserved characters of RFC 3986. The crates for it encode for the parts of a URL, each
//! with another set; here nothing but the plainest may stay as it is.

use std::fmt::Write as _;

/// Appends the text to a line.
pub(crate) fn encode(text: &str, line: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => line.push(byte.into()),
            // Writing to a string cannot fail.
            _ => drop(write!(line, "%{byte:02X}")),
        }
    }
}

/// The text by itself.
pub(crate) fn encoded(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    encode(text, &mut line);
    line
}
