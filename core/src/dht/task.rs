//! The task between the sockets and those who want something of the DHT: carries out what the node decides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::id::Family;
use super::node::{Event, Node, Options};
use super::saved::Saved;
use super::schedule::Wish;
use crate::config::DHT_ROUTERS;
use crate::net::resolver::Resolver;
use crate::net::udp::{Datagram, UdpSockets};
use crate::registrations::{Found, Registration, Registrations};
use crate::stats::{DhtStats, PeerSource};
use crate::types::InfoHash;

/// How often what the node knows is kept, beside the end of the run.
const KEEP: Duration = Duration::from_secs(10 * 60);

/// Where a NAT would be, if there is one.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How often figures are gathered.
const FIGURES: Duration = Duration::from_secs(1);

/// Nodes of peers that wait to be met. More are met elsewhere.
const MAX_MET: usize = 64;

/// The door to the node. Clones share it. One that was switched off takes what it is given and answers
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Dht {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    sockets: UdpSockets,
    torrents: Registrations<Wish>,
    /// A leaf lock, held for a look or a change.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    met: Vec<SocketAddr>,
    stats: DhtStats,
}

/// A torrent that has its turns; dropping it ends them.
pub type DhtRegistration = Registration<Wish>;

/// What the task needs.
pub struct Setup {
    /// Datagrams for it.
    pub datagrams: mpsc::Receiver<Datagram>,
    /// For names of those to begin with.
    pub resolver: Resolver,
    /// `HOST:PORT` of nodes to begin with.
    pub bootstrap: Vec<String>,
    /// For the node.
    pub options: Options,
    /// What the last run knew.
    pub saved: Saved,
    /// Whether peers can call over uTP, which shares the port.
    pub utp: bool,
    /// The port at which peers can call us.
    pub port: watch::Receiver<Option<u16>>,
    /// The engine is shutting down.
    pub stopping: watch::Receiver<bool>,
    /// Takes what the next run should know.
    pub keep: Box<dyn Fn(Saved) + Send>,
    /// Is told when a family can be searched: which, and how many nodes are good.
    pub ready: Box<dyn Fn(Family, u32) + Send>,
}

impl Dht {
    /// The door to a node that [`run`] is to be called for.
    pub fn new(sockets: UdpSockets) -> Self {
        let (torrents, state) = Default::default();
        Self { inner: Some(Arc::new(Inner { sockets, torrents, state })) }
    }

    /// Whether there is a node.
    pub const fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// The port of our node for somebody at this address (BEP 5, PORT).
    pub fn port(&self, to: &SocketAddr) -> Option<u16> {
        self.inner.as_ref()?.sockets.port(to)
    }

    /// Gives a torrent its turns for as long as the registration lives. Peers come to `found`; what does not
    /// fit there is lost.
    pub fn register(&self, info_hash: InfoHash, wish: Wish, found: Found) -> Option<DhtRegistration> {
        Some(self.inner.as_ref()?.torrents.register(info_hash, wish, found))
    }

    /// A peer says that there is a node.
    pub fn meet(&self, node: SocketAddr) {
        let Some(inner) = &self.inner else { return };
        let mut state = inner.lock();
        if state.met.len() < MAX_MET {
            state.met.push(node);
            drop(state);
            inner.torrents.wake();
        }
    }

    /// Torrents that have turns, and which of them are urgent.
    #[cfg(test)]
    pub(crate) fn registered(&self) -> Vec<(InfoHash, bool)> {
        let all = self.inner.as_ref().map(|inner| inner.torrents.all()).unwrap_or_default();
        all.into_iter().map(|(hash, wish)| (hash, wish.urgent)).collect()
    }

