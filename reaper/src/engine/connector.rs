//! The way to an engine: a place leads to a stream of bytes, and nobody behind it asks which kind of place it was.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::discover::Place;

/// What an engine can be talked to over.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytes for S {}

/// A connection to an engine, of any kind.
pub(crate) type Stream = Box<dyn Bytes>;

/// Connects to an engine; whoever asks has a deadline.
pub(crate) async fn connect(place: &Place) -> io::Result<Stream> {
    match place {
        #[cfg(unix)]
        Place::Socket(socket) => Ok(Box::new(tokio::net::UnixStream::connect(socket).await?)),
        #[cfg(not(unix))]
        Place::Socket(_) => Err(io::ErrorKind::Unsupported.into()),
        Place::Tcp(address) => Ok(Box::new(TcpStream::connect(address).await?)),
    }
}

/// What an engine at this place is called in a request. A proxy may serve several names at an address.
pub(crate) fn authority(place: &Place) -> &str {
    match place {
        Place::Socket(_) => "docker",
        Place::Tcp(address) => address,
    }
}
