//! Snapshots: what a viewer may know about a torrent. They are the truth; events are hints.
//!
//! Plain data that can be serialised, so that the same screen can sit on a running engine over a
//! socket. [`StatsBoard`] keeps the newest snapshot of each session and says what changed.

mod board;
mod mapping;
mod pieces;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::board::{Changes, Place, StatsBoard};
pub use self::mapping::{Mapping, MappingProtocol, MappingStats};
pub use self::pieces::{PIECE_CELLS, PartialStats, PieceCell, PieceMapStats};
pub use crate::settings::LimitsStats;
use crate::settings::{Priority, SpeedLimits};
use crate::types::{BanReason, BanTarget, InfoHash, LinkId, TrackerId, UnixTime};
use crate::untrusted::Untrusted;

/// What a session is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Waits for its turn.
    #[default]
    Queued,
    /// Hashes what is on disk.
    Checking,
    /// Brings its files to another folder.
    Moving,
    /// Has only a hash as yet, and fetches the metadata.
    Metadata,
    /// Fetches what is wanted.
    Downloading,
    /// Has all that is wanted and serves it.
    Seeding,
    /// A person stopped it.
    Paused,
    /// Trouble stopped it; [`SessionStats::message`] says which.
    Error,
}

/// The metadata of a magnet while it is fetched (BEP 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataStats {
    /// Pieces of 16 KiB that are there.
    pub have: u32,
    /// All pieces, as peers say; 0: nobody has said yet.
    pub pieces: u32,
    /// Connected peers that have it.
    pub sources: u32,
}

/// One torrent as it stands. Rates are payload bytes per second over the last few seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStats {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Its name.
    pub name: Untrusted,
    /// What it is doing.
    pub state: SessionState,
    /// Why it is in error; what it waits for.
    pub message: Option<Untrusted>,
    /// Bytes of all files, without pad files.
    pub total_size: u64,
    /// Bytes of the pieces that are wanted.
    pub wanted: u64,
    /// Bytes of the wanted pieces that are there and checked.
    pub have: u64,
    /// Pieces of the torrent.
    pub pieces: u32,
    /// Pieces that are there and checked.
    pub pieces_have: u32,
    /// Bytes of one piece.
    pub piece_length: u32,
    /// While checking: pieces looked at so far.
    pub pieces_checked: u32,
    /// Payload coming in, bytes per second.
    pub rate_down: u64,
    /// Payload going out, bytes per second.
    pub rate_up: u64,
    /// Payload received since the torrent was added, over all runs.
    pub downloaded: u64,
    /// Payload sent since the torrent was added, over all runs.
    pub uploaded: u64,
    /// Payload received that was of no use: duplicates, failed pieces.
    pub wasted: u64,
    /// Connected peers that have everything.
    pub seeds: u32,
    /// Connected peers that lack something.
    pub leechers: u32,
    /// Seeds and leechers in the swarm as the trackers count them.
    pub swarm: Option<(u32, u32)>,
    /// Addresses known, connected or not.
    pub known_peers: u32,
    /// Connections that are being set up.
    pub connecting_peers: u32,
    /// Copies of the rarest piece among the connected peers and us, in thousandths: 2,500 is two
    /// full copies and half of a third.
    pub availability: u32,
    /// Seconds until all that is wanted is there, at the present rate; `None`: not in sight.
    pub eta: Option<u64>,
    /// Seconds the torrent was running, over all runs.
    pub active_seconds: u64,
    /// When it was added.
    pub added: UnixTime,
    /// When its download was complete.
    pub completed: Option<UnixTime>,
    /// The folder its files are in.
    pub save_path: PathBuf,
    /// The folder that they go to when all that is wanted is there; `None`: they are where they stay.
    pub destination: Option<PathBuf>,
    /// What was tried and did not come off, while it goes on all the same, as a move.
    pub notice: Option<Untrusted>,
    /// While moving: bytes copied so far.
    pub move_done: u64,
    /// While moving: bytes to copy in all; 0 where files are only renamed.
    pub move_total: u64,
    /// Of the pieces that are there those that were never hashed, because a person said that they are
    /// there; each is hashed when it is first read.
    pub pieces_assumed: u32,
    /// Host name of the tracker that answered last, else of the first one.
    pub tracker: Option<Untrusted>,
    /// What its trackers say where none of them takes it and one says that it does not know it.
    pub unregistered: Option<Untrusted>,
    /// BEP 27: peers come from its trackers only.
    pub private: bool,
    /// Which of the last 60 s brought data: running but silent ones are stalled.
    pub stalled: bool,
    /// In error for now: it goes on by itself as soon as it can, as after a full disk.
    pub retries: bool,
    /// A person wants it to run whatever stands before it in the queue.
    pub forced: bool,
    /// There until the metadata of a magnet is: size, files and pieces are not known.
    pub metadata: Option<MetadataStats>,
}

