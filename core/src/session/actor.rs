//! The task of one session: takes every decision of its torrent, over plain fields.
//!
//! One closed list of inputs; deciding never awaits. What happens when two managers meet is written
//! in `on_*.rs`, one file per kind of input.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot, watch};

use super::control::{Control, Orders, Watch};
use super::files::FileProgress;
use super::links::LinkEntry;
use super::on_metadata::Judged;
use super::totals::Totals;
use super::{Torrent, Trouble};
use crate::bandwidth::Limiter;
use crate::dht::task::DhtRegistration;
use crate::download::DownloadManager;
use crate::lsd::task::LsdRegistration;
use crate::manager::RemoveData;
use crate::net::bind::Way;
use crate::net::dial::{DialError, Greeted};
use crate::peer::{PeerPool, PeerReport};
use crate::queue::{Report, Turn};
use crate::registrations::Found;
use crate::resume::Incomplete;
use crate::settings::{GlobalSettings, TorrentSettings};
use crate::shared::{ConnectionPermit, Registration, Seat, SharedResources};
use crate::stats::{PeerSource, Place, SessionState, SessionStats};
use crate::storage::{DiskDone, Storage};
use crate::tracker::trust::TrackerTrust;
use crate::tracker::{
    AnnounceError, AnnounceEvent, AnnounceReply, KnownTracker, ScrapeCounts, TrackerCoordinator, TrackerId,
};
use crate::types::LinkId;
use crate::untrusted::Untrusted;
use crate::upload::UploadManager;

/// Batches of reports that wait: enough that a hundred links are not held up by one turn of the
/// actor, little enough that a stuck actor stops its links within one socket read each.
pub const REPORTS: usize = 256;

/// Results of dials and announces that wait; each try awaits its place, so none is lost.
pub const DISCOVERIES: usize = 32;

/// Peers that called us and wait to be let in; more are turned away.
pub const INCOMING: usize = 16;

/// How often figures are gathered while something moves.
pub const TICK: Duration = Duration::from_secs(1);

/// What the outside has found for us.
#[derive(Debug)]
pub enum Discovery {
    /// A tracker answered, or did not.
    Announced {
        /// Which tracker.
        tracker: TrackerId,
        /// What it was told.
        event: AnnounceEvent,
        /// Payload bytes, both ways, that it was told of.
        moved: u64,
        /// What it said.
        result: Result<AnnounceReply, AnnounceError>,
    },
    /// A tracker told its figures, or did not.
    Scraped {
        /// Which tracker.
        tracker: TrackerId,
        /// What it said.
        result: Result<ScrapeCounts, AnnounceError>,
    },
    /// A tracker has heard, or not, that we left.
    Left {
        /// Which tracker.
        tracker: TrackerId,
        /// What it said.
        result: Result<AnnounceReply, AnnounceError>,
    },
    /// A copy of the magnet's metadata was hashed and read; `None`: there was no thread for it.
    Metadata(Option<Box<Judged>>),
    /// A dial was given up, because the torrent rests.
    NotDialled {
        /// Where.
        address: std::net::SocketAddr,
    },
    /// A dial succeeded or failed.
    Dialled {
        /// Where.
        address: std::net::SocketAddr,
        /// What came of it.
        result: Result<Greeted, DialError>,
        /// The right to hold a connection.
        permit: ConnectionPermit,
    },
}

/// The ends of the queues that lead to an actor.
#[derive(Debug)]
pub struct Doors {
    /// From links.
    pub reports: mpsc::Receiver<PeerReport>,
    /// From announces and dials.
    pub discoveries: mpsc::Receiver<Discovery>,
    /// From the listener.
    pub incoming: mpsc::Receiver<Greeted>,
    /// From the DHT and our own network.
    pub found: mpsc::Receiver<(PeerSource, Vec<std::net::SocketAddr>)>,
    /// The port at which peers can call us.
    pub port: watch::Receiver<Option<u16>>,
    /// The engine is shutting down.
    pub stopping: watch::Receiver<bool>,
    /// ... and the actor was told so, once.
    pub told: bool,
    /// What a person decides for all torrents.
    pub settings: watch::Receiver<GlobalSettings>,
    /// Whether the torrent may run; says nothing where it stands in no queue.
    pub turn: watch::Receiver<Turn>,
}

