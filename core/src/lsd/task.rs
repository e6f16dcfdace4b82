//! The task that says and hears which torrents are on our own network (BEP 14): one socket per family that
//! takes part in the group on all interfaces, and one per address of ours that says something there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::hearing::is_local;
use super::{GROUP_V4, GROUP_V6, Hearing, MAX_MESSAGE, PORT, Schedule, Search, group};
use crate::net::bind::{Binding, Way};
use crate::net::interfaces::{Interface, Interfaces};
use crate::net::scope::Scope;
use crate::registrations::{Found, Registration, Registrations};
use crate::stats::PeerSource;
use crate::types::InfoHash;

/// A socket that cannot be read from, or be opened, is tried again after that.
const PAUSE: Duration = Duration::from_secs(30);

/// Hops that a message makes: none, as it is for our own network.
const HOPS: u32 = 1;

/// The door to the task. Clones share it. One that was switched off takes what it is given and answers nothing.
#[derive(Clone, Debug, Default)]
pub struct Lsd {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    torrents: Registrations<()>,
    /// Our addresses that say something on their networks.
    voices: AtomicUsize,
}

/// A torrent that is told of; dropping it ends that.
pub type LsdRegistration = Registration<()>;

/// What the task needs.
pub struct Setup {
    /// The interfaces of this machine, as they change.
    pub interfaces: watch::Receiver<Interfaces>,
    /// By which of them all leaves.
    pub binding: Binding,
    /// Where peers may call us: nothing is said on other addresses.
    pub listen: Vec<SocketAddr>,
    /// The port at which they can over IPv4, or IPv6; `None` while they cannot.
    pub port: Box<dyn Fn(bool) -> Option<u16> + Send>,
    /// Changes when they can again, or elsewhere.
    pub moved: watch::Receiver<Option<u16>>,
    /// The engine is shutting down.
    pub stopping: watch::Receiver<bool>,
}

impl Lsd {
    /// The door to a task that [`run`] is to be called for.
    pub fn new() -> Self {
        Self { inner: Some(Arc::default()) }
    }

    /// Whether there is a task.
    pub const fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Whether there is a network to say something on.
    pub fn has_network(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.voices.load(Ordering::Relaxed) > 0)
    }

    /// Has a torrent told of for as long as the registration lives. Peers come to `found`; what does not fit
    /// there is lost.
    pub fn register(&self, info_hash: InfoHash, found: Found) -> Option<LsdRegistration> {
        Some(self.inner.as_ref()?.torrents.register(info_hash, (), found))
    }

    /// Torrents that are told of.
    #[cfg(test)]
    pub(crate) fn registered(&self) -> Vec<InfoHash> {
        let all = self.inner.as_ref().map(|inner| inner.torrents.all()).unwrap_or_default();
        all.into_iter().map(|(hash, ())| hash).collect()
    }
}

impl Inner {
    fn carry_over(&self, now: std::time::Instant, schedule: &mut Schedule) {
        for (info_hash, wish) in self.torrents.take_changed() {
            match wish {
                Some(()) => schedule.add(now, info_hash),
                None => schedule.remove(&info_hash),
            }
        }
    }
}

