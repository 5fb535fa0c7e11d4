//! Connecting to the port of a reaper's container.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::needs::{Published, RYUK_PORT};
use super::stream::tcp;

/// Connects to a reaper whose port is published on this host, which may be the one we are on.
pub(super) async fn dial(
    host: &str,
    is_local: bool,
    reaper: &Published,
    is_provable: bool,
) -> io::Result<TcpStream> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses(host, reaper, is_provable).await? {
        outcome = tcp(address).await;
        if outcome.is_ok() {
            break;
        }
    }
    match (outcome, reaper.address) {
        (Ok(stream), _) => Ok(stream),
        // A published port is served by a process of the engine's, which may be gone while the reaper
        // is not. Only where the container's network is this host's: elsewhere its address is another's. That
        // cannot be seen where the engine's socket is forwarded, so it has to be proved.
        (Err(refused), Some(address)) if is_local && is_provable => {
            tcp((address, RYUK_PORT)).await.map_err(|_| refused)
        }
        (Err(refused), _) => Err(refused),
    }
}

/// Where the published port is, address and port of one family.
async fn addresses(host: &str, reaper: &Published, is_provable: bool) -> io::Result<Vec<SocketAddr>> {
    let resolved: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
    let of = |address: &SocketAddr| Some(SocketAddr::new(address.ip(), reaper.ports.at(address.ip())?));
    let mut addresses: Vec<_> = resolved.iter().filter_map(of).collect();
    if is_provable && let Some(port) = reaper.ports.any() {
        // An engine may publish on both and tell of one.
        let others = resolved.iter().filter(|address| reaper.ports.at(address.ip()).is_none());
        addresses.extend(others.map(|address| SocketAddr::new(address.ip(), port)));
    }
    Ok(addresses)
}
