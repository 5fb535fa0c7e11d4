//! A compose project: containers, a network and a volume that carry the project's label and none of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// On everything that compose creates; the value is the project's name.
pub const PROJECT: &str = "com.docker.compose.project";

/// The project's file.
#[must_use]
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compose.yaml")
}

/// Starts everything of the file under a project's name, on the engine at this endpoint.
pub fn up(endpoint: &str, project: &str, file: &Path) -> Result<()> {
    let mut command = compose().context("compose is missing; on Debian it is the package docker-compose")?;
    command.args(["--project-name", project, "--file"]).arg(file).args(["up", "--detach"]);
    let output = command.env("DOCKER_HOST", endpoint).env("WORKLOAD", crate::IMAGE).output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The plugin of the docker command, or the program that it has been before.
fn compose() -> Option<Command> {
    let mut plugin = Command::new("docker");
    plugin.arg("compose");
    let known = [plugin, Command::new("docker-compose")];
    known.into_iter().find_map(|mut command| {
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let answered = command.arg("version").output().is_ok_and(|output| output.status.success());
        answered.then(|| {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        })
    })
}
