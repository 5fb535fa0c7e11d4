//! A compose project that knows nothing of the reaper: the reaper is told the project's name, before anything is started.

use std::process::Command;

use anyhow::ensure;
use reaper::Filter;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/compose.yaml");

/// The plugin of the docker command. Where only the program `docker-compose` is installed, that.
fn compose(arguments: &[&str]) -> anyhow::Result<String> {
    let has_plugin = Command::new("docker").args(["compose", "version"]).output()?.status.success();
    let (program, first) = if has_plugin { ("docker", Some("compose")) } else { ("docker-compose", None) };
    let output = Command::new(program).args(first).args(arguments).output()?;
    ensure!(output.status.success(), "compose {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn is_started_and_reached() -> anyhow::Result<()> {
    // Another project for each process, or tests that run side by side would share one.
    let project = format!("starters-{}", std::process::id());
    reaper::hold().also(Filter::label("com.docker.compose.project", &project)?)?;
    compose(&["--project-name", &project, "--file", FILE, "up", "--detach"])?;
    let address = compose(&["--project-name", &project, "--file", FILE, "port", "cache", "6379"])?;
    std::net::TcpStream::connect(address.replace("0.0.0.0", "127.0.0.1"))?;
    Ok(())
}
