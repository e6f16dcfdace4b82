//! What a link tells its session: small, in batches, never the data itself.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;

use crate::download::PeerPieces;
use crate::types::{BlockRef, LinkId, PieceIndex};
use crate::untrusted::Untrusted;
use crate::wire::ut_pex::UtPex;

/// A batch from one link, in the order things happened.
#[derive(Debug)]
pub struct PeerReport {
    /// Whose.
    pub link: LinkId,
    /// What.
    pub reports: Vec<Report>,
}

/// One thing that a session has to know about a link.
#[derive(Debug)]
pub enum Report {
    /// The peer said what it has, at the start or again later.
    Pieces(PeerPieces),
    /// The peer has one more piece.
    Has(PieceIndex),
    /// The peer has this piece no more (BEP 54).
    HasNot(PieceIndex),
    /// The peer would like to send this piece (BEP 6).
    Suggested(PieceIndex),
    /// The peer gives this piece also while it chokes us (BEP 6).
    AllowedFast(PieceIndex),
    /// ... and does not, after all.
    RefusedFast(PieceIndex),
    /// The peer lets us ask, or not any more.
    Unchoked(bool),
    /// The peer wants something we have, or not any more.
    Interested(bool),
    /// A block came in and is on its way to the disk.
    Block(BlockRef),
    /// These were dealt to the link and will not be asked for, or not be answered.
    Returned(Vec<BlockRef>),
    /// The link could ask for this many more blocks.
    Hungry(u32),
    /// The peer introduced itself (BEP 10).
    Introduced {
        /// Its client's name for itself.
        client: Option<Untrusted>,
        /// Where it listens.
        listen_port: Option<u16>,
        /// Our address as it sees us.
        your_ip: Option<IpAddr>,
        /// BEP 21: whether it will download nothing; `None`: it does not say.
        upload_only: Option<bool>,
        /// It hears of it when we lose a piece (BEP 54).
        takes_dont_have: bool,
        /// It takes lists of peers (BEP 11).
        takes_pex: bool,
        /// It has the metadata, says that it is of so many bytes, and can be asked for it (BEP 9).
        metadata_size: Option<u32>,
    },
    /// A piece of the metadata that it was asked for (BEP 9).
    MetadataPiece {
        /// Its number.
        piece: u32,
        /// Bytes of all metadata, says the peer.
        total_size: Option<u32>,
        /// The piece: at most 16 KiB.
        data: Bytes,
    },
    /// The peer says whom it has met and lost (BEP 11).
    Pex(UtPex),
    /// The peer does not give this piece of the metadata, or not now (BEP 9).
    MetadataRejected(u32),
    /// Where the peer's DHT node is, on its address (BEP 5).
    DhtPort(u16),
    /// BEP 21, said in mid-connection: whether the peer downloads nothing more.
    UploadOnly(bool),
    /// The link has ended; nothing follows.
    Closed {
        /// In words, for the log.
        why: String,
        /// Whether the peer broke the protocol.
        fault: bool,
    },
}

/// Figures of one link, written by it and read by its session about once a second. Each is a value
/// on its own: no two need to agree.
#[derive(Debug, Default)]
pub struct LinkGauge {
    /// Payload received.
    pub downloaded: AtomicU64,
    /// Payload sent.
    pub uploaded: AtomicU64,
    /// Payload received, bytes per second.
    pub rate_down: AtomicU64,
    /// Payload sent, bytes per second.
    pub rate_up: AtomicU64,
    /// Requests that the peer has yet to answer.
    pub requests: AtomicU32,
    /// The peer owes us data for too long.
    pub snubbed: AtomicBool,
}

impl LinkGauge {
    /// Reads one figure.
    pub fn get(cell: &AtomicU64) -> u64 {
        cell.load(Ordering::Relaxed)
    }

    /// Writes one figure.
    pub fn set(cell: &AtomicU64, value: u64) {
        cell.store(value, Ordering::Relaxed);
    }
}