/// Runs until the engine stops.
pub async fn run(lsd: Lsd, setup: Setup) {
    let Some(inner) = lsd.inner else { return };
    let Setup { mut interfaces, binding, listen, port, mut moved, mut stopping } = setup;
    let cookie = format!("{:08x}", rand::random::<u32>()).into_bytes();
    let (mut schedule, mut hearing) = (Schedule::default(), Hearing::default());
    let mut sockets = Sockets::open(&interfaces.borrow_and_update(), &listen, binding.way());
    inner.voices.store(sockets.voices.len(), Ordering::Relaxed);
    let mut buffers = [[0; MAX_MESSAGE + 1]; 2];
    let (mut retry, mut watches) = (Instant::now() + PAUSE, true);
    loop {
        let mut reopen = false;
        // Nobody is told of where nobody can call.
        let ports = [false, true].map(&port);
        let speaks = sockets.voices.iter().any(|(v6, _)| ports[usize::from(*v6)].is_some());
        let due = schedule.next_due().filter(|_| speaks);
        let due = due.map_or(retry, |due| retry.min(Instant::from_std(due)));
        let [v4, v6] = &sockets.ears;
        let [buffer_v4, buffer_v6] = &mut buffers;
        let heard = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            changed = interfaces.changed(), if watches => {
                (reopen, watches) = (changed.is_ok(), changed.is_ok());
                None
            }
            Ok(()) = moved.changed() => None,
            () = inner.torrents.changed() => {
                inner.carry_over(Instant::now().into_std(), &mut schedule);
                None
            }
            (length, from) = hear(v4.as_ref(), buffer_v4) => Some((&buffer_v4[..length], from)),
            (length, from) = hear(v6.as_ref(), buffer_v6) => Some((&buffer_v6[..length], from)),
            () = sleep_until(due) => None,
        };
        let now = Instant::now();
        if let Some((datagram, from)) = heard {
            let interfaces = interfaces.borrow();
            for info_hash in
                on_heard(&inner, now.into_std(), &mut hearing, &cookie, datagram, from, &interfaces)
            {
                schedule.answer(now.into_std(), &info_hash);
            }
        }
        if reopen || (now >= retry && sockets.lacks_some) {
            sockets = Sockets::open(&interfaces.borrow_and_update(), &listen, binding.way());
            inner.voices.store(sockets.voices.len(), Ordering::Relaxed);
        }
        if now >= retry {
            retry = now + PAUSE;
        }
        if speaks && let Some(info_hash) = schedule.take(now.into_std()) {
            sockets.say(info_hash, ports, &cookie);
        }
    }
}

/// Somebody has said something: torrents of ours that they are new in.
fn on_heard(
    inner: &Inner,
    now: std::time::Instant,
    hearing: &mut Hearing,
    cookie: &[u8],
    datagram: &[u8],
    from: SocketAddr,
    interfaces: &[Interface],
) -> Vec<InfoHash> {
    let networks = || interfaces.iter().flat_map(Interface::networks);
    if !hearing.listens(now, from.ip()) || !is_local(from.ip(), networks()) {
        return Vec::new();
    }
    let search = Search::parse(datagram).filter(|search| search.cookie.as_deref() != Some(cookie));
    let Some(Search { port, mut info_hashes, .. }) = search else { return Vec::new() };
    // The address that it came from, with the interface it is on; the port that it names.
    let mut peer = from;
    peer.set_port(port);
    info_hashes.retain(|info_hash| {
        let is_news = inner.torrents.contains(info_hash) && hearing.is_news(now, *info_hash, peer);
        if is_news {
            inner.torrents.found(info_hash, PeerSource::Lsd, vec![peer]);
        }
        is_news
    });
    info_hashes
}

