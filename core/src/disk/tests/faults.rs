//! Files that change under us, links, a disk that fails.

use std::io;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use super::*;
use crate::storage::OpenFor;

/// Fails with an error number while a fuse is lit.
#[derive(Debug, Default)]
struct Failing {
    /// Writes that still succeed; `usize::MAX` at rest.
    writes: AtomicUsize,
    write_error: AtomicI32,
    read_error: AtomicI32,
    sync_error: AtomicI32,
    open_error: AtomicI32,
    reserve_error: AtomicI32,
    /// Each call moves at most this many bytes; 0 for any number.
    at_once: AtomicUsize,
}

fn fail(error: &AtomicI32) -> io::Result<()> {
    match error.load(Ordering::SeqCst) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

impl Backend for Failing {
    fn open(
        &self,
        root: &std::path::Path,
        path: &std::path::Path,
        how: OpenFor,
    ) -> io::Result<crate::storage::Opened> {
        fail(&self.open_error)?;
        System.open(root, path, how)
    }

    fn pread(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        fail(&self.read_error)?;
        match self.at_once.load(Ordering::SeqCst) {
            0 => System.pread(file, buffer, offset),
            most => {
                let length = buffer.len().min(most);
                System.pread(file, &mut buffer[..length], offset)
            }
        }
    }

    fn pwritev(&self, file: &OpenFile, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<usize> {
        if self.writes.load(Ordering::SeqCst) == 0 {
            fail(&self.write_error)?;
        } else {
            self.writes.fetch_sub(1, Ordering::SeqCst);
        }
        match self.at_once.load(Ordering::SeqCst) {
            0 => System.pwritev(file, buffers, offset),
            most => {
                let part = &buffers[0][..buffers[0].len().min(most)];
                System.pwritev(file, &[io::IoSlice::new(part)], offset)
            }
        }
    }

    fn fdatasync(&self, file: &OpenFile) -> io::Result<()> {
        fail(&self.sync_error)?;
        System.fdatasync(file)
    }

    fn reserve(&self, file: &OpenFile, length: u64) -> io::Result<()> {
        fail(&self.reserve_error)?;
        System.reserve(file, length)
    }

    fn free_space(&self, _path: &std::path::Path) -> Option<u64> {
        Some(4_096)
    }
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EROFS: i32 = 30;
const EMFILE: i32 = 24;

fn failing(lengths: &[i64]) -> (Arc<Failing>, Torrent) {
    let backend = Arc::new(Failing::default());
    let torrent = Torrent::over(backend.clone(), lengths, 32_768, 16);
    (backend, torrent)
}

#[tokio::test]
async fn short_reads_and_writes_are_carried_on() {
    let (backend, torrent) = failing(&[50_000, 3, 70_000]);
    backend.at_once.store(1_000, Ordering::SeqCst);
    torrent.fill().await;
    torrent.assert_files();
    torrent.assert_reads().await;
}

#[tokio::test]
async fn a_full_disk_is_told_with_numbers_and_the_piece_can_come_again() {
    let (backend, torrent) = failing(&[100_000]);
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    backend.writes.store(0, Ordering::SeqCst);
    backend.write_error.store(ENOSPC, Ordering::SeqCst);
    torrent.write(BlockRef { piece: PieceIndex::new(1), block: 0 }).await;
    let full = DiskError::Full { needs: 100_000 - 32_768, free: 4_096 };
    assert_eq!(error(torrent.done().await), (Op::Write, full));
    backend.write_error.store(0, Ordering::SeqCst);
    for piece in 1..4 {
        torrent.write_piece(piece).await;
        assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(piece) });
    }
    torrent.assert_files();
}

#[tokio::test]
async fn other_errors_carry_the_path_and_the_piece() {
    let (backend, torrent) = failing(&[100_000]);
    backend.open_error.store(EROFS, Ordering::SeqCst);
    torrent.write(BlockRef { piece: PieceIndex::new(2), block: 0 }).await;
    match torrent.done().await {
        DiskDone::Error { op: Op::Write, path, piece, error: DiskError::Io { kind, .. } } => {
            assert_eq!(path, torrent.path(0));
            assert_eq!(piece, Some(PieceIndex::new(2)));
            assert_eq!(kind, io::ErrorKind::ReadOnlyFilesystem);
        }
        other => panic!("{other:?}"),
    }
    backend.open_error.store(EMFILE, Ordering::SeqCst);
    torrent.write(BlockRef { piece: PieceIndex::new(2), block: 0 }).await;
    assert!(matches!(error(torrent.done().await), (Op::Write, DiskError::Io { .. })));
    backend.open_error.store(0, Ordering::SeqCst);
    torrent.fill().await;
}

#[tokio::test]
async fn a_piece_that_cannot_be_read_is_not_there() {
    let (backend, torrent) = failing(&[100_000]);
    torrent.fill().await;
    backend.read_error.store(EIO, Ordering::SeqCst);
    assert!(matches!(torrent.read(1, 0, 100).await, Err(DiskError::Io { .. })));
    match torrent.done().await {
        DiskDone::Error { op: Op::Read, piece, .. } => assert_eq!(piece, Some(PieceIndex::new(1))),
        other => panic!("{other:?}"),
    }
    backend.read_error.store(0, Ordering::SeqCst);
    assert_eq!(torrent.have(), [0, 2, 3]);
    assert_eq!(torrent.read(1, 0, 100).await, Err(DiskError::Unverified));
    torrent.check(torrent.plan(&[], &[1])).await;
    assert!(torrent.storage.verified().is_full());
}

#[tokio::test]
async fn a_failed_sync_takes_back_all_since_the_last_good_one() {
    let (backend, torrent) = failing(&[100_000]);
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    torrent.disk.sync(&torrent.storage);
    match torrent.done().await {
        DiskDone::Synced { have, files } => {
            assert_eq!(have, torrent.storage.verified());
            assert_eq!((files.len(), files[0].complete, files[0].size), (1, false, 32_768));
        }
        other => panic!("{other:?}"),
    }
    torrent.write_piece(1).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
    // Half of a piece that the sync takes with it.
    let half = BlockRef { piece: PieceIndex::new(2), block: 0 };
    torrent.write(half).await;
    // All credits are back: it is written.
    drop(torrent.disk.credit(1 << 20).await);
    backend.sync_error.store(EIO, Ordering::SeqCst);
    torrent.disk.sync(&torrent.storage);
    assert!(matches!(error(torrent.done().await), (Op::Sync, DiskError::Io { .. })));
    let lost = torrent.plan(&[], &[1]).hash;
    assert_eq!(torrent.done().await, DiskDone::Unverified { pieces: lost.clone() });
    assert_eq!(torrent.have(), [0]);
    backend.sync_error.store(0, Ordering::SeqCst);
    // A second sync succeeds and claims no more than the first.
    torrent.disk.sync(&torrent.storage);
    let claimed = torrent.plan(&[0], &[]).trust;
    match torrent.done().await {
        DiskDone::Synced { have, .. } => assert_eq!(have, claimed),
        other => panic!("{other:?}"),
    }
    torrent.check(CheckPlan::new(claimed, lost)).await;
    assert_eq!(torrent.have(), [0, 1]);
    // The half piece starts from nothing: its block is no duplicate.
    torrent.write_piece(2).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(2) });
}