impl SessionStats {
    /// Parts of the wanted bytes that are there, from 0 to 1. Nothing wanted is complete; of a magnet whose
    /// metadata is not there nothing is.
    pub fn progress(&self) -> f64 {
        if self.metadata.is_some() {
            0.0
        } else if self.wanted == 0 {
            1.0
        } else {
            self.have as f64 / self.wanted as f64
        }
    }

    /// Bytes sent for each byte received; against the size where nothing was received.
    pub fn ratio(&self) -> f64 {
        let base = if self.downloaded == 0 { self.total_size } else { self.downloaded };
        if base == 0 { 0.0 } else { self.uploaded as f64 / base as f64 }
    }

    /// Whether all that is wanted is there.
    pub const fn is_complete(&self) -> bool {
        self.metadata.is_none() && self.have == self.wanted
    }
}

/// The order in which torrents have their turn, whether they run, wait or rest: the first has place 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStats {
    /// Those that lack something.
    pub downloads: Vec<InfoHash>,
    /// Those that have all that is wanted.
    pub seeds: Vec<InfoHash>,
}

impl QueueStats {
    /// Place of a torrent among those of its kind, from 1, and their number.
    pub fn place(&self, torrent: &InfoHash) -> Option<(usize, usize)> {
        [&self.downloads, &self.seeds].into_iter().find_map(|kin| {
            let at = kin.iter().position(|one| one == torrent)?;
            Some((at + 1, kin.len()))
        })
    }
}

/// What all torrents share, for the header. Rates are payload bytes per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GlobalStats {
    /// Payload coming in over all torrents.
    pub rate_down: u64,
    /// Payload going out over all torrents.
    pub rate_up: u64,
    /// Connected peers over all torrents.
    pub peers: u32,
    /// The limits that hold for all torrents together.
    pub limits: SpeedLimits,
    /// They are those of the second set.
    pub alternative: bool,
    /// Where downloads go that are not told otherwise.
    pub download_dir: PathBuf,
    /// Free bytes where downloads go; `None` until asked.
    pub free_space: Option<u64>,
    /// The addresses that accept peers.
    pub listening: Vec<SocketAddr>,
    /// Why a wanted address does not accept peers.
    pub listen_error: Option<Untrusted>,
    /// What gateways let in.
    pub mapping: MappingStats,
    /// Whether a peer called us from outside: one at a public address.
    pub incoming_seen: bool,
    /// Bans that last.
    pub banned: u32,
    /// How the DHT does.
    pub dht: DhtStats,
    /// At the exit: trackers that have yet to hear that we leave.
    pub goodbyes: u32,
}

/// How the DHT does (BEP 5). Of two figures the first is of IPv4, the second of IPv6 (BEP 32).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtStats {
    /// There is one.
    pub on: bool,
    /// Torrents can be searched for.
    pub ready: [bool; 2],
    /// Nodes that we know.
    pub nodes: [u32; 2],
    /// Those of them that were heard of within 15 minutes.
    pub good: [u32; 2],
    /// Torrents that are searched for now.
    pub searches: u32,
    /// Torrents whose turn is due and has not come.
    pub waiting: u32,
    /// Torrents that have turns.
    pub torrents: u32,
    /// Torrents that others announced to us.
    pub stored: u32,
    /// Our address as most nodes see it, or as we know it.
    pub outside: [Option<std::net::IpAddr>; 2],
}

/// The parts of a torrent that are only gathered while somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DetailKind {
    /// [`Detail::Files`]
    Files,
    /// [`Detail::Peers`]
    Peers,
    /// [`Detail::Trackers`]
    Trackers,
    /// [`Detail::Overview`]
    Overview,
    /// [`Detail::Limits`]
    Limits,
    /// [`Detail::Bans`]
    Bans,
    /// [`Detail::Pieces`]
    Pieces,
}

/// A detail pane's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Detail {
    /// The files in torrent order, pad files left out.
    Files(Vec<FileStats>),
    /// The connected peers.
    Peers(Vec<PeerStats>),
    /// The trackers, by tier, and the other ways to peers.
    Trackers(Vec<TrackerStats>, Vec<WayStats>),
    /// What changes too rarely for [`SessionStats`].
    Overview(OverviewStats),
    /// What a person decided.
    Limits(LimitsStats),
    /// Who is not talked to, over all torrents; the newest first.
    Bans(Vec<BanStats>),
    /// The pieces.
    Pieces(PieceMapStats),
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanStats {
    /// Whom it hits.
    pub target: BanTarget,
    /// Why.
    pub reason: BanReason,
    /// Seconds until it ends.
    pub left: u64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileStats {
    /// Its place in torrent order, pad files counted.
    pub index: u32,
    /// Path elements as they stand on disk, below the save path.
    pub path: Vec<Untrusted>,
    /// Bytes.
    pub size: u64,
    /// Bytes of it that lie in checked pieces.
    pub have: u64,
    /// How much it is wanted.
    pub priority: Priority,
}

/// How a link came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerSource {
    /// A tracker named it.
    Tracker,
    /// It called us.
    Incoming,
    /// A person named it.
    Manual,
    /// It was known in an earlier run.
    Resume,
    /// A node of the DHT named it.
    Dht,
    /// Another peer named it (BEP 11).
    Pex,
    /// It is on our own network, and said so there (BEP 14).
    Lsd,
}

