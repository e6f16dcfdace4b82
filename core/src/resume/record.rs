//! One torrent's resume record, and its form in the store: a version byte, four bytes of checksum,
//! then the fields as postcard writes them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest, Sha1};

use super::old;
use crate::bitfield::Bitfield;
use crate::settings::{GlobalSettings, TorrentSettings};
use crate::storage::{CheckPlan, FileStamp, Layout, Mount};
use crate::tracker::trust::TrackerTrust;
use crate::types::{InfoHash, PieceIndex, UnixTime};
use crate::untrusted::Untrusted;

/// The version that this program writes.
const VERSION: u8 = 4;

/// The version of the settings of all torrents together.
const SETTINGS_VERSION: u8 = 3;

/// The version of the order of the torrents.
const ORDER_VERSION: u8 = 1;

/// Stands for all torrents together in a checksum.
const NO_TORRENT: InfoHash = InfoHash::new([0; 20]);

/// Version and checksum.
const HEADER: usize = 1 + CHECKSUM;
const CHECKSUM: usize = 4;

/// What is kept of a torrent from one run to the next, beside its `.torrent` file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeRecord {
    /// Pieces that are hashed and synced, in the form of the wire (BEP 3, bitfield).
    pub have: Vec<u8>,
    /// Pieces that were hashed and written since the last sync: a restart hashes them again. The
    /// same form.
    pub maybe: Vec<u8>,
    /// How the files looked at the last sync, in torrent order.
    pub files: Vec<FileStamp>,
    /// The folder that its files are in.
    #[serde(serialize_with = "path_to_bytes", deserialize_with = "path_from_bytes")]
    pub save_path: PathBuf,
    /// A person stopped it.
    pub paused: bool,
    /// Payload received, bytes.
    pub downloaded: u64,
    /// Payload sent, bytes.
    pub uploaded: u64,
    /// Payload received that was of no use, bytes.
    pub wasted: u64,
    /// Seconds it was running.
    pub active_seconds: u64,
    /// When it was added.
    pub added: UnixTime,
    /// When its download was complete.
    pub completed: Option<UnixTime>,
    /// The `key` that trackers know us by over changes of address (BEP 7).
    pub tracker_key: u32,
    /// Its place in the list, from 0: in which order torrents were added.
    pub queue_position: u32,
    /// What a person decided for it. Since version 2.
    pub settings: TorrentSettings,
    /// Seconds it was seeding. Since version 2.
    pub seeding_seconds: u64,
    /// Its trackers by tier where a person changed them; `None`: those of the torrent file. Since
    /// version 2.
    pub trackers: Option<Vec<Vec<Untrusted>>>,
    /// A move to another folder that is under way. Since version 2.
    pub moving: Option<MoveNote>,
    /// Pieces that count as there and were never hashed: a person said that they are there. They are hashed
    /// when they are first read, in this run or a later one. The same form as `have`; empty: none. Since
    /// version 3.
    pub assumed: Vec<u8>,
    /// Whether its files have a folder of their own until it is complete. Since version 3.
    pub incomplete: Incomplete,
    /// A person wants it to run whatever stands before it. Since version 3.
    pub forced: bool,
    /// What a person lets single trackers do. Since version 3.
    pub trust: TrackerTrust,
    /// The file system that its files were on at the last sync; `None`: unknown. Since version 3.
    pub mount: Option<Mount>,
    /// Files that a person has renamed: their places in torrent order and their paths. Since version 3.
    pub names: Vec<(u32, String)>,
    /// A rename is under way: the names that files get, or, once a move that goes with it is committed,
    /// those that they had. Since version 3.
    pub other_names: Option<Vec<(u32, String)>>,
    /// A magnet pauses when its metadata is there, so that files can be chosen. Since version 4.
    pub stop_at_metadata: bool,
}

