//! Many torrents over one `SharedResources`: info-hash to session, and the list that outlives a run.

mod list;
mod magnet;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use self::list::{Entry, List};
use crate::bitfield::Bitfield;
use crate::claims::InUse;
use crate::config::Config;
use crate::error::Error;
use crate::event::{Event, Kind, PatternError, Subscription};
use crate::magnet::Magnet;
use crate::metainfo::Metainfo;
use crate::queue::Shift;
use crate::resume::{Incomplete, ResumeRecord, Saved};
use crate::session::{Folders, OpenOptions, Session};
use crate::settings::TorrentSettings;
use crate::shared::SharedResources;
use crate::stats::{BanStats, QueueStats, StatsBoard};
use crate::types::{BanTarget, InfoHash, UnixTime};

/// How a torrent is added.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    /// Where its files go; `None`: the configured folder.
    pub download_dir: Option<PathBuf>,
    /// Added, but not started.
    pub paused: bool,
    /// Runs at once, whatever stands before it in the queue.
    pub forced: bool,
    /// Peers to connect to, beside those that trackers name.
    pub peers: Vec<SocketAddr>,
    /// Its data is there, says a person: only sizes are looked at now, and each piece is hashed when it is
    /// first read; a wrong one is fetched. A torrent that is there already keeps what is known of it.
    pub assume_complete: bool,
    /// What a person has decided for it. A torrent that is there already keeps its own.
    pub settings: TorrentSettings,
    /// A magnet pauses when its metadata is there, so that files can be chosen before anything is fetched.
    pub stop_at_metadata: bool,
}

/// What happens to the files of a removed torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveData {
    /// They stay.
    Keep,
    /// The torrent's own files go, and folders that are then empty.
    Delete,
}

/// The list of torrents. Cheap to clone; each clone is the same list.
#[derive(Clone, Debug)]
pub struct TorrentManager {
    shared: Arc<SharedResources>,
    list: Arc<Mutex<List>>,
}

/// What is added.
#[derive(Clone)]
enum What {
    /// A torrent.
    Torrent(Arc<Metainfo>),
    /// A link to one.
    Link(Box<Magnet>),
}

impl What {
    fn metainfo(&self) -> Arc<Metainfo> {
        match self {
            Self::Torrent(metainfo) => metainfo.clone(),
            Self::Link(magnet) => Arc::new(Metainfo::of_magnet(magnet)),
        }
    }
}

/// Where a torrent comes from.
#[derive(Clone, Copy)]
enum Origin {
    /// Somebody added it: it can be refused.
    Added,
    /// It is on the list of the last run; its record may be lost.
    Kept { lost: bool },
}

impl TorrentManager {
    /// Starts an engine and takes up the torrents of the last run.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tc_core::{AddOptions, Config, TorrentManager};
    ///
    /// let manager = TorrentManager::start(Config::new("downloads"))?;
    /// let mut events = manager.subscribe_all("session.* piece.*")?;
    /// let session = manager.add_torrent("some.torrent".as_ref(), AddOptions::default())?;
    /// println!("added {}", session.metainfo().name);
    /// manager.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`SharedResources::start`].
    pub fn start(config: Config) -> Result<Self, Error> {
        Ok(Self::over(SharedResources::start(config)?))
    }

    /// A manager over resources that run already, for those who want to hear from the first event on:
    /// subscribe to the [hub](SharedResources::hub) before. Takes up the torrents of the last run.
    pub fn over(shared: Arc<SharedResources>) -> Self {
        let saved = shared.take_saved();
        let manager = Self { shared, list: Arc::default() };
        for saved in saved {
            let outcome = manager.take_up(saved);
            if let Err(error) = outcome {
                tracing::error!(%error, "a torrent of the last run cannot be taken up");
            }
        }
        manager
    }

    /// Reads a `.torrent` file and adds it. The only call here that touches a disk of the caller's. A
    /// torrent that is there already is returned as it is.
    ///
    /// # Errors
    /// A file that cannot be read or that is no usable torrent; and as [`add_metainfo`](Self::add_metainfo).
    pub fn add_torrent(&self, path: &Path, options: AddOptions) -> Result<Session, Error> {
        self.add_metainfo(Metainfo::read(path).map_err(|error| error.at(path))?, options)
    }

    /// Adds a torrent. One that is there already is returned as it is.
    ///
    /// # Errors
    /// A torrent whose transfer is not supported, one whose files another torrent or the state folder
    /// uses ([`Error::PathInUse`]), or an engine that is shutting down.
    pub fn add_metainfo(&self, metainfo: Metainfo, options: AddOptions) -> Result<Session, Error> {
        let metainfo = Arc::new(metainfo);
        let (session, fresh) = self.add(What::Torrent(metainfo.clone()), options)?;
        if !fresh && !session.has_metadata() {
            session.give_metadata(&metainfo);
        }
        Ok(session)
    }

