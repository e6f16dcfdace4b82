//! The UDP sockets: one per listen address, on the number of the TCP port where that is free. One serves
//! every protocol over UDP, as peers and trackers expect: what a NAT has opened for one is open for the
//! others.
//!
//! An answer leaves from the address that was asked, also where a socket has all addresses of the machine.
//! No datagram is ever fragmented by us: one that is too long for the way is an error or lost.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

mod fork;
mod socket;

pub use self::fork::{Batch, Datagram, Protocol, Takers};

use self::fork::Fork;
use self::socket::BatchSocket;
use super::bind::Binding;

/// What goes out: one datagram, or many of one length to one address.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// To whom.
    pub to: SocketAddr,
    /// The address of ours that it leaves from, as in [`Datagram::to`]; `None`: the system chooses.
    pub from: Option<IpAddr>,
    /// The payload of all of them.
    pub bytes: &'a [u8],
    /// The length of each but the last, which may be shorter; `None`: it is one.
    pub segment: Option<usize>,
    /// Those on the way may cut them up, where the system can say so; otherwise what is too long is lost.
    pub may_fragment: bool,
}

/// Whether an error of sending says that the datagram is longer than our end of the way can take.
pub fn is_too_long(error: &io::Error) -> bool {
    quinn_udp::is_msg_size_err(error)
}

/// All UDP sockets of an engine. Clones share them; they close with [`close`](Self::close) or when the
/// last clone is dropped.
#[derive(Clone, Debug)]
pub struct UdpSockets {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    runtime: Handle,
    binding: Binding,
    /// A leaf lock, held for a look or a push. `None`: closed for good.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    fork: Fork,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    socket: Arc<BatchSocket>,
    receiving: AbortHandle,
}

impl UdpSockets {
    /// No socket yet; the loops of those to come run on `runtime`.
    pub fn new(runtime: Handle) -> (Self, Takers) {
        Self::bound(runtime, Binding::default())
    }

    /// The same for sockets that leave by what a person decided.
    pub fn bound(runtime: Handle, binding: Binding) -> (Self, Takers) {
        let (fork, takers) = Fork::new();
        let state = Mutex::new(Some(State { fork, open: Vec::new() }));
        let inner = Arc::new(Inner { runtime, binding, state });
        (Self { inner }, takers)
    }

    /// Opens a socket at `address` and returns where it is: at another port if this one is taken,
    /// because asking trackers does not need a particular one. Does nothing where there is one already.
    ///
    /// # Errors
    /// The address is not one of this machine, or nothing can be opened any more.
    pub fn bind(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        if let Some(there) = self.at(address) {
            return Ok(there);
        }
        let _runtime = self.inner.runtime.enter();
        let way = self.inner.binding.way();
        let socket = match BatchSocket::bind(address, way) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!(%address, "this UDP port is taken, using another");
                BatchSocket::bind(SocketAddr::new(address.ip(), 0), way)?
            }
            other => other?,
        };
        let address = socket.address();
        let socket = Arc::new(socket);
        let mut state = self.lock();
        let Some(state) = &mut *state else { return Err(io::ErrorKind::NotConnected.into()) };
        let (receiver, fork) = (socket.clone(), state.fork.clone());
        let receiving = self.inner.runtime.spawn(async move { receiver.receive(fork).await }).abort_handle();
        state.open.push(Open { socket, receiving });
        Ok(address)
    }

    /// Whether addresses of this one's family can be sent to.
    pub fn can_reach(&self, to: &SocketAddr) -> bool {
        self.socket_for(to, None).is_some()
    }

    /// The port that somebody at this address sees us at, unless there is something in between.
    pub fn port(&self, to: &SocketAddr) -> Option<u16> {
        self.socket_for(to, None).map(|socket| socket.address().port())
    }

    /// Sends one datagram; it leaves from `from`, if that is given.
    ///
    /// # Errors
    /// No socket of the family, no route, it is too long, or the address to leave from is gone.
    pub async fn send(&self, to: SocketAddr, from: Option<IpAddr>, bytes: &[u8]) -> io::Result<()> {
        self.send_all(&Transmit { to, from, bytes, segment: None, may_fragment: false }).await
    }

    /// Sends all of this, and waits while the system has no room.
    ///
    /// # Errors
    /// Like [`send`](Self::send); what came before the error has left.
    pub async fn send_all(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket_to(transmit)?.send(transmit).await
    }

    /// Sends as much of this as the system takes without waiting; returns how many bytes that were, whole
    /// segments of them.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): nothing has left, [`send_all`](Self::send_all) would wait.
    /// [`is_too_long`]: the first segment is longer than our network takes. Else like [`send`](Self::send):
    /// to be taken for a loss, which may pass.
    pub fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<usize> {
        self.socket_to(transmit)?.try_send(transmit)
    }

    /// Closes all sockets; others can be opened.
    pub fn unbind(&self) {
        if let Some(state) = &mut *self.lock() {
            state.open.clear();
        }
    }

    /// Closes all sockets for good. Nothing is received or sent afterwards, and takers see the end.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn at(&self, address: SocketAddr) -> Option<SocketAddr> {
        let state = self.lock();
        let mut there = state.as_ref()?.open.iter().map(|open| open.socket.address());
        there.find(|there| there.ip() == address.ip())
    }

    fn socket_to(&self, transmit: &Transmit<'_>) -> io::Result<Arc<BatchSocket>> {
        let socket = self.socket_for(&transmit.to, transmit.from);
        socket.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// The socket of the family that has the address to leave from, or all addresses; else the first.
    fn socket_for(&self, to: &SocketAddr, from: Option<IpAddr>) -> Option<Arc<BatchSocket>> {
        let state = self.lock();
        let of_family = |open: &&Open| open.socket.address().is_ipv4() == to.is_ipv4();
        let rank = |open: &&Open| match (from, open.socket.address().ip()) {
            (Some(from), ip) if from == ip => 0,
            (Some(_), ip) if ip.is_unspecified() => 1,
            _ => 2,
        };
        let best = state.as_ref()?.open.iter().filter(of_family).min_by_key(rank);
        best.map(|open| open.socket.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // The list is whole after any panic: it changes in one step.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

#[cfg(test)]
mod tests;
