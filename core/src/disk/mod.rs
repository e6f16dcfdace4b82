//! The threads that read, write and hash, and the handle on them.
//!
//! | threads | number | do |
//! |---|---|---|
//! | `disk-write` | as configured | write blocks, hash pieces; all blocks of a piece go to one |
//! | `disk-read` | as many | read for peers |
//! | `disk-check` | one per core, low priority | hash what is on disk |
//! | `disk-keep` | 1 | sync, close, delete, name complete files, look for room |
//! | `disk-move` | 1 | move a torrent's files to another folder, or rename them |
//!
//! Nothing here runs on, or waits for, the network's threads. Whoever has a block for the disk holds
//! a [`Credit`] for it; when the disk is slow the credits run out, links stop reading, and TCP slows
//! the senders. Results go to the [`Storage`], where the session takes them.

mod backend;
mod cache;
mod check;
mod empty;
mod fingerprint;
mod io;
mod keeper;
mod look;
mod mount;
mod name;
mod partial;
mod queue;
mod reader;
mod relocate;
mod rename;
mod sort;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use self::backend::{Backend, OpenFile, System};
use self::cache::FileCache;
use self::check::Checks;
use self::io::Io;
use self::queue::Queue;
use crate::metainfo::FileEntry;
use crate::storage::{CheckPlan, DiskError, Layout, Storage};
use crate::types::{BLOCK_SIZE, BlockRef, LinkId, PieceIndex, PieceRange};

/// Reads that may wait or run at once over all torrents: 4 MiB of blocks, a queue that a slow disk
/// works off in a few hundred milliseconds.
const READS: usize = 256;

/// Room for a block on its way to the disk. Goes back when dropped.
#[derive(Debug)]
pub struct Credit {
    /// `None` after shutdown: then the block is dropped anyway.
    _permit: Option<OwnedSemaphorePermit>,
}

/// A handle on the disk threads. Cheap to clone. [`shutdown`](Self::shutdown) ends them in order;
/// when the last handle is dropped without it they end by themselves.
#[derive(Clone, Debug)]
pub struct Disk {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    io: Arc<Io>,
    /// Bounded by credits, one close per storage, and one disowning per ban or per failure of a piece.
    writes: Vec<Queue<worker::Job>>,
    /// Bounded by [`READS`].
    reads: Queue<reader::Read>,
    /// Bounded by the number of storages and of their files, and one look for room.
    keeper: Arc<Queue<keeper::Job>>,
    /// Bounded by the number of storages.
    moves: Queue<relocate::Job>,
    checks: Checks,
    credits: Arc<Semaphore>,
    most_credits: u32,
    read_permits: Arc<Semaphore>,
    ids: AtomicU64,
    /// To sync at the end what nobody asked to sync. A leaf lock, held to add or copy.
    storages: Mutex<Vec<Weak<Storage>>>,
    /// Threads that have not ended.
    alive: Mutex<usize>,
    ended: Condvar,
}

