//! Who is at the other end of a connection, as labels say it: the process that made a thing, and its test.
//!
//! The kernel tells the process that has connected. That may be the docker command which a test runs and which is gone a
//! moment later; so the test's own process is looked for above it, by the name that nextest gave to it and to what
//! it starts.

use super::creation::Labels;
use crate::platform::{self, Process};
use crate::session::{Owner, PROCESS, TEST};

/// By which nextest tells a test its name.
const TEST_NAME: &str = "NEXTEST_TEST_NAME";

/// So many processes may be between a test and who connects.
const GENERATIONS: usize = 32;

/// The labels for what this process makes, from those of the session.
pub(super) fn labels(session: &Labels, peer: Option<u32>) -> Labels {
    let mut labels = session.clone();
    // It may have ended already, or be in a container, from where its pid says nothing.
    let Some(process) = peer.and_then(platform::process) else { return labels };
    let test = test_of(&process);
    let (process, test) = match test {
        Some((process, test)) => (process, Some(test)),
        None => (process, None),
    };
    if let Some(mark) = Owner::mark_of(&process) {
        labels.set(PROCESS, &mark);
    }
    if let Some(test) = test {
        labels.set(TEST, &test);
    }
    labels
}

/// The process of a test at or above this one, and the test.
fn test_of(process: &Process) -> Option<(Process, String)> {
    let test = named(process)?;
    let above = |process: &Process| process.parent.filter(|id| *id > 1).and_then(platform::process);
    let line = std::iter::successors(Some(process.clone()), above).take(GENERATIONS);
    let own = line.take_while(|process| named(process).as_ref() == Some(&test)).last();
    own.map(|process| (process, test))
}

/// The test of which a process is, or that it was started for.
fn named(process: &Process) -> Option<String> {
    platform::variable_at_start_of(process.id, TEST_NAME).ok().flatten()
}
