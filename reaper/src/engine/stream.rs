//! What an engine is talked to over, whatever it is.

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytes for S {}

/// A connection to an engine, of any kind.
pub(crate) type Stream = Box<dyn Bytes>;
