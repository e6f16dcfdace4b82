//! Round trips, damage, two runs, and a folder that fails.

mod crash;
mod journal;
mod old;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::record::with_version;
use super::*;
use crate::dht;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::settings::{GlobalSetting, GlobalSettings};
use crate::storage::{CheckPlan, FileStamp, Layout, entries};
use crate::types::{BanReason, BanTarget, InfoHash, PieceIndex, UnixTime};

fn hash(at: u8) -> InfoHash {
    InfoHash::new([at; 20])
}

fn torrent(at: u8) -> Bytes {
    Bytes::from(vec![at; 100])
}

fn record(at: u8) -> ResumeRecord {
    ResumeRecord {
        have: vec![at, 0xff],
        save_path: PathBuf::from("/data/films"),
        files: vec![FileStamp { size: u64::MAX, mtime_ns: -1, inode: 77, complete: true }; 3],
        uploaded: u64::from(at) << 40,
        added: UnixTime(1_700_000_000),
        queue_position: u32::from(at),
        ..ResumeRecord::default()
    }
}

fn saved(at: u8) -> Saved {
    Saved { info_hash: hash(at), torrent: torrent(at), record: Some(record(at)) }
}

/// A state folder with torrents 3, 1 and 2.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, list, problems) = StateStore::open(folder.path()).unwrap();
    assert!(list.is_empty() && problems.is_empty());
    for at in [3, 1, 2] {
        store.add(hash(at), torrent(at), record(at));
    }
    store.close();
    folder
}

/// Opens the folder and says what is there and how many problems there were.
fn open(folder: &Path) -> (StateStore, Vec<Saved>, usize) {
    let (store, list, problems) = StateStore::open(folder).unwrap();
    (store, list, problems.len())
}

#[test]
fn what_was_added_is_there_in_the_order_of_the_list() {
    let folder = filled();
    let (_store, list, problems) = open(folder.path());
    assert_eq!(list, [saved(1), saved(2), saved(3)]);
    assert_eq!(problems, 0);
}

#[tokio::test]
async fn the_newest_record_wins_and_a_removed_torrent_stays_away() {
    let folder = filled();
    let (store, _, _) = open(folder.path());
    for uploaded in 0..1_000 {
        store.put(hash(1), ResumeRecord { uploaded, ..record(1) });
    }
    store.remove(hash(2));
    store.put(hash(2), record(2));
    store.remove(hash(3));
    store.add(hash(3), torrent(3), record(3));
    store.flush().await.unwrap();
    store.close();
    assert!(matches!(store.flush().await, Err(Error::Stopping)));
    let (_store, list, problems) = open(folder.path());
    let first = Saved { record: Some(ResumeRecord { uploaded: 999, ..record(1) }), ..saved(1) };
    assert_eq!(list, [first, saved(3)]);
    assert_eq!(problems, 0);
}

/// Bans of two peers, which end in ten years.
/// More than one thread writes them.
#[tokio::test]
async fn many_that_come_and_go_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = open(folder.path());
    (0..=255).for_each(|at| store.add(hash(at), torrent(at), record(at)));
    store.flush().await.unwrap();
    (0..200).for_each(|at| store.remove(hash(at)));
    store.flush().await.unwrap();
    drop(store);
    let (_store, list, problems) = open(folder.path());
    assert_eq!((list.len(), problems), (56, 0));
    assert!((200..=255).all(|at| list.contains(&saved(at))));
}

fn bans() -> Vec<SavedBan> {
    let ban = |at, reason| SavedBan {
        target: BanTarget::of(std::net::SocketAddr::from(([11, 0, 0, at], 1))),
        reason,
        until: UnixTime(2_000_000_000),
    };
    vec![ban(1, BanReason::ByHand), ban(2, BanReason::BadPiece(PieceIndex::new(3)))]
}

