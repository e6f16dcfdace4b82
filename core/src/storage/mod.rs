//! One torrent's files: which pieces are verified, and what the disk has to say about them.
//!
//! A [`Storage`] opens no file and owns no thread; [`Disk`](crate::disk::Disk) works on it. Links
//! read the bitmap of verified pieces to decide whether a request may be served; the session takes
//! the results.

mod assumed;
mod beneath;
mod bits;
mod error;
mod files;
mod layout;
mod marks;
mod mount;
mod part_names;
mod parts;
mod span;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

pub(crate) use self::beneath::{
    DirSync, OpenFor, Opened, delete, look, open, remove, remove_empty_folders, rename, sync_folder,
};
use self::bits::AtomicBits;
pub use self::error::{DiskError, Op};
pub use self::files::FileStamp;
pub(crate) use self::files::FileState;
#[cfg(test)]
pub(crate) use self::layout::entries;
pub use self::layout::{Layout, NoteHashed, PieceHashes};
pub use self::mount::Mount;
pub(crate) use self::part_names::{names_kept, suffixed};
pub use self::parts::PartFile;
pub use self::span::{Span, pieces_of, spans};
use crate::bitfield::Bitfield;
use crate::download::Claim;
use crate::geometry::Geometry;
use crate::types::{BlockRef, LinkId, PieceIndex};

/// What the disk tells a session.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskDone {
    /// All blocks of the piece are written and its hash is right.
    Verified {
        /// The piece.
        piece: PieceIndex,
    },
    /// All blocks of the piece were there and its hash is wrong: it starts from nothing.
    Failed {
        /// The piece.
        piece: PieceIndex,
        /// Links that sent a block of it, each once.
        senders: Vec<LinkId>,
    },
    /// A block that was there already: dropped, and counts as waste.
    Duplicate {
        /// The block.
        block: BlockRef,
        /// Who sent it.
        from: LinkId,
    },
    /// What these links sent for the piece is not what the piece turned out to be: they lied.
    Lies {
        /// The piece, which is good.
        piece: PieceIndex,
        /// One lie of each.
        lies: Vec<Claim>,
    },
    /// These blocks are missing again, as [`Disk::disown`](crate::disk::Disk::disown) wanted it.
    Disowned {
        /// The blocks.
        blocks: Vec<BlockRef>,
    },
    /// Every block of this piece is missing again, as [`Disk::restart`](crate::disk::Disk::restart) wanted it.
    Restarted {
        /// The piece.
        piece: PieceIndex,
    },
    /// How far a check is; at most about ten times a second, and the newest replaces one that
    /// nobody took.
    CheckProgress {
        /// Pieces of the plan looked at so far.
        checked: u32,
        /// Pieces of the torrent that are verified.
        have: u32,
    },
    /// A check went through; [`Storage::verified`] has the result.
    Checked {
        /// Bytes that were hashed for it; trusted pieces and missing files are not.
        bytes_hashed: u64,
    },
    /// A check was cancelled; what was found so far stands.
    CheckStopped {
        /// Pieces to hash that were not looked at, for the plan that goes on with it.
        left: Bitfield,
        /// Bytes that were hashed so far.
        bytes_hashed: u64,
        /// It had its turn: pieces of the plan that are in neither `left` nor
        /// [verified](Storage::verified) were looked at and are not there. Else nothing has changed.
        begun: bool,
    },
    /// A piece that was [assumed](Storage::assumed) was read for the first time and is not what it should
    /// be: it is missing.
    Refuted {
        /// The piece.
        piece: PieceIndex,
    },
    /// These pieces are hashed and synced: they may be claimed in a resume record.
    Synced {
        /// The pieces.
        have: Bitfield,
        /// How the files looked after it, in torrent order.
        files: Vec<FileStamp>,
    },
    /// These pieces were verified and are not any more: hash them again ([`CheckPlan`]). An
    /// [`Error`](Self::Error) that says why comes before it.
    Unverified {
        /// The pieces.
        pieces: Bitfield,
    },
    /// Something failed.
    ///
    /// With a piece: the piece is not there; all its blocks are wanted again. With
    /// [`Op::Sync`]: every piece that is not verified starts from nothing. Blocks on their way may
    /// arrive later and count; when they come again they are [`Duplicate`](Self::Duplicate)s.
    Error {
        /// What was being done.
        op: Op,
        /// The file or folder.
        path: PathBuf,
        /// The piece, where it concerns one.
        piece: Option<PieceIndex>,
        /// Why.
        error: DiskError,
    },
    /// How far the copying of a move is, in bytes; at most about ten times a second.
    MoveProgress {
        /// Copied so far.
        done: u64,
        /// To copy in all; what is only renamed is left out.
        total: u64,
    },
    /// All that has to be copied is copied and synced: the move may be noted and settled.
    MoveReady,
    /// It is noted for good that the new folder counts.
    MoveNoted,
    /// All files are in the new folder, for good.
    Moved,
    /// A move came to nothing, or stopped while settling.
    MoveFailed {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: DiskError,
    },
    /// Complete files have got their names, or an [`Error`](Self::Error) with [`Op::Write`] and no piece says
    /// why not: see [`Disk::name_files`](crate::disk::Disk::name_files).
    Named,
    /// The storage is closed: no file of it is open and nothing more comes.
    Closed,
}