#[tokio::test]
async fn a_file_cut_short_while_serving() {
    let torrent = Torrent::new(&[100_000], 32_768);
    torrent.fill().await;
    torrent.assert_reads().await;
    fs::OpenOptions::new().write(true).open(torrent.path(0)).unwrap().set_len(40_000).unwrap();
    assert_eq!(torrent.read(2, 0, 100).await, Err(DiskError::Short));
    assert_eq!(error(torrent.done().await), (Op::Read, DiskError::Short));
    // What is still there is only served after another look.
    assert_eq!(torrent.read(0, 0, 100).await.unwrap(), torrent.content[..100]);
    torrent.check_all().await;
    assert_eq!(torrent.have(), [0]);
}

#[tokio::test]
async fn a_complete_file_that_was_changed_is_not_served() {
    let torrent = Torrent::new(&[60_000, 40_000], 32_768);
    torrent.fill().await;
    torrent.assert_reads().await;
    let mut data = fs::read(torrent.path(0)).unwrap();
    data[40_000] ^= 1;
    fs::write(torrent.path(0), data).unwrap();
    let file = fs::OpenOptions::new().write(true).open(torrent.path(0)).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
    assert_eq!(torrent.read(0, 0, 100).await, Err(DiskError::Changed));
    assert_eq!(error(torrent.done().await), (Op::Read, DiskError::Changed));
    let lost = torrent.plan(&[], &[1]).hash;
    assert_eq!(torrent.done().await, DiskDone::Unverified { pieces: lost });
    assert_eq!(torrent.have(), [2, 3]);
    torrent.check(torrent.plan(&[], &[0, 1])).await;
    assert_eq!(torrent.have(), [0, 2, 3]);
}

#[tokio::test]
async fn a_file_removed_while_serving() {
    let torrent = Torrent::new(&[60_000, 40_000], 32_768);
    torrent.fill().await;
    torrent.assert_reads().await;
    fs::remove_file(torrent.path(0)).unwrap();
    assert_eq!(torrent.read(0, 0, 100).await, Err(DiskError::Vanished));
    assert_eq!(error(torrent.done().await), (Op::Read, DiskError::Vanished));
    assert!(matches!(torrent.done().await, DiskDone::Unverified { .. }));
    assert_eq!(torrent.have(), [2, 3]);
    torrent.write_piece(0).await;
    assert_eq!(error(torrent.done().await), (Op::Write, DiskError::Vanished));
    assert!(!torrent.path(0).exists());
}

