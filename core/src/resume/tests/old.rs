//! What earlier versions wrote is read.

use super::super::old::{Global1, Record2, Settings2};
use super::super::record::{decode_settings, encode_settings};
use super::*;
use crate::settings::{Encryption, Priority, SeedLimit, SpeedLimits, TorrentSettings};

/// The fields of version 1, in their order.
#[derive(serde::Serialize)]
struct Version1(
    (Vec<u8>, Vec<u8>, Vec<FileStamp>, serde_bytes::ByteBuf, bool),
    (u64, u64, u64, u64, UnixTime, Option<UnixTime>, u32, u32),
);

#[test]
fn a_record_of_version_1_is_read() {
    let want = record(5);
    let old = Version1(
        (want.have.clone(), vec![], want.files.clone(), serde_bytes::ByteBuf::from(*b"/data/films"), true),
        (7, want.uploaded, 0, 0, want.added, Some(UnixTime(9)), 0xfeed, want.queue_position),
    );
    let bytes = with_version(1, &hash(5), &old);
    let want = ResumeRecord {
        paused: true,
        downloaded: 7,
        completed: Some(UnixTime(9)),
        tracker_key: 0xfeed,
        ..want
    };
    assert_eq!(ResumeRecord::decode(&hash(5), &bytes), Ok(want));
    let cut = with_version(1, &hash(5), &(1_u8, 2_u8));
    assert_eq!(ResumeRecord::decode(&hash(5), &cut), Err(RecordError::Damaged));
}

#[test]
fn a_record_of_version_2_is_read() {
    let want = ResumeRecord {
        paused: true,
        tracker_key: 0xfeed,
        settings: TorrentSettings {
            files: vec![Priority::High, Priority::Skip],
            ends_first: true,
            speed: SpeedLimits { down: Some(7), up: None },
            seed_time: SeedLimit::At(90),
            ..TorrentSettings::default()
        },
        seeding_seconds: 3,
        trackers: Some(vec![vec!["http://tracker.example/announce".into()]]),
        moving: Some(MoveNote { other: "/other".into(), committed: true }),
        ..record(5)
    };
    let old = Record2 {
        have: want.have.clone(),
        files: want.files.clone(),
        save_path: want.save_path.clone(),
        paused: true,
        uploaded: want.uploaded,
        added: want.added,
        tracker_key: 0xfeed,
        queue_position: want.queue_position,
        settings: Settings2 {
            files: want.settings.files.clone(),
            ends_first: true,
            speed: want.settings.speed,
            seed_time: want.settings.seed_time,
            ..Settings2::default()
        },
        seeding_seconds: 3,
        trackers: want.trackers.clone(),
        moving: want.moving.clone(),
        ..Record2::default()
    };
    let bytes = with_version(2, &hash(5), &old);
    assert_eq!(ResumeRecord::decode(&hash(5), &bytes), Ok(want));
    let cut = with_version(2, &hash(5), &(1_u8, 2_u8));
    assert_eq!(ResumeRecord::decode(&hash(5), &cut), Err(RecordError::Damaged));
    let none = with_version(0, &hash(5), &old);
    assert_eq!(ResumeRecord::decode(&hash(5), &none), Err(RecordError::Damaged));
}

/// Fields as they lie in the store, without a length before them.
struct Raw(Vec<u8>);

impl serde::Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple as _;
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

#[test]
fn a_record_of_version_3_is_read() {
    let want = ResumeRecord { forced: true, names: vec![(1, "b".into())], ..record(5) };
    let mut fields = want.encode(&hash(5)).split_off(5);
    assert_eq!(fields.pop(), Some(0), "whether a magnet pauses came with version 4");
    let bytes = with_version(3, &hash(5), &Raw(fields));
    assert_eq!(ResumeRecord::decode(&hash(5), &bytes), Ok(want));
    let stops = ResumeRecord { stop_at_metadata: true, ..record(5) };
    assert_eq!(ResumeRecord::decode(&hash(5), &stops.encode(&hash(5))), Ok(stops));
}

#[test]
fn settings_of_version_1_are_read() {
    let old = Global1 { use_alternative: true, seed_ratio: Some(1_500), ..Global1::default() };
    let bytes = with_version(1, &InfoHash::new([0; 20]), &old);
    let mut want =
        GlobalSettings { use_alternative: true, seed_ratio: Some(1_500), ..GlobalSettings::default() };
    want.alternative = SpeedLimits::default();
    assert_eq!(decode_settings(&bytes), Ok(want.clone()));
    assert_eq!(decode_settings(&encode_settings(&want)), Ok(want));
    let newer = with_version(200, &InfoHash::new([0; 20]), &old);
    assert_eq!(decode_settings(&newer), Err(RecordError::Newer(200)));
}

#[test]
fn settings_of_version_2_are_read() {
    let want = GlobalSettings { seed_time: Some(60), ..GlobalSettings::default() };
    let mut fields = postcard::to_stdvec(&want).unwrap();
    assert_eq!(fields.pop(), Some(1), "encryption came with version 3");
    assert_eq!(decode_settings(&with_version(2, &InfoHash::new([0; 20]), &Raw(fields))), Ok(want));
    let required = GlobalSettings { encryption: Encryption::Require, ..GlobalSettings::default() };
    assert_eq!(decode_settings(&encode_settings(&required)), Ok(required));
}
