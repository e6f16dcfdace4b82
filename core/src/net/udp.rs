//! The UDP sockets: one per listen address, on the number of the TCP port where that is free, and the
//! fork that hands each datagram to the protocol that it belongs to.
//!
//! One socket serves every protocol over UDP, as peers and trackers expect: what a NAT has opened for
//! one is open for the others. The first byte tells them apart; what fits none is dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Replies of trackers that wait. Few are on their way at once; what a flood pushes out is asked again.
const TRACKER_REPLIES: usize = 64;

/// Datagrams of the DHT that wait: some milliseconds of a node that is asked a lot.
const DHT_MESSAGES: usize = 256;

/// The longest datagram there is.
const MAX_DATAGRAM: usize = 1 << 16;

/// After a receive error that is not about one datagram: a socket in such a state must not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it, as far as anybody can know.
    pub from: SocketAddr,
    /// All of it.
    pub bytes: Bytes,
}

/// The protocols that share a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// BEP 15: a reply begins with its action, a number below 256 in four bytes.
    Tracker,
    /// BEP 5: a dictionary in bencode.
    Dht,
}

impl Protocol {
    /// Whose datagram this is; `None`: nobody's.
    pub const fn of(datagram: &[u8]) -> Option<Self> {
        match datagram {
            [0, ..] => Some(Self::Tracker),
            [b'd', ..] => Some(Self::Dht),
            _ => None,
        }
    }
}

/// Where each protocol takes its datagrams from. A queue that is full loses what comes next, as any
/// part of a network may.
#[derive(Debug)]
pub struct Takers {
    /// For [`Protocol::Tracker`].
    pub tracker: mpsc::Receiver<Datagram>,
    /// For [`Protocol::Dht`].
    pub dht: mpsc::Receiver<Datagram>,
}

#[derive(Clone, Debug)]
struct Fork {
    tracker: mpsc::Sender<Datagram>,
    dht: mpsc::Sender<Datagram>,
}

impl Fork {
    fn hand_over(&self, from: SocketAddr, bytes: &[u8]) {
        let Some(protocol) = Protocol::of(bytes) else { return };
        let queue = match protocol {
            Protocol::Tracker => &self.tracker,
            Protocol::Dht => &self.dht,
        };
        if let Ok(place) = queue.try_reserve() {
            place.send(Datagram { from, bytes: Bytes::copy_from_slice(bytes) });
        }
    }
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
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    receiving: AbortHandle,
}

