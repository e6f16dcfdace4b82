//! What happened: one table of event kinds that prints the enum, the names, the documentation and
//! the check of patterns. A kind is here when something publishes it.

pub mod bus;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use self::bus::{Delivery, EventBus, PatternError, Subscription};
use crate::stats::{LinkEncryption, MappingProtocol, SessionState, Transport};
use crate::types::{InfoHash, PeerId, PieceIndex};
use crate::untrusted::Untrusted;

/// How much an event matters to a person who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The running of things.
    Debug,
    /// Worth a line.
    Info,
    /// Something failed that will be tried again.
    Warn,
    /// A person should look.
    Error,
}

/// One row of the table of kinds.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// `family.word`
    pub name: &'static str,
    /// When it is published.
    pub doc: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The names of its payload's fields.
    pub fields: &'static [&'static str],
}

macro_rules! events {
    ($(
        #[doc = $doc:literal]
        $name:ident = $kind:literal, $level:ident { $( $(#[$fmeta:meta])* $field:ident : $type:ty ),* $(,)? }
    )*) => {
        /// What happened, with its payload.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Event {
            $(
                #[doc = $doc]
                #[serde(rename = $kind)]
                $name { $( $(#[$fmeta])* $field: $type ),* },
            )*
        }

        /// The name of an event without its payload.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $( #[doc = $doc] $name, )*
        }

        /// The table of kinds, in the order of [`Kind`].
        pub const KINDS: &[KindInfo] = &[
            $( KindInfo {
                name: $kind,
                doc: $doc.trim_ascii(),
                level: Level::$level,
                fields: &[$( stringify!($field) ),*],
            }, )*
        ];

        impl Event {
            /// Which row of the table this is.
            pub const fn kind(&self) -> Kind {
                match self { $( Self::$name { .. } => Kind::$name, )* }
            }
        }
    };
}

events! {
    /// A torrent was added.
    SessionAdded = "session.added", Info {
        /// Its name.
        name: Untrusted,
        /// Bytes of its files.
        size: u64,
    }
    /// A torrent began to run, or was asked to.
    SessionStarted = "session.started", Info {
        /// What it does now.
        state: SessionState,
        /// In words.
        message: Untrusted,
    }
    /// A torrent was paused.
    SessionPaused = "session.paused", Info {
        /// What it does now.
        state: SessionState,
        /// In words.
        message: Untrusted,
    }
    /// A paused torrent goes on.
    SessionResumed = "session.resumed", Info {
        /// What it does now.
        state: SessionState,
        /// In words.
        message: Untrusted,
    }
    /// A torrent waits for its turn: others before it run, as many as may.
    SessionQueued = "session.queued", Info {
        /// What it does now.
        state: SessionState,
        /// In words.
        message: Untrusted,
        /// Its place among those that lack something, or among those that do not, from 1.
        position: u32,
    }
    /// All that is wanted is there, also where found so; once per run, again if more was wanted since.
    SessionCompleted = "session.completed", Info {
        /// What it does now.
        state: SessionState,
        /// Bytes of the wanted pieces.
        size: u64,
        /// Bytes fetched for it in this run.
        downloaded: u64,
    }
    /// A torrent stopped for good in this run.
    SessionStopped = "session.stopped", Info {
        /// What it does now.
        state: SessionState,
        /// In words.
        message: Untrusted,
    }
    /// A torrent was removed from the list.
    SessionRemoved = "session.removed", Info {
        /// Its name.
        name: Untrusted,
        /// Whether its files were deleted.
        data_deleted: bool,
    }
    /// Trouble stopped a torrent.
    SessionError = "session.error", Error {
        /// What went wrong and what to do.
        message: Untrusted,
        /// A word for scripts.
        code: Untrusted,
    }
    /// What was on disk has been looked at.
    SessionChecked = "session.checked", Info {
        /// Bytes that were hashed for it.
        bytes_hashed: u64,
        /// Pieces found good, trusted ones included.
        pieces_have: u32,
        /// Pieces of the torrent.
        pieces: u32,
    }
    /// All files of a torrent are in another folder.
    SessionMoved = "session.moved", Info {
        /// The folder they were in.
        from: Untrusted,
        /// The folder they are in.
        to: Untrusted,
    }
    /// A file or folder of a torrent has another name.
    SessionRenamed = "session.renamed", Info {
        /// The path of its first file before, below the save path.
        from: PathBuf,
        /// And now.
        to: PathBuf,
    }
    /// The metadata of a magnet is there, and is what its hash says: now the torrent's files are known.
    MetadataReceived = "metadata.received", Info {
        /// Its name.
        name: Untrusted,
        /// Bytes of its files.
        size: u64,
        /// Number of its files.
        files: u32,
        /// BEP 27: peers come from its trackers only.
        private: bool,
    }
    /// A piece was hashed and is good.
    PieceCompleted = "piece.completed", Debug {
        /// Its number.
        index: PieceIndex,
        /// Its bytes.
        size: u32,
        /// Pieces that are there now.
        complete: u32,
        /// Pieces of the torrent.
        total: u32,
    }
    /// A piece was hashed and is wrong; it will be fetched again.
    PieceHashFailed = "piece.hash_failed", Warn {
        /// Its number.
        index: PieceIndex,
        /// Its bytes.
        size: u32,
        /// Where its blocks came from.
        from: Vec<SocketAddr>,
    }
    /// All pieces of a file are there.
    FileCompleted = "file.completed", Info {
        /// The file as it stands on disk, below the save path.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    }
    /// A link to a peer is up.
    PeerConnected = "peer.connected", Debug {
        /// Where it is.
        address: SocketAddr,
        /// Its id.
        peer_id: PeerId,
        /// The client.
        client: Untrusted,
        /// Whether it called us.
        incoming: bool,
        /// What carries the link.
        transport: Transport,
        /// What of the link is encrypted.
        encryption: LinkEncryption,
    }
    /// A link to a peer has ended.
    PeerDisconnected = "peer.disconnected", Debug {
        /// Where it is.
        address: SocketAddr,
        /// Its id.
        peer_id: PeerId,
        /// The client.
        client: Untrusted,
        /// Why.
        why: Untrusted,
    }
    /// A peer lied and is not talked to any more.
    PeerBanned = "peer.banned", Warn {
        /// Where it is.
        address: SocketAddr,
        /// Why.
        why: Untrusted,
    }
    /// A tracker answered.
    TrackerSuccess = "tracker.success", Info {
        /// Its URL, pass-keys masked.
        url: Untrusted,
        /// Addresses it named.
        peers: u32,
        /// Seeds it counts.
        seeds: Option<u32>,
        /// Leechers it counts.
        leechers: Option<u32>,
        /// Seconds until it is asked again.
        interval: u64,
    }
    /// A tracker did not answer, or refused.
    TrackerFailed = "tracker.failed", Warn {
        /// Its URL, pass-keys masked.
        url: Untrusted,
        /// Why.
        error: Untrusted,
        /// Seconds until it is asked again; `None`: not by itself.
        retry_in: Option<u64>,
    }
    /// A tracker answered with a warning.
    TrackerWarning = "tracker.warning", Warn {
        /// Its URL, pass-keys masked.
        url: Untrusted,
        /// What it said.
        warning: Untrusted,
    }
    /// A torrent has given as much as it should, and is paused.
    LimitReached = "limit.reached", Info {
        /// `ratio` or `time`.
        limit: Untrusted,
        /// In words.
        message: Untrusted,
    }
    /// Figures of a torrent; once a second while a value changes, and one last time.
    StatsUpdate = "stats.update", Debug {
        /// Payload received, over all runs.
        downloaded: u64,
        /// Payload sent, over all runs.
        uploaded: u64,
        /// Payload coming in, bytes per second.
        rate_down: u64,
        /// Payload going out, bytes per second.
        rate_up: u64,
        /// Connected peers.
        peers: u32,
        /// Parts of the wanted bytes that are there, from 0 to 1.
        progress: f64,
    }
    /// A file could not be read or written.
    StorageError = "storage.error", Error {
        /// What went wrong.
        message: Untrusted,
        /// A word for scripts.
        code: Untrusted,
    }
    /// The file system is full; downloads there wait for space.
    StorageFull = "storage.full", Error {
        /// What went wrong.
        message: Untrusted,
        /// A word for scripts.
        code: Untrusted,
    }
    /// The engine accepts peers here.
    ListenOk = "listen.ok", Info {
        /// The address.
        address: SocketAddr,
    }
    /// The gateway lets peers in at our port.
    PortmapOk = "portmap.ok", Info {
        /// IPv4 or IPv6.
        family: Untrusted,
        /// TCP or UDP.
        transport: Untrusted,
        /// The protocol by which it was asked.
        by: MappingProtocol,
        /// The address that peers call, where it is known.
        outside: Option<IpAddr>,
        /// The port that they call.
        port: u16,
    }
    /// The gateway does not let peers in; it is asked again later.
    PortmapFailed = "portmap.failed", Warn {
        /// IPv4 or IPv6.
        family: Untrusted,
        /// TCP, UDP or both.
        transport: Untrusted,
        /// Why.
        error: Untrusted,
    }
    /// Torrents can be searched for in the DHT, over one family.
    DhtReady = "dht.ready", Info {
        /// IPv4 or IPv6.
        family: Untrusted,
        /// Nodes that are good.
        nodes: u32,
    }
    /// A wanted address could not be listened on; it is tried again.
    ListenFailed = "listen.failed", Error {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: Untrusted,
    }
}

impl Kind {
    /// `family.word`
    pub const fn name(self) -> &'static str {
        KINDS[self as usize].name
    }

    /// The row of the table.
    pub const fn info(self) -> &'static KindInfo {
        &KINDS[self as usize]
    }
}

/// The table of kinds for people who subscribe.
pub fn markdown() -> String {
    let mut text = "| event | level | payload | when |\n| --- | --- | --- | --- |\n".to_owned();
    for KindInfo { name, doc, level, fields } in KINDS {
        let level = format!("{level:?}").to_lowercase();
        let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
        text += &format!("| `{name}` | {level} | {} | {doc} |\n", fields.join(", "));
    }
    text
}

/// An event with where and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tagged {
    /// When, by the wall clock.
    pub time: SystemTime,
    /// Which torrent; `None` for what concerns all.
    pub info_hash: Option<InfoHash>,
    /// What.
    pub event: Arc<Event>,
}
