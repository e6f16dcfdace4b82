//! A session: one torrent and all that belongs to it. This is its handle; `actor` decides.

mod actor;
mod control;
mod detail;
mod files;
mod incomplete;
mod links;
mod magnet;
mod on_command;
mod on_dht;
mod on_discovery;
mod on_disk;
mod on_greeting;
mod on_metadata;
mod on_move;
mod on_peer;
mod on_pex;
mod on_settings;
mod on_timeout;
mod on_tracker;
mod on_turn;
mod open;
mod over;
mod reach;
mod room;
mod save;
mod scrape;
mod snapshot;
#[cfg(test)]
mod tests;
mod totals;
mod trackers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rand::Rng as _;
use tokio::sync::{oneshot, watch};

use self::control::{Control, Wish};
pub(crate) use self::on_metadata::Admission;
use self::on_metadata::Fetching;
use crate::config::PEER_ID_PREFIX;
use crate::error::Error;
use crate::event::{EventBus, PatternError, Subscription};
use crate::manager::RemoveData;
use crate::metainfo::{self, FileEntry, Metainfo, RenameError, Version};
use crate::resume::ResumeRecord;
use crate::settings::{Setting, TorrentSettings};
use crate::shared::SharedResources;
use crate::stats::{Detail, DetailKind, Place, SessionStats};
use crate::storage::Layout;
use crate::tracker::KnownTracker;
use crate::types::{InfoHash, PeerId};

/// What stops a session until a person acts or the cause goes away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Files cannot be read or written.
    #[error("{message}")]
    Storage {
        /// What the disk said, with the path.
        message: String,
        /// A word for scripts.
        code: &'static str,
    },
    /// The metadata of a magnet is no torrent that can be transferred.
    #[error("{message}")]
    Metadata {
        /// Why.
        message: String,
        /// A word for scripts.
        code: &'static str,
    },
}

impl Trouble {
    /// A word for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Storage { code, .. } | Self::Metadata { code, .. } => code,
        }
    }
}

/// What never changes about a session, but for the metadata of a magnet.
#[derive(Debug)]
pub struct Torrent {
    /// What the torrent file says, or the link.
    opened_with: Arc<Metainfo>,
    /// The torrent that a magnet turned out to be. Written once, by the actor.
    metadata: OnceLock<Arc<Metainfo>>,
    /// Written by the actor alone.
    folders: watch::Sender<Folders>,
    bus: Arc<EventBus>,
    peer_id: PeerId,
    /// BEP 7: tells a tracker that we are the same peer, also after a change of address.
    key: u32,
    /// Place in the list.
    queue: u32,
}

impl Torrent {
    fn metainfo(&self) -> &Arc<Metainfo> {
        self.metadata.get().unwrap_or(&self.opened_with)
    }

    fn info_hash(&self) -> InfoHash {
        self.opened_with.info_hash
    }

    /// The hash by which peers and trackers know it.
    fn swarm_hash(&self) -> InfoHash {
        self.metainfo().swarm_hash()
    }

    fn layout(&self) -> Layout {
        let folders = self.folders.borrow();
        Layout::named(self.metainfo(), folders.files.clone(), &*folders.save_path)
    }

    /// Its files under the names that they have.
    fn files(&self) -> Arc<[FileEntry]> {
        self.folders.borrow().files.clone()
    }

    fn save_path(&self) -> PathBuf {
        self.folders.borrow().save_path.clone()
    }
}

/// Where a torrent's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// The folder that counts.
    pub(crate) save_path: PathBuf,
    /// Their names there.
    pub(crate) files: Arc<[FileEntry]>,
    /// A folder that they come from or go to, now or when the torrent is complete, and their names there.
    pub(crate) other: Option<(PathBuf, Arc<[FileEntry]>)>,
}

