//! What people want of a session: merged into one cell, so that a command never waits and a hundred
//! of them are one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use super::on_metadata::Admission;
use crate::manager::RemoveData;
use crate::metainfo::{FileEntry, Metainfo};
use crate::settings::{Setting, TorrentSettings};
use crate::stats::{Detail, DetailKind};
use crate::tracker::TrackerEdit;
use crate::types::TrackerId;

/// Addresses that wait to be taken over by the session; more than a person can name.
const MAX_PEERS: usize = 256;

/// Changes of trackers that wait, and trackers to be asked; a person makes one at a time, and a torrent
/// that is merged brings a whole list.
const MAX_TRACKERS: usize = 256;

/// Detail panes that wait to be opened; a viewer opens one at a time.
const MAX_WATCHES: usize = 16;

/// Whether the torrent should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nobody has said yet.
    #[default]
    None,
    /// It should run.
    Run,
    /// It should rest, and stay so over restarts.
    Pause,
    /// It should end for this run.
    Stop,
}

/// A detail pane: what it shows and where the content goes.
pub type Watch = (DetailKind, watch::Sender<Option<Arc<Detail>>>);

/// Who hears whether it was done.
pub type Tell = Option<oneshot::Sender<bool>>;

/// Everything that was asked for since the session last looked.
#[derive(Debug, Default)]
pub struct Orders {
    /// The newest wish; `None` if it has not changed.
    pub wish: Wish,
    /// Run whatever stands before it, or not any more.
    pub force: Option<bool>,
    /// The torrent was taken off the list: leave no trace of it but, perhaps, its files.
    pub remove: Option<RemoveData>,
    /// Move the files to this folder, and tell whether that was done.
    pub relocate: Option<(PathBuf, Tell)>,
    /// Give the files these names, and tell whether that was done.
    pub rename: Option<(Arc<[FileEntry]>, Tell)>,
    /// Hash all that is on disk again.
    pub recheck: bool,
    /// Ask the trackers again.
    pub reannounce: bool,
    /// Ask these trackers again.
    pub reannounce_to: Vec<TrackerId>,
    /// Changes of the trackers, in order.
    pub trackers: Vec<TrackerEdit>,
    /// Connect to these too.
    pub peers: Vec<SocketAddr>,
    /// Let these go.
    pub disconnect: Vec<SocketAddr>,
    /// Somebody has the metadata of the magnet.
    pub metadata: Option<Arc<Metainfo>>,
    /// Whether the torrent that the magnet turned out to be may have its files.
    pub admission: Option<Admission>,
    /// Panes that were opened.
    pub watches: Vec<Watch>,
    /// The person's choices, if they have changed.
    pub settings: Option<TorrentSettings>,
    /// The actor has ended: nobody carries anything out any more.
    pub(super) over: bool,
}

/// The cell between the handles of a session and its actor.
#[derive(Debug, Default)]
pub struct Control {
    /// A lock within which no other is taken, held to change the orders or to take them.
    orders: Mutex<Orders>,
    /// The person's choices as they are wanted; held to change or to copy them. Only `orders` is taken
    /// within it.
    settings: Mutex<TorrentSettings>,
    changed: Notify,
}

impl Control {
    /// Goes on with these choices.
    pub fn new(settings: TorrentSettings) -> Self {
        Self { settings: Mutex::new(settings), ..Self::default() }
    }

    /// The person's choices, those included that the session has not seen yet.
    pub fn settings(&self) -> TorrentSettings {
        self.lock_settings().clone()
    }

    /// Makes one change to the choices, for a torrent of this many files.
    pub fn set(&self, setting: &Setting, files: usize) {
        let mut settings = self.lock_settings();
        let mut changed = settings.clone();
        changed.apply(setting, files);
        if *settings != changed {
            settings.clone_from(&changed);
            // Under the lock, so that the orders end up with the newest of two.
            self.order(|orders| orders.settings = Some(changed));
        }
    }

    fn lock_settings(&self) -> MutexGuard<'_, TorrentSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the orders and wakes the session; `false` if it has ended.
    pub fn order(&self, change: impl FnOnce(&mut Orders)) -> bool {
        let mut orders = self.lock();
        if orders.over {
            return false;
        }
        change(&mut orders);
        orders.peers.truncate(MAX_PEERS);
        orders.disconnect.truncate(MAX_PEERS);
        orders.trackers.truncate(MAX_TRACKERS);
        orders.reannounce_to.truncate(MAX_TRACKERS);
        // Who looked last looks still.
        let closed = orders.watches.len().saturating_sub(MAX_WATCHES);
        orders.watches.drain(..closed);
        drop(orders);
        self.changed.notify_one();
        true
    }

    /// No more orders are taken; what was not carried out comes back.
    pub fn close(&self) -> Orders {
        std::mem::replace(&mut *self.lock(), Orders { over: true, ..Orders::default() })
    }

    /// Waits for orders and takes them all. May be cancelled without loss.
    pub async fn take(&self) -> Orders {
        self.changed.notified().await;
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        // Orders are merged and taken whole, so a panic elsewhere leaves them usable.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
