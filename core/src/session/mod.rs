//! A session: one torrent and all that belongs to it. This is its handle.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Error;
use crate::event::{PatternError, Subscription};
use crate::metainfo::Metainfo;
use crate::shared::SharedResources;
use crate::stats::{Detail, DetailKind, SessionStats};
use crate::types::InfoHash;

/// What stops a session until a person acts or the cause goes away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {}

/// A handle on one torrent. Cheap to clone; the torrent lives on without it.
#[derive(Clone, Debug)]
pub struct Session {}

impl Session {
    /// Pattern 1 of the API: one torrent over `shared`, not started yet.
    pub fn open(_metainfo: Metainfo, _shared: Arc<SharedResources>) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Which torrent.
    pub fn info_hash(&self) -> InfoHash {
        unimplemented!()
    }
    /// What the torrent file says.
    pub fn metainfo(&self) -> Arc<Metainfo> {
        unimplemented!()
    }
    /// Checks what is on disk and begins to run.
    pub fn start(&self) {}
    /// Lets all peers go and tells the trackers; what is on disk stays.
    pub fn pause(&self) {}
    /// Goes on after [`pause`](Self::pause), or tries again after trouble.
    pub fn resume(&self) {}
    /// Ends the session for this run.
    pub fn stop(&self) {}
    /// Connects to this peer too.
    pub fn add_peer(&self, _address: SocketAddr) {}
    /// Asks the trackers again, not before their min interval.
    pub fn reannounce(&self) {}
    /// The newest snapshot.
    pub fn stats(&self) -> Arc<SessionStats> {
        unimplemented!()
    }
    /// Gathers a detail about once a second for as long as the receiver lives.
    pub fn watch(&self, _kind: DetailKind) -> watch::Receiver<Option<Arc<Detail>>> {
        unimplemented!()
    }
    /// Hears of this torrent's events.
    pub fn subscribe(&self, _patterns: &str) -> Result<Subscription, PatternError> {
        unimplemented!()
    }
}
