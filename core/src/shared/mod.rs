//! What all sessions borrow and none owns: runtime, disk, listeners, resolver, bandwidth, bans, totals.
//!
//! The number of borrowers is the `Arc`'s own count. What a session registers comes back as a guard
//! that takes it back on drop.

mod bans;
mod connections;
mod deal;
mod dials;
mod goodbyes;
mod incoming;
mod outside;
mod registry;
mod slots;
mod tasks;
mod totals;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, watch};

use self::bans::SharedBans;
pub use self::connections::ConnectionPermit;
use self::connections::Connections;
pub use self::deal::DialTicket;
use self::dials::Dials;
pub use self::goodbyes::Goodbyes;
use self::outside::Outside;
pub use self::registry::{Door, Registration, Registry};
use self::slots::Slots;
pub use self::tasks::Tasks;
use crate::bandwidth::Limiter;
use crate::config::Config;
use crate::disk::Disk;
use crate::error::Error;
use crate::event::EventBus;
use crate::net::resolver::Resolver;
use crate::net::udp::UdpSockets;
use crate::resume::{Saved, StateStore};
use crate::stats::{GlobalStats, StatsBoard};
use crate::tracker::{TrackerOptions, Trackers};
use crate::types::LinkId;
use crate::untrusted::Untrusted;

/// Names looked up at once: each may hang for seconds, and private trackers are few per person.
const RESOLVER_THREADS: usize = 4;

/// Threads for links and sessions at most; fewer where there are fewer cores.
const MAX_WORKERS: usize = 8;

/// What the engine needs beyond the announces to end in good order.
const GRACE: Duration = Duration::from_secs(2);

/// How often the number of trackers that are left is shown, so that a thousand answers are a few frames.
const GOODBYES_EVERY: Duration = Duration::from_millis(100);

/// The common parts of one engine.
#[derive(Debug)]
pub struct SharedResources {
    config: Config,
    /// Ours to end, unless the embedder brought one.
    runtime: Mutex<Option<Runtime>>,
    tasks: Tasks,
    disk: Disk,
    hub: Arc<EventBus>,
    board: Arc<StatsBoard>,
    resolver: Resolver,
    udp: UdpSockets,
    trackers: Trackers,
    registry: Arc<Registry>,
    bans: SharedBans,
    store: Option<StateStore>,
    /// What the last run kept, until the manager takes it.
    saved: Mutex<Vec<Saved>>,
    next_link: AtomicU64,
    connections: Arc<Connections>,
    half_open: Arc<Semaphore>,
    dials: Mutex<Dials>,
    slots: Mutex<Slots>,
    outside: Mutex<Outside>,
    up: Limiter,
    down: Limiter,
    /// Addresses that accept peers, and why one does not.
    listening: Mutex<Listening>,
    incoming_seen: AtomicBool,
    /// The port at which peers can call, for those who must tell it.
    port: watch::Sender<Option<u16>>,
    goodbyes: Goodbyes,
    stopping: watch::Sender<bool>,
}

/// Where peers can call us.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// Addresses that accept peers.
    pub addresses: Vec<SocketAddr>,
    /// Why a wanted one does not.
    pub error: Option<Untrusted>,
}

impl SharedResources {
    /// Starts threads, runtime and listeners. An address that is taken does not fail the start: it is
    /// told as `listen.failed` and tried again.
    ///
    /// # Errors
    /// No thread or runtime can be started, or the state folder cannot be used.
    pub fn start(config: Config) -> Result<Arc<Self>, Error> {
        let (store, saved, problems) = match &config.state_dir {
            Some(dir) => {
                let (store, saved, problems) = StateStore::open(dir)?;
                (Some(store), saved, problems)
            }
            None => (None, Vec::new(), Vec::new()),
        };
        for problem in &problems {
            tracing::warn!(problem = %Untrusted::from(problem.as_str()), "state");
        }
        let (runtime, handle) = match &config.runtime {
            Some(handle) => (None, handle.clone()),
            None => {
                let runtime = new_runtime().map_err(Error::Start)?;
                let handle = runtime.handle().clone();
                (Some(runtime), handle)
            }
        };
        let disk = Disk::start(config.disk_threads, config.disk_buffer, config.max_open_files)
            .map_err(Error::Start)?;
        let resolver = Resolver::start(RESOLVER_THREADS).map_err(Error::Start)?;
        let (udp, takers) = UdpSockets::new(handle.clone());
        let options = TrackerOptions {
            stop_deadline: config.stop_timeout,
            allow_inward_peers: config.allow_inward_peers,
        };
        let trackers = Trackers::start(&handle, resolver.clone(), udp.clone(), takers.tracker, options)
            .map_err(|error| Error::Start(std::io::Error::other(error)))?;
        let shared = Arc::new(Self {
            udp,
            trackers,
            runtime: Mutex::new(runtime),
            tasks: Tasks::new(handle),
            disk,
            hub: EventBus::hub(),
            board: Arc::default(),
            resolver,
            registry: Arc::default(),
            bans: SharedBans::resume(store.as_ref().map(StateStore::take_bans).unwrap_or_default()),
            store,
            saved: Mutex::new(saved),
            next_link: AtomicU64::new(1),
            connections: Connections::new(config.max_connections, config.max_connections_per_torrent),
            half_open: Arc::new(Semaphore::new(config.max_half_open)),
            dials: Mutex::default(),
            slots: Mutex::new(Slots::new(config.upload_slots_total, config.upload_slots)),
            outside: Mutex::default(),
            up: Limiter::new(config.upload_limit),
            down: Limiter::new(config.download_limit),
            listening: Mutex::default(),
            incoming_seen: AtomicBool::new(false),
            port: watch::Sender::new(None),
            goodbyes: Goodbyes::default(),
            stopping: watch::Sender::new(false),
            config,
        });
        incoming::listen(&shared);
        totals::keep(&shared);
        Ok(shared)
    }

