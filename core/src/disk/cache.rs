//! The open files of all storages: a bounded number, the least recently used is closed first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::disk::backend::OpenFile;

/// Which file: the storage's id and the file's number in torrent order.
pub(crate) type FileKey = (u64, usize);

/// A file that is in use stays open until its last user is done, so at most one file per disk
/// thread is open beyond the bound.
#[derive(Debug)]
pub(crate) struct FileCache {
    most: usize,
    /// A leaf lock, held for a look-up; files are opened and closed outside of it.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    files: FxHashMap<FileKey, Entry>,
    /// Counts uses, to tell which is the oldest.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    file: Arc<OpenFile>,
    used: u64,
}

impl FileCache {
    /// At most `most` files, at least 1.
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), inner: Mutex::default() }
    }

    /// The file, if it is open, and open for writing where that is wanted.
    pub(crate) fn get(&self, key: FileKey, write: bool) -> Option<Arc<OpenFile>> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let entry = inner.files.get_mut(&key).filter(|entry| entry.file.writable || !write)?;
        entry.used = now;
        Some(entry.file.clone())
    }

    /// Keeps a file that was just opened, instead of another handle of it and of the oldest.
    pub(crate) fn put(&self, key: FileKey, file: Arc<OpenFile>) {
        let mut inner = self.lock();
        inner.clock += 1;
        let used = inner.clock;
        let before = inner.files.insert(key, Entry { file, used });
        let oldest = if inner.files.len() > self.most { inner.remove_oldest() } else { None };
        // Closing may take long on some file systems.
        drop(inner);
        drop((before, oldest));
    }

    /// Closes the older half: the process has no file numbers left.
    pub(crate) fn shrink(&self) {
        let mut inner = self.lock();
        let keep = inner.files.len() / 2;
        let mut closed = Vec::new();
        while inner.files.len() > keep {
            closed.push(inner.remove_oldest());
        }
        drop(inner);
        drop(closed);
    }

    /// Closes one file.
    pub(crate) fn forget(&self, key: FileKey) {
        let entry = self.lock().files.remove(&key);
        drop(entry);
    }

    /// Closes all files of a storage.
    pub(crate) fn forget_all(&self, storage: u64) {
        let mut inner = self.lock();
        let closed: Vec<_> = inner.files.extract_if(|(id, _), _| *id == storage).collect();
        drop(inner);
        drop(closed);
    }

    /// Number of files kept open.
    pub(crate) fn len(&self) -> usize {
        self.lock().files.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Entries are put and removed whole, so a panic elsewhere leaves the map usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A look at every entry: there are a hundred or so, and opening a file costs more.
    fn remove_oldest(&mut self) -> Option<Entry> {
        let oldest = *self.files.iter().min_by_key(|(_, entry)| entry.used)?.0;
        self.files.remove(&oldest)
    }
}