/// Everything that can make an actor decide.
#[derive(Debug)]
pub enum Input {
    /// People.
    Orders(Orders),
    /// A link.
    Peer(PeerReport),
    /// The disk.
    Disk(DiskDone),
    /// A tracker or a dial.
    Discovery(Discovery),
    /// A peer that called us.
    Incoming(Greeted),
    /// Peers that nodes of the DHT named, or that are on our own network.
    Found(PeerSource, Vec<std::net::SocketAddr>),
    /// A person decided something for all torrents.
    Settings,
    /// The torrent's turn has come, or is over.
    Turn,
    /// Peers can call us at another port.
    Moved,
    /// Something is due.
    Timeout,
    /// The engine is shutting down.
    Stopping,
}

impl Doors {
    async fn next(&mut self, control: &Control, storage: &Storage, due: Option<Instant>) -> Input {
        let timeout = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            orders = control.take() => Input::Orders(orders),
            Some(report) = self.reports.recv() => Input::Peer(report),
            done = storage.done() => Input::Disk(done),
            Some(discovery) = self.discoveries.recv() => Input::Discovery(discovery),
            Some(greeted) = self.incoming.recv() => Input::Incoming(greeted),
            Some((source, peers)) = self.found.recv() => Input::Found(source, peers),
            Ok(()) = self.settings.changed() => Input::Settings,
            Ok(()) = self.turn.changed() => Input::Turn,
            Ok(()) = self.port.changed() => Input::Moved,
            () = timeout => Input::Timeout,
            // An engine that is gone without a word stops its sessions too.
            _ = self.stopping.wait_for(|stopping| *stopping), if !self.told => {
                self.told = true;
                Input::Stopping
            }
        }
    }
}

/// What the session is at. [`SessionState`] is what viewers see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opened, not asked to run.
    Idle,
    /// Looking at what is on disk, in order to run or, where a person asked for it, to rest again
    /// ([`Actor::rest_after_check`]).
    Checking,
    /// Its files go to another folder ([`Actor::moving`]).
    Moving,
    /// Could run, and waits for its turn.
    Queued,
    /// With peers.
    Running,
    /// A person stopped it.
    Paused,
    /// Trouble stopped it; when to try again by itself.
    Failed(Trouble, Option<Instant>),
    /// Has left the swarm; what was written is being synced, until then at the latest.
    Stopping(Instant),
    /// Over. The actor ends.
    Stopped,
}

