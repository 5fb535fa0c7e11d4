//! What a composed test reports of itself, one line an event, for the driver to read.
//!
//! The last event comes from a thread-local value: it is dropped when the test's thread ends, after the
//! test function has returned or unwound, which nothing inside the function can see.

use std::cell::Cell;
use std::io::Write as _;

use crate::outside;

pub(crate) const FIXTURE: &str = "fixture built";
pub(crate) const FIRST_LINE: &str = "first line";
pub(crate) const DROPPED: &str = "value dropped";
pub(crate) const OVER: &str = "over";

/// In the environment of the children in which the driver runs one test each.
pub(crate) const IN_CHILD: &str = "COMPOSITION_CHILD";

pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) connections: usize,
}

impl Event {
    const MARK: &str = "composition event: ";

    fn report(name: &str) {
        if std::env::var_os(IN_CHILD).is_none() {
            return;
        }
        let connections = outside::connections();
        // Not `println!`: the harness would keep it for itself.
        let line = format!("\n{}{connections} {name}\n", Self::MARK);
        std::io::stdout().lock().write_all(line.as_bytes()).expect("the driver reads");
    }

    pub(crate) fn read_all(output: &str) -> Vec<Self> {
        let events = output.lines().filter_map(|line| line.strip_prefix(Self::MARK)?.split_once(' '));
        let event = |(connections, name): (&str, &str)| Self {
            name: name.to_owned(),
            connections: connections.parse().expect("a number"),
        };
        events.map(event).collect()
    }
}

struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        Event::report(OVER);
    }
}

thread_local! {
    static OVER_GUARD: Cell<Option<Over>> = const { Cell::new(None) };
}

/// A value that must not outlive the guard, as a container's handle would be.
pub(crate) struct Value;

impl Value {
    /// For a fixture, built before the body runs.
    pub(crate) fn of_fixture() -> Self {
        Event::report(FIXTURE);
        Self
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        Event::report(DROPPED);
    }
}

/// The first line of every test; what it returns lives until the test's end.
pub(crate) fn first_line() -> Value {
    OVER_GUARD.set(Some(Over));
    Event::report(FIRST_LINE);
    Value
}

/// Whether no other test is in this process.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(IN_CHILD).is_some()
}