#[test]
fn bans_are_kept_and_the_newest_list_of_them_counts() {
    let folder = filled();
    let (store, _, _) = open(folder.path());
    assert_eq!(store.take_bans(), []);
    store.put_bans(bans()[..1].to_vec());
    store.put_bans(bans());
    store.close();
    let (store, list, problems) = open(folder.path());
    assert_eq!((list.len(), problems), (3, 0));
    assert_eq!(store.take_bans(), bans());
    assert_eq!(store.take_bans(), [], "given once");
    // Records that change later leave them alone.
    store.put(hash(1), record(1));
    store.close();
    assert_eq!(open(folder.path()).0.take_bans(), bans());
}

#[test]
fn damaged_bans_are_no_bans_and_the_list_is_as_it_was() {
    let folder = filled();
    for damage in [&b"\x01nonsense"[..], b"", b"\x02\0\0\0\0"] {
        table::plant_bans(folder.path(), damage);
        let (store, list, problems) = open(folder.path());
        assert_eq!(list, [saved(1), saved(2), saved(3)]);
        assert_eq!(problems, 1, "{damage:?}");
        assert_eq!(store.take_bans(), []);
        store.put_bans(bans());
        store.close();
        let (store, _, problems) = open(folder.path());
        assert_eq!((store.take_bans(), problems), (bans(), 0));
    }
}

#[test]
fn what_the_dht_knows_outlives_a_run_and_damage_to_it_is_nothing() {
    let folder = filled();
    let mut dht = dht::Saved { ids: [Some(dht::NodeId::new([7; 20])), None], ..dht::Saved::default() };
    for n in 0..100_u8 {
        let address = std::net::SocketAddr::from(([11, n, 0, 1], 6881));
        dht.nodes.push(dht::Contact { id: dht::NodeId::new([n; 20]), address });
    }
    for damage in [&b""[..], &[0; 600], &[0xff; 1 << 20], b"\x01 damaged"] {
        let (store, list, _) = open(folder.path());
        store.put_dht(dht.clone());
        store.close();
        drop(store);
        assert_eq!(list, [saved(1), saved(2), saved(3)]);
        let (store, _, problems) = open(folder.path());
        assert_eq!((store.kept_dht(), problems), (Some(&dht), 0));
        store.close();
        drop(store);
        table::plant_dht(folder.path(), damage);
        let (store, list, problems) = open(folder.path());
        assert_eq!((store.kept_dht(), problems), (None, 0), "it is found again");
        assert_eq!(list, [saved(1), saved(2), saved(3)]);
    }
}

#[test]
fn a_second_run_is_told_who_holds_the_folder() {
    let folder = filled();
    let (store, _, _) = open(folder.path());
    match StateStore::open(folder.path()) {
        Err(Error::StateInUse { path, pid }) => {
            assert_eq!(path, folder.path());
            assert_eq!(pid, std::process::id());
        }
        other => panic!("{other:?}"),
    }
    store.close();
    // A file that a dead run left behind is no lock.
    fs::write(folder.path().join("lock"), "1\n").unwrap();
    assert_eq!(open(folder.path()).1.len(), 3);
}

/// Damages the store and expects the whole list, with or without records.
fn damaged(damage: impl FnOnce(&Path, Vec<u8>)) {
    let folder = filled();
    let path = folder.path().join("state.redb");
    let bytes = fs::read(&path).unwrap();
    damage(&path, bytes);
    let (store, list, _) = open(folder.path());
    let mut hashes: Vec<_> = list.iter().map(|saved| saved.info_hash).collect();
    hashes.sort_unstable();
    assert_eq!(hashes, [hash(1), hash(2), hash(3)]);
    for found in list {
        assert!(
            found.record.is_none_or(|record| Some(record) == saved(found.info_hash.as_bytes()[0]).record)
        );
    }
    // And it can be worked with again.
    store.put(hash(1), record(1));
    store.close();
    let (_store, list, problems) = open(folder.path());
    assert!(list.contains(&saved(1)));
    assert_eq!(problems, 0);
}