    /// Adds a torrent or a link to one; says whether it was not there before.
    fn add(&self, what: What, options: AddOptions) -> Result<(Session, bool), Error> {
        let metainfo = what.metainfo();
        let record = ResumeRecord {
            save_path: options.download_dir.unwrap_or_else(|| self.shared.config().download_dir.clone()),
            paused: options.paused,
            forced: options.forced && !options.paused,
            added: UnixTime::now(),
            tracker_key: rand::random(),
            assumed: if options.assume_complete { every_piece(&metainfo) } else { Vec::new() },
            incomplete: self.incomplete(!options.assume_complete),
            settings: options.settings,
            stop_at_metadata: options.stop_at_metadata && !metainfo.is_known(),
            ..ResumeRecord::default()
        };
        let (session, fresh) = self.open(what, record, Origin::Added)?;
        for peer in options.peers {
            session.add_peer(peer);
        }
        if fresh {
            session.bus().publish(Kind::SessionAdded, || Event::SessionAdded {
                name: metainfo.name.clone(),
                size: metainfo.total_size(),
            });
            if !options.paused {
                session.start();
            }
        }
        Ok((session, fresh))
    }

    /// Opens a session and puts it on the list, in the store too; or gives the one that is there.
    fn open(&self, what: What, mut record: ResumeRecord, origin: Origin) -> Result<(Session, bool), Error> {
        let metainfo = what.metainfo();
        let info_hash = metainfo.info_hash;
        let mut list = self.lock();
        let here = match origin {
            Origin::Added => list.same(&metainfo),
            // What was on the list stays there.
            Origin::Kept { .. } => list.sessions.get(&info_hash),
        };
        if let Some(entry) = here {
            return Ok((entry.session.clone(), false));
        }
        if self.shared.is_stopping() {
            return Err(Error::Stopping);
        }
        let state = self.shared.config().state_dir.as_deref();
        let places = Folders::of(&metainfo, &record);
        match (list.claims.look(state, &record.save_path, &places.files), origin) {
            (Err(InUse { path, by }), Origin::Added) => return Err(Error::PathInUse { path, by }),
            (Err(InUse { path, by }), Origin::Kept { .. }) => {
                tracing::warn!(torrent = %metainfo.name, path = %path.display(), by, "two use one file");
            }
            (Ok(()), _) => {}
        }
        if let Incomplete::Perhaps(folder) = &record.incomplete
            && let Err(InUse { path, by }) = list.claims.look(state, folder, &places.files)
        {
            tracing::warn!(torrent = %metainfo.name, path = %path.display(), by, "goes to its place at once");
            record.incomplete = Incomplete::No;
        }
        let places = Folders::of(&metainfo, &record).places();
        let after = places.iter().flat_map(|(folder, files)| list.claims.leaving(folder, files)).collect();
        let place = list.next_place.max(record.queue_position);
        let moved = std::mem::replace(&mut record.queue_position, place) != place;
        let options = OpenOptions {
            save_path: None,
            record: Some(record.clone()),
            queue: place,
            in_queue: true,
            after,
            stop_at_metadata: record.stop_at_metadata,
        };
        let (session, torrent) = match what {
            What::Torrent(_) => {
                let torrent = metainfo.torrent_bytes().clone();
                (Session::open_with(metainfo.clone(), self.shared.clone(), options)?, torrent)
            }
            What::Link(magnet) => {
                let link = magnet.to_string().into();
                (self.open_magnet(*magnet, options)?, link)
            }
        };
        list.next_place = place + 1;
        let claim = |(folder, files): (PathBuf, _)| list.claims.add(&folder, metainfo.name.clone(), files);
        let claims: Vec<_> = places.into_iter().map(claim).collect();
        let changes = claims.len() > 1;
        let admitted = metainfo.is_known();
        let entry = Entry { session: session.clone(), claims, place, moving: false, admitted };
        list.sessions.insert(info_hash, entry);
        list.know(info_hash, &metainfo);
        // Before somebody can remove it again: the store must hear of both in this order. What it
        // knows from the last run is not written anew.
        match (self.shared.store(), origin) {
            (Some(store), Origin::Added) => store.add(info_hash, torrent, record),
            (Some(store), Origin::Kept { lost }) if moved || lost => store.put(info_hash, record),
            _ => {}
        }
        drop(list);
        if changes {
            self.follow(&session);
        }
        Ok((session, true))
    }