impl Folders {
    /// As a record says it.
    pub(crate) fn of(metainfo: &Metainfo, record: &ResumeRecord) -> Self {
        let named = |names: &[(u32, String)]| -> Arc<[FileEntry]> {
            metainfo::with_names(&metainfo.files, names).unwrap_or_else(|| metainfo.files.clone()).into()
        };
        let files = named(&record.names);
        let other = record.other_folder().map(|folder| {
            let names = record.other_names.as_ref().map_or_else(|| files.clone(), |names| named(names));
            (folder.to_path_buf(), names)
        });
        Self { save_path: record.save_path.clone(), files, other }
    }

    /// Each folder with the names of the files there.
    pub(crate) fn places(self) -> Vec<(PathBuf, Arc<[FileEntry]>)> {
        std::iter::once((self.save_path, self.files)).chain(self.other).collect()
    }
}

/// How a session is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Where its files are; `None`: the configured folder.
    pub save_path: Option<PathBuf>,
    /// What the last run kept of it.
    pub record: Option<ResumeRecord>,
    /// Its place in the list.
    pub queue: u32,
    /// It runs when its turn comes, among others of its kind; else whenever it wants to.
    pub in_queue: bool,
    /// Sessions that were removed and use the same files: each lets them go first, and says so.
    pub after: Vec<watch::Receiver<bool>>,
    /// A magnet pauses when its metadata is there, so that files can be chosen.
    pub stop_at_metadata: bool,
}

/// A handle on one torrent. Cheap to clone; the torrent lives on without it.
#[derive(Clone, Debug)]
pub struct Session {
    torrent: Arc<Torrent>,
    shared: Arc<SharedResources>,
    control: Arc<Control>,
    place: Arc<Place>,
    trackers: watch::Receiver<Arc<[KnownTracker]>>,
    /// True once nothing of it is left but, perhaps, its files.
    ended: watch::Sender<bool>,
}

impl Session {
    /// Opens a torrent over `shared`; it does nothing until [`start`](Self::start).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tc_core::{Config, Metainfo, Session, SharedResources};
    ///
    /// let shared = SharedResources::start(Config::new("downloads"))?;
    /// let metainfo = Metainfo::parse(std::fs::read("some.torrent")?.into())?;
    /// let session = Session::open(metainfo, shared.clone())?;
    /// session.start();
    /// # shared.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A torrent that this version cannot transfer, or an engine that is shutting down.
    pub fn open(metainfo: Metainfo, shared: Arc<SharedResources>) -> Result<Self, Error> {
        Self::open_with(Arc::new(metainfo), shared, OpenOptions::default())
    }