/// The state of one torrent. Only its own task touches it.
#[derive(Debug)]
pub struct Actor {
    pub(super) torrent: Arc<Torrent>,
    pub(super) shared: Arc<SharedResources>,
    pub(super) phase: Phase,
    /// What links leave by, also while it is not there.
    pub(super) way: Way,
    /// It was not there.
    pub(super) cut_off: bool,
    /// There until the metadata of a magnet is. The torrent has no pieces and no files meanwhile.
    pub(super) magnet: Option<super::on_metadata::Fetching>,
    /// It paused by itself because its metadata is there and files are to be chosen.
    pub(super) awaits_choice: bool,
    pub(super) storage: Arc<Storage>,
    /// For those who close the files after a panic.
    pub(super) storage_seen: watch::Sender<Arc<Storage>>,
    /// Also there while it is in error because a move is stuck, and when it ends in the middle of one.
    pub(super) moving: Option<super::on_move::Moving>,
    /// Whether its files have a folder of their own until it is complete.
    pub(super) incomplete: Incomplete,
    /// What did not come off and did not stop it, until somebody asks for something else.
    pub(super) notice: Option<Untrusted>,
    pub(super) download: DownloadManager,
    pub(super) upload: UploadManager,
    pub(super) pool: PeerPool,
    pub(super) trackers: TrackerCoordinator,
    /// What a person made of the torrent file's trackers.
    pub(super) own_trackers: Option<Vec<Vec<Untrusted>>>,
    /// What a person lets single trackers do.
    pub(super) trust: TrackerTrust,
    /// For those who change them.
    pub(super) to_list: watch::Sender<Arc<[KnownTracker]>>,
    /// Payload bytes of this run, both ways, of which a tracker has heard.
    pub(super) reported: u64,
    /// For each tracker the end of the newest announce to it.
    pub(super) turns: FxHashMap<TrackerId, oneshot::Receiver<()>>,
    pub(super) files: FileProgress,
    /// What a person decided for this torrent.
    pub(super) settings: TorrentSettings,
    pub(super) totals: Totals,
    pub(super) links: FxHashMap<LinkId, LinkEntry>,
    /// Links that were told to close and have not said their last word: what they moved counts, and
    /// so do their connections.
    pub(super) parting: FxHashMap<LinkId, LinkEntry>,
    /// How often it has changed whom we are connected to and can tell others of (BEP 11).
    pub(super) met_changes: u64,
    /// Peers that are gone and sent something.
    pub(super) gone: super::links::Gone,
    /// The count of changes of the bans that links were looked through for.
    pub(super) bans_seen: u64,
    /// The count of changes of the upload slots, and our own number of them, that the choker knows of.
    pub(super) slots_seen: (u64, Option<u32>),
    /// When links were let go last for peers that wait (see `session::room`).
    pub(super) turnover: Option<Instant>,
    pub(super) watches: Vec<Watch>,
    pub(super) up: Limiter,
    pub(super) down: Limiter,
    pub(super) to_reports: mpsc::Sender<PeerReport>,
    pub(super) to_discoveries: mpsc::Sender<Discovery>,
    pub(super) door: Option<Registration>,
    /// There while the torrent runs and may be found in the DHT.
    pub(super) dht: Option<DhtRegistration>,
    /// There while the torrent runs and is told of on our own network.
    pub(super) lsd: Option<LsdRegistration>,
    pub(super) to_found: Found,
    /// There while the torrent runs: announces and dials end with it.
    pub(super) in_swarm: Option<watch::Sender<()>>,
    pub(super) to_door: mpsc::Sender<Greeted>,
    /// Its place in the queue; `None`: it stands in none, and runs when it wants to.
    pub(super) seat: Option<Seat>,
    /// What the queue was told last.
    pub(super) reported_stage: Report,
    /// It was told that it waits.
    pub(super) waits: bool,
    /// The next time that figures are gathered; `None` while nothing moves.
    pub(super) tick: Option<Instant>,
    /// Blocks came back or became worth fetching: hungry links are to be dealt to.
    pub(super) feed: bool,
    /// We want nothing more, as the links were told (BEP 21).
    pub(super) upload_only: bool,
    /// What is on disk was looked at in this run.
    pub(super) checked: bool,
    /// The disk has no room: nothing is fetched until then, while all that is there is served.
    pub(super) full: Option<(Trouble, Instant)>,
    /// That was published, and no piece came since.
    pub(super) full_told: bool,
    /// The newest piece came from a peer, not from a look at what is on disk.
    pub(super) fetched_last: bool,
    /// `session.completed` was published for all that is wanted.
    pub(super) completed: bool,
    /// A limit of seeding stopped it in this run.
    pub(super) limited: bool,
    /// A person lets it seed beyond its limits.
    pub(super) beyond: bool,
    /// All of the torrent was there in this run, and the trackers know if it was fetched.
    pub(super) whole: bool,
    /// The disk was asked for a check and has not told how it ended. Perhaps it was cancelled since.
    pub(super) check_posted: bool,
    /// Where a check that was asked for while the torrent rested leads back to.
    pub(super) rest_after_check: Option<Phase>,
    /// Hashed by checks that were cut short.
    pub(super) bytes_hashed: u64,
    /// Pieces that need no look in the check that is under way: trusted, or looked at before it was
    /// cut short.
    pub(super) pieces_known: u32,
    /// Pieces looked at so far by a check that is under way, those that are known included.
    pub(super) pieces_checked: u32,
    pub(super) saving: super::save::Saving,
    pub(super) place: Arc<Place>,
    pub(super) newest: SessionStats,
    /// It was taken off the list: nothing of it is saved any more.
    pub(super) removed: Option<RemoveData>,
    pub(super) swarm: Option<(u32, u32)>,
    pub(super) tracker_host: Option<Untrusted>,
    pub(super) last_payload: Option<Instant>,
}

