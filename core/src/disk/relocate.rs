//! The thread that moves a torrent's files to another folder, one torrent after the other.
//!
//! Two steps, between which the session notes for good that the new folder counts. *Copying* puts a
//! synced copy of each file that lies on another device under a hidden name into the new folder, and
//! takes nothing away. *Settling* gives copies their names, renames what lies on the same device, and
//! then removes what was copied. Killed while copying, the old folder is complete; killed later, settling
//! is done again and ends where it would have ended. Nothing that is there is replaced, and symbolic
//! links are neither followed nor moved.

use std::collections::BTreeSet;
use std::fs::FileTimes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::fs::{FileType, SeekFrom, Stat};

use crate::disk::backend::OpenFile;
use crate::disk::io::Io;
use crate::disk::queue::Queue;
use crate::disk::rename;
use crate::metainfo::FileEntry;
use crate::storage::{DirSync, DiskDone, DiskError, OpenFor, Storage};

/// Bytes copied at once; between two of them a move can be cancelled.
const CHUNK: usize = 1 << 20;

/// Ten progress reports a second are as many as a person can see.
const REPORT: Duration = Duration::from_millis(100);

/// What the mover is asked to do. The storage is closed, or was never used; results go to it.
#[derive(Debug)]
pub(crate) enum Job {
    /// Copy what has to be copied; ends with [`DiskDone::MoveReady`] or [`DiskDone::MoveFailed`].
    Copy { storage: Arc<Storage>, from: PathBuf, to: PathBuf },
    /// Make the new folder complete; ends with [`DiskDone::Moved`] or [`DiskDone::MoveFailed`].
    Settle { storage: Arc<Storage>, from: PathBuf, to: PathBuf },
    /// See whether files can be renamed; ends as `Copy`.
    LookForRename { storage: Arc<Storage>, from: Arc<[FileEntry]>, to: Arc<[FileEntry]> },
    /// Rename them; ends as `Settle`.
    Rename { storage: Arc<Storage>, from: Arc<[FileEntry]>, to: Arc<[FileEntry]> },
    /// Take the copies back. Has no result: what stays does no harm.
    Abandon { storage: Arc<Storage>, to: PathBuf },
}

/// Works until the queue is closed and empty.
pub(crate) fn run(io: &Io, queue: &Queue<Job>) {
    let mut jobs = Vec::with_capacity(1);
    while queue.take(&mut jobs, 1) {
        for job in jobs.drain(..) {
            match job {
                Job::Copy { storage, from, to } => {
                    let result = Move::new(io, &storage, &from, &to).copy();
                    storage.tell(result.map_or_else(Failure::told, |()| DiskDone::MoveReady));
                }
                Job::Settle { storage, from, to } => {
                    let result = Move::new(io, &storage, &from, &to).settle();
                    storage.tell(result.map_or_else(Failure::told, |()| DiskDone::Moved));
                }
                Job::LookForRename { storage, from, to } => {
                    let result = rename::look(storage.layout().root(), &from, &to).map_err(Failure::from);
                    storage.tell(result.map_or_else(Failure::told, |()| DiskDone::MoveReady));
                }
                Job::Rename { storage, from, to } => {
                    let result =
                        rename::rename(io, storage.layout().root(), &from, &to).map_err(Failure::from);
                    storage.tell(result.map_or_else(Failure::told, |()| DiskDone::Moved));
                }
                Job::Abandon { storage, to } => Move::new(io, &storage, &to, &to).abandon(),
            }
        }
    }
}

/// What stopped a move, and where.
struct Failure {
    path: PathBuf,
    error: DiskError,
}

impl From<rename::Failure> for Failure {
    fn from((path, error): rename::Failure) -> Self {
        Self { path, error }
    }
}

impl Failure {
    fn told(self) -> DiskDone {
        tracing::warn!(path = %self.path.display(), error = %self.error, "move");
        DiskDone::MoveFailed { path: self.path, error: self.error }
    }
}

struct Move<'a> {
    io: &'a Io,
    storage: &'a Storage,
    from: &'a Path,
    to: &'a Path,
    total: u64,
    done: u64,
    reported: Option<Instant>,
}

/// A file that is there and has to be copied.
struct Item {
    number: usize,
    stat: Stat,
}

impl<'a> Move<'a> {
    const fn new(io: &'a Io, storage: &'a Storage, from: &'a Path, to: &'a Path) -> Self {
        Self { io, storage, from, to, total: 0, done: 0, reported: None }
    }

