//! A torrent file from disk: only what is a file, only what is small enough, only what keeps still.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::{Metainfo, MetainfoError};
use crate::bencode::Limits;
use crate::error::Error;

/// Why a path gave no torrent.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A folder, a pipe, a socket or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// Too large to be read at all.
    #[error("it has {len} bytes, more than the {max} a torrent may have")]
    TooLarge {
        /// Its size.
        len: u64,
        /// The limit.
        max: u32,
    },
    /// Somebody writes to it: try again.
    #[error("it changed while it was read")]
    Changed,
    /// The bytes are not a usable torrent.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
}

impl ReadError {
    /// The engine's error, with the path that was read.
    pub fn at(self, path: &Path) -> Error {
        let source = match self {
            Self::Metainfo(error) => return Error::Metainfo(error),
            Self::Io(source) => source,
            Self::NotAFile | Self::TooLarge { .. } => {
                io::Error::new(io::ErrorKind::InvalidInput, self.to_string())
            }
            Self::Changed => io::Error::new(io::ErrorKind::ResourceBusy, self.to_string()),
        };
        Error::ReadTorrent { path: path.to_owned(), source }
    }
}

impl Metainfo {
    /// Reads and checks a `.torrent` file.
    ///
    /// Blocks for as long as the file system does; a pipe cannot make it wait.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        // NONBLOCK: opening a pipe that nobody writes to would hang. NOCTTY: a terminal must not become ours.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
        Ok(Self::parse(contents(file)?)?)
    }
}

fn contents(mut file: File) -> Result<Bytes, ReadError> {
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(ReadError::NotAFile);
    }
    let (len, max) = (before.len(), Limits::TORRENT.bytes);
    if len > u64::from(max) {
        return Err(ReadError::TooLarge { len, max });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    // One byte more, so that growth shows.
    file.by_ref().take(len + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != len || version(&before) != version(&file.metadata()?) {
        return Err(ReadError::Changed);
    }
    Ok(bytes.into())
}

/// What changes whenever the content does.
fn version(file: &Metadata) -> (u64, i64, i64) {
    (file.len(), file.mtime(), file.mtime_nsec())
}
