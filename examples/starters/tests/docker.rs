//! The docker command, in a test that has no runtime and no other crate.

use std::process::Command;

use anyhow::ensure;

fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(arguments).output()?;
    ensure!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn docker_run(image: &str) -> anyhow::Result<String> {
    let labels: Vec<_> =
        reaper::labels().iter().map(|(key, value)| format!("--label={key}={value}")).collect();
    let labels = labels.iter().map(String::as_str);
    docker(&["run", "--detach", "--publish-all"].into_iter().chain(labels).chain([image]).collect::<Vec<_>>())
}

#[test]
fn is_reached_at_its_port() -> anyhow::Result<()> {
    let container = docker_run("redis:7")?;
    let address = docker(&["port", &container, "6379/tcp"])?;
    let address = address.lines().next().unwrap_or_default().replace("0.0.0.0", "127.0.0.1");
    std::net::TcpStream::connect(&address)?;
    Ok(())
}