impl Disk {
    /// Starts the threads: `threads` that write, as many that read, at least one of each.
    /// `buffer_bytes` of received blocks may wait for the disk, at least one block per writer;
    /// `max_open_files` stay open over all torrents.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(threads: usize, buffer_bytes: usize, max_open_files: usize) -> std::io::Result<Self> {
        Self::with_backend(Arc::new(System), threads, buffer_bytes, max_open_files)
    }

    /// The same over another [`Backend`].
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn with_backend(
        backend: Arc<dyn Backend>,
        threads: usize,
        buffer_bytes: usize,
        max_open_files: usize,
    ) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let bytes = buffer_bytes.max(threads * BLOCK_SIZE as usize).min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            io: Arc::new(Io {
                backend,
                cache: FileCache::new(max_open_files),
                reserve: AtomicBool::new(false),
                part_names: AtomicBool::new(false),
            }),
            writes: (0..threads).map(|_| Queue::new()).collect(),
            reads: Queue::new(),
            keeper: Arc::new(Queue::new()),
            moves: Queue::new(),
            checks: Checks::new(),
            credits: Arc::new(Semaphore::new(bytes)),
            most_credits: u32::try_from(bytes).unwrap_or(u32::MAX),
            read_permits: Arc::new(Semaphore::new(READS)),
            ids: AtomicU64::new(0),
            storages: Mutex::default(),
            alive: Mutex::new(0),
            ended: Condvar::new(),
        });
        let disk = Self { handle: Arc::new(Handle { shared, threads: Mutex::default() }) };
        // A failure drops the handle, which lets those go that have started.
        for at in 0..threads {
            disk.spawn(format!("disk-write-{at}"), move |shared| {
                worker::Worker::new(shared.io.clone(), shared.keeper.clone()).run(&shared.writes[at]);
            })?;
            disk.spawn(format!("disk-read-{at}"), |shared| reader::run(&shared.io, &shared.reads))?;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for at in 0..cores {
            disk.spawn(format!("disk-check-{at}"), |shared| shared.checks.run(&shared.io))?;
        }
        disk.spawn("disk-keep".into(), |shared| keeper::run(&shared.io, &shared.keeper))?;
        disk.spawn("disk-move".into(), |shared| relocate::run(&shared.io, &shared.moves))?;
        Ok(disk)
    }

    fn spawn(&self, name: String, work: impl FnOnce(&Shared) + Send + 'static) -> std::io::Result<()> {
        let shared = self.handle.shared.clone();
        *shared.alive() += 1;
        let guard = Alive(shared);
        // On failure the closure is dropped, and the guard in it counts the thread as ended.
        let thread = std::thread::Builder::new().name(name).spawn(move || work(&guard.0))?;
        self.handle.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Takes up a torrent. Opens no file.
    pub fn open(&self, layout: Layout) -> Arc<Storage> {
        let shared = self.shared();
        let storage = Arc::new(Storage::new(shared.ids.fetch_add(1, Ordering::Relaxed), layout));
        let mut storages = shared.storages();
        // Amortised: the list is swept when it is about to grow.
        if storages.len() == storages.capacity() {
            storages.retain(|storage| storage.strong_count() > 0);
        }
        storages.push(Arc::downgrade(&storage));
        storage
    }

    /// From now on, whether room is reserved for all of a file when it is made. A file system that cannot do
    /// that is written to all the same.
    pub fn reserve_room(&self, reserve: bool) {
        self.shared().io.reserve.store(reserve, Ordering::Relaxed);
    }

    /// From now on, whether files of which there is nothing yet are called `NAME.part` until they are complete.
    /// Whichever it is, a check finds files under both names.
    pub fn use_part_names(&self, part_names: bool) {
        self.shared().io.part_names.store(part_names, Ordering::Relaxed);
    }

    /// Gives complete files that are still called `NAME.part` their names, as every file gets it that becomes
    /// complete; [`DiskDone::Named`](crate::storage::DiskDone::Named) tells when it is over. Never blocks.
    pub fn name_files(&self, storage: &Arc<Storage>) {
        // One that waits or runs tells soon enough.
        if !storage.is_closed() && !storage.is_naming() && storage.unnamed().next().is_some() {
            storage.begin_naming();
            // Refused after shutdown: the next run asks again.
            let _ = self.shared().keeper.push(keeper::Job::Name(storage.clone()));
        }
    }

    /// Waits for room for a block. May be cancelled without loss; those who wait are served in
    /// order.
    pub async fn credit(&self, bytes: u32) -> Credit {
        let shared = self.shared();
        let bytes = bytes.min(shared.most_credits);
        Credit { _permit: shared.credits.clone().acquire_many_owned(bytes).await.ok() }
    }

    /// Room for a block, if there is some and nobody waits for it.
    pub fn try_credit(&self, bytes: u32) -> Option<Credit> {
        let shared = self.shared();
        let bytes = bytes.min(shared.most_credits);
        let permit = shared.credits.clone().try_acquire_many_owned(bytes).ok()?;
        Some(Credit { _permit: Some(permit) })
    }

    /// Hands a block to the worker of its piece; `data` has the size that
    /// [`Geometry::block_size`](crate::geometry::Geometry::block_size) says. Never blocks. The result comes as
    /// [`DiskDone`](crate::storage::DiskDone) when the piece is whole. A block for a closed storage is dropped.
    pub fn write(&self, storage: &Arc<Storage>, block: BlockRef, data: Bytes, from: LinkId, credit: Credit) {
        if storage.is_closed() {
            return;
        }
        let shared = self.shared();
        let write = worker::Write { storage: storage.clone(), block, data, from, _credit: credit };
        let queue = &shared.writes[shared.worker_of(storage, block)];
        // Refused after shutdown: nobody waits for it.
        let _ = queue.push(worker::Job::Write(write));
    }

    /// Says which files nobody wants, in torrent order: before the first check, and whenever it changes. Of
    /// a file that is not wanted nothing appears on disk: its bytes in pieces that it shares go to the
    /// [part file](crate::storage::PartFile). A file of which there is something already is left as it is.
    /// What becomes wanted moves to its own file soon; [`DiskDone::Error`](crate::storage::DiskDone::Error)
    /// with [`Op::Write`](crate::storage::Op::Write) and no piece tells when that fails, and it is tried again
    /// with every sync and check. Pieces stay readable all the while. Never blocks.
    pub fn set_unwanted(&self, storage: &Arc<Storage>, unwanted: &[bool]) {
        if storage.set_unwanted(unwanted) && !storage.is_closed() {
            // Refused after shutdown: the next run asks again.
            let _ = self.shared().keeper.push(keeper::Job::Sort(storage.clone()));
        }
    }

    /// Makes all blocks of unfinished pieces missing that this link sent, and refuses what it still
    /// sends: it lied. What was there comes as [`DiskDone::Disowned`](crate::storage::DiskDone::Disowned).
    pub fn disown(&self, storage: &Arc<Storage>, link: LinkId) {
        let what = worker::Disowned::Link(link);
        for queue in &self.shared().writes {
            // Refused after shutdown: nobody waits for it.
            let _ = queue.push(worker::Job::Disown(worker::Disown { storage: storage.clone(), what }));
        }
    }

    /// Makes every block of an unfinished piece missing; then comes
    /// [`DiskDone::Restarted`](crate::storage::DiskDone::Restarted).
    pub fn restart(&self, storage: &Arc<Storage>, piece: PieceIndex) {
        let shared = self.shared();
        let queue = &shared.writes[shared.worker_of(storage, BlockRef { piece, block: 0 })];
        let what = worker::Disowned::Piece(piece);
        // Refused after shutdown: nobody waits for it.
        let _ = queue.push(worker::Job::Disown(worker::Disown { storage: storage.clone(), what }));
    }

    /// Reads a range of a verified piece, for a peer. May be cancelled without loss.
    ///
    /// # Errors
    /// [`DiskError::Unverified`] when the piece is not verified, [`DiskError::Stopped`] when the
    /// storage or the disk is closed. After any other error the piece is not verified any more, and
    /// the session has been told.
    pub async fn read(&self, storage: &Arc<Storage>, range: PieceRange) -> Result<Bytes, DiskError> {
        let shared = self.shared();
        if !storage.has(range.piece) {
            return Err(DiskError::Unverified);
        }
        let permits = shared.read_permits.clone();
        let permit = permits.acquire_owned().await.map_err(|_| DiskError::Stopped)?;
        let (answer, result) = oneshot::channel();
        let read = reader::Read { storage: storage.clone(), range, answer, _permit: permit };
        shared.reads.push(read).map_err(|_| DiskError::Stopped)?;
        result.await.map_err(|_| DiskError::Stopped)?
    }

    /// Looks at what is on disk. Ends with [`DiskDone::Checked`](crate::storage::DiskDone::Checked) or
    /// [`DiskDone::CheckStopped`](crate::storage::DiskDone::CheckStopped). Pieces that are to be hashed must not be
    /// downloaded meanwhile. Checks of several torrents go one after the other.
    pub fn check(&self, storage: &Arc<Storage>, plan: CheckPlan) {
        self.shared().checks.post(storage, plan);
    }

    /// Until [`thaw`](Self::thaw) blocks for this torrent are dropped, and what is known of its unfinished
    /// pieces is forgotten: all of it can be hashed, whatever is still on its way.
    pub fn freeze(&self, storage: &Arc<Storage>) {
        storage.set_frozen(true);
        for queue in &self.shared().writes {
            // Refused after shutdown: nothing is written any more.
            let _ = queue.push(worker::Job::Forget(storage.clone()));
        }
    }

    /// Blocks are written again.
    pub fn thaw(&self, storage: &Storage) {
        storage.set_frozen(false);
    }

    /// Ends the checks of this torrent soon.
    pub fn cancel_check(&self, storage: &Arc<Storage>) {
        self.shared().checks.cancel(storage);
    }

    /// Makes sure that what is verified now outlives a power cut, then tells
    /// [`DiskDone::Synced`](crate::storage::DiskDone::Synced). Meant for about every 10 s or 512 MiB.
    pub fn sync(&self, storage: &Arc<Storage>) {
        if !storage.is_closed() && storage.post_sync() {
            let _ = self.shared().keeper.push(keeper::Job::Sync(storage.clone()));
        }
    }

    /// Writes what was handed over, syncs, tells it, closes the torrent's files, and drops what is known of its
    /// unfinished pieces; then [`DiskDone::Closed`](crate::storage::DiskDone::Closed) comes, after which only a check
    /// that was cut short may still tell so. Later writes are dropped, later reads refused.
    pub fn close(&self, storage: &Arc<Storage>) {
        if storage.close() {
            self.post_closing(storage, keeper::Job::Closed(storage.clone()));
        }
    }

    /// Closes a torrent, open or not, and removes its own regular files, then their folders where those are
    /// empty. Symbolic links are neither followed nor removed. The answer stands for
    /// [`DiskDone::Closed`](crate::storage::DiskDone::Closed).
    ///
    /// # Errors
    /// The first file that could not be removed, after all others were tried.
    pub async fn delete_files(&self, storage: &Arc<Storage>) -> Result<(), DiskError> {
        storage.close();
        let (answer, result) = oneshot::channel();
        self.post_closing(storage, keeper::Job::Delete(storage.clone(), answer));
        result.await.map_err(|_| DiskError::Stopped)?
    }

    /// Begins to move the files of a storage that is closed, or was never used, from one folder to another:
    /// copies what lies on another device. Ends with [`DiskDone::MoveReady`](crate::storage::DiskDone::MoveReady)
    /// or [`DiskDone::MoveFailed`](crate::storage::DiskDone::MoveFailed); then nothing has changed.
    pub fn copy_files(&self, storage: &Arc<Storage>, from: PathBuf, to: PathBuf) {
        self.post_move(storage, relocate::Job::Copy { storage: storage.clone(), from, to });
    }

    /// Goes on with a move, when it is noted for good that the new folder counts: ends with
    /// [`DiskDone::Moved`](crate::storage::DiskDone::Moved). After
    /// [`DiskDone::MoveFailed`](crate::storage::DiskDone::MoveFailed) files are in both folders, and this is to be
    /// called again.
    pub fn settle_files(&self, storage: &Arc<Storage>, from: PathBuf, to: PathBuf) {
        self.post_move(storage, relocate::Job::Settle { storage: storage.clone(), from, to });
    }

    /// Looks whether files of a storage that is closed, or was never used, can be renamed; ends as
    /// [`copy_files`](Self::copy_files).
    pub fn look_for_rename(&self, storage: &Arc<Storage>, from: Arc<[FileEntry]>, to: Arc<[FileEntry]>) {
        self.post_move(storage, relocate::Job::LookForRename { storage: storage.clone(), from, to });
    }

    /// Renames them, when it is noted for good that the new names count; ends as
    /// [`settle_files`](Self::settle_files).
    pub fn rename_files(&self, storage: &Arc<Storage>, from: Arc<[FileEntry]>, to: Arc<[FileEntry]>) {
        self.post_move(storage, relocate::Job::Rename { storage: storage.clone(), from, to });
    }

    /// Takes back what a move has copied.
    pub fn abandon_copies(&self, storage: &Arc<Storage>, to: PathBuf) {
        self.post_move(storage, relocate::Job::Abandon { storage: storage.clone(), to });
    }

    /// Ends the copying of this torrent's files soon.
    pub fn cancel_move(&self, storage: &Storage) {
        storage.cancel_move();
    }

    fn post_move(&self, storage: &Storage, job: relocate::Job) {
        if self.shared().moves.push(job).is_err() {
            let path = storage.layout().root().to_path_buf();
            storage.tell(crate::storage::DiskDone::MoveFailed { path, error: DiskError::Stopped });
        }
    }

    fn post_closing(&self, storage: &Arc<Storage>, then: keeper::Job) {
        let shared = self.shared();
        shared.checks.cancel(storage);
        let left = AtomicUsize::new(shared.writes.len());
        let closing =
            Arc::new(worker::Closing { storage: storage.clone(), left, then: Mutex::new(Some(then)) });
        let refused =
            shared.writes.iter().any(|queue| queue.push(worker::Job::Close(closing.clone())).is_err());
        if refused && let Some(job) = closing.then.lock().unwrap_or_else(PoisonError::into_inner).take() {
            job.refuse();
        }
    }

    /// Writes what was handed over, syncs, and ends all threads. A file system that hangs, or needs longer
    /// than `patience`, keeps its threads: what it was given and has not synced was never claimed. Blocks: not
    /// for async code. A second call does nothing.
    pub fn shutdown(&self, patience: Duration) {
        let shared = self.shared();
        shared.stop();
        let deadline = Instant::now() + patience;
        let mut alive = shared.alive();
        while *alive > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                tracing::warn!(threads = *alive, "a file system hangs; its disk threads are left behind");
                return;
            };
            alive = shared.ended.wait_timeout(alive, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(alive);
        let threads =
            std::mem::take(&mut *self.handle.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.is_empty() {
            return;
        }
        for thread in threads {
            // A panic was reported by the thread itself; here it only has ended.
            let _ = thread.join();
        }
        let storages = shared.storages().clone();
        keeper::sync_rest(&shared.io, &storages);
        storages.iter().filter_map(Weak::upgrade).for_each(|storage| {
            storage.close();
            shared.io.cache.forget_all(storage.id());
        });
    }

    /// Bytes that may still be written to the file system of `path`, which need not be there yet. `None`
    /// when that is unknown, or after shutdown. Waits behind syncs.
    pub async fn free_space(&self, path: PathBuf) -> Option<u64> {
        let (answer, result) = oneshot::channel();
        self.shared().keeper.push(keeper::Job::FreeSpace(path, answer)).ok()?;
        result.await.ok()?
    }

    /// Files that are open now, for the numbers a person may see.
    pub fn open_files(&self) -> usize {
        self.shared().io.cache.len()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl Shared {
    /// Fibonacci hashing: pieces that follow each other go to different workers, and so do the
    /// first pieces of many torrents.
    fn worker_of(&self, storage: &Storage, block: BlockRef) -> usize {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let key = storage.id().wrapping_mul(GOLDEN).rotate_left(32) ^ u64::from(block.piece.get());
        let mixed = key.wrapping_mul(GOLDEN) >> 32;
        ((mixed * self.writes.len() as u64) >> 32) as usize
    }

    /// Lets the threads go when they have done what waits for them.
    fn stop(&self) {
        self.credits.close();
        self.read_permits.close();
        self.checks.close();
        self.reads.close();
        self.writes.iter().for_each(Queue::close);
        self.keeper.close();
        self.storages().iter().filter_map(Weak::upgrade).for_each(|storage| storage.cancel_move());
        self.moves.close();
    }

    fn storages(&self) -> MutexGuard<'_, Vec<Weak<Storage>>> {
        self.storages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> MutexGuard<'_, usize> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Counts a thread as ended, also when it panics.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.alive() -= 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
pub(crate) mod tests;
