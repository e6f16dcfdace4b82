//! Looking at what is on disk.

use super::*;
use crate::resume::{ResumeRecord, trusted};

#[tokio::test]
async fn nothing_there_is_nothing_to_hash() {
    let torrent = Torrent::new(&[100_000, 50_000], 16_384);
    assert_eq!(torrent.check_all().await, 0);
    assert!(torrent.have().is_empty());
    assert!(!torrent.root.exists());
}

#[tokio::test]
async fn all_there() {
    let mut torrent = Torrent::new(&[100_000, 0, -3_000, 50_000, 1_000], 16_384);
    torrent.fill().await;
    torrent.reopen();
    assert_eq!(torrent.check_all().await, 154_000);
    assert!(torrent.storage.verified().is_full());
    torrent.assert_reads().await;
}

#[tokio::test]
async fn part_of_it_there() {
    let mut torrent = Torrent::new(&[40_000, 40_000, 40_000], 16_384);
    torrent.fill().await;
    torrent.disk.close(&torrent.storage);
    // Bytes 40,000 to 80,000 are pieces 2 to 4; the file that ends at 50,000 has all of piece 2.
    fs::OpenOptions::new().write(true).open(torrent.path(1)).unwrap().set_len(10_000).unwrap();
    let mut first = fs::read(torrent.path(0)).unwrap();
    first[20_000] ^= 1;
    fs::write(torrent.path(0), first).unwrap();
    torrent.reopen();
    torrent.check_all().await;
    assert_eq!(torrent.have(), [0, 2, 5, 6, 7]);
    for piece in [1, 3, 4] {
        torrent.write_piece(piece).await;
        assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(piece) });
    }
    torrent.assert_files();
}

#[tokio::test]
async fn trusted_pieces_are_not_hashed() {
    let mut torrent = Torrent::new(&[40_000, 40_000, 40_000], 16_384);
    torrent.fill().await;
    torrent.reopen();
    assert_eq!(torrent.check(torrent.plan(&[0, 1, 2, 5], &[6])).await, 16_384);
    assert_eq!(torrent.have(), [0, 1, 2, 5, 6]);
    // In neither set: it keeps what it is.
    assert_eq!(torrent.check(torrent.plan(&[], &[1])).await, 16_384);
    assert_eq!(torrent.have(), [0, 1, 2, 5, 6]);
}

#[tokio::test]
async fn trusted_pieces_whose_file_grew_are_hashed() {
    let mut torrent = Torrent::new(&[40_000, 40_000], 16_384);
    torrent.fill().await;
    let file = fs::OpenOptions::new().write(true).open(torrent.path(0)).unwrap();
    file.set_len(40_001).unwrap();
    torrent.reopen();
    assert_eq!(torrent.check(torrent.plan(&[0, 1, 2, 3, 4], &[])).await, 3 * 16_384);
    assert!(torrent.storage.verified().is_full());
}

#[tokio::test]
async fn a_trusted_file_that_is_gone_is_told_and_not_made_again() {
    let mut torrent = Torrent::new(&[40_000, 40_000], 16_384);
    torrent.fill().await;
    fs::remove_dir_all(&torrent.root).unwrap();
    torrent.reopen();
    torrent.disk.check(&torrent.storage, torrent.plan(&[0, 1, 2, 3], &[]));
    assert_eq!(error(torrent.done().await), (Op::Check, DiskError::Vanished));
    assert_eq!(torrent.done().await, DiskDone::Checked { bytes_hashed: 0 });
    torrent.write_piece(0).await;
    assert_eq!(error(torrent.done().await), (Op::Write, DiskError::Vanished));
    assert!(!torrent.root.exists());
    // A person who deleted it on purpose has it checked, and then it may be fetched again.
    torrent.reopen();
    torrent.check_all().await;
    torrent.fill().await;
    torrent.assert_files();
}

#[tokio::test]
async fn a_cancelled_check_says_what_is_left() {
    let mut torrent = Torrent::new(&[3_000_000], 16_384);
    torrent.fill().await;
    torrent.reopen();
    let all = torrent.storage.geometry().pieces();
    torrent.disk.check(&torrent.storage, CheckPlan::full(torrent.storage.geometry()));
    torrent.disk.cancel_check(&torrent.storage);
    let left = match torrent.done().await {
        DiskDone::CheckStopped { left, bytes_hashed, .. } => {
            assert_eq!(bytes_hashed > 0, left.ones() < all);
            left
        }
        // It was through before it was cancelled.
        DiskDone::Checked { .. } => Bitfield::new(all),
        other => panic!("{other:?}"),
    };
    let have = torrent.storage.verified();
    assert_eq!(have.ones() + left.ones(), all);
    torrent.check(CheckPlan::new(have, left)).await;
    assert!(torrent.storage.verified().is_full());
}

#[tokio::test]
async fn a_torrent_of_no_bytes_is_complete_when_checked() {
    let torrent = Torrent::new(&[0, 0], 16_384);
    assert_eq!(torrent.check_all().await, 0);
    assert!(torrent.storage.verified().is_full());
    torrent.assert_files();
}

#[tokio::test]
async fn checks_of_many_torrents_all_end() {
    let torrent = Torrent::new(&[500_000], 16_384);
    torrent.fill().await;
    let others: Vec<_> = (0..20).map(|_| torrent.disk.open(torrent.storage.layout().clone())).collect();
    others.iter().for_each(|other| torrent.disk.check(other, CheckPlan::full(other.geometry())));
    for other in &others {
        while !matches!(other.done().await, DiskDone::Checked { .. }) {}
        assert!(other.verified().is_full());
    }
}