impl UdpSockets {
    /// No socket yet; the loops of those to come run on `runtime`.
    pub fn new(runtime: Handle) -> (Self, Takers) {
        let (to_tracker, tracker) = mpsc::channel(TRACKER_REPLIES);
        let (to_dht, dht) = mpsc::channel(DHT_MESSAGES);
        let fork = Fork { tracker: to_tracker, dht: to_dht };
        let state = Mutex::new(Some(State { fork, open: Vec::new() }));
        let inner = Arc::new(Inner { runtime, state });
        (Self { inner }, Takers { tracker, dht })
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
        let socket = match open(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!(%address, "this UDP port is taken, using another");
                open(SocketAddr::new(address.ip(), 0))?
            }
            other => other?,
        };
        let address = socket.local_addr()?;
        let socket = Arc::new(socket);
        let mut state = self.lock();
        let Some(state) = &mut *state else { return Err(io::ErrorKind::NotConnected.into()) };
        let receiving = receive(socket.clone(), state.fork.clone());
        let receiving = self.inner.runtime.spawn(receiving).abort_handle();
        state.open.push(Open { socket, address, receiving });
        Ok(address)
    }

    /// Whether addresses of this one's family can be sent to.
    pub fn can_reach(&self, to: &SocketAddr) -> bool {
        self.socket_for(to).is_some()
    }

    /// The port that somebody at this address sees us at, unless there is something in between.
    pub fn port(&self, to: &SocketAddr) -> Option<u16> {
        let state = self.lock();
        let open = state.as_ref()?.open.iter().find(|open| open.address.is_ipv4() == to.is_ipv4());
        open.map(|open| open.address.port())
    }

    /// Sends one datagram from the first socket of the family.
    ///
    /// # Errors
    /// No socket of the family, no route, or the system's word that the host does not take it.
    pub async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let socket = self.socket_for(&to).ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.send_to(bytes, to).await.map(drop)
    }

    /// Closes all sockets for good. Nothing is received or sent afterwards, and takers see the end.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn at(&self, address: SocketAddr) -> Option<SocketAddr> {
        let state = self.lock();
        let open = state.as_ref()?.open.iter().find(|open| open.address.ip() == address.ip());
        open.map(|open| open.address)
    }

    fn socket_for(&self, to: &SocketAddr) -> Option<Arc<UdpSocket>> {
        let state = self.lock();
        let open = state.as_ref()?.open.iter().find(|open| open.address.is_ipv4() == to.is_ipv4());
        open.map(|open| open.socket.clone())
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

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own; without this the two could not share a port.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

async fn receive(socket: Arc<UdpSocket>, fork: Fork) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => fork.hand_over(from, &buffer[..length]),
            Err(error) => {
                tracing::debug!(%error, "cannot receive, pausing");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn loopback(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    async fn next(taker: &mut mpsc::Receiver<Datagram>) -> Datagram {
        timeout(PATIENCE, taker.recv()).await.unwrap().unwrap()
    }

    #[test]
    fn the_first_byte_tells_whose_it_is() {
        for action in 0..4_u32 {
            assert_eq!(Protocol::of(&action.to_be_bytes()), Some(Protocol::Tracker));
        }
        assert_eq!(Protocol::of(b"d1:ad2:id"), Some(Protocol::Dht));
        // uTP headers begin with 0x01 to 0x41.
        for other in [&b""[..], b"\x01", b"\x41", b"l", b"\xff"] {
            assert_eq!(Protocol::of(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn both_families_share_a_port_and_a_taker() {
        let (sockets, mut takers) = UdpSockets::new(Handle::current());
        let v4 = sockets.bind(loopback("127.0.0.1:0")).unwrap();
        let v6 = sockets.bind(SocketAddr::new(loopback("[::1]:0").ip(), v4.port())).unwrap();
        assert_eq!(v4.port(), v6.port());
        for (own, at) in [("127.0.0.1:0", v4), ("[::1]:0", v6)] {
            let stranger = UdpSocket::bind(loopback(own)).await.unwrap();
            // What belongs to nobody is dropped on the way.
            stranger.send_to(b"nobody's", at).await.unwrap();
            stranger.send_to(b"\0\0\0\x01 reply", at).await.unwrap();
            let got = next(&mut takers.tracker).await;
            assert_eq!((got.from, &got.bytes[4..]), (stranger.local_addr().unwrap(), &b" reply"[..]));
            sockets.send(got.from, b"answer").await.unwrap();
            let mut answer = [0; 16];
            let (length, from) = timeout(PATIENCE, stranger.recv_from(&mut answer)).await.unwrap().unwrap();
            assert_eq!((&answer[..length], from), (&b"answer"[..], at));
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_replaced_and_a_family_without_socket_is_an_error() {
        let taken = UdpSocket::bind(loopback("127.0.0.1:0")).await.unwrap().local_addr().unwrap();
        let holder = UdpSocket::bind(taken).await.unwrap();
        let (sockets, _takers) = UdpSockets::new(Handle::current());
        let bound = sockets.bind(holder.local_addr().unwrap()).unwrap();
        assert_ne!(bound.port(), taken.port());
        assert_eq!(sockets.bind(taken).unwrap(), bound, "one socket per address");
        assert!(sockets.can_reach(&taken) && !sockets.can_reach(&loopback("[::1]:1")));
        let error = sockets.send(loopback("[::1]:1"), b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(sockets.bind(loopback("11.255.255.1:0")).is_err());
    }

    #[tokio::test]
    async fn a_full_queue_loses_datagrams_and_nothing_else() {
        let (sockets, mut takers) = UdpSockets::new(Handle::current());
        let from = loopback("127.0.0.1:9");
        let fork = sockets.lock().as_ref().unwrap().fork.clone();
        for n in 0..TRACKER_REPLIES + 100 {
            fork.hand_over(from, &[0, n as u8]);
        }
        for n in 0..TRACKER_REPLIES {
            assert_eq!(takers.tracker.try_recv().unwrap().bytes[1], n as u8);
        }
        assert!(takers.tracker.try_recv().is_err());
    }

    #[tokio::test]
    async fn closing_frees_the_port_and_ends_the_takers() {
        let (sockets, mut takers) = UdpSockets::new(Handle::current());
        let address = sockets.bind(loopback("127.0.0.1:0")).unwrap();
        sockets.close();
        assert!(sockets.bind(loopback("127.0.0.1:0")).is_err(), "closed for good");
        assert!(timeout(PATIENCE, takers.tracker.recv()).await.unwrap().is_none());
        assert!(UdpSocket::bind(address).await.is_ok());
    }
}