#[test]
fn a_broken_store_never_costs_the_list() {
    damaged(|path, _| fs::remove_file(path).unwrap());
    damaged(|path, _| fs::write(path, "").unwrap());
    damaged(|path, _| fs::write(path, "not a store").unwrap());
    damaged(|path, bytes| fs::write(path, &bytes[..bytes.len() / 2]).unwrap());
    damaged(|path, bytes| fs::write(path, vec![0; bytes.len()]).unwrap());
    damaged(|path, bytes| fs::write(path, vec![0xff; bytes.len()]).unwrap());
}

#[test]
fn a_store_that_was_being_made_when_the_program_was_killed_is_no_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state.redb.tmp"), [0; 10_000]).unwrap();
    let (store, _, problems) = open(folder.path());
    assert_eq!(problems, 0);
    store.close();
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("state.redb")).collect();
    assert_eq!(names, ["state.redb"]);
}

#[test]
fn a_broken_store_is_set_aside() {
    let folder = filled();
    fs::write(folder.path().join("state.redb"), "not a store").unwrap();
    let (_store, list, problems) = open(folder.path());
    assert_eq!((list.len(), problems), (3, 1));
    assert!(list.iter().all(|saved| saved.record.is_none()));
    assert_eq!(fs::read(folder.path().join("state.redb.broken-1")).unwrap(), b"not a store");
}

#[test]
fn torrents_that_cannot_be_read_are_told_and_left_alone() {
    let folder = filled();
    let torrents = folder.path().join("torrents");
    fs::write(torrents.join(format!("{}.torrent", hash(1))), "").unwrap();
    fs::write(torrents.join("README.torrent"), "x").unwrap();
    fs::write(torrents.join(format!("{}.torrent.tmp", hash(9))), "half").unwrap();
    let (store, list, problems) = open(folder.path());
    assert_eq!(list, [saved(2), saved(3)]);
    assert_eq!(problems, 2);
    store.close();
    assert!(!torrents.join(format!("{}.torrent.tmp", hash(9))).exists());
    assert!(torrents.join(format!("{}.torrent", hash(1))).exists());
    // Repaired, it goes on where it was.
    fs::write(torrents.join(format!("{}.torrent", hash(1))), torrent(1)).unwrap();
    assert_eq!(open(folder.path()).1, [saved(1), saved(2), saved(3)]);
}

#[test]
fn a_removal_that_was_cut_short_is_finished() {
    let folder = filled();
    fs::remove_file(folder.path().join("torrents").join(format!("{}.torrent", hash(2)))).unwrap();
    let (store, list, problems) = open(folder.path());
    assert_eq!((list, problems), (vec![saved(1), saved(3)], 0));
    store.close();
    // Its record is gone too: the torrent, added again, starts from nothing.
    fs::write(folder.path().join("torrents").join(format!("{}.torrent", hash(2))), torrent(2)).unwrap();
    let fresh = Saved { record: None, ..saved(2) };
    assert_eq!(open(folder.path()).1, [saved(1), saved(3), fresh]);
}

#[tokio::test]
async fn a_save_that_fails_is_kept_and_tried_again() {
    let folder = filled();
    let (store, _, _) = open(folder.path());
    let (torrents, away) = (folder.path().join("torrents"), folder.path().join("away"));
    fs::rename(&torrents, &away).unwrap();
    store.add(hash(4), torrent(4), record(4));
    assert!(matches!(store.flush().await, Err(Error::State(_))));
    assert!(store.trouble().is_some());
    store.put(hash(4), ResumeRecord { wasted: 5, ..record(4) });
    fs::rename(&away, &torrents).unwrap();
    store.flush().await.unwrap();
    assert_eq!(store.trouble(), None);
    store.close();
    let (_store, list, _) = open(folder.path());
    let last = Saved { record: Some(ResumeRecord { wasted: 5, ..record(4) }), ..saved(4) };
    assert_eq!(list, [saved(1), saved(2), saved(3), last]);
}

