//! The way to an engine: a place leads to a stream of bytes, and nobody behind it asks which kind of place it was.

use std::io;

use super::place::Place;
use super::stream::{Stream, tcp};
use super::{secured, ssh};

/// Connects to an engine; whoever asks has a deadline.
pub(crate) async fn connect(place: &Place) -> io::Result<Stream> {
    match place {
        #[cfg(unix)]
        Place::Socket(socket) => Ok(Box::new(tokio::net::UnixStream::connect(socket).await?)),
        #[cfg(not(unix))]
        Place::Socket(_) => Err(io::ErrorKind::Unsupported.into()),
        #[cfg(windows)]
        Place::Pipe(path) => pipe(path).await,
        #[cfg(not(windows))]
        Place::Pipe(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "named pipes are for Windows")),
        Place::Tcp(address) => Ok(Box::new(tcp(address).await?)),
        Place::Tls(secured) => secured::connect(secured).await,
        Place::Ssh(destination) => ssh::connect(destination),
    }
}

/// What an engine at this place is called in a request. A proxy may serve several names at an address.
pub(crate) fn authority(place: &Place) -> &str {
    match place {
        Place::Socket(_) | Place::Pipe(_) | Place::Ssh(_) => "docker",
        Place::Tcp(address) => address,
        Place::Tls(secured) => &secured.address,
    }
}

/// A pipe has a number of instances; where all are taken, another follows soon.
#[cfg(windows)]
async fn pipe(path: &str) -> io::Result<Stream> {
    /// `ERROR_PIPE_BUSY`, which has no kind of its own.
    const BUSY: i32 = 231;
    loop {
        match tokio::net::windows::named_pipe::ClientOptions::new().open(path) {
            Ok(pipe) => return Ok(Box::new(pipe)),
            Err(error) if error.raw_os_error() == Some(BUSY) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
