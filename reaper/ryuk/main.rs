//! The embedded Ryuk: removes what a test run created, once the last of its processes is gone.
//!
//! Speaks the protocol of `testcontainers/ryuk`, with its `RYUK_*` settings, so that any testcontainers
//! client can use it, and a greeting (`hello`) by which clients of this library know that it is theirs. The standard
//! library alone, so that the build script can compile it with the `rustc` at hand.
//!
//! `serve` is the one thread that decides, with `door`, `client` and `register`; `prune` is the one that removes, with
//! `round`, `users`, `docker`, `listing`, `http` and `json`. What is left behind at the end is exit code 1.

mod client;
mod docker;
mod door;
mod duration;
mod filter;
#[cfg_attr(not(test), expect(dead_code, reason = "the client's half is the library's"))]
mod hello;
mod http;
mod json;
mod kind;
mod listing;
mod log;
mod own;
mod platform;
mod prune;
mod register;
mod round;
mod serve;
mod settings;
mod users;

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            log::line(format_args!("error: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let settings = settings::Settings::from_environment(|name| std::env::var(name).ok())?;
    let engine = Arc::new(docker::Docker::new(&settings)?);
    let signals = platform::signals().map_err(|error| format!("failed to listen for signals: {error}"))?;
    let door = door::Door::open(settings.port, settings.verbose)
        .map_err(|error| format!("failed to listen on port {} (RYUK_PORT): {error}", settings.port))?;
    let pruner = prune::Pruner::start(Arc::clone(&engine), &settings)
        .map_err(|error| format!("failed to start a thread: {error}"))?;
    let bound = door.address().map_err(|error| format!("failed to read the own address: {error}"))?;
    let register = register::Register::new(engine, settings.secret.clone());
    // Clients of other languages wait for this line.
    log::line(format_args!("address={bound} Started!"));
    serve::Server::new(door, signals, &settings, register, pruner)
        .run()
        .map_err(|error| format!("failed to serve clients: {error}"))
}