/// The next datagram; never, where there is no socket.
async fn hear(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> (usize, SocketAddr) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        match socket.recv_from(buffer).await {
            Ok(heard) => return heard,
            Err(error) => {
                tracing::debug!(%error, "cannot hear the own network, pausing");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What is open.
#[derive(Debug, Default)]
struct Sockets {
    /// Those that hear, IPv4 and IPv6.
    ears: [Option<UdpSocket>; 2],
    /// Those that say something, and whether over IPv6.
    voices: Vec<(bool, UdpSocket)>,
    /// Some could not be opened.
    lacks_some: bool,
}

impl Sockets {
    fn open(interfaces: &[Interface], listen: &[SocketAddr], way: Way) -> Self {
        let mut sockets = Self::default();
        for v6 in [false, true] {
            let on_way = |interface: &&Interface| way.has(v6) && way.leads_by(interface.index);
            let members: Vec<_> =
                interfaces.iter().filter(on_way).filter(|interface| interface.is_member(v6)).collect();
            if members.is_empty() || !listen.iter().any(|listens| listens.is_ipv6() == v6) {
                continue;
            }
            match open_ear(v6, &members, way) {
                Ok(ear) => sockets.ears[usize::from(v6)] = Some(ear),
                Err(error) => sockets.lacks(&error),
            }
            for interface in members {
                let Some(address) = way.source(v6).or_else(|| interface.voice(v6, listen)) else { continue };
                match open_voice(address, interface.index, way) {
                    Ok(voice) => sockets.voices.push((v6, voice)),
                    Err(error) => sockets.lacks(&error),
                }
            }
        }
        sockets
    }

    fn lacks(&mut self, error: &io::Error) {
        tracing::debug!(%error, "part of the own network is left out");
        self.lacks_some = true;
    }

    /// Tells of a torrent at these ports, over IPv4 and over IPv6.
    fn say(&self, info_hash: InfoHash, ports: [Option<u16>; 2], cookie: &[u8]) {
        for (v6, voice) in &self.voices {
            let Some(port) = ports[usize::from(*v6)] else { continue };
            let search = Search { port, info_hashes: vec![info_hash], cookie: Some(cookie.to_vec()) };
            // It is said again in five minutes.
            if let Err(error) = voice.try_send_to(&search.encode(*v6), group(*v6)) {
                tracing::trace!(%error, "not said on the own network");
            }
        }
    }
}

impl Interface {
    /// Its addresses with the bits of their masks.
    fn networks(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        self.addresses.iter().copied().zip(self.prefixes.iter().copied())
    }

    /// Whether the group of a family is worth being in here.
    fn is_member(&self, v6: bool) -> bool {
        let is_own = |ip: &IpAddr| ip.is_ipv6() == v6 && Scope::of(*ip) != Scope::Loopback;
        self.up && self.multicast && self.addresses.iter().any(is_own)
    }

    /// The address that others here are to call: one where we listen, and rather none that needs an interface
    /// beside it.
    fn voice(&self, v6: bool, listen: &[SocketAddr]) -> Option<IpAddr> {
        let listens = |ip: &IpAddr| {
            listen.iter().any(|at| at.ip() == *ip || (at.is_ipv6() == v6 && at.ip().is_unspecified()))
        };
        let own = self.addresses.iter().filter(|ip| ip.is_ipv6() == v6 && listens(ip));
        own.copied().min_by_key(|ip| Scope::of(*ip) == Scope::LinkLocal)
    }
}

/// A socket that hears what is said to the group on these interfaces, beside those of other programs. It is
/// bound to the group, so nothing else comes there.
fn open_ear(v6: bool, members: &[&Interface], way: Way) -> io::Result<UdpSocket> {
    let group = group(v6);
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))?;
    way.prepare(&socket, v6)?;
    socket.set_reuse_address(true)?;
    // What the others of a machine share a group by, where it is not Linux.
    #[cfg(not(target_os = "linux"))]
    socket.set_reuse_port(true)?;
    if v6 {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(group.ip(), PORT).into())?;
    let mut joined = Err(io::ErrorKind::AddrNotAvailable.into());
    for interface in members {
        let join = if v6 {
            socket.join_multicast_v6(&GROUP_V6, interface.index)
        } else {
            socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(interface.index))
        };
        // One that does not work keeps none of the others out.
        joined = joined.or(join);
    }
    joined?;
    UdpSocket::from_std(socket.into())
}

/// A socket that speaks from this address, on its interface.
fn open_voice(address: IpAddr, interface: u32, way: Way) -> io::Result<UdpSocket> {
    let mut from = SocketAddr::new(address, 0);
    if let SocketAddr::V6(from) = &mut from
        && Scope::of(address) == Scope::LinkLocal
    {
        from.set_scope_id(interface);
    }
    let socket = Socket::new(Domain::for_address(from), Type::DGRAM, Some(Protocol::UDP))?;
    way.prepare(&socket, from.is_ipv6())?;
    socket.set_nonblocking(true)?;
    match address {
        IpAddr::V4(ip) => {
            socket.set_multicast_if_v4(&ip)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            // Two clients on one machine find each other.
            socket.set_multicast_loop_v4(true)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(interface)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    socket.bind(&from.into())?;
    UdpSocket::from_std(socket.into())
}
