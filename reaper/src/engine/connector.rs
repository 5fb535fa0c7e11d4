//! The way to an engine: a place leads to a stream of bytes, and nobody behind it asks which kind of place it was.

use std::io;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::place::Place;
use super::stream::Stream;
use super::{secured, ssh};
use crate::platform;

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
        Place::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            // A connection to a reaper may go this way, and an engine that vanishes has to be missed.
            platform::keep_alive(&SockRef::from(&stream))?;
            Ok(Box::new(stream))
        }
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
