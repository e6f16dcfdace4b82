//! Reads and writes of ranges of a torrent's content, over as many files as they span.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FileType;

use crate::disk::backend::{Backend, OpenFile};
use crate::disk::cache::FileCache;
use crate::disk::mount::before_making;
use crate::metainfo::FileEntry;
use crate::storage::{DirSync, DiskError, OpenFor, Storage};

/// Buffers of one vectored write: 1 MiB of blocks, which is where larger writes stop paying.
pub(crate) const VECTOR: usize = 64;

/// What failed, and at which file.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) file: Option<usize>,
    pub(crate) error: DiskError,
}

/// The backend with the cache of open files before it.
#[derive(Debug)]
pub(crate) struct Io {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) cache: FileCache,
    /// Room is reserved for all of a file when it is made.
    pub(crate) reserve: AtomicBool,
    /// Files that are made are called `NAME.part` until they are complete.
    pub(crate) part_names: AtomicBool,
}

impl Io {
    /// Reads exactly `buffer.len()` bytes of a piece. Pad files read as zeros.
    pub(crate) fn read(&self, storage: &Storage, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let mut rest = buffer;
        let _gate = storage.hold_gate();
        for span in storage.layout().spans(offset, rest.len() as u64) {
            let (part, after) = rest.split_at_mut(span.length as usize);
            rest = after;
            if storage.layout().files()[span.file].pad {
                part.fill(0);
                continue;
            }
            let (at, offset) = storage.place(span);
            let file = self.file(storage, at, false)?;
            self.read_span(&file, part, offset).map_err(|error| self.fault(storage, at, &error))?;
        }
        if rest.is_empty() { Ok(()) } else { Err(Fault { file: None, error: DiskError::Short }) }
    }

