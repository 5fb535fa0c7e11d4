//! The embedded Ryuk: removes what a test run created, once the last of its processes is gone.
//!
//! Speaks the protocol of `testcontainers/ryuk`, with its `RYUK_*` settings, so that any testcontainers
//! client can use it, and a greeting (`hello`) by which clients of this library know that it is theirs. The standard
//! library alone, so that the build script can compile it with the `rustc` at hand.
//!
//! What goes before the session's end is a scope's: whoever holds it lets go, or is lost, and what it names is removed while the
//! others are served.
//!
//! Run with the word `connect` it is no server: it joins its standard input and output with the server that runs already
//! (`connect`), for clients that no port leads to.
//!
//! What a session's processes make once, they ask for here (`keys`), since they may have nothing else in common.
//!
//! `serve` is the one thread that decides, with `door`, `client`, `register`, `keys` and `news`, and `scopes` and `ending` for
//! scopes; `prune` is the one that removes, with `round`, `users`, `docker`, `listing`, `http` and `json`. They share what may not be removed
//! (`living`), and whom to tell of what was (`report`). What is left behind at the end is exit code 1.

mod brake;
mod client;
mod connect;
mod connect_words;
mod docker;
mod door;
mod duration;
mod ending;
mod filter;
#[cfg_attr(not(test), expect(dead_code, reason = "the client's half is the library's"))]
mod hello;
mod http;
mod json;
#[cfg_attr(not(test), expect(dead_code, reason = "the client's half is the library's"))]
mod key_words;
mod keys;
mod kind;
mod listing;
mod living;
mod log;
mod news;
mod own;
mod platform;
mod prune;
mod quote;
mod register;
mod report;
mod round;
mod scopes;
mod serve;
mod settings;
mod users;

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(connect_words::MODE) {
        return connect::main(arguments.next());
    }
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
    let (living, reports) = (Arc::new(living::Living::default()), Arc::new(report::Reports::default()));
    let tally = round::Tally::new(Arc::clone(&engine), Arc::clone(&living), Arc::clone(&reports));
    let pruner = prune::Pruner::start(tally, &settings)
        .map_err(|error| format!("failed to start a thread: {error}"))?;
    let bound = door.address().map_err(|error| format!("failed to read the own address: {error}"))?;
    let scopes = scopes::Scopes::new(living, ending::Patience::new(&settings));
    let register = register::Register::new(engine, &settings, scopes, reports);
    // Clients of other languages wait for this line.
    log::line(format_args!("address={bound} Started!"));
    serve::Server::new(door, signals, &settings, register, pruner)
        .run()
        .map_err(|error| format!("failed to serve clients: {error}"))
}
