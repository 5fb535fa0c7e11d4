//! What the other commands need: a tool or several, a container engine, for all tests what makes networks. Says what is
//! missing; installs it only when asked to.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reaper_tests_engine::Client;
use reaper_tests_engine::programs::{
    LOGIN, MACHINE, PODMAN, Program, ROOTLESS, ROOTLESS_DOCKER, is_root, missing,
};

use crate::step::root;
use crate::tools::{FUZZ, NEXTEST, OF_CHECK};
use crate::{python, targets};

/// For the tests with a compose project, with a terminal and with an image of this machine's programs.
const COMPOSE: [Program; 3] =
    [("docker-compose", "docker-compose"), ("script", "bsdutils"), ("ldd", "libc-bin")];

const ENGINE_STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Makes sure that everything is there.
pub(crate) fn require(install: bool) -> Result<(), String> {
    NEXTEST.require(install, &root())?;
    engine(install)
}

/// Makes sure that an engine is there.
pub(crate) fn engine(install: bool) -> Result<(), String> {
    if install {
        // Every command does without.
        targets::install(&targets::SERVER, &root())?;
    }
    if Client::system().answers() {
        return Ok(());
    }
    if !install {
        return Err(format!(
            "no container engine answers at {}; start one, or run this command with --setup on Debian or Ubuntu as root",
            Client::system().socket().display()
        ));
    }
    install_engine()
}

/// What `fuzz` needs, which is no engine.
pub(crate) fn require_fuzzer(install: bool) -> Result<(), String> {
    require_programs(&[("c++", "g++")], "libFuzzer is built from source", install)?;
    FUZZ.require(install, &root())
}

/// The same for all tests, some of which make compose projects, or engines of their own. Those with an engine take root, and
/// are left out for others.
pub(crate) fn require_for_tests(install: bool) -> Result<(), String> {
    let with_root = [&MACHINE[..], &PODMAN, &ROOTLESS, &ROOTLESS_DOCKER, &LOGIN, &COMPOSE];
    let further = if is_root() { with_root.concat() } else { COMPOSE.to_vec() };
    require_programs(
        &further,
        "some tests make a Podman, an engine, networks or a compose project of their own",
        install,
    )?;
    // After it, so that it is asked once all was installed beside it.
    require(install)?;
    targets::require(&targets::SERVER, "some tests look at the embedded servers of both architectures")
}

/// For what others have besides: clients in Python, too.
pub(crate) fn require_for_projects(install: bool) -> Result<(), String> {
    require_for_tests(install)?;
    python::require(install)
}

/// What `check` needs.
pub(crate) fn require_for_check(install: bool) -> Result<(), String> {
    if install {
        targets::install(&targets::FOREIGN, &root())?;
    }
    for tool in OF_CHECK {
        tool.require(install, &root())?;
    }
    targets::require(&targets::FOREIGN, "the library is compiled for other systems, too")
}

/// Programs, each with the Debian package that has it.
pub(crate) fn require_programs(programs: &[Program], why: &str, install: bool) -> Result<(), String> {
    let missing: Vec<_> = missing(programs).into_iter().filter(|(program, _)| !is_plugin(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: BTreeSet<_> = missing.iter().map(|(_, package)| *package).collect();
    let packages: Vec<_> = packages.into_iter().collect();
    let (programs, packages) = (programs.join(", "), packages.join(" "));
    if !install || !is_debian_as_root() {
        return Err(format!(
            "{why}, and {programs} is missing; install it, on Debian or Ubuntu as root with --setup or \
             `apt-get install {packages}`"
        ));
    }
    println!("==> {programs} is missing: installing {packages}");
    run(Command::new("apt-get").arg("update"))?;
    // Another of these commands may be installing, too.
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600"])
        .args(packages.split(' ')))
}

fn is_debian_as_root() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_debian = release.lines().any(|line| line.starts_with("ID") && line.contains("debian"));
    is_debian && is_root()
}

/// What the docker command may have as a plugin, in place of the program.
fn is_plugin(program: &str) -> bool {
    program
        .strip_prefix("docker-")
        .is_some_and(|name| succeeds(Command::new("docker").args([name, "version"])))
}

fn install_engine() -> Result<(), String> {
    if !is_debian_as_root() {
        return Err(
            "no container engine answers, and one can be installed only on Debian or Ubuntu as root; \
                    install Docker or Podman by hand"
                .into(),
        );
    }
    if !succeeds(Command::new("dockerd").arg("--version")) {
        println!("==> no container engine: installing the distribution's");
        run(Command::new("apt-get").arg("update"))?;
        run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", "docker.io"]))?;
    }
    println!("==> starting the engine");
    // Where there is an init system it starts the service; elsewhere the engine is ours to start.
    if !succeeds(Command::new("service").args(["docker", "start"])) {
        let log = std::env::temp_dir().join("dockerd.log");
        let log = std::fs::File::create(log)
            .map_err(|error| format!("failed to create the engine's log: {error}"))?;
        let mut daemon = Command::new("dockerd");
        daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        daemon.spawn().map_err(|error| format!("failed to start dockerd: {error}"))?;
    }
    let began = Instant::now();
    while !Client::system().answers() {
        if began.elapsed() > ENGINE_STARTS_WITHIN {
            return Err(format!("the engine was started and does not answer after {ENGINE_STARTS_WITHIN:?}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("failed to start {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}
