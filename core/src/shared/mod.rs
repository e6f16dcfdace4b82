//! What all sessions borrow and none owns: runtime, disk, listeners, resolver, bandwidth, bans, totals.
//!
//! The number of borrowers is the `Arc`'s own count. What a session registers comes back as a guard
//! that takes it back on drop.

mod bans;
mod binding;
mod connections;
mod deal;
mod dht;
mod dials;
mod goodbyes;
mod incoming;
mod interfaces;
mod lsd;
mod place;
mod portmap;
mod registry;
mod settings;
mod slots;
mod tasks;
mod totals;
mod turnover;
mod turns;
mod unsaved;
mod web;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use self::bans::SharedBans;
pub use self::connections::ConnectionPermit;
use self::connections::Connections;
pub use self::deal::DialTicket;
use self::dials::Dials;
pub use self::goodbyes::Goodbyes;
use self::interfaces::Lookout;
pub use self::registry::{Door, Registration, Registry};
use self::slots::Slots;
pub use self::tasks::Tasks;
use self::turnover::Turnover;
pub(crate) use self::turns::Seat;
use self::turns::Turns;
use crate::bandwidth::Limiter;
use crate::config::Config;
use crate::dht::task::Dht;
use crate::disk::{Backend, Disk, System};
use crate::error::Error;
use crate::event::EventBus;
use crate::lsd::task::Lsd;
use crate::net::bind::Binding;
use crate::net::outside::Outside;
use crate::net::race::Ways;
use crate::net::resolver::Resolver;
use crate::net::udp::UdpSockets;
use crate::resume::{Saved, StateStore};
use crate::settings::GlobalSettings;
use crate::stats::{GlobalStats, MappingStats, StatsBoard, Transport};
use crate::tracker::{TrackerOptions, Trackers};
use crate::types::LinkId;
use crate::untrusted::Untrusted;
use crate::utp::task::Utp;

/// Names looked up at once: each may hang for seconds, and private trackers are few per person.
const RESOLVER_THREADS: usize = 4;

/// Threads for links and sessions at most; fewer where there are fewer cores.
const MAX_WORKERS: usize = 8;

/// What the engine needs beyond the announces to end in good order.
const GRACE: Duration = Duration::from_secs(2);

/// What the disk and the runtime get at least, each, where all the time is used up.
const LAST_GRACE: Duration = Duration::from_millis(200);

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
    dht: Dht,
    lsd: Lsd,
    interfaces: Lookout,
    utp: Utp,
    registry: Arc<Registry>,
    bans: SharedBans,
    store: Option<StateStore>,
    /// What the last run kept, until the manager takes it.
    saved: Mutex<Vec<Saved>>,
    next_link: AtomicU64,
    connections: Arc<Connections>,
    turnover: Mutex<Turnover>,
    half_open: Arc<Semaphore>,
    dials: Mutex<Dials>,
    slots: Mutex<Slots>,
    turns: Arc<Turns>,
    outside: Mutex<Outside>,
    up: Limiter,
    down: Limiter,
    /// What a person decided for all torrents together. Its lock is held to copy or to
    /// change it; within it only locks of limiters, of the queue and of the store are taken.
    settings: watch::Sender<GlobalSettings>,
    /// Addresses that accept peers, and why one does not.
    listening: watch::Sender<Listening>,
    /// What gateways let in.
    mapping: Mutex<MappingStats>,
    /// What all that leaves is bound to.
    binding: Binding,
    incoming_seen: AtomicBool,
    /// The port at which peers can call, for those who must tell it.
    port: watch::Sender<Option<u16>>,
    goodbyes: Goodbyes,
    stopping: watch::Sender<bool>,
    /// Until then trackers may hear that we leave; set when the engine begins to shut down.
    goodbyes_end: OnceLock<Instant>,
}

