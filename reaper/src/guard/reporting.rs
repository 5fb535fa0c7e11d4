//! Taking down what the reaper tells of what it removes, for as long as it is there.
//!
//! One process of the session does: the keeper, which outlives the tests and waits for the reaper's end, or the `reaper run`
//! around them. It needs a connection of its own, since the other one is closed so that the reaper begins.

use std::io::{self, BufRead as _, BufReader};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::acquire::{Way, removed_in};
use crate::removal::Report;

/// For the reaper's answers.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A reaper that has nothing to tell for longer than it may take to remove everything is not there any more.
const SILENT: Duration = Duration::from_secs(60 * 60 * 24);

/// Takes down what this reaper tells, on a thread of its own that ends with it. Returns when nothing more can be missed.
pub(super) fn follow(reaper: &Way, report: Report) -> io::Result<JoinHandle<()>> {
    let stream = reaper.report(ANSWERED_WITHIN)?;
    stream.set_read_timeout(Some(SILENT))?;
    thread::Builder::new().name("reaper-report".into()).spawn(move || take_down(stream, &report))
}

fn take_down(stream: TcpStream, report: &Report) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    for line in lines {
        let Some(object) = removed_in(&line) else { continue };
        if let Err(error) = report.told(object) {
            tracing::warn!(%error, path = %report.path().display(), object, "not written down");
        }
    }
}
