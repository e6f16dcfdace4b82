//! Files on their way to another folder: there, or back, or cut short at any call.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU32;

use super::*;

/// Folders named `far` are on a device of their own, and renames end after a while.
#[derive(Debug)]
struct Far {
    /// Renames that still succeed.
    renames: AtomicU32,
    free: AtomicU64,
    slow: AtomicBool,
}

impl Default for Far {
    fn default() -> Self {
        Self {
            renames: AtomicU32::new(u32::MAX),
            free: AtomicU64::new(u64::MAX),
            slow: AtomicBool::new(false),
        }
    }
}

impl Backend for Far {
    fn stat(&self, path: &Path) -> io::Result<rustix::fs::Stat> {
        let mut stat = System.stat(path)?;
        stat.st_dev += u64::from(path.components().any(|name| name.as_os_str() == "far"));
        Ok(stat)
    }

    fn rename(&self, from_root: &Path, from: &Path, to_root: &Path, to: &Path) -> io::Result<()> {
        let left = self.renames.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| io::Error::from_raw_os_error(5))?;
        System.rename(from_root, from, to_root, to)
    }

    fn pread(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        while self.slow.load(Ordering::SeqCst) && offset > 0 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        System.pread(file, buffer, offset)
    }

    fn free_space(&self, _path: &Path) -> Option<u64> {
        Some(self.free.load(Ordering::SeqCst))
    }
}

const LENGTHS: [i64; 5] = [40_000, -3_000, 0, 50_000, 1_200_000];

async fn filled() -> (Arc<Far>, Torrent) {
    let far = Arc::new(Far::default());
    let torrent = Torrent::over(far.clone(), &LENGTHS, 32_768, 16);
    torrent.fill().await;
    torrent.disk.close(&torrent.storage);
    while torrent.done().await != DiskDone::Closed {}
    (far, torrent)
}

impl Torrent {
    fn near(&self) -> PathBuf {
        self.root.with_file_name("near")
    }

    fn far(&self) -> PathBuf {
        self.root.with_file_name("far")
    }

    /// The next result of a move; its progress is left out.
    async fn moved(&self) -> DiskDone {
        loop {
            match self.done().await {
                DiskDone::MoveProgress { done, total } => assert!(done <= total),
                done => return done,
            }
        }
    }

    async fn copy(&self, to: &Path) -> DiskDone {
        self.disk.copy_files(&self.storage, self.root.clone(), to.to_path_buf());
        self.moved().await
    }

    async fn settle(&self, to: &Path) -> DiskDone {
        self.disk.settle_files(&self.storage, self.root.clone(), to.to_path_buf());
        self.moved().await
    }

    /// Every file is below this folder, and nothing else.
    fn assert_complete(&self, folder: &Path) {
        let files = self.storage.layout().files().iter().filter(|file| !file.pad);
        let mut count = 0;
        for file in files {
            let want = &self.content[file.offset as usize..(file.offset + file.length) as usize];
            assert!(fs::read(folder.join(&file.path)).unwrap() == want, "{:?}", file.path);
            count += 1;
        }
        assert_eq!(files_in(folder), count);
    }
}

fn files_in(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |entry: fs::DirEntry| if entry.path().is_dir() { files_in(&entry.path()) } else { 1 };
    entries.map(|entry| count(entry.unwrap())).sum()
}