/// A folder that a torrent's files have until it is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Incomplete {
    /// They are where they stay.
    #[default]
    No,
    /// If there is nothing of it at the save path yet, they get this folder.
    Perhaps(#[serde(serialize_with = "path_to_bytes", deserialize_with = "path_from_bytes")] PathBuf),
    /// The save path is such a folder, and they go to this one.
    Until(#[serde(serialize_with = "path_to_bytes", deserialize_with = "path_from_bytes")] PathBuf),
}

/// A move to another folder that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveNote {
    /// Where files go, while the save path is complete; once it is not, where they come from.
    #[serde(serialize_with = "path_to_bytes", deserialize_with = "path_from_bytes")]
    pub other: PathBuf,
    /// The save path is where they go: what is there, under its name or the hidden one of a copy, counts.
    pub committed: bool,
}

/// Why bytes are not a record that this program can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A newer program wrote it.
    #[error("the resume record has version {0}, this program knows {VERSION}")]
    Newer(u8),
    /// Cut, changed, or of another torrent.
    #[error("the resume record is damaged")]
    Damaged,
}

impl ResumeRecord {
    /// A folder beside the save path in which its files are or may come to be.
    pub(crate) fn other_folder(&self) -> Option<&Path> {
        match (&self.moving, &self.incomplete) {
            (Some(MoveNote { other, .. }), _) => Some(other),
            (None, Incomplete::Perhaps(folder) | Incomplete::Until(folder)) => Some(folder),
            (None, Incomplete::No) => None,
        }
    }

    /// The pieces that it says are there, hashed or not, of a torrent of so many. Another's record: none.
    pub(crate) fn claimed(&self, pieces: u32) -> Bitfield {
        let bits = |wire: &[u8]| Bitfield::from_wire(wire, pieces).unwrap_or_else(|| Bitfield::new(pieces));
        let mut claimed = bits(&self.have);
        for piece in bits(&self.assumed).iter() {
            claimed.set(piece);
        }
        claimed
    }

    /// Whether this piece is in `have` or `maybe`.
    pub(crate) fn holds(&self, piece: PieceIndex) -> bool {
        bit(&self.have, piece).is_some_and(|set| set) || bit(&self.maybe, piece).is_some_and(|set| set)
    }

    /// Puts a piece into `maybe`, unless it is held already or is none of the record's; says whether.
    pub(crate) fn add_maybe(&mut self, piece: PieceIndex) -> bool {
        let fresh = !self.holds(piece) && bit(&self.maybe, piece).is_some();
        if fresh {
            self.maybe[piece.as_usize() / 8] |= 0x80 >> (piece.get() % 8);
        }
        fresh
    }

    /// The form in the store.
    pub fn encode(&self, info_hash: &InfoHash) -> Vec<u8> {
        with_version(VERSION, info_hash, self)
    }

    /// Reads the form in the store.
    ///
    /// # Errors
    /// Damaged, of another torrent, or of a newer program.
    pub fn decode(info_hash: &InfoHash, bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() < HEADER || bytes[1..HEADER] != checksum(info_hash, bytes) {
            return Err(RecordError::Damaged);
        }
        match bytes[0] {
            VERSION => postcard::from_bytes(&bytes[HEADER..]).map_err(|_| RecordError::Damaged),
            newer if newer > VERSION => Err(RecordError::Newer(newer)),
            older => old::record(older, &bytes[HEADER..]).ok_or(RecordError::Damaged),
        }
    }
}

pub(super) fn with_version(version: u8, info_hash: &InfoHash, record: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![version];
    bytes.extend_from_slice(&[0; CHECKSUM]);
    let mut bytes = postcard::to_extend(record, bytes).expect("every field has a form in postcard");
    let sum = checksum(info_hash, &bytes);
    bytes[1..HEADER].copy_from_slice(&sum);
    bytes
}

