//! The disk against real folders, and against a backend that fails.

mod assumed;
mod check;
mod crash;
mod empty;
mod faults;
mod lies;
mod part_names;
mod parts;
pub(crate) mod power_cut;
mod relocate;
mod transfer;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha1::{Digest, Sha1};
use tempfile::TempDir;

use super::*;
use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::storage::{DiskDone, Op, entries};
use crate::types::PieceIndex;

/// How long the threads may take to end; a loaded machine is no reason to give them up.
const END: Duration = Duration::from_secs(60);

/// Content that has no period a mistaken offset could hide in.
fn content(length: u64) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ (at >> 8) as u8).collect()
}

/// A torrent of made-up content in a folder of its own.
struct Torrent {
    disk: Disk,
    storage: Arc<Storage>,
    content: Vec<u8>,
    root: PathBuf,
    _folder: TempDir,
}

/// Lengths of files; `-` marks a pad file.
fn files(lengths: &[i64]) -> Vec<(u64, bool)> {
    lengths.iter().map(|length| (length.unsigned_abs(), *length < 0)).collect()
}

impl Torrent {
    fn new(lengths: &[i64], piece_length: u32) -> Self {
        Self::over(Arc::new(System), lengths, piece_length, 16)
    }

    fn over(backend: Arc<dyn Backend>, lengths: &[i64], piece_length: u32, open_files: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("save");
        let disk = Disk::with_backend(backend, 2, 1 << 20, open_files).unwrap();
        let files = entries(&files(lengths));
        let total = files.iter().map(|file| file.length).sum();
        let mut content = content(total);
        for file in files.iter().filter(|file| file.pad) {
            content[file.offset as usize..(file.offset + file.length) as usize].fill(0);
        }
        let geometry = Geometry::new(total, piece_length).unwrap();
        let hashes: Vec<[u8; 20]> =
            content.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let layout = Layout::from_parts(geometry, files, &root, Arc::new(hashes));
        let storage = disk.open(layout);
        Self { disk, storage, content, root, _folder: folder }
    }

    /// The same torrent as after a restart.
    fn reopen(&mut self) {
        self.storage = self.disk.open(self.storage.layout().clone());
    }

    fn block(&self, block: BlockRef) -> Bytes {
        let range = self.storage.geometry().block_range(block);
        self.range(range)
    }

    fn range(&self, range: PieceRange) -> Bytes {
        let start = self.storage.geometry().piece_offset(range.piece) as usize + range.begin as usize;
        Bytes::copy_from_slice(&self.content[start..start + range.length as usize])
    }

    async fn write(&self, block: BlockRef) {
        self.write_bytes(block, self.block(block)).await;
    }

    async fn write_bytes(&self, block: BlockRef, data: Bytes) {
        self.write_from(7, block, data).await;
    }

    async fn write_from(&self, link: u64, block: BlockRef, data: Bytes) {
        let credit = self.disk.credit(data.len() as u32).await;
        self.disk.write(&self.storage, block, data, LinkId(link), credit);
    }

    async fn write_piece(&self, piece: u32) {
        for block in self.storage.geometry().blocks(PieceIndex::new(piece)) {
            self.write(block).await;
        }
    }

    /// Writes every piece and waits for each.
    async fn fill(&self) {
        for piece in self.storage.geometry().all_pieces() {
            self.write_piece(piece.get()).await;
            assert_eq!(self.done().await, DiskDone::Verified { piece });
        }
    }

    /// The next result; progress of checks is left out.
    async fn done(&self) -> DiskDone {
        loop {
            let done = tokio::time::timeout(Duration::from_secs(20), self.storage.done()).await;
            match done.expect("the disk answers") {
                DiskDone::CheckProgress { .. } => {}
                done => return done,
            }
        }
    }

    /// Checks and says how many bytes were hashed.
    async fn check(&self, plan: CheckPlan) -> u64 {
        self.disk.check(&self.storage, plan);
        match self.done().await {
            DiskDone::Checked { bytes_hashed } => bytes_hashed,
            other => panic!("{other:?}"),
        }
    }

    async fn check_all(&self) -> u64 {
        self.check(CheckPlan::full(self.storage.geometry())).await
    }

    /// Trusts these and hashes those.
    fn plan(&self, trust: &[u32], hash: &[u32]) -> CheckPlan {
        let bits = |pieces: &[u32]| {
            let mut bits = Bitfield::new(self.storage.geometry().pieces());
            pieces.iter().for_each(|piece| assert!(bits.set(PieceIndex::new(*piece))));
            bits
        };
        CheckPlan::new(bits(trust), bits(hash))
    }

    fn have(&self) -> Vec<u32> {
        self.storage.verified().iter().map(PieceIndex::get).collect()
    }

    fn path(&self, file: usize) -> PathBuf {
        self.storage.layout().path(file)
    }

    /// Every file on disk has the content it should have; no pad file is there.
    fn assert_files(&self) {
        for file in self.storage.layout().files() {
            let path = self.root.join(&file.path);
            if file.pad {
                assert!(!path.exists(), "{path:?}");
            } else {
                let want = &self.content[file.offset as usize..(file.offset + file.length) as usize];
                let found =
                    fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}; {} bytes", want.len()));
                assert!(found == want, "{path:?}");
            }
        }
    }

    async fn read(&self, piece: u32, begin: u32, length: u32) -> Result<Bytes, DiskError> {
        let range = PieceRange { piece: PieceIndex::new(piece), begin, length };
        self.disk.read(&self.storage, range).await
    }

    async fn assert_reads(&self) {
        let geometry = *self.storage.geometry();
        for block in geometry.all_pieces().flat_map(|piece| geometry.blocks(piece)) {
            let range = geometry.block_range(block);
            assert_eq!(self.disk.read(&self.storage, range).await.unwrap(), self.range(range));
        }
    }
}

impl Drop for Torrent {
    fn drop(&mut self) {
        self.disk.shutdown(END);
    }
}

fn error(done: DiskDone) -> (Op, DiskError) {
    match done {
        DiskDone::Error { op, error, .. } => (op, error),
        other => panic!("{other:?}"),
    }
}
