//! What `cargo xtask test --engine podman` runs: a Podman, and a command that has it for its engine.
//!
//! A program and not a part of `xtask`: it uses the tests' harness, which starts Podmans already. All of it ends with the
//! command, and with this process, however that ends.

use std::process::ExitCode;

use reaper_tests::podman::Podman;

const HELP: &str = "on_podman [--rootless] [--load <archive of images>] <command> <arguments>";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let podman =
        if arguments.next_if_eq("--rootless").is_some() { Podman::start_rootless() } else { Podman::start() };
    if arguments.next_if_eq("--load").is_some() {
        let archive = arguments.next().and_then(|path| std::fs::read(path).ok());
        let Some(archive) = archive else { return unknown("there is no such archive") };
        podman.engine().load(&archive);
    }
    let command: Vec<String> = arguments.collect();
    if command.is_empty() {
        return unknown("a command is missing");
    }
    match podman.inside(&command).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => unknown(&format!("nsenter does not start: {error}")),
    }
}

fn unknown(problem: &str) -> ExitCode {
    eprintln!("error: {problem}\n\n{HELP}");
    ExitCode::FAILURE
}