    /// Ends everything in order, within `stop_timeout` and two seconds: no more peers are let in,
    /// sessions tell their trackers, the disk drains, records are saved. Blocks: not for async code.
    pub fn shutdown(&self) {
        let Some(handle) = self.begin_stopping() else { return };
        let patience = self.config.stop_timeout + GRACE;
        // A name server that hangs must not hold up the exit: every tracker that heard of us has a known
        // address.
        self.resolver.only_known();
        // Links, announces and sessions end by themselves when `stopping` is set.
        let ended = async {
            tokio::select! {
                () = self.tasks.ended() => {}
                () = self.show_goodbyes() => {}
            }
        };
        let _ = handle.block_on(async { tokio::time::timeout(patience, ended).await });
        // After the good-byes to UDP trackers.
        self.udp.close();
        self.disk.shutdown();
        if let Some(store) = &self.store {
            store.close();
        }
        self.resolver.shutdown();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(GRACE);
        }
    }

    /// Keeps the number of trackers that have yet to hear that we leave on the board, without end.
    async fn show_goodbyes(&self) {
        let mut left = self.goodbyes.left();
        loop {
            let goodbyes = *left.borrow_and_update() as u32;
            self.board.pin_global(GlobalStats { goodbyes, ..(*self.board.global()).clone() });
            // The sender is `self`: it cannot be gone while we wait.
            let _ = left.changed().await;
            tokio::time::sleep(GOODBYES_EVERY).await;
        }
    }

    fn begin_stopping(&self) -> Option<Handle> {
        let first = self.stopping.send_if_modified(|stopping| !std::mem::replace(stopping, true));
        first.then(|| self.tasks.runtime().clone())
    }

    /// What the embedder decided.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// All sessions' events.
    pub const fn hub(&self) -> &Arc<EventBus> {
        &self.hub
    }

    /// All sessions' snapshots.
    pub const fn board(&self) -> &Arc<StatsBoard> {
        &self.board
    }

    /// The disk's threads.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Every task of the engine.
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Where incoming peers find their session.
    pub const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Trackers of every kind.
    pub const fn trackers(&self) -> &Trackers {
        &self.trackers
    }

    /// What outlives the run; `None`: nothing does.
    pub const fn store(&self) -> Option<&StateStore> {
        self.store.as_ref()
    }

    /// What the last run kept; given once.
    pub fn take_saved(&self) -> Vec<Saved> {
        std::mem::take(&mut *self.saved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What may go out, over all torrents.
    pub const fn up(&self) -> &Limiter {
        &self.up
    }

    /// What may come in, over all torrents.
    pub const fn down(&self) -> &Limiter {
        &self.down
    }

    /// A name for a new link.
    pub fn new_link(&self) -> LinkId {
        LinkId(self.next_link.fetch_add(1, Ordering::Relaxed))
    }

    /// The address to dial from: the one that is listened on, if a particular one was asked for.
    pub fn source_for(&self, target: &SocketAddr) -> Option<IpAddr> {
        let same = |address: &&SocketAddr| address.is_ipv4() == target.is_ipv4();
        let address = self.config.listen.iter().find(same)?;
        (!address.ip().is_unspecified()).then_some(address.ip())
    }

    /// The port that peers can call; `None` while none can.
    pub fn port(&self) -> Option<u16> {
        *self.port.borrow()
    }

    /// Peers can call at this port, as far as sessions know.
    #[cfg(test)]
    pub(crate) fn pretend_port(&self, port: u16) {
        self.port.send_replace(Some(port));
    }

    /// Tells when peers can call at another port.
    pub fn port_changes(&self) -> watch::Receiver<Option<u16>> {
        self.port.subscribe()
    }

    /// Whether this is our own address, as far as it is known.
    pub fn is_us(&self, address: &SocketAddr) -> bool {
        if self.port() != Some(address.port()) {
            return false;
        }
        let ip = address.ip().to_canonical();
        self.outside(ip.is_ipv6()) == Some(ip) || self.config.listen.iter().any(|listens| listens.ip() == ip)
    }

    /// Trackers that have yet to hear that we leave.
    pub const fn goodbyes(&self) -> &Goodbyes {
        &self.goodbyes
    }

    /// Where peers can call.
    pub fn listening(&self) -> Listening {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells when the engine begins to shut down.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Whether the engine is shutting down.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

impl Drop for SharedResources {
    fn drop(&mut self) {
        // An engine that was dropped without a word still ends its runtime, off any async thread.
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

fn new_runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKERS))
        .thread_name("tc-net")
        .enable_all()
        .build()
}