#[tokio::test]
async fn a_restart_hashes_only_what_was_not_synced_or_looks_otherwise() {
    let mut torrent = Torrent::new(&[40_000, 40_000, 40_000], 16_384);
    for piece in 0..6 {
        torrent.write_piece(piece).await;
        assert!(matches!(torrent.done().await, DiskDone::Verified { .. }));
    }
    torrent.disk.sync(&torrent.storage);
    let DiskDone::Synced { have, files } = torrent.done().await else { panic!("not synced") };
    torrent.write_piece(6).await;
    assert!(matches!(torrent.done().await, DiskDone::Verified { .. }));
    let mut maybe = Bitfield::new(have.len());
    torrent.storage.verified().without(&have).for_each(|piece| assert!(maybe.set(piece)));
    let record =
        ResumeRecord { have: have.to_wire(), maybe: maybe.to_wire(), files, ..ResumeRecord::default() };
    let plan = trusted(&record, torrent.storage.layout());
    torrent.reopen();
    assert_eq!(torrent.check(plan.clone()).await, 16_384);
    assert_eq!(torrent.have(), [0, 1, 2, 3, 4, 5, 6]);
    // File 0 was complete, so its time counts; file 2 was not, and only grew.
    for file in [0, 2] {
        let file = fs::OpenOptions::new().write(true).open(torrent.path(file)).unwrap();
        file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
    }
    torrent.reopen();
    assert_eq!(torrent.check(plan.clone()).await, 4 * 16_384);
    assert_eq!(torrent.have(), [0, 1, 2, 3, 4, 5, 6]);
    // File 2 is another one of the same content.
    let data = fs::read(torrent.path(2)).unwrap();
    fs::write(torrent.root.join("copy"), data).unwrap();
    fs::rename(torrent.root.join("copy"), torrent.path(2)).unwrap();
    torrent.reopen();
    assert_eq!(torrent.check(plan).await, 6 * 16_384);
}

/// Folders under `other` are on a device of their own; reading waits for a gate.
#[derive(Debug, Default)]
struct Devices {
    shut: std::sync::atomic::AtomicBool,
}

impl Backend for Devices {
    fn stat(&self, path: &std::path::Path) -> std::io::Result<rustix::fs::Stat> {
        let mut stat = System.stat(path)?;
        if path.components().any(|name| name.as_os_str() == "other") {
            stat.st_dev += 1;
        }
        Ok(stat)
    }

    fn pread(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let on_other = file.path.components().any(|name| name.as_os_str() == "other");
        while !on_other && self.shut.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        System.pread(file, buffer, offset)
    }
}

#[tokio::test]
async fn of_one_device_one_check_runs_at_a_time_and_devices_do_not_wait_for_each_other() {
    let backend = Arc::new(Devices::default());
    let torrent = Torrent::over(backend.clone(), &[100_000], 32_768, 16);
    torrent.fill().await;
    let layout = torrent.storage.layout();
    let at = |root: PathBuf| {
        fs::create_dir_all(&root).unwrap();
        fs::copy(torrent.path(0), root.join("0")).unwrap();
        let hashes = (0..4).map(|piece| layout.piece_hash(PieceIndex::new(piece))).collect::<Vec<_>>();
        let layout = Layout::from_parts(*layout.geometry(), layout.files().to_vec(), root, Arc::new(hashes));
        torrent.disk.open(layout)
    };
    let same = at(torrent.root.join("same"));
    let other = at(torrent.root.join("other"));
    backend.shut.store(true, Ordering::Release);
    for storage in [&torrent.storage, &same, &other] {
        torrent.disk.check(storage, CheckPlan::full(storage.geometry()));
    }
    let checked = async |storage: &Storage| {
        loop {
            match tokio::time::timeout(Duration::from_secs(20), storage.done()).await.expect("it ends") {
                DiskDone::CheckProgress { .. } => {}
                done => return done,
            }
        }
    };
    let all = DiskDone::Checked { bytes_hashed: 100_000 };
    // The first one holds up the second, which is not even looked at: its file is not known to be there.
    assert_eq!(checked(&other).await, all);
    assert!(!same.expects_files() && same.try_done().is_none());
    backend.shut.store(false, Ordering::Release);
    assert_eq!(checked(&torrent.storage).await, all);
    assert_eq!(checked(&same).await, all);
}

#[tokio::test]
async fn while_frozen_nothing_is_written_and_what_had_begun_is_forgotten() {
    let torrent = Torrent::new(&[100_000], 32_768);
    let block = |piece, block| BlockRef { piece: PieceIndex::new(piece), block };
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    torrent.write(block(1, 0)).await;
    torrent.disk.freeze(&torrent.storage);
    // A late and wrong block of a piece that is being hashed.
    torrent.write_bytes(block(0, 1), Bytes::from(vec![9; 16_384])).await;
    // All credits are back: it is written, or dropped.
    drop(torrent.disk.credit(1 << 20).await);
    torrent.check_all().await;
    assert_eq!(torrent.have(), [0]);
    torrent.disk.thaw(&torrent.storage);
    torrent.write(block(1, 1)).await;
    drop(torrent.disk.credit(1 << 20).await);
    assert_eq!(torrent.storage.try_done(), None, "the first half has to come again");
    torrent.write(block(1, 0)).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
}

#[tokio::test]
async fn a_check_finds_files_that_were_swapped_under_open_ones() {
    let torrent = Torrent::new(&[60_000, 40_000], 32_768);
    torrent.fill().await;
    torrent.assert_reads().await;
    fs::remove_file(torrent.path(0)).unwrap();
    torrent.disk.freeze(&torrent.storage);
    torrent.check_all().await;
    torrent.disk.thaw(&torrent.storage);
    assert_eq!(torrent.have(), [2, 3]);
    for piece in [0, 1] {
        torrent.write_piece(piece).await;
        assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(piece) });
    }
    torrent.assert_files();
}
