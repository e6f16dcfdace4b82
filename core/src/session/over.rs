//! The end of a session: in order, by a panic of its actor, or after it was taken off the list.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Torrent;
use super::control::Control;
use crate::event::{Event, Kind};
use crate::manager::RemoveData;
use crate::metainfo::FileEntry;
use crate::shared::SharedResources;
use crate::stats::{Place, SessionState, SessionStats};
use crate::storage::{DiskDone, Layout, Storage};

/// How long a disk may take to close files: as long as a shutdown waits for it. One that hangs keeps
/// its files.
const CLOSING: Duration = Duration::from_secs(10);

/// What is said of a session whose actor panicked.
const BROKEN: &str = "internal error: see the log; restart to try again";

/// Stands by while an actor runs. However that ends, nobody is left waiting for it.
#[derive(Debug)]
pub struct Guard {
    pub torrent: Arc<Torrent>,
    pub shared: Arc<SharedResources>,
    pub control: Arc<Control>,
    /// The storage of the actor as it is.
    pub storage: watch::Receiver<Arc<Storage>>,
    pub place: Arc<Place>,
    pub ended: watch::Sender<bool>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.leave_slots(&self.torrent.info_hash());
        if std::thread::panicking() {
            self.shared.disk().close(&self.storage.borrow());
            if let Some(last) = self.shared.board().get(&self.torrent.info_hash()) {
                self.place.pin(SessionStats {
                    state: SessionState::Error,
                    message: Some(BROKEN.into()),
                    rate_down: 0,
                    rate_up: 0,
                    seeds: 0,
                    leechers: 0,
                    eta: None,
                    stalled: false,
                    retries: false,
                    ..(*last).clone()
                });
            }
            self.torrent.bus.publish(Kind::SessionError, || Event::SessionError {
                message: BROKEN.into(),
                code: "internal".into(),
            });
        }
        // A removal that came too late for the actor.
        match self.control.close().remove {
            Some(data) => {
                remove_ended(&self.torrent, &self.shared, &self.place, &self.ended, data);
            }
            None => {
                self.ended.send_replace(true);
            }
        }
    }
}

/// Takes a session away whose actor has ended before.
pub fn remove_ended(
    torrent: &Arc<Torrent>,
    shared: &Arc<SharedResources>,
    place: &Place,
    ended: &watch::Sender<bool>,
    data: RemoveData,
) {
    place.leave();
    ended.send_replace(false);
    let (torrent, engine, ended) = (torrent.clone(), shared.clone(), ended.clone());
    shared.tasks().spawn(async move {
        let storage = engine.disk().open(torrent.layout());
        take_away(&torrent, &engine, &storage, None, data).await;
        ended.send_replace(true);
    });
}

/// Closes the files or deletes them, at `other_place` too where a move was cut short, and tells that the torrent is gone.
pub async fn take_away(
    torrent: &Torrent,
    shared: &SharedResources,
    storage: &Arc<Storage>,
    other_place: Option<(PathBuf, Arc<[FileEntry]>)>,
    data: RemoveData,
) {
    let mut data_deleted = false;
    let others = other_place
        .map(|(folder, files)| shared.disk().open(Layout::named(torrent.metainfo(), files, folder)));
    let delete = async {
        if let Some(others) = &others {
            shared.disk().delete_files(others).await?;
        }
        shared.disk().delete_files(storage).await
    };
    match data {
        RemoveData::Keep => close(shared, storage).await,
        RemoveData::Delete => match delete.await {
            Ok(()) => data_deleted = true,
            Err(error) => torrent.bus.publish(Kind::StorageError, || Event::StorageError {
                message: error.to_string().into(),
                code: error.code().into(),
            }),
        },
    }
    torrent.bus.publish(Kind::SessionRemoved, || Event::SessionRemoved {
        name: torrent.metainfo().name.clone(),
        data_deleted,
    });
}

/// Closes the files: what was handed to the disk is written and synced when this returns.
pub async fn close(shared: &SharedResources, storage: &Arc<Storage>) {
    if storage.is_closed() {
        return;
    }
    shared.disk().close(storage);
    let closed = async { while storage.done().await != DiskDone::Closed {} };
    if tokio::time::timeout(CLOSING, closed).await.is_err() {
        tracing::warn!(folder = %storage.layout().root().display(), "files are slow to close");
    }
}