impl Actor {
    /// Runs until the session is stopped or the engine shuts down.
    pub async fn run(mut self: Box<Self>, control: &Control, mut doors: Doors) {
        let clock = || tokio::time::Instant::now().into_std();
        self.resume_move(clock());
        while self.phase != Phase::Stopped {
            let due = self.next_timeout(clock());
            let input = doors.next(control, &self.storage, due).await;
            if let Input::Disk(
                DiskDone::Failed { .. } | DiskDone::Disowned { .. } | DiskDone::Restarted { .. },
            ) = input
            {
                // Links report a block before the disk gets it. What was reported until now belongs to
                // what is dropped; taken for the next try, it would never be asked for again.
                for _ in 0..doors.reports.len() {
                    let Ok(report) = doors.reports.try_recv() else { break };
                    self.turn(clock(), Input::Peer(report));
                }
            }
            self.turn(clock(), input);
        }
        drop(doors);
        self.finish().await;
    }

    /// Takes one input and all that follows from it.
    pub(super) fn turn(&mut self, now: Instant, input: Input) {
        self.decide(now, input);
        self.carry_out(now);
    }

    fn decide(&mut self, now: Instant, input: Input) {
        match input {
            Input::Orders(orders) => self.on_orders(now, orders),
            Input::Peer(report) => self.on_peer(now, report),
            Input::Disk(done) => self.on_disk(now, done),
            Input::Discovery(discovery) => self.on_discovery(now, discovery),
            Input::Incoming(greeted) => self.on_incoming(now, greeted),
            Input::Found(source, peers) => self.on_found(now, source, &peers),
            Input::Settings => self.on_global_settings(now),
            Input::Turn => self.on_turn(now),
            Input::Moved => self.on_moved(now),
            Input::Timeout => self.on_timeout(now),
            Input::Stopping => self.stop(now, "the engine is shutting down"),
        }
    }

    /// What follows from any input.
    fn carry_out(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            self.deal(now);
            self.choke(now);
            self.ask_for_metadata(now);
        }
        self.tell_queue(now, false);
        // A torrent without a link shows what was found for it, and whom it calls.
        let found = self.newest.known_peers != self.pool.known() as u32
            || self.newest.connecting_peers != self.pool.dialling() as u32;
        let moving = found || !self.links.is_empty() || !self.watches.is_empty();
        if moving && self.tick.is_none() {
            self.tick = Some(now + TICK);
        }
    }

    /// All that is wanted is there.
    pub(super) fn is_finished(&self) -> bool {
        self.magnet.is_none() && self.download.is_finished()
    }

    /// All of the torrent is there.
    pub(super) fn is_complete(&self) -> bool {
        self.magnet.is_none() && self.download.is_complete()
    }

    /// Peers come from its trackers only (BEP 27).
    pub(super) fn is_private(&self) -> bool {
        self.torrent.metainfo().private
    }

    /// The state that viewers see.
    pub(super) fn state(&self) -> SessionState {
        match self.phase {
            Phase::Idle | Phase::Queued => SessionState::Queued,
            Phase::Checking => SessionState::Checking,
            Phase::Moving => SessionState::Moving,
            Phase::Running if self.magnet.is_some() => SessionState::Metadata,
            Phase::Running if self.full.is_some() => SessionState::Error,
            Phase::Running if self.is_finished() => SessionState::Seeding,
            Phase::Running => SessionState::Downloading,
            Phase::Paused | Phase::Stopping(_) | Phase::Stopped => SessionState::Paused,
            Phase::Failed(..) => SessionState::Error,
        }
    }
}

/// A number for shuffles that nobody outside can guess.
pub fn seed() -> u64 {
    rand::rng().next_u64()
}
