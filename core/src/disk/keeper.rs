//! The thread that syncs, closes, deletes and looks for room: rare and slow things, one after the other.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use crate::disk::io::{Fault, Io};
use crate::disk::name::{name, name_complete};
use crate::disk::queue::Queue;
use crate::disk::sort::sort;
use crate::storage::{self, DiskDone, DiskError, Op, Storage};

/// What the keeper is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// At most one per storage waits.
    Sync(Arc<Storage>),
    /// Other files are wanted now.
    Sort(Arc<Storage>),
    /// Files are complete and have not got their names. One for each file that becomes complete.
    Name(Arc<Storage>),
    /// Every worker has dropped the storage.
    Closed(Arc<Storage>),
    /// The same, and then its files go. The answer stands for [`DiskDone::Closed`].
    Delete(Arc<Storage>, oneshot::Sender<Result<(), DiskError>>),
    /// How much room is there.
    FreeSpace(PathBuf, oneshot::Sender<Option<u64>>),
}

impl Job {
    /// The disk is shut down; those who wait are told.
    pub(crate) fn refuse(self) {
        match self {
            Self::Sync(_) | Self::Sort(_) | Self::Name(_) | Self::FreeSpace(..) => {}
            Self::Closed(storage) => storage.tell(DiskDone::Closed),
            Self::Delete(_, answer) => {
                let _ = answer.send(Err(DiskError::Stopped));
            }
        }
    }
}

/// Works until the queue is closed and empty.
pub(crate) fn run(io: &Io, queue: &Queue<Job>) {
    let mut jobs = Vec::with_capacity(1);
    while queue.take(&mut jobs, 1) {
        for job in jobs.drain(..) {
            match job {
                Job::Sort(storage) => {
                    sort(io, &storage);
                    name_complete(io, &storage);
                }
                Job::Name(storage) => name(io, &storage),
                Job::Sync(storage) => {
                    storage.begin_sync();
                    sort(io, &storage);
                    name_complete(io, &storage);
                    sync(io, &storage);
                }
                Job::Closed(storage) => {
                    name_complete(io, &storage);
                    sync(io, &storage);
                    io.cache.forget_all(storage.id());
                    storage.tell(DiskDone::Closed);
                }
                Job::Delete(storage, answer) => {
                    io.cache.forget_all(storage.id());
                    let _ = answer.send(delete(io, &storage));
                }
                Job::FreeSpace(path, answer) => {
                    let _ = answer.send(io.backend.free_space(&path));
                }
            }
        }
    }
}

/// The last thing before the end: what was written and not synced.
pub(crate) fn sync_rest(io: &Io, storages: &[Weak<Storage>]) {
    for storage in storages.iter().filter_map(Weak::upgrade) {
        sync(io, &storage);
    }
}

/// A piece is marked after its writes marked their files. So when the pieces are noted before the
/// marks are taken off the files, all that the pieces need is synced.
fn sync(io: &Io, storage: &Storage) {
    let hashed = storage.hashed();
    if let Err(fault) = io.sync(storage) {
        return sync_failed(storage, fault);
    }
    storage.synced().clone_from(&hashed);
    // Who takes a piece back takes it from the verified ones first, then from these: whenever that was, one
    // of us does it.
    let verified = storage.verified();
    let mut have = hashed;
    let lost: Vec<_> = have.without(&verified).collect();
    for piece in lost {
        have.clear(piece);
        storage.synced().clear(piece);
    }
    let files = storage.stamps();
    storage.tell(DiskDone::Synced { have, files });
}

/// The kernel tells a failed write once, and then takes the pages for clean: a second try would succeed and mean
/// nothing.
pub(crate) fn sync_failed(storage: &Storage, fault: Fault) {
    storage.next_epoch();
    storage.tell_error(Op::Sync, fault.file, None, fault.error.clone());
    if let (DiskError::Vanished, Some(file)) = (fault.error, fault.file) {
        storage.unmark_all(storage.layout().pieces_of(file));
    }
    let synced = storage.synced().clone();
    storage.unmark_all(storage.hashed().without(&synced));
}

/// What a file is called by what the last look found, or else by what is there.
fn name_on_disk(storage: &Storage, at: usize) -> PathBuf {
    let (layout, name) = (storage.layout(), storage.below_root(at));
    let is_missing = || {
        let found = storage::look(layout.root(), &name);
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let part = layout.part_name(at).filter(|_| is_missing());
    part.unwrap_or_else(|| name.into_owned())
}

fn delete(io: &Io, storage: &Storage) -> Result<(), DiskError> {
    let layout = storage.layout();
    let parts = layout.parts();
    let unfinished = (0..layout.files().len()).filter(|at| storage.file(*at).is_parted());
    for name in unfinished.map(|at| parts.unfinished(at)).chain([parts.name().to_path_buf()]) {
        // Hidden, and worth nothing without the rest; most often it is not there.
        let _ = io.backend.remove(layout.root(), &name);
    }
    storage::delete(layout.root(), layout.files(), |at| name_on_disk(storage, at)).map_err(|(file, error)| {
        let fault = io.fault(storage, file, &error);
        storage.tell_error(Op::Delete, Some(file), None, fault.error.clone());
        fault.error
    })
}
