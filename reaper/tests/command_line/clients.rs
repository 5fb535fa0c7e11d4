//! Real clients over the socket of `reaper run --adopt`: what they print is what they print on the engine itself, and what they
//! made is gone afterwards, killed in the middle or not.
//!
//! The clients are scripts (`tests/fixtures/clients`) that print what is the same each time. On the engine itself they remove
//! what they made; over the socket they leave all of it.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::podman::Podman;
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, signal, succeeded, text};
use reaper_tests::{engine, until};
use serde_json::Value;

use crate::{stdout, unique};

/// Wider than everybody else's tests beside, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// What the archive that is saved and loaded has in it.
const LARGE: u64 = 500_000_000;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/clients")).join(name)
}

/// An image of a test's own, with a shell; removed when dropped.
struct Image {
    engine: Engine,
    name: String,
}

impl Image {
    fn import(engine: &Engine, name: &str, script: &str) -> Self {
        let name = format!("{name}:1");
        let mut import = Command::new("sh");
        import.args(["-c", &format!("({script}) | docker import - {name}")]);
        import.env("DOCKER_HOST", format!("unix://{}", engine.socket().display()));
        succeeded(&import.output().unwrap());
        Self { engine: engine.clone(), name }
    }

    fn with_shell(engine: &Engine, name: &str) -> Self {
        Self::import(engine, name, &format!("sh '{}'", fixture("image.sh").display()))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let (status, answer) =
            self.engine.request("DELETE", &format!("/images/{}?force=1", self.name), &Value::Null);
        if status != 200 {
            eprintln!("image {} is left: {answer}", self.name);
        }
    }
}

/// A client of an engine, on that and over the socket.
struct Client {
    run: Run,
    name: String,
    image: Image,
    command: Vec<String>,
    settings: Vec<(&'static str, String)>,
}

impl Client {
    fn new(engine: &Engine, name: &str, command: &[&str]) -> Self {
        let name = unique(name);
        let image = Image::with_shell(engine, &format!("image-{name}"));
        let host = format!("unix://{}", engine.socket().display());
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Self { run: Run::unbuilt(), name, image, command, settings: vec![("DOCKER_HOST", host)] }
    }

    fn docker(engine: &Engine, name: &str, step: &str) -> Self {
        Self::new(engine, name, &["bash", &fixture("docker.sh").to_string_lossy(), step])
    }

    /// With Python, and these packages.
    fn python(name: &str, script: &str) -> Self {
        let python = python();
        let script = fixture(script).to_string_lossy().into_owned();
        // Its own reaper is an image that cannot be pulled. Of the command alone, for it would switch off ours.
        let command = ["env", "TESTCONTAINERS_RYUK_DISABLED=true", &python, &script];
        Self::new(&Engine::system(), name, &command)
    }

    fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    fn prepared(&self, program: &str, work: &str) -> Command {
        let mut command = self.run.command(program);
        std::fs::create_dir(self.run.file(work)).unwrap();
        command.env("NAME", &self.name).env("IMAGE", &self.image.name).env("WORK", self.run.file(work));
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn direct(&self) -> Command {
        let mut command = self.prepared(&self.command[0], "direct");
        command.args(&self.command[1..]).env("CLEAN", "1");
        command
    }

    fn adopted(&self, work: &str) -> Command {
        let mut command = self.prepared(env!("CARGO_BIN_EXE_reaper"), work);
        command.args(["run", "--adopt", "--session", &self.name, "--"]).args(&self.command);
        command
    }

    /// Both ways, and killed in the middle.
    #[track_caller]
    fn is_served(&self) {
        let direct = self.direct().output().unwrap();
        let expected = succeeded(&direct);
        let adopted = self.adopted("adopted").output().unwrap();
        assert!(adopted.status.success(), "{}", text(&adopted));
        assert_eq!(stdout(&adopted), stdout(&direct), "{}\n{expected}", text(&adopted));
        self.has_left(&adopted);
        self.is_killed();
    }

    #[track_caller]
    fn has_left(&self, adopted: &Output) {
        assert!(text(adopted).contains("reaper: removed what `"), "{}", text(adopted));
        self.until_gone();
    }

    /// Half-way, with all that it has started, and the program that serves the socket.
    #[track_caller]
    fn is_killed(&self) {
        let halt = self.run.file("halt");
        let mut command = self.adopted("killed");
        command.env("HALT", &halt).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        // A group of their own, for all that it starts.
        let process = Process::start(command.process_group(0));
        until("the client is half-way", Duration::from_secs(240), || {
            if halt.exists() { Ok(()) } else { Err(format!("{:?}", self.resources())) }
        });
        assert!(self.resources().len() > 1, "{:?}", self.resources());
        signal("KILL", &format!("-{}", process.id()));
        self.until_gone();
    }

    fn resources(&self) -> Vec<String> {
        self.image.engine.labelled(engine::SESSION, &self.name)
    }

    #[track_caller]
    fn until_gone(&self) {
        self.image.engine.until_gone(&self.name, GONE_WITHIN);
        // By name, for one that was made without a label is not found by it.
        for what in ["bound", "mounted"] {
            let volume = format!("/volumes/{}-{what}", self.name);
            assert_eq!(self.image.engine.inspect(&volume), None, "{volume} is left");
        }
    }
}

/// An interpreter with the packages, which `cargo xtask test --setup` makes.
fn python() -> String {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_reaper"));
    let folder = target.ancestors().nth(2).unwrap().join("clients");
    let python = folder.join("bin/python");
    assert!(
        python.exists(),
        "this test takes an environment of Python with docker and testcontainers in {}; `cargo xtask test --setup` makes it",
        folder.display()
    );
    python.to_string_lossy().into_owned()
}

#[test]
fn docker_runs_containers() {
    Client::docker(&Engine::system(), "client-run", "run").is_served();
}

#[test]
fn docker_has_a_terminal_and_attaches() {
    Client::docker(&Engine::system(), "client-terminal", "terminal").is_served();
}

#[test]
fn docker_copies_both_ways() {
    Client::docker(&Engine::system(), "client-copy", "copy").is_served();
}

/// Debian's program has `BuildKit`'s client in it; later ones need a plugin.
fn building(name: &str, kit: &str) -> Client {
    let debians = "/usr/bin/docker";
    let version = Command::new(debians).args(["--version"]).output().map(|output| text(&output));
    assert!(version.is_ok_and(|version| version.contains("version 20.")), "Debian's docker.io is missing");
    Client::docker(&Engine::system(), name, "build").set("KITS", kit).set("DOCKER", debians)
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn docker_builds_with_the_engines_builder() {
    building("client-build", "0").is_served();
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn docker_builds_with_buildkit() {
    building("client-buildkit", "1").is_served();
}

#[test]
fn docker_follows_logs_and_events() {
    Client::docker(&Engine::system(), "client-follow", "follow").is_served();
}

/// What is loaded carries no label, and stays.
#[test]
#[ignore = "run by `cargo xtask projects`"]
fn docker_saves_and_loads_half_a_gigabyte() {
    let engine = Engine::system();
    let script = format!(
        "set -e; folder=$(mktemp -d); trap 'rm -rf $folder' EXIT; sh '{}' | tar -C $folder -xf -; \
         head -c {LARGE} /dev/urandom > $folder/large; tar -C $folder -cf - .",
        fixture("image.sh").display()
    );
    let name = unique("client-large");
    let large = Image::import(&engine, &name, &script);
    Client::docker(&engine, "client-archive", "archive").set("LARGE", large.name.clone()).is_served();
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn compose_brings_a_project_up_and_down() {
    Client::docker(&Engine::system(), "client-compose", "compose").is_served();
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn the_sdk_for_python_does_what_it_can() {
    Client::python("client-sdk", "sdk.py").is_served();
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn testcontainers_for_python_starts_its_containers() {
    Client::python("client-python", "containers.py").is_served();
}

/// On its machine's network, where its containers' ports are.
#[test]
#[ignore = "run by `cargo xtask projects`"]
fn docker_does_the_same_on_podman() {
    let podman = Podman::start();
    for step in ["run", "terminal", "copy"] {
        let client = Client::docker(podman.engine(), &format!("podman-{step}"), step);
        let mut direct = podman.with(&client.direct());
        direct.env("PATH", std::env::var_os("PATH").unwrap());
        let direct = direct.output().unwrap();
        succeeded(&direct);
        let mut adopted = podman.with(&client.adopted("adopted"));
        adopted.env("PATH", std::env::var_os("PATH").unwrap());
        let adopted = adopted.output().unwrap();
        assert!(adopted.status.success(), "{}", text(&adopted));
        assert_eq!(stdout(&adopted), stdout(&direct), "{}", text(&adopted));
        client.has_left(&adopted);
    }
}