/// Where peers can call us.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// Addresses that accept peers.
    pub addresses: Vec<SocketAddr>,
    /// Those that take datagrams.
    pub udp: Vec<SocketAddr>,
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
        Self::start_over(config, Arc::new(System))
    }

    /// The same on another disk.
    pub(crate) fn start_over(config: Config, backend: Arc<dyn Backend>) -> Result<Arc<Self>, Error> {
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
        let (threads, buffer) = (config.disk_threads, config.disk_buffer);
        let disk =
            Disk::with_backend(backend, threads, buffer, config.max_open_files).map_err(Error::Start)?;
        disk.reserve_room(config.reserve_room);
        disk.use_part_names(config.part_names);
        let (lookout, binding) = binding::start(&config).map_err(Error::Start)?;
        let stub = binding::stub(&config, &binding);
        let resolver = Resolver::start(RESOLVER_THREADS, stub).map_err(Error::Start)?;
        let (udp, takers) = UdpSockets::bound(handle.clone(), binding.clone());
        let options = TrackerOptions {
            stop_deadline: config.stop_timeout,
            allow_inward_peers: config.allow_inward_peers,
            sources: [false, true].map(|v6| config.source(v6)),
            binding: binding.clone(),
        };
        let trackers = Trackers::start(&handle, resolver.clone(), udp.clone(), takers.tracker, options)
            .map_err(|error| Error::Start(std::io::Error::other(error)))?;
        let mut settings = store.as_ref().and_then(StateStore::kept_settings).cloned().unwrap_or_default();
        settings.speed.down = config.download_limit.or(settings.speed.down);
        settings.speed.up = config.upload_limit.or(settings.speed.up);
        if config.download_limit.is_some() || config.upload_limit.is_some() {
            settings.use_alternative = false;
        }
        settings.seed_ratio = config.seed_ratio.or(settings.seed_ratio);
        settings.seed_time = config.seed_time.or(settings.seed_time);
        settings.max_connections = config.max_connections.unwrap_or(settings.max_connections).max(1);
        settings.max_peers = config.max_peers.unwrap_or(settings.max_peers).max(1);
        settings.upload_slots = config.upload_slots.unwrap_or(settings.upload_slots);
        settings.active.downloads = config.max_active_downloads.unwrap_or(settings.active.downloads);
        settings.active.seeds = config.max_active_seeds.unwrap_or(settings.active.seeds);
        settings.encryption = config.encryption.unwrap_or(settings.encryption);
        let order = store.as_ref().map(StateStore::take_order).unwrap_or_default();
        let speed = settings.speed_now();
        let shared = Arc::new(Self {
            dht: if config.dht.is_some() { Dht::new(udp.clone()) } else { Dht::default() },
            lsd: if config.lsd { Lsd::new() } else { Lsd::default() },
            interfaces: lookout,
            utp: if config.utp { Utp::new(udp.clone()) } else { Utp::default() },
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
            connections: Connections::new(
                settings::most_connections(&config, &settings),
                settings.max_peers as usize,
            ),
            turnover: Mutex::default(),
            half_open: Arc::new(Semaphore::new(config.max_half_open)),
            dials: Mutex::default(),
            slots: Mutex::new(Slots::new(settings.upload_slots as usize, config.slots_per_torrent)),
            turns: Turns::new(&settings, config.slow_after, order),
            outside: Mutex::default(),
            up: Limiter::new(speed.up),
            down: Limiter::new(speed.down),
            settings: watch::Sender::new(settings),
            listening: watch::Sender::default(),
            mapping: Mutex::default(),
            binding,
            incoming_seen: AtomicBool::new(false),
            port: watch::Sender::new(None),
            goodbyes: Goodbyes::default(),
            stopping: watch::Sender::new(false),
            goodbyes_end: OnceLock::new(),
            config,
        });
        if let (Some(store), Some(dir)) = (&shared.store, &shared.config.state_dir) {
            let (hub, dir) = (shared.hub.clone(), Untrusted::new(dir.to_string_lossy()));
            store.on_trouble(move |error| unsaved::tell(&hub, &dir, error));
        }
        incoming::listen(&shared, takers.utp);
        dht::start(&shared, takers.dht);
        lsd::start(&shared);
        portmap::start(&shared);
        totals::keep(&shared);
        turns::keep(&shared);
        Ok(shared)
    }

    /// Ends everything in order, within `stop_timeout` and two seconds: no more peers are let in,
    /// sessions tell their trackers, the disk drains, records are saved. Blocks: not for async code.
    pub fn shutdown(&self) {
        let Some(handle) = self.begin_stopping() else { return };
        let end = self.goodbyes_end() + GRACE;
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
        let _ = handle.block_on(async { tokio::time::timeout_at(end, ended).await });
        // After the good-byes to UDP trackers.
        self.udp.close();
        self.disk.shutdown(end.saturating_duration_since(Instant::now()).max(LAST_GRACE));
        turns::save(self);
        if let Some(store) = &self.store {
            store.close();
        }
        self.resolver.shutdown();
        self.interfaces.end();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(LAST_GRACE);
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

    /// Trackers do not hear from us after that: one moment for all, however late the last session comes to
    /// say good-bye.
    pub fn goodbyes_end(&self) -> Instant {
        if self.is_stopping() {
            *self.goodbyes_end.get_or_init(|| Instant::now() + self.config.stop_timeout)
        } else {
            Instant::now() + self.config.stop_timeout
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

    /// The DHT.
    pub const fn dht(&self) -> &Dht {
        &self.dht
    }

    /// Torrents on our own network.
    pub const fn lsd(&self) -> &Lsd {
        &self.lsd
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

    /// How peers are called: over this first.
    pub fn ways(&self, first: Transport) -> Ways {
        Ways { tcp: self.config.tcp, utp: self.utp.clone(), first }
    }

    /// Trackers that have yet to hear that we leave.
    pub const fn goodbyes(&self) -> &Goodbyes {
        &self.goodbyes
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
