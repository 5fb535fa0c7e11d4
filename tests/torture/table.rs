//! What was seen, as a table; and how far it is, for whoever watches.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use crate::Outcome;

/// A fault, and what became of it.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) planned: usize,
    pub(crate) repetitions: usize,
    /// Repetitions in which something else than the end was wrong; what, has been printed.
    pub(crate) failed: usize,
    pub(crate) touched: Vec<String>,
    pub(crate) note: String,
    left: usize,
    cleaned: Vec<Duration>,
}

impl Row {
    pub(crate) fn new(name: &str, planned: usize) -> Self {
        Self { name: name.to_owned(), planned, ..Self::default() }
    }

    pub(crate) fn take(&mut self, outcome: Outcome) {
        self.left += outcome.left.len();
        self.cleaned.extend(outcome.cleaned);
    }

    /// All of it was done, and nothing was wrong.
    pub(crate) fn is_clean(&self) -> bool {
        let done = self.repetitions == self.planned && !self.cleaned.is_empty();
        done && self.failed == 0 && self.left == 0 && self.touched.is_empty()
    }

    fn seconds(&self) -> (f64, f64) {
        let mut cleaned = self.cleaned.clone();
        cleaned.sort();
        let at = |index: usize| cleaned.get(index).map_or(f64::NAN, Duration::as_secs_f64);
        (at(cleaned.len() / 2), at(cleaned.len().saturating_sub(1)))
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:<44} {:>12} {:>7} {:>10} {:>8} {:>10} {:>8}",
        "fault", "repetitions", "failed", "left over", "foreign", "time to", "clean"
    );
    println!("{:<44} {:>12} {:>7} {:>10} {:>8} {:>10} {:>8}", "", "", "", "", "touched", "median", "max");
    for row in rows {
        let (median, most) = row.seconds();
        let repetitions = if row.repetitions == row.planned {
            row.planned.to_string()
        } else {
            format!("{} of {}", row.repetitions, row.planned)
        };
        println!(
            "{:<44} {repetitions:>12} {:>7} {:>10} {:>8} {median:>8.1} s {most:>6.1} s",
            row.name,
            row.failed,
            row.left,
            row.touched.len(),
        );
        if !row.note.is_empty() {
            println!("    {}", row.note);
        }
        for touched in &row.touched {
            println!("    touched: {touched}");
        }
    }
    println!(
        "\nfrom the end of a session's last process until its reaper is gone, too, which looks for the last time after \
         four seconds; and waits twelve seconds for its first client where its creator was killed before it connected"
    );
}

/// One line, written over again and again, on a terminal and nowhere else.
pub(crate) fn progress(name: &str, done: usize, of: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let end = if done == of { "\n" } else { "" };
        // Who cannot be told how far it is will see the table.
        let _ = write!(out, "\r{name}: {done} of {of}\x1b[K{end}");
    }
}