/// What a check is to do. Pieces in none of the sets keep what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPlan {
    /// Taken as good if their files are there and long enough; else they are hashed. Their files
    /// are remembered as files that must exist.
    pub trust: Bitfield,
    /// Taken as there if their files have their sizes, and hashed when they are first read; else they are
    /// hashed now.
    pub assume: Bitfield,
    /// To be hashed. A piece that is in another set too is hashed.
    pub hash: Bitfield,
    /// How the files looked when `trust` and `assume` were noted, in torrent order, or nothing: pieces of
    /// files that look otherwise are hashed ([`FileStamp::is_plausible`]).
    pub stamps: Vec<FileStamp>,
    /// What the folder lay on then, if that is known. If it lies on something else, nothing is looked at:
    /// [`DiskError::OtherDevice`] is told and then [`DiskDone::CheckStopped`].
    pub mount: Option<Mount>,
}

impl CheckPlan {
    /// Trusts these pieces if their files are there, and hashes those.
    pub fn new(trust: Bitfield, hash: Bitfield) -> Self {
        let assume = Bitfield::new(trust.len());
        Self { trust, assume, hash, stamps: Vec::new(), mount: None }
    }

    /// Hashes everything that is there.
    pub fn full(geometry: &Geometry) -> Self {
        Self::new(Bitfield::new(geometry.pieces()), Bitfield::full(geometry.pieces()))
    }
}

/// One torrent's files. Made by [`Disk::open`](crate::disk::Disk::open).
#[derive(Debug)]
pub struct Storage {
    id: u64,
    layout: Layout,
    verified: AtomicBits,
    /// Those of the verified pieces that were never hashed.
    assumed: AtomicBits,
    /// Of each file, and of the part file behind them.
    files: Box<[FileState]>,
    /// Held shared by whoever touches bytes of files, for one call of the system or a few; closed by
    /// whoever moves them to another place. Only disk threads wait at it.
    gate: RwLock<()>,
    /// A file is not where it belongs.
    unsorted: AtomicBool,
    /// Pieces that a sync has covered. A leaf lock, held to change bits.
    synced: Mutex<Bitfield>,
    /// Counts failed syncs: blocks from before one are worth nothing.
    epoch: AtomicU32,
    mount: mount::Seen,
    sync_posted: AtomicBool,
    /// Posted and not over: complete files are about to get their names.
    namings: AtomicU32,
    closed: AtomicBool,
    /// Blocks are dropped for now.
    frozen: AtomicBool,
    move_cancelled: AtomicBool,
    /// The files of no bytes have been made.
    prepared: AtomicBool,
    done: Mutex<VecDeque<DiskDone>>,
    ready: Notify,
}

impl Storage {
    pub(crate) fn new(id: u64, layout: Layout) -> Self {
        let geometry = layout.geometry();
        let files = layout
            .files()
            .iter()
            .map(|file| FileState::new(pieces_of(geometry, file).len() as u32))
            // The part file is never complete.
            .chain([FileState::new(u32::MAX)])
            .collect();
        Self {
            id,
            verified: AtomicBits::new(geometry.pieces()),
            assumed: AtomicBits::new(geometry.pieces()),
            files,
            gate: RwLock::new(()),
            unsorted: AtomicBool::new(false),
            synced: Mutex::new(Bitfield::new(geometry.pieces())),
            epoch: AtomicU32::new(0),
            mount: mount::Seen::default(),
            sync_posted: AtomicBool::new(false),
            namings: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            move_cancelled: AtomicBool::new(false),
            prepared: AtomicBool::new(false),
            // Not bounded by a number of its own: each result answers a block, a piece, a check or a
            // sync that somebody asked for, and those are bounded by credits and by the hands that
            // the session deals. So disk threads never wait here.
            done: Mutex::default(),
            ready: Notify::new(),
            layout,
        }
    }

