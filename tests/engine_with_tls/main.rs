//! What `cargo xtask bench --tls` measures on: an engine that speaks TLS alone over the network. Says where it is, a line for each,
//! and ends with its input.
//!
//! A program and not a part of `xtask`: it uses the tests' harness, which starts engines already.

use std::io::{Read as _, Write as _};

use reaper_tests::certificates::{Authority, Validity};
use reaper_tests::second_engine::SecondEngine;

fn main() -> std::io::Result<()> {
    let authority = Authority::new();
    let engine = SecondEngine::start_with_tls(&authority);
    let folder = tempfile::tempdir()?;
    authority.write(folder.path(), &["client"], Validity::Now);
    println!("{}", engine.engine().socket().display());
    println!("{}", engine.docker_host());
    println!("{}", folder.path().display());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