    fn take_up(&self, saved: Saved) -> Result<(), Error> {
        let what = match saved.link() {
            Some(link) => What::Link(Magnet::parse(link)?.into()),
            None => What::Torrent(Metainfo::parse(saved.torrent)?.named(saved.info_hash).into()),
        };
        let metainfo = what.metainfo();
        let lost = saved.record.is_none();
        let record = saved.record.unwrap_or_else(|| ResumeRecord {
            save_path: self.shared.config().download_dir.clone(),
            incomplete: self.incomplete(true),
            added: UnixTime::now(),
            tracker_key: rand::random(),
            ..ResumeRecord::default()
        });
        if lost {
            tracing::warn!(torrent = %metainfo.name, "its record is lost; all of it is looked at again");
        }
        let paused = record.paused;
        let (session, fresh) = self.open(what, record, Origin::Kept { lost })?;
        if fresh && !paused {
            session.start();
        }
        Ok(())
    }

    /// The torrent with this hash; a hybrid one is found by either of its two.
    pub fn get(&self, info_hash: &InfoHash) -> Option<Session> {
        self.lock().get(info_hash).map(|entry| entry.session.clone())
    }

    /// All torrents, in the order they were added.
    pub fn all(&self) -> Vec<Session> {
        let list = self.lock();
        let mut entries: Vec<_> = list.sessions.values().collect();
        entries.sort_unstable_by_key(|entry| entry.place);
        entries.into_iter().map(|entry| entry.session.clone()).collect()
    }

    /// Pauses every torrent.
    pub fn pause_all(&self) {
        self.all().iter().for_each(Session::pause);
    }

    /// Resumes every paused torrent.
    pub fn resume_all(&self) {
        self.all().iter().for_each(Session::resume);
    }

    /// Stops a torrent and takes it off the list. Its data is deleted, if asked for, once the session
    /// has ended; `session.removed` tells when that is done.
    ///
    /// # Errors
    /// No such torrent.
    pub fn remove_torrent(&self, info_hash: &InfoHash, data: RemoveData) -> Result<(), Error> {
        let mut list = self.lock();
        let info_hash = &list.name_of(info_hash);
        let entry = list.remove(info_hash).ok_or(Error::UnknownTorrent(*info_hash))?;
        for claim in entry.claims {
            list.claims.leave(claim, entry.session.ended());
        }
        self.shared.turns().leave(info_hash);
        if let Some(store) = self.shared.store() {
            store.remove(*info_hash);
        }
        drop(list);
        entry.session.remove(data);
        Ok(())
    }

    /// Moves the files of a torrent to another folder; as [`Session::move_to`].
    ///
    /// # Errors
    /// No such torrent, one that is on its way already ([`Error::Busy`]), or files there that another
    /// torrent or the state folder uses ([`Error::PathInUse`]).
    pub fn move_torrent(&self, info_hash: &InfoHash, folder: &Path) -> Result<(), Error> {
        let folder = std::path::absolute(folder)
            .map_err(|source| Error::Folder { path: folder.to_path_buf(), source })?;
        let mut list = self.lock();
        let list = &mut *list;
        let info_hash = &list.name_of(info_hash);
        let entry = list.sessions.get_mut(info_hash).ok_or(Error::UnknownTorrent(*info_hash))?;
        if entry.moving {
            return Err(Error::Busy("its files are being moved"));
        }
        let (name, files) = (entry.session.metainfo().name.clone(), entry.session.files());
        let state = self.shared.config().state_dir.as_deref();
        list.claims
            .look_past(&entry.claims, state, &folder, &files)
            .map_err(|InUse { path, by }| Error::PathInUse { path, by })?;
        // Until the move has come to its end the files at both places are taken.
        entry.claims.push(list.claims.add(&folder, name, files));
        entry.moving = true;
        let moved = entry.session.move_and_tell(folder);
        self.claim_after(*info_hash, moved);
        Ok(())
    }