#[test]
fn records_are_refused_when_newer_cut_changed_or_of_another_torrent() {
    let bytes = record(1).encode(&hash(1));
    assert_eq!(ResumeRecord::decode(&hash(1), &bytes), Ok(record(1)));
    assert_eq!(ResumeRecord::decode(&hash(2), &bytes), Err(RecordError::Damaged));
    for at in 0..bytes.len() {
        assert_eq!(ResumeRecord::decode(&hash(1), &bytes[..at]), Err(RecordError::Damaged));
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert_eq!(ResumeRecord::decode(&hash(1), &flipped), Err(RecordError::Damaged));
        }
    }
}

#[test]
fn what_a_newer_program_wrote_is_kept_for_it() {
    let folder = filled();
    let newer = with_version(200, &hash(2), &record(2));
    assert_eq!(ResumeRecord::decode(&hash(2), &newer), Err(RecordError::Newer(200)));
    table::plant(folder.path(), &hash(2), &newer);
    let (store, list, problems) = open(folder.path());
    assert_eq!(list, [saved(1), saved(3), Saved { record: None, ..saved(2) }]);
    assert_eq!(problems, 2);
    store.put(hash(2), record(2));
    store.close();
    assert_eq!(open(folder.path()).1, [saved(1), saved(2), saved(3)]);
    fs::rename(folder.path().join("state.redb.newer-1"), folder.path().join("state.redb")).unwrap();
    assert_eq!(open(folder.path()).1.iter().filter(|saved| saved.record.is_none()).count(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(ResumeRecord::decode(&hash(1), &bytes).is_err());
    }

    #[test]
    fn any_record_reads_back(
        have: Vec<u8>,
        numbers: [u64; 4],
        path in proptest::collection::vec(1_u8.., 0..40),
        completed in proptest::option::of(any::<u64>()),
    ) {
        use std::os::unix::ffi::OsStringExt;
        let record = ResumeRecord {
            maybe: have.clone(),
            have,
            save_path: std::ffi::OsString::from_vec(path).into(),
            downloaded: numbers[0],
            wasted: numbers[1],
            active_seconds: numbers[2],
            tracker_key: numbers[3] as u32,
            completed: completed.map(UnixTime),
            ..ResumeRecord::default()
        };
        prop_assert_eq!(ResumeRecord::decode(&hash(1), &record.encode(&hash(1))), Ok(record));
    }
}

#[test]
fn settings_of_all_torrents_are_kept_and_damage_forgets_only_them() {
    let folder = filled();
    let (store, list, _) = StateStore::open(folder.path()).unwrap();
    assert_eq!((store.kept_settings(), list.len()), (None, 3));
    let mut settings = GlobalSettings::default();
    settings.apply(GlobalSetting::Down(Some(7)));
    store.put_settings(GlobalSettings::default());
    store.put_settings(settings.clone());
    store.put(hash(1), record(1));
    store.close();
    let (store, list, _) = StateStore::open(folder.path()).unwrap();
    assert_eq!((store.kept_settings(), list.len()), (Some(&settings), 3));
    let bytes = encode_settings(&settings);
    assert_eq!(decode_settings(&bytes), Ok(settings.clone()));
    for at in 1..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(decode_settings(&flipped), Err(RecordError::Damaged));
    }
    assert_eq!(decode_settings(&[]), Err(RecordError::Damaged));
}