    /// Whether this piece is verified: hashed or [assumed](Self::assumed), and readable as far as we know.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.verified.get(piece)
    }

    /// Every verified piece.
    pub fn verified(&self) -> Bitfield {
        self.verified.copy()
    }

    /// Number of verified pieces.
    pub fn verified_count(&self) -> u32 {
        self.verified.ones()
    }

    /// Whether all pieces of a file are verified, by its number in torrent order.
    pub fn is_file_complete(&self, file: usize) -> bool {
        self.files.get(file).is_some_and(FileState::is_complete)
    }

    /// How the files looked when they were last noted, in torrent order.
    pub(crate) fn stamps(&self) -> Vec<FileStamp> {
        let parts = FileStamp { complete: false, ..self.files[self.parts()].seen() };
        let files = self.files[..self.parts()].iter();
        files.map(|file| if file.is_parted() { parts } else { file.seen() }).collect()
    }

    /// The number of the part file, behind those of the files.
    pub(crate) fn parts(&self) -> usize {
        self.files.len() - 1
    }

    /// Says which files nobody wants; says whether that is news.
    pub(crate) fn set_unwanted(&self, unwanted: &[bool]) -> bool {
        let files = self.files[..self.parts()].iter();
        let unwanted = unwanted.iter().copied().chain(std::iter::repeat(false));
        let news = files.zip(unwanted).filter(|(file, unwanted)| file.set_unwanted(*unwanted)).count();
        if news > 0 {
            self.set_unsorted();
        }
        news > 0
    }

    /// Where a span of one piece lies: in which file, and where in it. Asked with the gate held.
    pub(crate) fn place(&self, span: Span) -> (usize, u64) {
        if self.files[span.file].is_parted() {
            (self.parts(), self.layout.part_offset(span))
        } else {
            (span.file, span.offset)
        }
    }

    /// While this is held, every byte stays in the file that it is in.
    pub(crate) fn hold_gate(&self) -> RwLockReadGuard<'_, ()> {
        // It guards no data, so a panic elsewhere leaves nothing half done in it.
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// While this is held, nobody else touches the files' bytes.
    pub(crate) fn close_gate(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_unsorted(&self) -> bool {
        self.unsorted.load(Ordering::Acquire)
    }

    pub(crate) fn set_unsorted(&self) {
        self.unsorted.store(true, Ordering::Release);
    }

    pub(crate) fn set_sorted(&self) {
        self.unsorted.store(false, Ordering::Release);
    }

    /// The shape of the content.
    pub const fn geometry(&self) -> &Geometry {
        self.layout.geometry()
    }

    /// Where the content lies.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The next result, waiting for it. May be cancelled without loss. One taker at a time.
    pub async fn done(&self) -> DiskDone {
        loop {
            let ready = self.ready.notified();
            if let Some(done) = self.try_done() {
                return done;
            }
            ready.await;
        }
    }

    /// The next result, if there is one.
    pub fn try_done(&self) -> Option<DiskDone> {
        self.queue().pop_front()
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn file(&self, file: usize) -> &FileState {
        &self.files[file]
    }

    pub(crate) fn tell(&self, done: DiskDone) {
        let mut queue = self.queue();
        match (&done, queue.back_mut()) {
            (DiskDone::CheckProgress { .. }, Some(last @ DiskDone::CheckProgress { .. }))
            | (DiskDone::MoveProgress { .. }, Some(last @ DiskDone::MoveProgress { .. })) => *last = done,
            _ => queue.push_back(done),
        }
        drop(queue);
        self.ready.notify_one();
    }

    pub(crate) fn tell_error(
        &self,
        op: Op,
        file: Option<usize>,
        piece: Option<PieceIndex>,
        error: DiskError,
    ) {
        let path = file.map_or_else(|| self.layout.root().to_path_buf(), |file| self.path(file));
        self.tell_error_at(op, path, piece, error);
    }

    pub(crate) fn tell_error_at(&self, op: Op, path: PathBuf, piece: Option<PieceIndex>, error: DiskError) {
        tracing::warn!(?op, path = %path.display(), ?piece, %error, "disk");
        self.tell(DiskDone::Error { op, path, piece, error });
    }

    /// Bytes of the pieces that are not verified, for the message of a full disk.
    pub(crate) fn lacks(&self) -> u64 {
        let have = self.verified();
        let geometry = self.geometry();
        have.iter().fold(geometry.total(), |left, piece| left - u64::from(geometry.piece_size(piece)))
    }

    pub(crate) fn synced(&self) -> MutexGuard<'_, Bitfield> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A sync failed: what was written before is worth nothing.
    pub(crate) fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a sync has to be posted: only one at a time waits for a storage.
    pub(crate) fn post_sync(&self) -> bool {
        !self.sync_posted.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn begin_sync(&self) {
        self.sync_posted.store(false, Ordering::Release);
    }

    /// Closes it for new work; says whether it was open.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether a move of it shall end soon.
    pub(crate) fn is_move_cancelled(&self) -> bool {
        self.move_cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn cancel_move(&self) {
        self.move_cancelled.store(true, Ordering::Release);
    }

    /// Whether blocks are dropped for now.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }

    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Release);
    }

    /// Whether the files of no bytes have been made.
    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared.load(Ordering::Acquire)
    }

    pub(crate) fn set_prepared(&self, prepared: bool) {
        self.prepared.store(prepared, Ordering::Release);
    }

    /// Whether every byte of the files that are wanted is there.
    pub(crate) fn has_all_wanted(&self) -> bool {
        let files = self.layout.files().iter().zip(&self.files);
        files
            .filter(|(file, _)| file.length > 0 && !file.pad)
            .all(|(_, it)| it.is_unwanted() || it.is_complete())
    }

    /// Whether a file of it was seen on disk, so that its folder must be there.
    pub(crate) fn expects_files(&self) -> bool {
        self.files.iter().any(FileState::is_expected)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<DiskDone>> {
        // An element is added or taken whole, so a panic elsewhere leaves the queue usable.
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
