//! What can be seen of the guard without asking the library: the engine's word that the session's reaper
//! container runs, and the kernel's that this process is connected to it.
//!
//! A connection that the kernel calls established and the library holds has been acknowledged: the library
//! returns no guard before. Rejected: asking the guard whether it is live, which is what is to be shown.

use std::collections::BTreeSet;

use reaper_tests::engine;

/// How many connections of this process lead to the reaper container of the session, if it runs.
pub(crate) fn connections() -> usize {
    let session = std::env::var("TESTCONTAINERS_SESSION_ID").expect("the driver names the session");
    published_port(&format!("reaper_{session}")).map_or(0, sockets_to)
}

fn published_port(container: &str) -> Option<u16> {
    let container = engine::inspect(&format!("/containers/{container}/json"))?;
    let is_running = container["State"]["Running"].as_bool()?;
    let port = container["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str()?;
    is_running.then(|| port.parse().expect("a port"))
}

/// Established connections of this process to the port, from the kernel's table.
fn sockets_to(port: u16) -> usize {
    let own = own_sockets();
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    let inodes = rows.filter_map(|row| {
        let fields: Vec<_> = row.split_whitespace().collect();
        // number, local, remote, state (01: established), and the inode in the tenth column
        let is_one = fields[2].ends_with(&format!(":{port:04X}")) && fields[3] == "01";
        is_one.then(|| fields[9].to_owned()).filter(|inode| own.contains(inode))
    });
    // The kernel shows a row twice where the table changes while it is read.
    inodes.collect::<BTreeSet<_>>().len()
}

fn own_sockets() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("the open files of this process");
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}
