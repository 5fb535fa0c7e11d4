//! What an engine is talked to over, whatever it is.

use std::io;
#[cfg(any(unix, feature = "tls"))]
use std::pin::Pin;
#[cfg(any(unix, feature = "tls"))]
use std::task::{Context, Poll, ready};

use socket2::SockRef;
#[cfg(any(unix, feature = "tls"))]
use tokio::io::ReadBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::platform;

/// Bytes in both directions.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytes for S {}

/// A connection to an engine, of any kind.
pub(crate) type Stream = Box<dyn Bytes>;

/// Connects over TCP; an end that vanishes is missed, whoever is at it.
pub(super) async fn tcp(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    platform::keep_alive(&SockRef::from(&stream))?;
    Ok(stream)
}

/// What is known of a stream besides its bytes.
#[cfg(any(unix, feature = "tls"))]
pub(super) trait Explain {
    /// Has the last word on what came of reading: how many bytes, or an error.
    fn explain(&mut self, context: &mut Context<'_>, read: io::Result<usize>) -> Poll<io::Result<()>>;

    /// Nothing more is written.
    fn shut(&mut self) {}
}

/// A stream whose errors say what there is to know of it.
#[cfg(any(unix, feature = "tls"))]
pub(super) struct Explained<S, K> {
    pub(super) stream: S,
    pub(super) known: K,
}

#[cfg(any(unix, feature = "tls"))]
impl<S: AsyncRead + Unpin, K: Explain + Unpin> AsyncRead for Explained<S, K> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        let read = outcome.map(|()| buffer.filled().len() - before);
        self.known.explain(context, read)
    }
}

#[cfg(any(unix, feature = "tls"))]
impl<S: AsyncWrite + Unpin, K: Explain + Unpin> AsyncWrite for Explained<S, K> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.known.shut();
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