/// Over the torrent's hash too, so that a record cannot pass for that of another torrent. This
/// guards against damage, not against malice: four bytes do.
fn checksum(info_hash: &InfoHash, bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha1::new()
        .chain_update(info_hash.as_bytes())
        .chain_update(&bytes[..1])
        .chain_update(&bytes[HEADER..]);
    let hash: [u8; 20] = hash.finalize().into();
    std::array::from_fn(|at| hash[at])
}

/// The settings of all torrents together in the form of the store: as a record, of no torrent.
pub fn encode_settings(settings: &GlobalSettings) -> Vec<u8> {
    with_version(SETTINGS_VERSION, &NO_TORRENT, settings)
}

/// Reads that form.
///
/// # Errors
/// Damaged, or of a newer program.
pub fn decode_settings(bytes: &[u8]) -> Result<GlobalSettings, RecordError> {
    if bytes.len() < HEADER || bytes[1..HEADER] != checksum(&NO_TORRENT, bytes) {
        return Err(RecordError::Damaged);
    }
    match bytes[0] {
        SETTINGS_VERSION => postcard::from_bytes(&bytes[HEADER..]).map_err(|_| RecordError::Damaged),
        newer if newer > SETTINGS_VERSION => Err(RecordError::Newer(newer)),
        older => old::settings(older, &bytes[HEADER..]).ok_or(RecordError::Damaged),
    }
}

/// The order of the torrents in the form of the store: as a record, of no torrent.
pub(super) fn encode_order(order: &[InfoHash]) -> Vec<u8> {
    let order: Vec<&[u8; 20]> = order.iter().map(InfoHash::as_bytes).collect();
    with_version(ORDER_VERSION, &NO_TORRENT, &order)
}

/// Reads that form.
pub(super) fn decode_order(bytes: &[u8]) -> Result<Vec<InfoHash>, RecordError> {
    if bytes.len() < HEADER || bytes[1..HEADER] != checksum(&NO_TORRENT, bytes) {
        return Err(RecordError::Damaged);
    }
    match bytes[0] {
        ORDER_VERSION => {
            let order: Vec<[u8; 20]> =
                postcard::from_bytes(&bytes[HEADER..]).map_err(|_| RecordError::Damaged)?;
            Ok(order.into_iter().map(InfoHash::new).collect())
        }
        newer => Err(RecordError::Newer(newer)),
    }
}

/// A bit in the form of the wire; `None` past its end.
fn bit(wire: &[u8], piece: PieceIndex) -> Option<bool> {
    wire.get(piece.as_usize() / 8).map(|byte| byte & (0x80 >> (piece.get() % 8)) != 0)
}

/// What a restart checks: `have` is trusted and `assumed` still assumed where the files look as they did,
/// `maybe` is hashed. A record of a torrent that was never looked at may assume all the same.
/// A record that does not fit the torrent hashes everything. Looks at no file: the check does.
pub fn trusted(record: &ResumeRecord, layout: &Layout) -> CheckPlan {
    let geometry = layout.geometry();
    let have = Bitfield::from_wire(&record.have, geometry.pieces());
    let maybe = Bitfield::from_wire(&record.maybe, geometry.pieces());
    let assume = Bitfield::from_wire(&record.assumed, geometry.pieces());
    match (have, maybe, assume) {
        (Some(have), Some(hash), assume) if record.files.len() == layout.files().len() => {
            let assume = assume.unwrap_or_else(|| Bitfield::new(geometry.pieces()));
            let (stamps, mount) = (record.files.clone(), record.mount.clone());
            CheckPlan { trust: have, assume, hash, stamps, mount }
        }
        (_, _, Some(assume)) if record.files.is_empty() => {
            let mut plan = CheckPlan::full(geometry);
            assume.iter().for_each(|piece| _ = plan.hash.clear(piece));
            CheckPlan { assume, ..plan }
        }
        _ => CheckPlan::full(geometry),
    }
}

/// A path need not be UTF-8.
pub(super) fn path_to_bytes<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(path.as_os_str().as_bytes())
}

pub(super) fn path_from_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
    Ok(OsString::from_vec(bytes.into_vec()).into())
}
