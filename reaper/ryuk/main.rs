//! The embedded Ryuk: removes what a test run created, once the last of its processes is gone.
//!
//! Speaks the protocol of `testcontainers/ryuk`, with its `RYUK_*` settings, so that any testcontainers
//! client can use it. The standard library alone, so that the build script can compile it with the `rustc`
//! at hand. One thread serves all clients (`clients`), and it alone decides when to prune: so no filter can
//! be acknowledged after the decision, without a lock that somebody could forget.

mod clients;
mod docker;
mod duration;
mod filter;
#[cfg_attr(not(test), expect(dead_code, reason = "the client's half is the library's"))]
mod hello;
mod http;
mod json;
mod log;
mod platform;
mod prune;
mod settings;

use std::net::TcpListener;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            log::line(format_args!("error: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let settings = settings::Settings::from_environment(|name| std::env::var(name).ok())?;
    let engine = docker::Docker::new(&settings)?;
    let signals = platform::signals().map_err(|error| format!("failed to listen for signals: {error}"))?;
    let address = ("0.0.0.0", settings.port);
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("failed to listen on port {} (RYUK_PORT): {error}", settings.port))?;
    let bound = listener.local_addr().map_err(|error| format!("failed to read the own address: {error}"))?;
    // Clients of other languages wait for this line.
    log::line(format_args!("address={bound} Started!"));
    let served = clients::serve(listener, &signals, &settings, &engine)
        .map_err(|error| format!("failed to serve clients: {error}"))?;
    prune::prune(&engine, &served, &settings);
    Ok(())
}
