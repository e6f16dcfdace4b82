//! What goes wrong between a torrent and its files.

use std::io;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Writing blocks, or opening a file for it.
    Write,
    /// Reading, for a peer or to hash what was written.
    Read,
    /// Looking at what is on disk.
    Check,
    /// Making sure that what was written outlives a power cut.
    Sync,
    /// Removing files.
    Delete,
}

/// Why the disk could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// ENOSPC or EDQUOT. Both in bytes; `needs` is what the torrent lacks as yet.
    #[error("disk full (needs {needs} bytes, {free} free)")]
    Full {
        /// Bytes of all pieces that are not there yet.
        needs: u64,
        /// Bytes that the file system has left for us.
        free: u64,
    },
    /// A file or folder that was there is gone. It is not made anew: an empty mount point would be
    /// filled with empty files.
    #[error("the file is gone")]
    Vanished,
    /// The folder lies on another file system than it did: most often a disk is not mounted.
    #[error("another file system is there than before: is its disk mounted?")]
    OtherDevice,
    /// A complete file has another size or time than it had.
    #[error("the file was changed by somebody else")]
    Changed,
    /// The file ends before the data that was verified in it.
    #[error("the file is shorter than it was")]
    Short,
    /// A folder, a pipe or a device stands where a file belongs.
    #[error("not a regular file")]
    NotAFile,
    /// Something is where a file should go; it is not replaced.
    #[error("something of that name is there already")]
    InTheWay,
    /// A symbolic link on the way; they are not followed for writing.
    #[error("a symbolic link is in the way")]
    Link,
    /// The piece is not verified, so it is not read for anybody.
    #[error("the piece is not verified")]
    Unverified,
    /// What the system said otherwise.
    #[error("{message}")]
    Io {
        /// The kind, for decisions.
        kind: io::ErrorKind,
        /// The system's words.
        message: String,
    },
    /// The disk is shut down, or the storage closed.
    #[error("the disk is shut down")]
    Stopped,
}

impl DiskError {
    /// A word for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "disk-full",
            Self::Vanished => "file-gone",
            Self::OtherDevice => "other-device",
            Self::Changed => "file-changed",
            Self::Short => "file-short",
            Self::NotAFile => "not-a-file",
            Self::InTheWay => "file-exists",
            Self::Link => "symlink",
            Self::Unverified => "unverified",
            Self::Io { .. } => "io",
            Self::Stopped => "stopped",
        }
    }

    /// Takes what the system said; `full` finds the numbers when it said that no space is left.
    pub(crate) fn from_io(error: &io::Error, full: impl FnOnce() -> (u64, u64)) -> Self {
        match error.kind() {
            // What is left of a quota is as little as what is left of a disk, and may grow as well.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let (needs, free) = full();
                Self::Full { needs, free }
            }
            io::ErrorKind::UnexpectedEof => Self::Short,
            io::ErrorKind::IsADirectory => Self::NotAFile,
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Self::Link,
            kind => Self::Io { kind, message: error.to_string() },
        }
    }
}
