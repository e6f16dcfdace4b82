//! Files of no bytes, of which no piece says that they are missing.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::Stat;

use super::*;
use crate::storage::{OpenFor, Opened};

/// Files 0 and 3 have bytes; 1 and 2 have none.
const LENGTHS: [i64; 4] = [20_000, 0, 0, 30_000];

/// A file system that can be taken for another, or only be read.
#[derive(Debug, Default)]
struct Odd {
    read_only: AtomicBool,
    other_device: AtomicU64,
}

impl Backend for Odd {
    fn open(&self, root: &Path, path: &Path, how: OpenFor) -> io::Result<Opened> {
        if self.read_only.load(Ordering::SeqCst) && matches!(how, OpenFor::Write { .. }) {
            return Err(rustix::io::Errno::ROFS.into());
        }
        System.open(root, path, how)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut stat = System.stat(path)?;
        stat.st_dev += self.other_device.load(Ordering::SeqCst);
        Ok(stat)
    }

    fn pread(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // What is read is read by the check: the disk goes away while it runs.
        if self.other_device.load(Ordering::SeqCst) == 1 {
            self.other_device.store(2, Ordering::SeqCst);
        }
        System.pread(file, buffer, offset)
    }
}

/// Complete, with both files of no bytes lost, as after a restart.
async fn seed(backend: Arc<dyn Backend>) -> Torrent {
    let mut torrent = Torrent::over(backend, &LENGTHS, 16_384, 16);
    torrent.fill().await;
    torrent.disk.close(&torrent.storage);
    assert!(matches!(torrent.done().await, DiskDone::Synced { .. }));
    assert_eq!(torrent.done().await, DiskDone::Closed);
    fs::remove_file(torrent.path(1)).unwrap();
    fs::remove_file(torrent.path(2)).unwrap();
    torrent.reopen();
    torrent
}

impl Torrent {
    async fn skip(&self, files: &[usize]) {
        self.unwanted(files);
        self.kept().await;
    }

    fn files_there(&self) -> Vec<usize> {
        (0..LENGTHS.len()).filter(|at| self.path(*at).exists()).collect()
    }
}

#[tokio::test]
async fn a_check_makes_what_is_missing_whether_it_hashes_or_trusts() {
    for trusted in [false, true] {
        let torrent = seed(Arc::new(System)).await;
        let plan = if trusted { torrent.plan(&[0, 1, 2, 3], &[]) } else { torrent.plan(&[], &[0, 1, 2, 3]) };
        torrent.check(plan).await;
        assert!(torrent.storage.verified().is_full());
        torrent.assert_files();
        // They outlive a power cut like others.
        torrent.disk.sync(&torrent.storage);
        assert!(matches!(torrent.done().await, DiskDone::Synced { .. }));
    }
}

#[tokio::test]
async fn those_that_nobody_wants_are_made_when_somebody_does() {
    let torrent = seed(Arc::new(System)).await;
    torrent.skip(&[1, 2]).await;
    torrent.check_all().await;
    assert_eq!(torrent.files_there(), [0, 3]);
    torrent.skip(&[2]).await;
    assert_eq!(torrent.files_there(), [0, 1, 3]);
}

#[tokio::test]
async fn nothing_is_made_before_a_look_nor_while_something_is_wanted() {
    let torrent = Torrent::new(&LENGTHS, 16_384);
    // All that is wanted has no bytes.
    torrent.skip(&[0, 3]).await;
    assert!(!torrent.root.exists());
    torrent.skip(&[]).await;
    torrent.check_all().await;
    assert!(!torrent.root.exists());
    // Now nothing is left to be written.
    torrent.skip(&[0, 2, 3]).await;
    assert_eq!(torrent.files_there(), [1]);
}

#[tokio::test]
async fn a_folder_that_may_only_be_read_is_seeded_all_the_same() {
    let backend = Arc::new(Odd::default());
    let mut torrent = seed(backend.clone()).await;
    backend.read_only.store(true, Ordering::SeqCst);
    assert_eq!(torrent.check_all().await, 50_000);
    torrent.assert_reads().await;
    assert_eq!(torrent.files_there(), [0, 3]);
    // The next check makes them, where it can.
    backend.read_only.store(false, Ordering::SeqCst);
    torrent.reopen();
    torrent.check_all().await;
    torrent.assert_files();
}

#[tokio::test]
async fn a_torrent_of_no_bytes_fails_only_where_something_cannot_be_made() {
    let backend = Arc::new(Odd::default());
    let mut torrent = Torrent::over(backend.clone(), &[0, 0], 16_384, 16);
    backend.read_only.store(true, Ordering::SeqCst);
    torrent.disk.check(&torrent.storage, CheckPlan::full(torrent.storage.geometry()));
    assert!(matches!(error(torrent.done().await), (Op::Check, DiskError::Io { .. })));
    assert_eq!(torrent.done().await, DiskDone::Checked { bytes_hashed: 0 });
    backend.read_only.store(false, Ordering::SeqCst);
    torrent.check_all().await;
    torrent.assert_files();
    backend.read_only.store(true, Ordering::SeqCst);
    torrent.reopen();
    torrent.check_all().await;
}

#[tokio::test]
async fn a_disk_that_goes_while_it_is_checked_gets_none_in_its_place() {
    let backend = Arc::new(Odd::default());
    let torrent = seed(backend.clone()).await;
    backend.other_device.store(1, Ordering::SeqCst);
    torrent.check_all().await;
    assert!(torrent.storage.verified().is_full());
    assert_eq!(torrent.files_there(), [0, 3]);
}
