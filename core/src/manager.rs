//! Many torrents over one `SharedResources`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::error::Error;
use crate::event::{PatternError, Subscription};
use crate::metainfo::Metainfo;
use crate::session::Session;
use crate::shared::SharedResources;
use crate::stats::StatsBoard;
use crate::types::InfoHash;

/// How a torrent is added.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    /// Where its files go; `None`: the configured folder.
    pub download_dir: Option<PathBuf>,
    /// Added, but not started.
    pub paused: bool,
    /// Peers to connect to, beside those that trackers name.
    pub peers: Vec<SocketAddr>,
}

/// What happens to the files of a removed torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveData {
    /// They stay.
    Keep,
    /// The torrent's own files go, and folders that are then empty.
    Delete,
}

/// The list of torrents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TorrentManager {}

impl TorrentManager {
    /// Starts an engine and takes up the torrents of the last run.
    pub fn start(_config: Config) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Reads a `.torrent` file and adds it. The only call here that touches the disk of the caller.
    /// A torrent that is there already is returned as it is.
    pub fn add_torrent(&self, _path: &Path, _options: AddOptions) -> Result<Session, Error> {
        unimplemented!()
    }
    /// Adds a torrent. One that is there already is returned as it is.
    pub fn add_metainfo(&self, _metainfo: Metainfo, _options: AddOptions) -> Result<Session, Error> {
        unimplemented!()
    }
    /// The torrent with this hash.
    pub fn get(&self, _info_hash: &InfoHash) -> Option<Session> {
        unimplemented!()
    }
    /// All torrents, in the order they were added.
    pub fn all(&self) -> Vec<Session> {
        unimplemented!()
    }
    /// Pauses every torrent.
    pub fn pause_all(&self) {}
    /// Resumes every paused torrent.
    pub fn resume_all(&self) {}
    /// Stops a torrent and takes it off the list.
    pub fn remove_torrent(&self, _info_hash: &InfoHash, _data: RemoveData) -> Result<(), Error> {
        unimplemented!()
    }
    /// One queue for the events of all torrents, present and future.
    pub fn subscribe_all(&self, _patterns: &str) -> Result<Subscription, PatternError> {
        unimplemented!()
    }
    /// The snapshots of all torrents.
    pub fn board(&self) -> &Arc<StatsBoard> {
        unimplemented!()
    }
    /// What the torrents borrow.
    pub fn shared(&self) -> &Arc<SharedResources> {
        unimplemented!()
    }
    /// Ends everything in order, within a bounded time. Blocks: not for async code.
    pub fn shutdown(&self) {}
}