#[tokio::test]
async fn a_file_removed_while_downloading_is_found_by_the_sync() {
    let torrent = Torrent::new(&[60_000, 40_000], 32_768);
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    fs::remove_file(torrent.path(0)).unwrap();
    torrent.disk.sync(&torrent.storage);
    assert_eq!(error(torrent.done().await), (Op::Sync, DiskError::Vanished));
    assert!(matches!(torrent.done().await, DiskDone::Unverified { .. }));
    assert!(torrent.have().is_empty());
}

/// Puts something in the place of a file or folder, writes, and expects an error and no harm.
async fn refused(plant: impl FnOnce(&Torrent), want: DiskError) {
    let torrent = Torrent::new(&[1_000, 40_000], 32_768);
    fs::create_dir(&torrent.root).unwrap();
    plant(&torrent);
    torrent.write(BlockRef { piece: PieceIndex::new(0), block: 1 }).await;
    assert_eq!(error(torrent.done().await), (Op::Write, want));
}

#[tokio::test]
async fn links_out_of_the_root_are_not_followed_for_writing() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    fs::write(&target, "precious").unwrap();
    refused(|t| symlink(outside.path(), t.root.join("d1")).unwrap(), DiskError::Link).await;
    let plant = |t: &Torrent| {
        fs::create_dir(t.root.join("d1")).unwrap();
        symlink(&target, t.path(1)).unwrap();
    };
    refused(plant, DiskError::Link).await;
    let plant = |t: &Torrent| {
        fs::create_dir(t.root.join("d1")).unwrap();
        symlink(outside.path().join("new"), t.path(1)).unwrap();
    };
    refused(plant, DiskError::Link).await;
    refused(|t| fs::create_dir_all(t.path(1)).unwrap(), DiskError::NotAFile).await;
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_root_itself_may_be_a_link() {
    let torrent = Torrent::new(&[1_000, 40_000], 32_768);
    let real = tempfile::tempdir().unwrap();
    symlink(real.path(), &torrent.root).unwrap();
    torrent.fill().await;
    torrent.assert_files();
}

#[tokio::test]
async fn delete_takes_the_torrents_files_and_nothing_else() {
    let torrent = Torrent::new(&[10_000, 10_000, 10_000, 0, 10_000, 10_000], 16_384);
    torrent.fill().await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("5"), "precious").unwrap();
    fs::write(torrent.root.join("d1").join("notes"), "mine").unwrap();
    fs::remove_dir_all(torrent.root.join("d2")).unwrap();
    symlink(outside.path(), torrent.root.join("d2")).unwrap();
    assert_eq!(torrent.disk.delete_files(&torrent.storage).await, Err(DiskError::Link));
    let mut left: Vec<_> = fs::read_dir(&torrent.root).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["d1", "d2"]);
    assert_eq!(fs::read_dir(torrent.root.join("d1")).unwrap().count(), 1);
    assert_eq!(fs::read(outside.path().join("5")).unwrap(), b"precious");
}

#[tokio::test]
async fn delete_leaves_the_save_folder() {
    let torrent = Torrent::new(&[10_000, 10_000, 10_000], 16_384);
    torrent.fill().await;
    assert_eq!(torrent.disk.delete_files(&torrent.storage).await, Ok(()));
    assert_eq!(fs::read_dir(&torrent.root).unwrap().count(), 0);
}

#[tokio::test]
async fn room_is_reserved_where_that_can_be_done_and_what_is_not_there_is_not_hashed() {
    const EOPNOTSUPP: i32 = 95;
    let blocks = |torrent: &Torrent| {
        let on_disk = fs::metadata(torrent.path(0)).unwrap();
        (on_disk.len(), std::os::unix::fs::MetadataExt::blocks(&on_disk) * 512)
    };
    for reserve in [false, true] {
        let (_, torrent) = failing(&[4_000_000]);
        torrent.disk.reserve_room(reserve);
        torrent.write_piece(0).await;
        assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
        let (size, taken) = blocks(&torrent);
        assert_eq!((size, taken >= 4_000_000), (32_768, reserve), "{taken}");
        assert_eq!(torrent.check_all().await, 32_768);
    }
    let (backend, torrent) = failing(&[4_000_000]);
    torrent.disk.reserve_room(true);
    backend.reserve_error.store(EOPNOTSUPP, Ordering::SeqCst);
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    let (backend, torrent) = failing(&[4_000_000]);
    torrent.disk.reserve_room(true);
    backend.reserve_error.store(ENOSPC, Ordering::SeqCst);
    torrent.write(BlockRef { piece: PieceIndex::new(0), block: 0 }).await;
    assert!(matches!(error(torrent.done().await), (Op::Write, DiskError::Full { .. })));
}
