//! What a session's processes have had removed besides what carries its labels, for whoever makes its next reaper.
//!
//! A filter that was acknowledged holds for the session, and the process that registered it may have ended when the reaper
//! is lost. So it is written down before it is registered, with the reaper that was to hold it. In the session's folder, and
//! not in one of its own, since that is removed when the session is over. One file, a line each: who adds to it holds its
//! lock, and a line that was broken off by a kill is none.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::private::{open, read};
use super::session_folder::{SessionFolder, locked, path_of};
use crate::session::Filter;

const FILTERS: &str = "filters";

/// More than any suite has: what is registered beyond that holds with its reaper.
const MOST: usize = 1 << 20;

/// A filter, and the reaper that was told of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    reaper: String,
    labels: Vec<(String, String)>,
}

/// Writes down that this reaper is told of these filters.
pub(crate) fn note(
    root: &Path,
    session: &str,
    runner: Option<&str>,
    reaper: &str,
    filters: &[Filter],
) -> io::Result<()> {
    let folder = SessionFolder::join(root, session, runner)?;
    let mut options = File::options();
    let mut file = open(&folder.file(FILTERS), options.read(true).append(true).create(true))?;
    locked("writing in it", || file.try_lock())?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let known: Vec<_> = parse(&text).collect();
    let mut added = String::new();
    for filter in filters {
        let labels = filter.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let noted = Noted { reaper: reaper.to_owned(), labels };
        let line = serde_json::to_string(&noted).map_err(io::Error::other)?;
        if !known.contains(&noted) && !added.lines().any(|added| added == line) {
            added.push_str(&line);
            added.push('\n');
        }
    }
    if added.is_empty() {
        return Ok(());
    }
    if text.len() + added.len() > MOST {
        return Err(io::Error::other("more filters than are written down"));
    }
    let broken_off = !text.is_empty() && !text.ends_with('\n');
    file.write_all(format!("{}{added}", if broken_off { "\n" } else { "" }).as_bytes())
}

/// The filters of the session that this reaper was not told of: all that were noted, or those of a reaper that was lost.
pub(crate) fn untold(
    root: &Path,
    session: &str,
    reaper: &str,
    lost: Option<&str>,
) -> io::Result<Vec<Filter>> {
    let text = match read(&path_of(root, session).join(FILTERS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        outcome => outcome?,
    };
    let mut untold: Vec<Filter> = Vec::new();
    let told: Vec<_> =
        parse(&text).filter(|noted| noted.reaper == reaper).map(|noted| noted.labels).collect();
    let of_interest =
        |noted: &Noted| lost.is_none_or(|lost| noted.reaper == lost) && !told.contains(&noted.labels);
    for filter in parse(&text).filter(of_interest).filter_map(|noted| Filter::noted(noted.labels)) {
        if !untold.contains(&filter) {
            untold.push(filter);
        }
    }
    Ok(untold)
}

fn parse(text: &str) -> impl Iterator<Item = Noted> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(value: &str) -> Filter {
        Filter::label("project", value).unwrap()
    }

    #[test]
    fn the_next_reaper_is_told_what_the_last_one_was_told_and_nothing_twice() {
        let root = tempfile::tempdir().unwrap();
        let note = |reaper: &str, values: &[&str]| {
            let filters: Vec<_> = values.iter().map(|value| filter(value)).collect();
            super::note(root.path(), "s", None, reaper, &filters).unwrap();
        };
        let untold =
            |reaper: &str, lost: Option<&str>| super::untold(root.path(), "s", reaper, lost).unwrap();
        assert_eq!(untold("one", None), []);
        note("one", &["a", "b", "a"]);
        note("one", &["a"]);
        note("other", &["c"]);
        assert_eq!(untold("one", None), [filter("c")]);
        assert_eq!(untold("two", None), [filter("a"), filter("b"), filter("c")]);
        assert_eq!(untold("two", Some("one")), [filter("a"), filter("b")]);
        note("two", &["a"]);
        assert_eq!(untold("two", Some("one")), [filter("b")]);
        assert_eq!(super::untold(root.path(), "another", "two", None).unwrap(), []);
    }

    #[test]
    fn a_line_that_was_broken_off_is_none_and_spoils_none() {
        let root = tempfile::tempdir().unwrap();
        note(root.path(), "s", None, "one", &[filter("a")]).unwrap();
        let path = path_of(root.path(), "s").join(FILTERS);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{}", &text[..text.len() / 2])).unwrap();
        note(root.path(), "s", None, "one", &[filter("b")]).unwrap();
        assert_eq!(untold(root.path(), "s", "two", None).unwrap(), [filter("a"), filter("b")]);
    }

    #[test]
    fn what_is_written_down_has_an_end() {
        let root = tempfile::tempdir().unwrap();
        let long: Vec<_> =
            (0..20).map(|number| filter(&format!("{number}{}", "x".repeat(100_000)))).collect();
        note(root.path(), "s", None, "one", &long).unwrap_err();
        note(root.path(), "s", None, "one", &long[..5]).unwrap();
        assert_eq!(untold(root.path(), "s", "two", None).unwrap().len(), 5);
    }
}
