//! What callers of the engine are told when a call cannot be carried out.
//!
//! Three kinds of going wrong have three types with no bridge between them: a peer's fault ends a
//! link ([`crate::peer::PeerFault`]), trouble stops a session ([`crate::session::Trouble`]), and an
//! [`Error`] goes to whoever called.

use std::io;
use std::path::PathBuf;

use crate::types::InfoHash;

/// Why a call on the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The torrent file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    ReadTorrent {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not a usable torrent.
    #[error("not a usable torrent: {0}")]
    Metainfo(#[from] crate::metainfo::MetainfoError),
    /// The text is not a usable magnet link.
    #[error(transparent)]
    Magnet(#[from] crate::magnet::MagnetError),
    /// The torrent is fine, but this version cannot transfer it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// No torrent with this hash is there.
    #[error("no torrent {0} here")]
    UnknownTorrent(InfoHash),
    /// Another torrent, or the state folder, already uses these files.
    #[error("{} is already used by {by}", path.display())]
    PathInUse {
        /// The file or folder.
        path: PathBuf,
        /// Who uses it.
        by: String,
    },
    /// It cannot be done now; in words, what stands against it.
    #[error("not now: {0}")]
    Busy(&'static str),
    /// A text that is no tracker's URL.
    #[error("not a tracker: {0}")]
    Tracker(&'static str),
    /// A name that cannot be given.
    #[error("not renamed: {0}")]
    Rename(#[from] crate::metainfo::RenameError),
    /// A folder that is needed cannot be made, read or written.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another run uses the state folder.
    #[error("{} is in use by another tc-tui (process {pid})", path.display())]
    StateInUse {
        /// The state folder.
        path: PathBuf,
        /// Its holder.
        pid: u32,
    },
    /// The state could not be opened or written.
    #[error("state: {0}")]
    State(String),
    /// No thread or runtime could be started.
    #[error("cannot start the engine: {0}")]
    Start(#[source] io::Error),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Stopping,
}