    /// Renames a file or folder of a torrent; as [`Session::rename`].
    ///
    /// # Errors
    /// No such torrent, one whose files are on their way ([`Error::Busy`]), a name that cannot be given
    /// ([`Error::Rename`]), or one that another torrent or the state folder uses ([`Error::PathInUse`]).
    pub fn rename(&self, info_hash: &InfoHash, file: usize, depth: usize, name: &str) -> Result<(), Error> {
        let mut list = self.lock();
        let list = &mut *list;
        let info_hash = &list.name_of(info_hash);
        let entry = list.sessions.get_mut(info_hash).ok_or(Error::UnknownTorrent(*info_hash))?;
        if entry.moving {
            return Err(Error::Busy("its files are being moved"));
        }
        let files = entry.session.renamed(file, depth, name)?;
        let state = self.shared.config().state_dir.as_deref();
        let places = entry.session.folders().borrow().clone().places();
        for (folder, _) in &places {
            list.claims
                .look_past(&entry.claims, state, folder, &files)
                .map_err(|InUse { path, by }| Error::PathInUse { path, by })?;
        }
        // Until the rename has come to its end both names are taken, wherever files of it may be.
        let torrent = &entry.session.metainfo().name;
        for (folder, _) in &places {
            entry.claims.push(list.claims.add(folder, torrent.clone(), files.clone()));
        }
        entry.moving = true;
        let renamed = entry.session.rename_and_tell(files);
        self.claim_after(*info_hash, renamed);
        Ok(())
    }

    /// Puts the claims of a torrent right when a move or rename has come to its end.
    fn claim_after(&self, info_hash: InfoHash, moved: oneshot::Receiver<bool>) {
        let manager = self.clone();
        self.shared.tasks().spawn(async move {
            // Without a word nothing was moved. Where its files are, the session says.
            let _ = moved.await;
            if let Some(entry) = manager.lock().sessions.get_mut(&info_hash) {
                entry.moving = false;
            }
            manager.claim_its_folders(&info_hash);
        });
    }

    /// Moves torrents in the order in which they have their turn, as [`SharedResources::shift`].
    pub fn shift(&self, torrents: &[InfoHash], shift: Shift) -> bool {
        self.shared.shift(torrents, shift)
    }

    /// The order in which torrents have their turn.
    pub fn queue(&self) -> Arc<QueueStats> {
        self.board().queue()
    }

    /// Whether a torrent of which nothing is known has its files in a folder of their own until it is complete.
    fn incomplete(&self, may: bool) -> Incomplete {
        let folder = self.shared.config().incomplete_dir.clone().filter(|_| may);
        folder.map_or(Incomplete::No, Incomplete::Perhaps)
    }

    /// Gives up the claims of a torrent on a second folder once its files are all in one.
    fn follow(&self, session: &Session) {
        let (mut folders, mut ended, info_hash) = (session.folders(), session.ended(), session.info_hash());
        let (manager, mut stopping) = (self.clone(), self.shared.stopping());
        self.shared.tasks().spawn(async move {
            tokio::select! {
                settled = folders.wait_for(|folders| folders.other.is_none()) => {
                    if settled.is_err() {
                        return;
                    }
                }
                _ = ended.wait_for(|ended| *ended) => return,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            manager.claim_its_folders(&info_hash);
        });
    }

    /// A torrent keeps claims on those folders alone that its files are in or go to.
    fn claim_its_folders(&self, info_hash: &InfoHash) {
        let mut list = self.lock();
        let list = &mut *list;
        // A move that is asked for and has not begun has claimed its folder already.
        if let Some(entry) = list.sessions.get_mut(info_hash).filter(|entry| !entry.moving) {
            let folders = entry.session.folders().borrow().clone();
            list.claims.keep_at(&mut entry.claims, &folders.places());
        }
    }

    /// Bans a peer for all torrents, as [`SharedResources::ban`].
    pub fn ban(&self, address: SocketAddr) -> bool {
        self.shared.ban(address)
    }

    /// Ends a ban, as [`SharedResources::lift_ban`].
    pub fn lift_ban(&self, target: BanTarget) -> bool {
        self.shared.lift_ban(target)
    }

    /// The bans that last, the newest first.
    pub fn bans(&self) -> Vec<BanStats> {
        self.shared.bans()
    }

    /// One queue for the events of all torrents, present and future.
    ///
    /// # Errors
    /// A pattern that no event matches.
    pub fn subscribe_all(&self, patterns: &str) -> Result<Subscription, PatternError> {
        self.shared.hub().subscribe(patterns)
    }

    /// The snapshots of all torrents.
    pub fn board(&self) -> &Arc<StatsBoard> {
        self.shared.board()
    }

    /// What the torrents borrow.
    pub const fn shared(&self) -> &Arc<SharedResources> {
        &self.shared
    }

    /// Ends everything in order, within a bounded time. Blocks: not for async code.
    pub fn shutdown(&self) {
        self.shared.shutdown();
        *self.lock() = List::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All pieces in the form of a record.
fn every_piece(metainfo: &Metainfo) -> Vec<u8> {
    Bitfield::full(metainfo.geometry.pieces()).to_wire()
}
