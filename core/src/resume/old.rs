//! Records and settings as earlier versions wrote them. Each form is kept as it was, field by field, and
//! turned into the one of today; what it did not know yet is as it is in a new torrent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::record::{MoveNote, ResumeRecord, path_from_bytes, path_to_bytes};
use crate::settings::{GlobalSettings, Priority, SeedLimit, SpeedLimits, TorrentSettings};
use crate::storage::FileStamp;
use crate::types::UnixTime;
use crate::untrusted::Untrusted;

/// Bytes that the fields of version 1 take in a record of which each is empty: one each. What version 2
/// added stands behind them.
const EMPTY_VERSION_1: usize = 13;

/// Version 2 of a record.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record2 {
    pub have: Vec<u8>,
    pub maybe: Vec<u8>,
    pub files: Vec<FileStamp>,
    #[serde(serialize_with = "path_to_bytes", deserialize_with = "path_from_bytes")]
    pub save_path: PathBuf,
    pub paused: bool,
    pub downloaded: u64,
    pub uploaded: u64,
    pub wasted: u64,
    pub active_seconds: u64,
    pub added: UnixTime,
    pub completed: Option<UnixTime>,
    pub tracker_key: u32,
    pub queue_position: u32,
    pub settings: Settings2,
    pub seeding_seconds: u64,
    pub trackers: Option<Vec<Vec<Untrusted>>>,
    pub moving: Option<MoveNote>,
}

/// A person's choices in a record of version 2.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Settings2 {
    pub files: Vec<Priority>,
    pub sequential: bool,
    pub ends_first: bool,
    pub speed: SpeedLimits,
    pub seed_ratio: SeedLimit,
    pub seed_time: SeedLimit,
}

/// Version 1 of the settings of all torrents together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Global1 {
    pub speed: SpeedLimits,
    pub alternative: SpeedLimits,
    pub use_alternative: bool,
    pub seed_ratio: Option<u64>,
    pub seed_time: Option<u64>,
}

/// What version 4 added behind the fields of version 3: whether a magnet pauses when its metadata is there.
const SINCE_VERSION_3: [u8; 1] = [0];

/// Reads the fields of a record of an earlier version; `None`: there is no such version, or they are damaged.
pub(super) fn record(version: u8, fields: &[u8]) -> Option<ResumeRecord> {
    if version == 3 {
        return postcard::from_bytes(&[fields, &SINCE_VERSION_3].concat()).ok();
    }
    let old: Record2 = match version {
        1 => {
            let empty = postcard::to_stdvec(&Record2::default()).ok()?;
            postcard::from_bytes(&[fields, empty.get(EMPTY_VERSION_1..)?].concat()).ok()?
        }
        2 => postcard::from_bytes(fields).ok()?,
        _ => return None,
    };
    Some(old.into())
}

/// What version 3 of the settings added behind the fields of version 2: encryption is preferred.
const SETTINGS_SINCE_VERSION_2: [u8; 1] = [1];

/// Reads the settings of all torrents together in an earlier version; `None` as for records.
pub(super) fn settings(version: u8, fields: &[u8]) -> Option<GlobalSettings> {
    if version == 2 {
        return postcard::from_bytes(&[fields, &SETTINGS_SINCE_VERSION_2].concat()).ok();
    }
    (version == 1).then(|| postcard::from_bytes::<Global1>(fields).ok()).flatten().map(Into::into)
}

impl From<Record2> for ResumeRecord {
    fn from(old: Record2) -> Self {
        Self {
            have: old.have,
            maybe: old.maybe,
            files: old.files,
            save_path: old.save_path,
            paused: old.paused,
            downloaded: old.downloaded,
            uploaded: old.uploaded,
            wasted: old.wasted,
            active_seconds: old.active_seconds,
            added: old.added,
            completed: old.completed,
            tracker_key: old.tracker_key,
            queue_position: old.queue_position,
            settings: old.settings.into(),
            seeding_seconds: old.seeding_seconds,
            trackers: old.trackers,
            moving: old.moving,
            ..Self::default()
        }
    }
}

impl From<Settings2> for TorrentSettings {
    fn from(old: Settings2) -> Self {
        Self {
            files: old.files,
            sequential: old.sequential,
            ends_first: old.ends_first,
            speed: old.speed,
            seed_ratio: old.seed_ratio,
            seed_time: old.seed_time,
            ..Self::default()
        }
    }
}

impl From<Global1> for GlobalSettings {
    fn from(old: Global1) -> Self {
        Self {
            speed: old.speed,
            alternative: old.alternative,
            use_alternative: old.use_alternative,
            seed_ratio: old.seed_ratio,
            seed_time: old.seed_time,
            ..Self::default()
        }
    }
}
