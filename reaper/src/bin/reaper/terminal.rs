//! What the commands write, and in which words and colours.
//!
//! Nothing is written with `println!`, which panics when the reader has gone, as `reaper ls | head` does. Three colours
//! by hand: the crates for it begin where tables and progress bars do.

use std::fmt;
use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, SystemTime};

use reaper::sessions::{Kind, Resource};

/// A word to the user, on standard error.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell where that fails.
    let _ = writeln!(io::stderr().lock(), "reaper: {}", printable(text));
}

/// Text for standard output, as it is.
pub(crate) fn put(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// A colour for standard output, if it is a terminal and nobody minds (`NO_COLOR`).
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Red,
    Green,
    Bold,
}

impl Colour {
    /// The text in this colour.
    pub(crate) fn paint(self, text: impl fmt::Display) -> String {
        if !coloured() {
            return text.to_string();
        }
        let code = match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Bold => 1,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && !set("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The text without what a terminal would obey: names and labels are written by anybody.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

const KINDS: [Kind; 7] =
    [Kind::Service, Kind::Container, Kind::Network, Kind::Volume, Kind::Image, Kind::Config, Kind::Secret];

/// `2 containers, 1 network`
pub(crate) fn counted(resources: &[Resource]) -> String {
    let count = |kind| resources.iter().filter(|resource| resource.kind == kind).count();
    let counts = KINDS.map(|kind| (kind, count(kind))).into_iter().filter(|(_, count)| *count > 0);
    let words: Vec<_> = counts.map(|(kind, count)| plural(count, &kind.to_string())).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// `1 session`, `2 sessions`
pub(crate) fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A line for each, indented.
pub(crate) fn lines(resources: &[Resource]) -> String {
    let line = |one: &Resource| format!("  {:<9}  {}\n", one.kind.to_string(), printable(&one.to_string()));
    resources.iter().map(line).collect()
}

/// How long ago, in one unit; a clock that goes after another's shows as none.
pub(crate) fn age(since: Option<SystemTime>) -> String {
    let Some(since) = since else { return "-".to_owned() };
    let seconds = SystemTime::now().duration_since(since).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An id as it is shown: cut where it is a hash, to what is told apart from the others and no less than docker shows.
pub(crate) fn short<'a>(id: &'a str, others: &[&str]) -> &'a str {
    if id.len() <= 24 || !id.is_ascii() {
        return id;
    }
    let unique = |length: &usize| {
        let shared = |other: &&&str| **other != id && other.starts_with(&id[..*length]);
        others.iter().filter(shared).count() == 0
    };
    &id[..(12..id.len()).find(unique).unwrap_or(id.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_cut_to_what_tells_it_apart_and_a_name_is_not() {
        let (first, second) = ("0123456789abcdef".repeat(4), format!("0123456789abcdee{}", "0".repeat(48)));
        assert_eq!(short(&first, &[&first]), "0123456789ab");
        assert_eq!(short(&first, &[&first, &second]), "0123456789abcdef");
        assert_eq!(short("orders-ci-3", &["orders-ci-3", "orders-ci-31"]), "orders-ci-3");
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{9b}c"), "a?[2Jb?c");
    }
}
