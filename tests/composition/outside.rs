//! What can be seen of the guard without asking the library: the engine's word that the session's reaper
//! container runs, and the kernel's that this process is connected to it.
//!
//! A connection that the kernel calls established and the library holds has been acknowledged: the library
//! returns no guard before. Rejected: asking the guard whether it is live, which is what is to be shown.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// How many connections of this process lead to the reaper container of the session, if it runs.
pub(crate) fn connections() -> usize {
    let session = std::env::var("TESTCONTAINERS_SESSION_ID").expect("the driver names the session");
    published_port(&format!("reaper_{session}")).map_or(0, sockets_to)
}

fn published_port(container: &str) -> Option<u16> {
    let container = inspect(container)?;
    let is_running = container["State"]["Running"].as_bool()?;
    let port = container["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str()?;
    is_running.then(|| port.parse().expect("a port"))
}

fn inspect(container: &str) -> Option<serde_json::Value> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let path = host.strip_prefix("unix://").expect("these tests run against a local engine");
    let mut engine = UnixStream::connect(path).expect("the engine's socket");
    // Version 1.0, so that the answer ends with the connection and comes in one piece.
    write!(engine, "GET /containers/{container}/json HTTP/1.0\r\nHost: engine\r\n\r\n").expect("a request");
    let mut answer = String::new();
    engine.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    head.contains(" 200 ").then(|| serde_json::from_str(body).expect("JSON"))
}

/// Established connections of this process to the port, from the kernel's table.
fn sockets_to(port: u16) -> usize {
    let own = own_sockets();
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter(|row| {
        let fields: Vec<_> = row.split_whitespace().collect();
        // number, local, remote, state (01: established), and the inode in the tenth column
        fields[2].ends_with(&format!(":{port:04X}"))
            && fields[3] == "01"
            && own.contains(&fields[9].to_owned())
    })
    .count()
}

fn own_sockets() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("the open files of this process");
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}