    /// How it does, as of a second ago.
    pub fn stats(&self) -> DhtStats {
        self.inner.as_ref().map(|inner| inner.lock().stats.clone()).unwrap_or_default()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Changes go in and out whole, so a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what was asked for since the last time.
    fn carry_over(&self, now: std::time::Instant, node: &mut Node) {
        for (info_hash, wish) in self.torrents.take_changed() {
            match wish {
                Some(wish) => node.add(now, info_hash, wish),
                None => node.remove(&info_hash),
            }
        }
        let met = std::mem::take(&mut self.lock().met);
        for met in met {
            node.meet(now, met);
        }
    }
}

type Resolving = Pin<Box<dyn Future<Output = Vec<(bool, SocketAddr)>> + Send>>;

/// Runs the node until the engine stops; what it knows is kept then.
pub async fn run(dht: Dht, setup: Setup) {
    let Some(inner) = dht.inner else { return };
    let Setup { mut datagrams, resolver, bootstrap, options, saved, utp, port, mut stopping, keep, ready } =
        setup;
    let clock = || Instant::now().into_std();
    let mut node = Node::new(clock(), rand::random(), options, &saved);
    drop(saved);
    let mut resolving: Option<Resolving> = None;
    let (mut keep_at, mut figures_at) = (Instant::now() + KEEP, Instant::now());
    loop {
        let due = Instant::from_std(node.next_due());
        // Whose question is answered now, and the address of ours that it came to.
        let mut asked = None;
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {
                keep(node.save());
                return;
            }
            datagram = datagrams.recv() => {
                let Some(Datagram { from, to, bytes }) = datagram else { return };
                node.received(clock(), from, &bytes);
                asked = Some((from, to));
            }
            () = inner.torrents.changed() => inner.carry_over(clock(), &mut node),
            found = resolved(&mut resolving) => {
                for routers in [false, true] {
                    let found = found.iter().filter(|(is_router, _)| *is_router == routers);
                    let found: Vec<_> = found.map(|(_, address)| *address).collect();
                    node.bootstrap(clock(), &found, routers);
                }
            }
            () = sleep_until(due) => {
                let port = *port.borrow();
                node.open(reachable(&inner.sockets), port);
                // Where a gateway lets peers in, that is at the port which it gave.
                node.imply_port(utp && port.is_some() && port == inner.sockets.port(&ANY));
                node.timeout(clock());
            }
        }
        for (to, datagram) in node.take_sends() {
            let leaves_from = asked.filter(|(asker, _)| *asker == to).and_then(|(_, came_to)| came_to);
            if let Err(error) = inner.sockets.send(to, leaves_from, &datagram).await {
                tracing::trace!(%to, %error, "not sent");
            }
        }
        for event in node.take_events() {
            match event {
                Event::Peers { info_hash, peers } => {
                    inner.torrents.found(&info_hash, PeerSource::Dht, peers);
                }
                Event::Ready(family) => ready(family, node.stats(clock()).good[family as usize]),
                Event::Lonely if resolving.is_none() && !bootstrap.is_empty() => {
                    resolving = Some(Box::pin(resolve(resolver.clone(), bootstrap.clone())));
                }
                Event::Announced { info_hash, family, nodes } => {
                    tracing::debug!(%info_hash, ?family, nodes, "announced");
                }
                Event::Lonely => {}
            }
        }
        let now = Instant::now();
        if now >= figures_at {
            figures_at = now + FIGURES;
            inner.lock().stats = node.stats(now.into_std());
        }
        if now >= keep_at {
            keep_at = now + KEEP;
            keep(node.save());
        }
    }
}

async fn resolved(resolving: &mut Option<Resolving>) -> Vec<(bool, SocketAddr)> {
    let Some(work) = resolving else { return std::future::pending().await };
    let found = work.await;
    *resolving = None;
    found
}

/// The addresses of nodes to begin with, and which of them are for that only.
async fn resolve(resolver: Resolver, bootstrap: Vec<String>) -> Vec<(bool, SocketAddr)> {
    let mut found = Vec::new();
    for name in &bootstrap {
        let Some((host, port)) = name.rsplit_once(':') else { continue };
        let Ok(port) = port.parse() else { continue };
        match resolver.resolve(host, port).await {
            Ok(addresses) => {
                let is_router = DHT_ROUTERS.contains(&name.as_str());
                found.extend(addresses.into_iter().map(|address| (is_router, address)));
            }
            Err(error) => tracing::debug!(name = %name.escape_debug(), %error, "no node to begin with"),
        }
    }
    found
}

fn reachable(sockets: &UdpSockets) -> [bool; 2] {
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        .map(|any| sockets.can_reach(&SocketAddr::new(any, 0)))
}