    /// All files, the part file last. Pad files are never on disk.
    fn numbers(&self) -> impl Iterator<Item = usize> + use<'a> {
        let files = self.storage.layout().files();
        (0..=files.len()).filter(move |at| files.get(*at).is_none_or(|file| !file.pad))
    }

    fn name(&self, number: usize) -> &'a Path {
        self.storage.layout().below_root(number)
    }

    /// The hidden name of a copy below the new folder.
    fn hidden(&self, number: usize) -> PathBuf {
        self.storage.layout().parts().moving(number)
    }

    fn failure(&self, path: PathBuf, error: &io::Error) -> Failure {
        let full = || (self.total - self.done, self.io.backend.free_space(self.to).unwrap_or(0));
        Failure { path, error: DiskError::from_io(error, full) }
    }

    fn copy(&mut self) -> Result<(), Failure> {
        let made = !self.to.exists();
        std::fs::create_dir_all(self.to).map_err(|error| self.failure(self.to.to_path_buf(), &error))?;
        // A try that was cut short may have left copies that are not whole.
        self.abandon();
        let result = self.copy_all();
        if result.is_err() {
            self.abandon();
            if made {
                // Empty again, or somebody has put something there.
                let _ = std::fs::remove_dir(self.to);
            }
        }
        result
    }

    fn copy_all(&mut self) -> Result<(), Failure> {
        let items = self.look()?;
        let bytes = |item: &Item| u64::try_from(item.stat.st_size).unwrap_or(0);
        self.total = items.iter().map(bytes).sum();
        // Holes stay holes, so what a file takes up can be less than its size.
        let on_disk = |item: &Item| u64::try_from(item.stat.st_blocks).unwrap_or(0).saturating_mul(512);
        let needs = items.iter().map(|item| on_disk(item).min(bytes(item))).sum();
        if let Some(free) = self.io.backend.free_space(self.to)
            && free < needs
        {
            return Err(Failure { path: self.to.to_path_buf(), error: DiskError::Full { needs, free } });
        }
        for item in &items {
            self.copy_file(item).map_err(|(path, error)| self.failure(path, &error))?;
        }
        if !items.is_empty() {
            for folder in [DirSync::Below(PathBuf::new()), DirSync::AboveRoot] {
                let synced = self.io.backend.sync_folder(self.to, &folder);
                synced.map_err(|error| self.failure(self.to.to_path_buf(), &error))?;
            }
        }
        Ok(())
    }

    /// Looks at every file at both places before anything is done, and lists those to copy.
    fn look(&self) -> Result<Vec<Item>, Failure> {
        let device = match self.io.backend.stat(self.to) {
            Ok(stat) => stat.st_dev,
            Err(error) => return Err(self.failure(self.to.to_path_buf(), &error)),
        };
        let (mut items, mut found) = (Vec::new(), false);
        for number in self.numbers() {
            let Some(stat) = self.entry(self.from, number)? else { continue };
            found = true;
            if self.entry(self.to, number)?.is_some() {
                return Err(Failure { path: self.to.join(self.name(number)), error: DiskError::InTheWay });
            }
            if stat.st_dev != device {
                items.push(Item { number, stat });
            }
        }
        if !found && self.storage.verified_count() > 0 {
            return Err(Failure { path: self.from.to_path_buf(), error: DiskError::Vanished });
        }
        Ok(items)
    }

    /// What is in a file's place; an error where that is no regular file, or where the way to it leads
    /// through a symbolic link: what lies behind one is not ours to move.
    fn entry(&self, root: &Path, number: usize) -> Result<Option<Stat>, Failure> {
        let path = root.join(self.name(number));
        let error = match crate::storage::look(root, self.name(number)) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => return Ok(Some(stat)),
                FileType::Symlink => DiskError::Link,
                _ => DiskError::NotAFile,
            },
            // A file where a folder should be: nothing of ours is there. That it is in the way is found
            // when the folder is made.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(self.failure(path, &error)),
        };
        Err(Failure { path, error })
    }

    fn copy_file(&mut self, item: &Item) -> Result<(), (PathBuf, io::Error)> {
        let (name, hidden) = (self.name(item.number), self.hidden(item.number));
        let (source_path, target_path) = (self.from.join(name), self.to.join(&hidden));
        let of_source = |error| (source_path.clone(), error);
        let of_target = |error| (target_path.clone(), error);
        let backend = &self.io.backend;
        match backend.remove(self.to, &hidden) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of_target(error)),
            _ => {}
        }
        let source = backend.open(self.from, name, OpenFor::Read).map_err(of_source)?.file;
        let source = OpenFile { file: source, path: source_path.clone(), writable: false };
        let how = OpenFor::Write { create: true, create_root: false };
        let target = backend.open(self.to, &hidden, how).map_err(of_target)?.file;
        let target = OpenFile { file: target, path: target_path.clone(), writable: true };
        let size = u64::try_from(item.stat.st_size).unwrap_or(0);
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        while at < size {
            if self.storage.is_move_cancelled() {
                return Err(of_source(io::ErrorKind::Interrupted.into()));
            }
            // Past a hole. Where the file system does not tell, zeros are copied.
            let data = rustix::fs::seek(&source.file, SeekFrom::Data(at));
            let next = match data {
                Ok(data) => data.min(size),
                // Nothing but a hole up to the end.
                Err(rustix::io::Errno::NXIO) => size,
                Err(_) => at,
            };
            self.done += next - at;
            at = next;
            let length = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
            let part = &mut buffer[..length];
            self.io.read_span(&source, part, at).map_err(of_source)?;
            self.io.write_span(&target, part, at).map_err(of_target)?;
            at += length as u64;
            self.done += length as u64;
            self.report();
        }
        target.file.set_len(size).map_err(of_target)?;
        // The time tells a restart that a complete file is still the one it knows.
        let times = FileTimes::new().set_modified(modified(&item.stat));
        target.file.set_times(times).map_err(of_target)?;
        let permissions = source.file.metadata().map_err(of_source)?.permissions();
        // Not every file system has them.
        let _ = target.file.set_permissions(permissions);
        target.file.sync_all().map_err(of_target)
    }

    fn report(&mut self) {
        let now = Instant::now();
        if self.reported.is_none_or(|last| now.duration_since(last) >= REPORT) {
            self.reported = Some(now);
            self.storage.tell(DiskDone::MoveProgress { done: self.done, total: self.total });
        }
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let mut folders = BTreeSet::new();
        let mut copied = Vec::new();
        for number in self.numbers() {
            let (name, hidden) = (self.name(number), self.hidden(number));
            let (source, target) = (self.entry(self.from, number)?, self.entry(self.to, number)?);
            let moved = match self.io.backend.rename(self.to, &hidden, self.to, name) {
                Ok(()) => {
                    copied.push(number);
                    true
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => match (source, target) {
                    (Some(_), None) => {
                        let renamed = self.io.backend.rename(self.from, name, self.to, name);
                        renamed.map_err(|error| self.in_the_way(number, &error))?;
                        true
                    }
                    // It got its name before a kill, and the old one was not removed yet.
                    (Some(source), Some(target)) if source.st_size == target.st_size => {
                        copied.push(number);
                        false
                    }
                    (Some(_), Some(_)) => {
                        let path = self.to.join(name);
                        return Err(Failure { path, error: DiskError::InTheWay });
                    }
                    (None, _) => false,
                },
                Err(error) => return Err(self.in_the_way(number, &error)),
            };
            if moved {
                folders.extend(DirSync::for_created(name));
            }
        }
        for folder in folders.iter().rev() {
            let synced = self.io.backend.sync_folder(self.to, folder);
            synced.map_err(|error| self.failure(self.to.to_path_buf(), &error))?;
        }
        // Only now, when the new folder is complete for good.
        for number in copied {
            let removed = self.io.backend.remove(self.from, self.name(number));
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(self.failure(self.from.join(self.name(number)), &error));
            }
        }
        crate::storage::remove_empty_folders(self.from, self.storage.layout().files());
        Ok(())
    }

    fn in_the_way(&self, number: usize, error: &io::Error) -> Failure {
        let path = self.to.join(self.name(number));
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure { path, error: DiskError::InTheWay };
        }
        self.failure(path, error)
    }

    fn abandon(&self) {
        for number in self.numbers() {
            // Most were never made.
            let _ = self.io.backend.remove(self.to, &self.hidden(number));
        }
    }
}

/// The time of the last change.
fn modified(stat: &Stat) -> std::time::SystemTime {
    // The types of these fields differ between architectures.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    let (seconds, nanoseconds) = (stat.st_mtime as i64, stat.st_mtime_nsec as u32);
    let part = Duration::from_nanos(nanoseconds.into());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH - whole + part } else { UNIX_EPOCH + whole + part }
}
