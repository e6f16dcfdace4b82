//! The system calls of the disk, as a seam: tests put a backend here that fails.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use crate::storage::{self, DirSync, OpenFor, Opened};

/// An open file and where it lies.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: File,
    /// Its path, root included.
    pub path: PathBuf,
    /// Whether it may be written to.
    pub writable: bool,
}

/// Everything the disk asks of the system on the paths that can lose data. What is given here is
/// the real thing; one call per MiB or per block, so that a call through a table costs nothing.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Opens the file `path` below `root`.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, root: &Path, path: &Path, how: OpenFor) -> io::Result<Opened> {
        storage::open(root, path, how)
    }

    /// Reads at an offset; less than asked for at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    fn pread(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.file.read_at(buffer, offset)
    }

    /// Writes at an offset; may write less.
    ///
    /// # Errors
    /// What the system says.
    fn pwritev(&self, file: &OpenFile, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&file.file, buffers, offset)?)
    }

    /// What the system knows of the open file.
    ///
    /// # Errors
    /// What the system says.
    fn fstat(&self, file: &OpenFile) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&file.file)?)
    }

    /// What the system knows of a path, symbolic links followed.
    ///
    /// # Errors
    /// What the system says.
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(rustix::fs::stat(path)?)
    }

    /// Makes sure that the file's data outlives a power cut.
    ///
    /// # Errors
    /// What the system says. After an error nothing is known of what was written before.
    fn fdatasync(&self, file: &OpenFile) -> io::Result<()> {
        file.file.sync_data()
    }

    /// Makes sure that a folder's entries outlive a power cut.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, root: &Path, folder: &DirSync) -> io::Result<()> {
        storage::sync_folder(root, folder)
    }

    /// Reserves room for a file of so many bytes; its size stays what it is, so that what was never written
    /// is not taken for data.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::Unsupported`] where that cannot be done.
    fn reserve(&self, file: &OpenFile, length: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return Ok(rustix::fs::fallocate(&file.file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, length)?);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (file, length);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Gives a regular file another place, never over anything that is there.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AlreadyExists`] where something is.
    fn rename(&self, from_root: &Path, from: &Path, to_root: &Path, to: &Path) -> io::Result<()> {
        storage::rename(from_root, from, to_root, to)
    }

    /// Removes one regular file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, root: &Path, path: &Path) -> io::Result<()> {
        storage::remove(root, path)
    }

    /// Bytes that we may still write to the file system of this path; `None` when that is unknown.
    fn free_space(&self, path: &Path) -> Option<u64> {
        // The folder itself may not be there yet.
        let fs = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
        Some(fs.f_bavail.saturating_mul(fs.f_frsize))
    }
}

/// The real thing.
#[derive(Debug)]
pub struct System;

impl Backend for System {}
