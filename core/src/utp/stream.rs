//! A connection as its owner has it: bytes in, bytes out, as with TCP.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::UtpError;
use super::node::Handle;
use super::task::{Inner, now};

/// Slices that are taken at once; what is behind them is written next.
const SLICES: usize = 64;

/// A connection to a peer. Dropping it ends it: what was written still goes out, for some seconds.
#[derive(Debug)]
pub struct UtpStream {
    inner: Arc<Inner>,
    handle: Handle,
    peer: SocketAddr,
}

impl UtpStream {
    pub(super) const fn new(inner: Arc<Inner>, handle: Handle, peer: SocketAddr) -> Self {
        Self { inner, handle, peer }
    }

    /// Waits until the call is answered.
    pub(super) async fn connected(self) -> io::Result<Self> {
        let inner = self.inner.clone();
        std::future::poll_fn(|context| {
            let mut state = inner.lock();
            match state.node.is_connected(self.handle).map_err(to_io) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => state.wait_to_write(self.handle, context),
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await?;
        Ok(self)
    }

    /// The peer's end.
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Our end, as far as it is known.
    ///
    /// # Errors
    /// The network is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let port = self.inner.sockets.port(&self.peer).ok_or(io::ErrorKind::NotConnected)?;
        let any = if self.peer.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        Ok(SocketAddr::new(self.inner.lock().node.local(self.handle).unwrap_or(any), port))
    }

    fn write(&self, context: &Context<'_>, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
        let mut state = self.inner.lock();
        match state.node.write(now(), self.handle, parts).map_err(to_io) {
            Ok(Some(length)) => {
                let is_ready = state.node.is_ready();
                drop(state);
                if is_ready {
                    self.inner.changed.notify_one();
                }
                Poll::Ready(Ok(length))
            }
            Ok(None) => state.wait_to_write(self.handle, context),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

pub(super) fn to_io(error: UtpError) -> io::Error {
    let kind = match error {
        UtpError::NoAnswer | UtpError::TimedOut => io::ErrorKind::TimedOut,
        UtpError::Reset => io::ErrorKind::ConnectionReset,
        UtpError::Closed => io::ErrorKind::BrokenPipe,
        UtpError::TooMany => io::ErrorKind::QuotaExceeded,
    };
    io::Error::new(kind, error)
}

impl AsyncRead for UtpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.inner.lock();
        // Only as much is made ready to be written to as there is to write.
        let most = state.node.readable(self.handle).clamp(1, buffer.remaining());
        let room = buffer.initialize_unfilled_to(most);
        match state.node.read(now(), self.handle, room).map_err(to_io)? {
            Some(length) => {
                let is_ready = state.node.is_ready();
                drop(state);
                if is_ready {
                    self.inner.changed.notify_one();
                }
                buffer.advance(length);
                Poll::Ready(Ok(()))
            }
            None => state.wait_to_read(self.handle, context),
        }
    }
}

impl AsyncWrite for UtpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, &[bytes])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut parts = [&[][..]; SLICES];
        for (part, slice) in parts.iter_mut().zip(slices) {
            *part = slice;
        }
        let written = ready!(self.write(context, &parts[..slices.len().min(SLICES)]))?;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written goes out as the window lets it, and nothing makes that sooner.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.lock().node.shutdown(now(), self.handle);
        self.inner.changed.notify_one();
        Poll::Ready(Ok(()))
    }
}

impl Drop for UtpStream {
    fn drop(&mut self) {
        self.inner.lock().close(self.handle);
        self.inner.changed.notify_one();
    }
}