    /// Fills the buffer from one file.
    pub(crate) fn read_span(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.backend.pread(file, &mut buffer[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes adjacent buffers of a piece at `offset` of the content. Pad files are left out.
    pub(crate) fn write(&self, storage: &Storage, offset: u64, buffers: &[&[u8]]) -> Result<(), Fault> {
        let length = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        let mut source = Source { buffers, skip: 0 };
        let _gate = storage.hold_gate();
        for span in storage.layout().spans(offset, length) {
            if storage.layout().files()[span.file].pad {
                source.advance(span.length);
                continue;
            }
            let (place, mut at) = storage.place(span);
            let file = self.file(storage, place, true)?;
            let mut left = span.length;
            while left > 0 {
                let mut vector = [IoSlice::new(&[]); VECTOR];
                let count = source.fill(left, &mut vector);
                let written = match self.backend.pwritev(&file, &vector[..count], at) {
                    Ok(0) => return Err(self.fault(storage, place, &io::ErrorKind::WriteZero.into())),
                    Ok(written) => (written as u64).min(left),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(self.fault(storage, place, &error)),
                };
                source.advance(written);
                at += written;
                left -= written;
            }
            storage.file(place).set_dirty();
            storage.file(place).reached(at);
        }
        Ok(())
    }

    /// Whether the files of a range are as we left them: a file that was cut short would grow again by
    /// the next write, and nobody could tell that what lies between is not ours. One that cannot be
    /// opened is for the write to tell of. The part file shrinks by our own doing.
    pub(crate) fn look(&self, storage: &Storage, offset: u64, length: u64) -> Result<(), Fault> {
        let _gate = storage.hold_gate();
        for span in storage.layout().spans(offset, length) {
            let (place, _) = storage.place(span);
            let reach = storage.file(place).reach();
            if reach == 0 || place == storage.parts() {
                continue;
            }
            let Ok(file) = self.file(storage, place, true) else { continue };
            let stat = self.backend.fstat(&file).map_err(|error| self.fault(storage, place, &error))?;
            let error = match u64::try_from(stat.st_size) {
                _ if stat.st_nlink == 0 => DiskError::Vanished,
                Ok(size) if size >= reach => continue,
                _ => DiskError::Short,
            };
            return Err(Fault { file: Some(place), error });
        }
        Ok(())
    }

    /// The file, from the cache or opened. For writing it is made where it never was.
    pub(crate) fn file(&self, storage: &Storage, at: usize, write: bool) -> Result<Arc<OpenFile>, Fault> {
        let key = (storage.id(), at);
        if let Some(file) = self.cache.get(key, write) {
            return Ok(file);
        }
        let file = Arc::new(self.open(storage, at, write)?);
        self.cache.put(key, file.clone());
        // Whoever closed it may have emptied the cache just before.
        if storage.is_closed() {
            self.cache.forget(key);
        }
        Ok(file)
    }

    /// Opens a file past the cache.
    pub(crate) fn open(&self, storage: &Storage, at: usize, write: bool) -> Result<OpenFile, Fault> {
        let layout = storage.layout();
        let (path, state) = (storage.below_root(at), storage.file(at));
        if write && !state.is_expected() {
            before_making(self, storage, at)?;
        }
        let how = if write {
            OpenFor::Write { create: !state.is_expected(), create_root: !storage.expects_files() }
        } else {
            OpenFor::Read
        };
        let opened = match self.backend.open(layout.root(), &path, how) {
            // No file number is left: close some that can be opened again.
            Err(error) if is_out_of_files(&error) => {
                self.cache.shrink();
                self.backend.open(layout.root(), &path, how)
            }
            other => other,
        };
        let opened = opened.map_err(|error| self.fault(storage, at, &error))?;
        let file = OpenFile { file: opened.file, path: layout.root().join(path), writable: write };
        let stat = self.backend.fstat(&file).map_err(|error| self.fault(storage, at, &error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Fault { file: Some(at), error: DiskError::NotAFile });
        }
        // Found where it was not expected: another worker may be making it this very moment, and has not said
        // so yet. Whoever writes to it first has its name made last.
        if opened.created || matches!(how, OpenFor::Write { create: true, .. }) {
            state.set_created();
        }
        if opened.created {
            if let Some(entry) = layout.files().get(at) {
                self.set_executable(entry, &file);
                self.reserve(entry, &file).map_err(|error| self.fault(storage, at, &error))?;
            }
        } else {
            state.set_expected(true);
        }
        // What somebody appended, or an older file of this name: the torrent's file ends here.
        if let Some(entry) = layout.files().get(at)
            && write
            && u64::try_from(stat.st_size).is_ok_and(|size| size > entry.length)
        {
            file.file.set_len(entry.length).map_err(|error| self.fault(storage, at, &error))?;
        }
        Ok(file)
    }

    /// Where that is asked for and the file system can: a file that has all its room does not run out of
    /// it, and is not scattered.
    fn reserve(&self, entry: &FileEntry, file: &OpenFile) -> io::Result<()> {
        if entry.length == 0 || !self.reserve.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.backend.reserve(file, entry.length) {
            // It is written without, as far as it goes.
            Err(error) if is_unsupported(&error) => Ok(()),
            other => other,
        }
    }

    /// Convenience for the person: the content is right without it, so a failure is none.
    pub(crate) fn set_executable(&self, entry: &FileEntry, file: &OpenFile) {
        #[cfg(unix)]
        if entry.executable {
            use std::os::unix::fs::PermissionsExt;
            let Ok(found) = file.file.metadata() else { return };
            // For those who may read it: the umask has a say here too.
            let mode = found.permissions().mode();
            let _ = file.file.set_permissions(std::fs::Permissions::from_mode(mode | (mode & 0o444) >> 2));
        }
        #[cfg(not(unix))]
        let _ = (entry, file);
    }

    /// Writes all of the buffer to one file.
    pub(crate) fn write_span(&self, file: &OpenFile, buffer: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.backend.pwritev(file, &[IoSlice::new(&buffer[done..])], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the file that was just read from is still the one whose pieces were verified.
    pub(crate) fn check_unchanged(&self, storage: &Storage, at: usize, file: &OpenFile) -> Result<(), Fault> {
        let complete = storage.file(at).is_complete();
        let stat = self.backend.fstat(file).map_err(|error| self.fault(storage, at, &error))?;
        if stat.st_nlink == 0 {
            return Err(Fault { file: Some(at), error: DiskError::Vanished });
        }
        if complete && !storage.file(at).is_unchanged(&stat) {
            return Err(Fault { file: Some(at), error: DiskError::Changed });
        }
        Ok(())
    }

    /// Syncs the files and folders that were written to since the last time.
    pub(crate) fn sync(&self, storage: &Storage) -> Result<(), Fault> {
        let mut made = Vec::new();
        let result = self.sync_noting(storage, &mut made);
        if result.is_err() {
            // Their folders are still to be synced.
            made.into_iter().for_each(|at| storage.file(at).set_created());
        }
        result
    }

    fn sync_noting(&self, storage: &Storage, made: &mut Vec<usize>) -> Result<(), Fault> {
        let layout = storage.layout();
        let _gate = storage.hold_gate();
        for at in 0..=storage.parts() {
            let state = storage.file(at);
            if !state.is_dirty() {
                continue;
            }
            let (_, created) = state.take_dirty();
            if created {
                made.push(at);
            }
            let file = self.file(storage, at, false)?;
            self.backend.fdatasync(&file).map_err(|error| self.fault(storage, at, &error))?;
            let complete = state.is_complete();
            let stat = self.backend.fstat(&file).map_err(|error| self.fault(storage, at, &error))?;
            if stat.st_nlink == 0 {
                return Err(Fault { file: Some(at), error: DiskError::Vanished });
            }
            state.note(&stat, complete);
        }
        let folders: BTreeSet<_> =
            made.iter().flat_map(|at| DirSync::for_created(layout.below_root(*at))).collect();
        // Deepest first, so that a folder is there for good before its parent says so.
        for folder in folders.iter().rev() {
            self.backend
                .sync_folder(layout.root(), folder)
                .map_err(|error| Fault { file: None, error: self.error(storage, layout.root(), &error) })?;
        }
        Ok(())
    }

    pub(crate) fn fault(&self, storage: &Storage, file: usize, error: &io::Error) -> Fault {
        let gone = error.kind() == io::ErrorKind::NotFound;
        let path = storage.path(file);
        let error = if gone { DiskError::Vanished } else { self.error(storage, &path, error) };
        Fault { file: Some(file), error }
    }

    /// `path` lies on the file system that it is about, which need not be that of the root.
    fn error(&self, storage: &Storage, path: &Path, error: &io::Error) -> DiskError {
        let free = || self.backend.free_space(path).unwrap_or(0);
        DiskError::from_io(error, || (storage.lacks(), free()))
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    error.kind() == io::ErrorKind::Unsupported
        || matches!(errno, Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL))
}

fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Buffers that are written from, front first.
struct Source<'a> {
    buffers: &'a [&'a [u8]],
    skip: usize,
}

impl<'a> Source<'a> {
    /// Lays out up to `most` bytes; says in how many slices.
    fn fill(&self, most: u64, vector: &mut [IoSlice<'a>]) -> usize {
        let (mut left, mut skip, mut count) = (most, self.skip, 0);
        for (buffer, slot) in self.buffers.iter().zip(vector) {
            if left == 0 {
                break;
            }
            let part = &buffer[skip..];
            let part = &part[..part.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            *slot = IoSlice::new(part);
            left -= part.len() as u64;
            (skip, count) = (0, count + 1);
        }
        count
    }

    fn advance(&mut self, mut bytes: u64) {
        while let Some((first, rest)) = self.buffers.split_first() {
            let here = (first.len() - self.skip) as u64;
            if bytes < here {
                self.skip += bytes as usize;
                return;
            }
            bytes -= here;
            (self.buffers, self.skip) = (rest, 0);
        }
    }
}
