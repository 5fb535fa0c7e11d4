//! The harness of the end-to-end and fault tests: looks at the engine and at processes from outside,
//! never through the library that is under test.

pub mod adoption;
pub mod bystander;
pub mod certificates;
pub mod engine;
pub mod holder;
pub mod host;
pub mod log;
pub mod login;
pub mod machine;
pub mod podman;
pub mod process;
pub mod proxy;
pub mod rootless_docker;
pub mod scene;
pub mod second_engine;
pub mod suite;
pub mod swarm;
pub mod tls_port;
mod user;
pub mod world;

use std::time::{Duration, Instant};

/// Waits until `look` finds what it looks for, and panics with what was seen last when it does not.
///
/// # Panics
///
/// When the deadline passes.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if began.elapsed() > within => panic!("not within {within:?}: {what}; seen: {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Returns once the clock has moved on by this much: only where time itself is the fault, as when a machine
/// sleeps. Everything else is waited for with [`until`].
pub fn until_later(by: Duration) {
    std::thread::sleep(by);
}
