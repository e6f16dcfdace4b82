//! What a `.torrent` file says: BEP 3, 12, 19, 27, 47, 52.

use std::path::PathBuf;

use bytes::Bytes;

use crate::geometry::Geometry;
use crate::types::{InfoHash, InfoHashV2, PieceIndex};
use crate::untrusted::Untrusted;

/// Why bytes are not a usable torrent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// Placeholder until the parser lands.
    #[error("not a torrent")]
    Invalid,
}

/// One torrent, checked. Immutable; share it in an `Arc`.
#[derive(Clone, Debug)]
pub struct Metainfo {
    /// The torrent's name in the engine: the v1 hash, or the first 20 bytes of the v2 hash where
    /// there is no v1 part.
    pub info_hash: InfoHash,
    /// SHA-1 of the info dictionary, for v1 and hybrid torrents.
    pub info_hash_v1: Option<InfoHash>,
    /// SHA-256 of the info dictionary, for v2 and hybrid torrents.
    pub info_hash_v2: Option<InfoHashV2>,
    /// The suggested name.
    pub name: Untrusted,
    /// The shape of the content, pad files included.
    pub geometry: Geometry,
    /// The files in torrent order, pad files included.
    pub files: Vec<FileEntry>,
    /// BEP 27.
    pub private: bool,
    /// Tiers of announce URLs (BEP 12); the lone `announce` is one tier of one.
    pub trackers: Vec<Vec<Untrusted>>,
    /// BEP 19 and BEP 17 web seeds.
    pub web_seeds: Vec<Untrusted>,
    /// DHT nodes (BEP 5): host and port.
    pub nodes: Vec<(Untrusted, u16)>,
    /// Free text.
    pub comment: Option<Untrusted>,
    /// The program that made it.
    pub created_by: Option<Untrusted>,
    /// Seconds since 1970, as stated.
    pub creation_date: Option<i64>,
    torrent: Bytes,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it goes, relative to the save path: sanitised, unique within the torrent, with the
    /// torrent's name as first element for multi-file torrents.
    pub path: PathBuf,
    /// Bytes.
    pub length: u64,
    /// Where it starts within the content.
    pub offset: u64,
    /// BEP 47: never written, reads as zeros.
    pub pad: bool,
    /// BEP 47.
    pub executable: bool,
}

impl Metainfo {
    /// Checks the bytes of a `.torrent` file.
    pub fn parse(torrent: Bytes) -> Result<Self, MetainfoError> {
        let _ = torrent;
        Err(MetainfoError::Invalid)
    }

    /// The whole `.torrent` file as it came.
    pub fn torrent_bytes(&self) -> &Bytes {
        &self.torrent
    }

    /// The SHA-1 that this piece must have. All zeros for a v2-only torrent.
    pub fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        let _ = piece;
        [0; 20]
    }

    /// Bytes of all files, without pad files.
    pub fn total_size(&self) -> u64 {
        self.files.iter().filter(|file| !file.pad).map(|file| file.length).sum()
    }
}