#[test]
fn what_a_person_said_is_there_is_neither_trusted_nor_hashed_at_a_restart() {
    let files = entries(&[(30_000, false), (30_000, false)]);
    let geometry = Geometry::new(60_000, 16_384).unwrap();
    let layout = Layout::from_parts(geometry, files, "/nowhere", Arc::new(Vec::new()));
    let fresh = ResumeRecord { assumed: vec![0b1101_0000], ..ResumeRecord::default() };
    let sets = |record: &ResumeRecord| {
        let plan = trusted(record, &layout);
        [plan.trust.to_wire(), plan.assume.to_wire(), plan.hash.to_wire()]
    };
    assert_eq!(sets(&fresh), [vec![0], vec![0b1101_0000], vec![0b0010_0000]]);
    let later = ResumeRecord {
        have: vec![0b1000_0000],
        maybe: vec![0b0010_0000],
        assumed: vec![0b0101_0000],
        files: vec![FileStamp::default(); 2],
        ..ResumeRecord::default()
    };
    assert_eq!(sets(&later), [vec![0b1000_0000], vec![0b0101_0000], vec![0b0010_0000]]);
    assert_eq!(later.claimed(4).to_wire(), [0b1101_0000]);
    assert_eq!(later.claimed(9).ones(), 0, "the record of another torrent");
}

#[test]
fn an_order_comes_back_or_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let order = vec![hash(3), hash(1), hash(2)];
    let (store, _, _) = StateStore::open(folder.path()).unwrap();
    assert_eq!(store.take_order(), []);
    store.put_order(order.clone());
    store.close();
    let (store, _, problems) = StateStore::open(folder.path()).unwrap();
    assert_eq!((store.take_order(), problems), (order.clone(), Vec::new()));
    assert_eq!(store.take_order(), [], "given once");
    let bytes = record::encode_order(&order);
    assert_eq!(record::decode_order(&bytes), Ok(order));
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(record::decode_order(&flipped), Err(RecordError::Damaged));
    }
    assert_eq!(record::decode_order(&[]), Err(RecordError::Damaged));
}

#[test]
fn a_restart_trusts_have_and_hashes_maybe() {
    let files = entries(&[(30_000, false), (30_000, false)]);
    let geometry = Geometry::new(60_000, 16_384).unwrap();
    let layout = Layout::from_parts(geometry, files, "/nowhere", Arc::new(Vec::new()));
    let stamps = vec![FileStamp::default(); 2];
    let record = |have, maybe, files: &[FileStamp]| ResumeRecord {
        have,
        maybe,
        files: files.to_vec(),
        ..ResumeRecord::default()
    };
    let plan = trusted(&record(vec![0b1100_0000], vec![0b0010_0000], &stamps), &layout);
    let pieces = |at: &[u32]| at.iter().copied().map(PieceIndex::new).collect::<Vec<_>>();
    assert_eq!(plan.trust.iter().collect::<Vec<_>>(), pieces(&[0, 1]));
    assert_eq!(plan.hash.iter().collect::<Vec<_>>(), pieces(&[2]));
    assert_eq!(plan.stamps, stamps);
    for misfit in [
        record(vec![], vec![0], &stamps),
        record(vec![0], vec![0, 0], &stamps),
        record(vec![0b0000_1000], vec![0], &stamps),
        record(vec![0], vec![0], &stamps[..1]),
    ] {
        assert_eq!(trusted(&misfit, &layout), CheckPlan::full(&geometry));
    }
}

#[test]
fn stamps_count_by_time_only_for_complete_files() {
    let then = FileStamp { size: 100, mtime_ns: 5, inode: 9, complete: false };
    let done = FileStamp { complete: true, ..then };
    for (stamp, now, plausible) in [
        (then, FileStamp { mtime_ns: 6, size: 120, ..then }, true),
        (then, FileStamp { size: 99, ..then }, false),
        (then, FileStamp { inode: 10, ..then }, false),
        (done, done, true),
        (done, FileStamp { inode: 10, ..done }, true),
        (done, FileStamp { mtime_ns: 6, ..done }, false),
        (done, FileStamp { size: 101, ..done }, false),
    ] {
        assert_eq!(stamp.is_plausible(&now), plausible, "{stamp:?} {now:?}");
    }
}