/// One connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerStats {
    /// The link.
    pub link: LinkId,
    /// Where it is.
    pub address: SocketAddr,
    /// The client, as it names itself or as its id tells.
    pub client: Untrusted,
    /// How it came to be.
    pub source: PeerSource,
    /// Whether it called us.
    pub incoming: bool,
    /// Pieces it has, in thousandths of the torrent.
    pub progress: u32,
    /// Payload from it, bytes per second.
    pub rate_down: u64,
    /// Payload to it, bytes per second.
    pub rate_up: u64,
    /// Payload from it so far.
    pub downloaded: u64,
    /// Payload to it so far.
    pub uploaded: u64,
    /// We want something it has.
    pub am_interested: bool,
    /// It lets us ask.
    pub peer_unchoked: bool,
    /// It wants something we have.
    pub peer_interested: bool,
    /// We let it ask.
    pub am_unchoked: bool,
    /// It is the optimistic unchoke of this round.
    pub optimistic: bool,
    /// It owes us data for too long.
    pub snubbed: bool,
    /// The fast extension was agreed on (BEP 6).
    pub fast: bool,
    /// What carries the link.
    pub transport: Transport,
    /// What of the link is encrypted (MSE).
    pub encryption: LinkEncryption,
    /// Requests it has yet to answer.
    pub requests: u32,
}

/// What carries a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// uTP, which gives way to others (BEP 29).
    Utp,
}

/// What of a link is encrypted (MSE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkEncryption {
    /// Nothing.
    #[default]
    None,
    /// The greeting, so that nobody sees what kind of link it is at first sight.
    Handshake,
    /// Everything.
    All,
}

/// How a tracker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackerState {
    /// Not asked yet.
    #[default]
    Idle,
    /// Asked, no answer yet.
    Announcing,
    /// The last answer was good.
    Working,
    /// The last try failed.
    Failing,
    /// It says that it does not know the torrent, or no longer.
    Unregistered,
    /// A scheme that is not spoken (yet).
    Unsupported,
}

/// One tracker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerStats {
    /// Its name for as long as the session lives.
    pub id: TrackerId,
    /// Its tier, from 0.
    pub tier: u32,
    /// Its URL with pass-keys masked.
    pub url: Untrusted,
    /// How it is doing.
    pub state: TrackerState,
    /// Seeds in its last answer.
    pub seeds: Option<u32>,
    /// Leechers in its last answer.
    pub leechers: Option<u32>,
    /// Addresses in its last answer.
    pub peers: Option<u32>,
    /// A person lets it have any certificate.
    pub any_certificate: bool,
    /// Seconds until it is asked again.
    pub next_announce: Option<u64>,
    /// Failures since its last good answer.
    pub failures: u32,
    /// The last answers, newest first, at most three: when, and what was said.
    pub history: Vec<(UnixTime, Untrusted)>,
}

/// A way to peers that is no tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The DHT (BEP 5).
    Dht,
    /// Other peers (BEP 11).
    Pex,
    /// Our own network (BEP 14).
    Lsd,
}

/// How a way to peers is doing for one torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WayState {
    /// It is switched off.
    Off,
    /// The torrent is private (BEP 27).
    Private,
    /// The torrent does not run.
    Resting,
    /// There is nobody to ask: no nodes, no peer that tells of others, no network.
    Waiting,
    /// It is in use.
    Working,
}

/// One way to peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayStats {
    /// Which.
    pub way: Way,
    /// How it is doing.
    pub state: WayState,
    /// Peers that are known by it, and by no tracker and no person, connected or not.
    pub peers: u32,
}

/// What the overview shows beside [`SessionStats`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverviewStats {
    /// Who made the torrent file, and what they said.
    pub created_by: Option<Untrusted>,
    /// The torrent file's comment.
    pub comment: Option<Untrusted>,
    /// When the torrent file was made.
    pub creation_date: Option<i64>,
    /// Number of files, without pad files.
    pub files: u32,
    /// `v1`, `v2` or `hybrid`.
    pub version: Untrusted,
    /// A coarse map of the pieces: each cell stands for an equal part of the torrent and holds the
    /// share that is there, from 0 to 255. At most [`PIECE_MAP_CELLS`] cells.
    pub piece_map: Vec<u8>,
}

/// Cells of [`OverviewStats::piece_map`] at most: as many as the widest screen has columns.
pub const PIECE_MAP_CELLS: usize = 240;