fn failed(done: DiskDone) -> DiskError {
    match done {
        DiskDone::MoveFailed { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn on_the_same_device_files_are_renamed() {
    let (_, torrent) = filled().await;
    let inode = |path: PathBuf| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(torrent.path(0));
    assert_eq!(torrent.copy(&torrent.near()).await, DiskDone::MoveReady);
    torrent.assert_complete(&torrent.root);
    assert_eq!(torrent.settle(&torrent.near()).await, DiskDone::Moved);
    torrent.assert_complete(&torrent.near());
    assert_eq!(inode(torrent.near().join("0")), before);
    assert_eq!(fs::read_dir(&torrent.root).unwrap().count(), 0, "its empty folders went too");
}

#[tokio::test]
async fn to_another_device_they_are_copied_and_only_then_removed() {
    let (_, torrent) = filled().await;
    let time = fs::metadata(torrent.path(0)).unwrap().modified().unwrap();
    assert_eq!(torrent.copy(&torrent.far()).await, DiskDone::MoveReady);
    torrent.assert_complete(&torrent.root);
    assert_eq!(torrent.settle(&torrent.far()).await, DiskDone::Moved);
    torrent.assert_complete(&torrent.far());
    assert_eq!(fs::metadata(torrent.far().join("0")).unwrap().modified().unwrap(), time);
    assert_eq!(files_in(&torrent.root), 0);
}

#[tokio::test]
async fn cut_short_while_settling_it_goes_on_from_any_call() {
    for device in ["near", "far"] {
        for renames in 0..5 {
            let (far, torrent) = filled().await;
            let to = torrent.root.with_file_name(device);
            assert_eq!(torrent.copy(&to).await, DiskDone::MoveReady);
            far.renames.store(renames, Ordering::SeqCst);
            let first = torrent.settle(&to).await;
            if first != DiskDone::Moved {
                assert!(matches!(failed(first), DiskError::Io { .. }));
                far.renames.store(u32::MAX, Ordering::SeqCst);
                assert_eq!(torrent.settle(&to).await, DiskDone::Moved, "{device} after {renames}");
            }
            torrent.assert_complete(&to);
            assert_eq!(files_in(&torrent.root), 0);
            // Once more, as after a kill before the end was noted.
            assert_eq!(torrent.settle(&to).await, DiskDone::Moved);
            torrent.assert_complete(&to);
        }
    }
}

#[tokio::test]
async fn a_copy_that_has_its_name_while_the_old_file_is_still_there_is_taken_for_what_it_is() {
    let (_, torrent) = filled().await;
    assert_eq!(torrent.copy(&torrent.far()).await, DiskDone::MoveReady);
    let old = torrent.root.with_file_name("old");
    fs::rename(&torrent.root, &old).unwrap();
    fs::create_dir(&torrent.root).unwrap();
    // All have their names, and nothing was removed.
    torrent.disk.settle_files(&torrent.storage, torrent.root.clone(), torrent.far());
    assert_eq!(torrent.moved().await, DiskDone::Moved);
    fs::remove_dir(&torrent.root).unwrap();
    fs::rename(&old, &torrent.root).unwrap();
    assert_eq!(torrent.settle(&torrent.far()).await, DiskDone::Moved);
    torrent.assert_complete(&torrent.far());
    assert_eq!(files_in(&torrent.root), 0);
}

#[tokio::test]
async fn what_is_there_already_is_not_replaced() {
    for device in ["near", "far"] {
        let (_, torrent) = filled().await;
        let to = torrent.root.with_file_name(device);
        fs::create_dir_all(to.join("d1")).unwrap();
        let file = &torrent.storage.layout().files()[4].path;
        fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
        fs::write(to.join(file), "precious").unwrap();
        assert_eq!(failed(torrent.copy(&to).await), DiskError::InTheWay);
        assert_eq!(fs::read(to.join(file)).unwrap(), b"precious");
        assert_eq!(files_in(&to), 1);
        torrent.assert_complete(&torrent.root);
        // One that comes while it is copied.
        fs::remove_file(to.join(file)).unwrap();
        assert_eq!(torrent.copy(&to).await, DiskDone::MoveReady);
        fs::write(to.join(file), "precious").unwrap();
        assert_eq!(failed(torrent.settle(&to).await), DiskError::InTheWay);
        assert_eq!(fs::read(to.join(file)).unwrap(), b"precious");
        fs::remove_file(to.join(file)).unwrap();
        assert_eq!(torrent.settle(&to).await, DiskDone::Moved);
        torrent.assert_complete(&to);
    }
}

#[tokio::test]
async fn a_full_target_is_told_before_anything_is_copied() {
    let (far, torrent) = filled().await;
    far.free.store(10_000, Ordering::SeqCst);
    let DiskError::Full { needs, free } = failed(torrent.copy(&torrent.far()).await) else { panic!() };
    assert!(needs > 1_000_000 && free == 10_000);
    assert!(!torrent.far().exists());
    torrent.assert_complete(&torrent.root);
    // Renaming needs no room.
    assert_eq!(torrent.copy(&torrent.near()).await, DiskDone::MoveReady);
}

#[tokio::test]
async fn a_move_that_is_cancelled_leaves_nothing() {
    let (far, torrent) = filled().await;
    far.slow.store(true, Ordering::SeqCst);
    torrent.disk.copy_files(&torrent.storage, torrent.root.clone(), torrent.far());
    while !matches!(torrent.done().await, DiskDone::MoveProgress { .. }) {}
    torrent.disk.cancel_move(&torrent.storage);
    far.slow.store(false, Ordering::SeqCst);
    assert!(matches!(failed(torrent.moved().await), DiskError::Io { .. }));
    assert!(!torrent.far().exists());
    torrent.assert_complete(&torrent.root);
}

#[tokio::test]
async fn links_are_not_moved_and_foreign_files_stay() {
    let (_, torrent) = filled().await;
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    fs::rename(torrent.path(0), &target).unwrap();
    std::os::unix::fs::symlink(&target, torrent.path(0)).unwrap();
    assert_eq!(failed(torrent.copy(&torrent.near()).await), DiskError::Link);
    fs::remove_file(torrent.path(0)).unwrap();
    fs::rename(&target, torrent.path(0)).unwrap();
    fs::write(torrent.path(4).with_file_name("notes"), "mine").unwrap();
    assert_eq!(torrent.copy(&torrent.far()).await, DiskDone::MoveReady);
    assert_eq!(torrent.settle(&torrent.far()).await, DiskDone::Moved);
    torrent.assert_complete(&torrent.far());
    assert_eq!(files_in(&torrent.root), 1);
    // A folder of the new place that leads elsewhere.
    let (_, torrent) = filled().await;
    fs::create_dir(torrent.near()).unwrap();
    std::os::unix::fs::symlink(outside.path(), torrent.near().join("d1")).unwrap();
    assert_eq!(failed(torrent.copy(&torrent.near()).await), DiskError::Link);
    assert_eq!(files_in(outside.path()), 0);
    torrent.assert_complete(&torrent.root);
    // And one of the old place: what lies behind it is not ours to take away.
    let (_, torrent) = filled().await;
    let behind = outside.path().join("behind");
    fs::rename(torrent.root.join("d1"), &behind).unwrap();
    std::os::unix::fs::symlink(&behind, torrent.root.join("d1")).unwrap();
    assert_eq!(failed(torrent.copy(&torrent.far()).await), DiskError::Link);
    assert!(files_in(&behind) > 0 && !torrent.far().exists());
}

#[tokio::test]
async fn the_part_file_comes_along() {
    let torrent = Torrent::over(Arc::new(Far::default()), &[20_000, 30_000], 16_384, 16);
    torrent.disk.set_unwanted(&torrent.storage, &[false, true]);
    torrent.check_all().await;
    torrent.write_piece(1).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
    torrent.disk.close(&torrent.storage);
    while torrent.done().await != DiskDone::Closed {}
    assert_eq!(torrent.copy(&torrent.far()).await, DiskDone::MoveReady);
    assert_eq!(torrent.settle(&torrent.far()).await, DiskDone::Moved);
    assert!(torrent.far().join(".parts").exists() && files_in(&torrent.root) == 0);
}
