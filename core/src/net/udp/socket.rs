//! One UDP socket, read and written many datagrams at a time: recvmmsg with GRO, sendmsg with GSO, where the
//! system has them.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Transmit;
use super::fork::Fork;
use crate::net::bind::Way;

/// What a buffer holds: the longest datagram, or as much as GRO puts together.
const BUFFER: usize = 1 << 16;

/// The longest payload of one system call that sends: a UDP datagram over IPv4.
const MAX_PAYLOAD: usize = 65_507;

/// What the kernel keeps for us while we are busy, in each direction, as far as it lets us have it
/// (`net.core.rmem_max`): 30 ms of a link of 1 Gbit/s.
const KERNEL_BUFFER: usize = 4 << 20;

/// After a receive error that is not about one datagram: a socket in such a state must not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that is bound.
#[derive(Debug)]
pub(super) struct BatchSocket {
    socket: UdpSocket,
    address: SocketAddr,
    /// For reading, and for datagrams that are sent one by one.
    state: UdpSocketState,
    /// For many at once. A state of its own, because one that is refused something for whatever reason never
    /// sends many at once again, and answers are sent to whom and from where others say.
    bulk: UdpSocketState,
}

impl BatchSocket {
    /// Must be called within a tokio runtime.
    pub(super) fn bind(address: SocketAddr, way: Way) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        way.prepare(&socket, address.is_ipv6())?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own; without this the two could not share a port.
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        let state = UdpSocketState::new((&socket).into())?;
        let bulk = UdpSocketState::new((&socket).into())?;
        for enlarged in [
            state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER),
            state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER),
        ] {
            if let Err(error) = enlarged {
                tracing::debug!(%error, "a UDP socket with the buffer that it has");
            }
        }
        let socket = UdpSocket::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, state, bulk })
    }

    /// Where it is.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends what can be sent without waiting; returns the bytes that have left, whole datagrams.
    pub(super) fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<usize> {
        self.socket.try_io(Interest::WRITABLE, || self.send_some(transmit))
    }

    /// Sends all, and waits while the kernel has no room.
    pub(super) async fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut rest = *transmit;
        loop {
            let sent = self.socket.async_io(Interest::WRITABLE, || self.send_some(&rest)).await?;
            rest.bytes = &rest.bytes[sent..];
            if rest.bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn send_some(&self, transmit: &Transmit<'_>) -> io::Result<usize> {
        let Transmit { bytes, segment, .. } = *transmit;
        let segment = segment.unwrap_or(usize::MAX).clamp(1, bytes.len().max(1));
        let mut sent = 0;
        while sent < bytes.len() || bytes.is_empty() {
            // What may be cut up goes one by one: what goes together is never cut up.
            let most = if transmit.may_fragment { 1 } else { self.bulk.max_gso_segments() };
            let together = most.min(MAX_PAYLOAD / segment).max(1) * segment;
            let rest = &bytes[sent..];
            let part = &rest[..together.min(rest.len())];
            let result = match self.send_part(transmit, part, segment) {
                // Without GSO after all, for all time or because this was too much for it.
                Err(error) if part.len() > segment && error.kind() != io::ErrorKind::WouldBlock => {
                    let first = &part[..segment];
                    self.send_part(transmit, first, segment).map(|()| segment)
                }
                result => result.map(|()| part.len()),
            };
            match result {
                Ok(bytes) => sent += bytes,
                // What left has left; the next call meets the same error.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
            }
            if bytes.is_empty() {
                break;
            }
        }
        Ok(sent)
    }

    /// One system call.
    fn send_part(&self, transmit: &Transmit<'_>, part: &[u8], segment: usize) -> io::Result<()> {
        let many = part.len() > segment;
        let _whole = transmit.may_fragment.then(|| Fragments::allow(self));
        let state = if many { &self.bulk } else { &self.state };
        let out = quinn_udp::Transmit {
            destination: transmit.to,
            ecn: None,
            contents: part,
            segment_size: many.then_some(segment),
            src_ip: transmit.from.filter(|_| self.address.ip().is_unspecified()),
        };
        state.try_send((&self.socket).into(), &out)
    }

    /// Otherwise as quinn-udp sets it: never cut up, and a path that was found too small before is tried again.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn set_fragments(&self, allowed: bool) {
        use nix::sys::socket::setsockopt;
        use nix::sys::socket::sockopt::Ipv6DontFrag;
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery as V4, Ipv6PathMtuDiscovery as V6, set_ip_mtu_discover,
            set_ipv6_mtu_discover,
        };
        let set = || {
            if self.address.is_ipv4() {
                return set_ip_mtu_discover(&self.socket, if allowed { V4::DONT } else { V4::PROBE });
            }
            setsockopt(&self.socket, Ipv6DontFrag, &!allowed)
                .map_err(|error| rustix::io::Errno::from_raw_os_error(error as i32))?;
            set_ipv6_mtu_discover(&self.socket, if allowed { V6::DONT } else { V6::PROBE })
        };
        if let Err(error) = set() {
            tracing::trace!(%error, allowed, "whether datagrams may be cut up is as it was");
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[expect(clippy::unused_self, reason = "elsewhere the system has no such switch for one socket")]
    fn set_fragments(&self, _allowed: bool) {}

    /// Reads until the end of the task.
    pub(super) async fn receive(&self, fork: Fork) {
        // The system gives pages of it only as they are written to.
        let mut memory = vec![0; BATCH_SIZE * BUFFER];
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut packets = Vec::new();
        loop {
            let read = self.socket.async_io(Interest::READABLE, || self.read(&mut memory, &mut metas)).await;
            let count = match read {
                Ok(count) => count,
                Err(error) if is_about_one_datagram(&error) => continue,
                Err(error) => {
                    tracing::debug!(%error, "cannot receive, pausing");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            for (meta, buffer) in metas[..count].iter().zip(memory.chunks(BUFFER)) {
                let to = self.came_to(meta.dst_ip);
                fork.sort(meta.addr, to, &buffer[..meta.len], meta.stride, &mut packets);
            }
            fork.hand_over(&mut packets);
        }
    }

    fn read(&self, memory: &mut [u8], metas: &mut [RecvMeta; BATCH_SIZE]) -> io::Result<usize> {
        let mut buffers = memory.chunks_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
        self.state.recv((&self.socket).into(), &mut slices, metas)
    }

    /// The address of ours that an answer can leave from.
    fn came_to(&self, destination: Option<IpAddr>) -> Option<IpAddr> {
        let own = Some(self.address.ip()).filter(|ip| !ip.is_unspecified());
        own.or(destination).map(|ip| ip.to_canonical()).filter(|ip| match ip {
            IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast() && !ip.is_unspecified(),
            IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
        })
    }
}

/// Whether the socket is as good as before. Some systems tell here that somebody did not take what was sent.
fn is_about_one_datagram(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    let told = [ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable];
    told.contains(&error.kind()) || quinn_udp::is_msg_size_err(error)
}

/// While this lives, what a socket sends may be cut up on its way. That goes for the socket, not for a datagram; one of
/// another connection that leaves in the same moment arrives all the same.
struct Fragments<'a>(&'a BatchSocket);

impl<'a> Fragments<'a> {
    fn allow(socket: &'a BatchSocket) -> Self {
        socket.set_fragments(true);
        Self(socket)
    }
}

impl Drop for Fragments<'_> {
    fn drop(&mut self) {
        self.0.set_fragments(false);
    }
}