    /// [`open`](Self::open), with what a manager knows.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(
        metainfo: Arc<Metainfo>,
        shared: Arc<SharedResources>,
        options: OpenOptions,
    ) -> Result<Self, Error> {
        if metainfo.version() == Version::V2 {
            return Err(Error::Unsupported(on_metadata::V2_ONLY));
        }
        Self::begin(metainfo, None, shared, options).map(|(session, _)| session)
    }

    fn begin(
        metainfo: Arc<Metainfo>,
        magnet: Option<Fetching>,
        shared: Arc<SharedResources>,
        options: OpenOptions,
    ) -> Result<(Self, watch::Receiver<bool>), Error> {
        if shared.is_stopping() {
            return Err(Error::Stopping);
        }
        let record = options.record;
        let save_path = options
            .save_path
            .or_else(|| record.as_ref().map(|record| record.save_path.clone()))
            .unwrap_or_else(|| shared.config().download_dir.clone());
        let torrent = Arc::new(Torrent {
            folders: watch::Sender::new(Folders {
                save_path,
                ..Folders::of(&metainfo, &record.clone().unwrap_or_default())
            }),
            bus: EventBus::of_session(shared.hub(), metainfo.info_hash),
            peer_id: new_peer_id(),
            key: record.as_ref().map_or_else(|| rand::rng().next_u32(), |record| record.tracker_key),
            queue: options.queue,
            opened_with: metainfo,
            metadata: OnceLock::new(),
        });
        let settings = record.as_ref().map(|record| record.settings.clone()).unwrap_or_default();
        let control = Arc::new(Control::new(settings));
        let (actor, doors) = open::actor(torrent.clone(), shared.clone(), record, options.in_queue, magnet);
        let trackers = actor.to_list.subscribe();
        let (place, ended) = (actor.place.clone(), watch::Sender::new(false));
        let guard = over::Guard {
            torrent: torrent.clone(),
            shared: shared.clone(),
            control: control.clone(),
            storage: actor.storage_seen.subscribe(),
            place: place.clone(),
            ended: ended.clone(),
        };
        let mut stopping = shared.stopping();
        shared.tasks().spawn(async move {
            let guard = guard;
            for mut before in options.after {
                tokio::select! {
                    _ = before.wait_for(|ended| *ended) => {}
                    _ = stopping.wait_for(|stopping| *stopping) => {}
                }
            }
            actor.run(&guard.control, doors).await;
        });
        let end = ended.subscribe();
        Ok((Self { torrent, shared, control, place, trackers, ended }, end))
    }

    /// Which torrent: its name in the engine.
    pub fn info_hash(&self) -> InfoHash {
        self.torrent.info_hash()
    }

    /// What the torrent file says; of a magnet what the link says, until its metadata is there
    /// ([`has_metadata`](Self::has_metadata)).
    pub fn metainfo(&self) -> &Arc<Metainfo> {
        self.torrent.metainfo()
    }

    /// The folder its files are in; during a move the one that counts.
    pub fn save_path(&self) -> PathBuf {
        self.torrent.save_path()
    }

    /// Where its files are and may be, as that changes.
    pub(crate) fn folders(&self) -> watch::Receiver<Folders> {
        self.torrent.folders.subscribe()
    }

    /// Moves its files to another folder, which is made if needed. The torrent leaves the swarm meanwhile and
    /// then goes on with what it did. `session.moved` tells when all files are there; `storage.error` why
    /// they stay where they are: nothing that is there is replaced. A torrent of a manager is moved by
    /// [`TorrentManager::move_torrent`](crate::TorrentManager::move_torrent), which knows who uses the
    /// files there.
    pub fn move_to(&self, folder: PathBuf) {
        self.control.order(|orders| orders.relocate = Some((folder, None)));
    }

    /// The same; the receiver hears whether the files are there.
    pub(crate) fn move_and_tell(&self, folder: PathBuf) -> oneshot::Receiver<bool> {
        let (tell, told) = oneshot::channel();
        self.control.order(|orders| orders.relocate = Some((folder, Some(tell))));
        told
    }

    /// Gives another name to the element `depth` of the path of a file, by its place in torrent order: the
    /// last one is the file's own, the others are folders, with all that is in them. The torrent leaves the
    /// swarm for a moment. One at a time: of two that are asked for at once the later one counts. A torrent of a manager is renamed by
    /// [`TorrentManager::rename`](crate::TorrentManager::rename), which knows who uses the files there.
    ///
    /// # Errors
    /// A name that cannot be given.
    pub fn rename(&self, file: usize, depth: usize, name: &str) -> Result<(), RenameError> {
        let files = self.renamed(file, depth, name)?;
        self.control.order(|orders| orders.rename = Some((files, None)));
        Ok(())
    }

    /// Its files as they would be called then.
    pub(crate) fn renamed(
        &self,
        file: usize,
        depth: usize,
        name: &str,
    ) -> Result<Arc<[FileEntry]>, RenameError> {
        metainfo::renamed(&self.files(), file, depth, name).map(Into::into)
    }

    /// Gives its files these names; the receiver hears whether they have them.
    pub(crate) fn rename_and_tell(&self, files: Arc<[FileEntry]>) -> oneshot::Receiver<bool> {
        let (tell, told) = oneshot::channel();
        self.control.order(|orders| orders.rename = Some((files, Some(tell))));
        told
    }

    /// Its files under the names that they have.
    pub fn files(&self) -> Arc<[FileEntry]> {
        self.torrent.files()
    }

    /// Checks what is on disk and begins to run.
    pub fn start(&self) {
        self.control.order(|orders| orders.wish = Wish::Run);
    }

    /// Lets all peers go and tells the trackers; what is on disk stays.
    pub fn pause(&self) {
        self.control.order(|orders| {
            // The last word counts: whoever forced it before that does not start it.
            (orders.wish, orders.force) = (Wish::Pause, None);
        });
    }

    /// Goes on after [`pause`](Self::pause), or tries again after trouble.
    pub fn resume(&self) {
        self.start();
    }

    /// Lets a torrent of a manager run whatever stands before it in the queue, beside those whose turn it
    /// is; it is started for that. `false`, or a pause, puts it back among the others.
    pub fn force(&self, forced: bool) {
        self.control.order(|orders| {
            orders.force = Some(forced);
            if forced {
                orders.wish = Wish::Run;
            }
        });
    }

    /// Ends the session for this run.
    pub fn stop(&self) {
        self.control.order(|orders| orders.wish = Wish::Stop);
    }

    /// Ends the session for good: its place on the board goes, and its files if asked for.
    pub(crate) fn remove(&self, data: RemoveData) {
        if !self.control.order(|orders| orders.remove = Some(data)) {
            over::remove_ended(&self.torrent, &self.shared, &self.place, &self.ended, data);
        }
    }

    /// Becomes true when the session is over and its files are let go.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Where its events are published.
    pub(crate) fn bus(&self) -> &EventBus {
        &self.torrent.bus
    }

    /// Hashes all that is on disk again. A torrent that runs leaves the swarm for it and goes on
    /// afterwards; one that rests goes on resting. Checks of one device go one after the other.
    pub fn recheck(&self) {
        self.control.order(|orders| orders.recheck = true);
    }

    /// What a person decided for this torrent.
    pub fn settings(&self) -> TorrentSettings {
        self.control.settings()
    }

    /// Changes what a person decided. It holds from the session's next turn on, whether it runs or
    /// rests, and over restarts.
    pub fn set(&self, setting: &Setting) {
        self.control.set(setting, self.torrent.metainfo().files.len());
    }

    /// Connects to this peer too.
    pub fn add_peer(&self, address: SocketAddr) {
        self.control.order(|orders| orders.peers.push(address));
    }

    /// Lets this peer go. It may call again at once, and is called again after half an hour.
    pub fn disconnect(&self, address: SocketAddr) {
        self.control.order(|orders| orders.disconnect.push(address));
    }

    /// Asks the trackers again, not before their min interval.
    pub fn reannounce(&self) {
        self.control.order(|orders| orders.reannounce = true);
    }

    /// The newest snapshot; `None` once the session has been removed.
    pub fn stats(&self) -> Option<Arc<SessionStats>> {
        self.shared.board().get(&self.info_hash())
    }

    /// Gathers a detail about once a second for as long as the receiver lives.
    /// The receiver is closed when the session has ended.
    pub fn watch(&self, kind: DetailKind) -> watch::Receiver<Option<Arc<Detail>>> {
        let (pane, receiver) = watch::channel(None);
        self.control.order(|orders| orders.watches.push((kind, pane)));
        receiver
    }

    /// Hears of this torrent's events.
    ///
    /// # Errors
    /// A pattern that no event matches.
    pub fn subscribe(&self, patterns: &str) -> Result<Subscription, PatternError> {
        self.torrent.bus.subscribe(patterns)
    }
}

/// Our name in one swarm for one run: the client and its version, then chance (BEP 20).
fn new_peer_id() -> PeerId {
    let mut id = [0; PeerId::LEN];
    rand::rng().fill_bytes(&mut id);
    id[..PEER_ID_PREFIX.len()].copy_from_slice(PEER_ID_PREFIX);
    PeerId::new(id)
}
