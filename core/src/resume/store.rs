//! The state store: a thread of its own that writes what sessions post, newest first in effect.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::bans::SavedBan;
use super::folder::Folder;
use super::journal::Journal;
use super::lock::{Lock, lock};
use super::record::ResumeRecord;
use super::table::{self, Table, Values};
use crate::dht;
use crate::error::Error;
use crate::settings::GlobalSettings;
use crate::storage::NoteHashed;
use crate::types::InfoHash;

/// After a failed save, most likely on a full disk, this long is waited before the next.
const RETRY: Duration = Duration::from_secs(30);

/// Files of the list that are worth more threads than one: below that they take a tenth of a second.
const MANY: usize = 32;

/// Threads for so many.
const WRITERS: usize = 8;

/// A torrent of the last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Its name in the engine, from the name of its file.
    pub info_hash: InfoHash,
    /// The `.torrent` file, unchecked; of a magnet whose metadata is not there the link.
    pub torrent: Bytes,
    /// `None` when there is none that can be used: the torrent is to be checked.
    pub record: Option<ResumeRecord>,
}

impl Saved {
    /// The link of a magnet whose metadata is not there yet.
    pub fn link(&self) -> Option<&str> {
        super::folder::is_link(&self.torrent).then(|| std::str::from_utf8(&self.torrent).ok()).flatten()
    }
}

/// The state folder of a run. Posting never blocks; the thread writes.
#[derive(Debug)]
pub struct StateStore {
    shared: Arc<Shared>,
    /// What the last run kept, until somebody takes it.
    bans: Mutex<Vec<SavedBan>>,
    /// The same of the order of the torrents.
    order: Mutex<Vec<InfoHash>>,
    /// What the DHT of the last run knew.
    dht: Option<dht::Saved>,
    journal: Journal,
    running: Mutex<Option<Running>>,
    kept: Option<GlobalSettings>,
}

/// Fields drop in this order: the lock is let go when all is written.
#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    _lock: Lock,
}

#[derive(Debug, Default)]
struct Shared {
    /// A leaf lock, held to post or take.
    inner: Mutex<Inner>,
    posted: Condvar,
    tell: OnceLock<Tell>,
}

/// Who is told of the first save that fails.
struct Tell(Box<dyn Fn(&io::Error) + Send + Sync>);

impl std::fmt::Debug for Tell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tell")
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// Bounded by the number of torrents: the newest change replaces the one before.
    changes: HashMap<InfoHash, Change>,
    values: Values,
    /// Bounded by the callers who wait.
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    closing: bool,
    trouble: Option<String>,
    /// What was posted last of each torrent.
    #[cfg(test)]
    posted: HashMap<InfoHash, ResumeRecord>,
}

#[derive(Debug)]
enum Change {
    Put { torrent: Option<Bytes>, record: Box<ResumeRecord> },
    Remove,
}

impl StateStore {
    /// Opens the state folder `dir`, makes it if needed, and reads the list: torrents in the order
    /// of their records, and a line for each thing that was not as it should be. Blocks.
    ///
    /// # Errors
    /// [`Error::StateInUse`] when another run holds it, [`Error::Folder`] when it cannot be used.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Saved>, Vec<String>), Error> {
        let failed = |source| Error::Folder { path: dir.to_path_buf(), source };
        // What a person downloads is nobody else's business.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut problems = Vec::new();
        let lock = lock(dir, &mut problems)?;
        let folder = Folder::open(dir).map_err(failed)?;
        let (table, mut records) = Table::open(dir, &mut problems).map_err(failed)?;
        let kept = table.settings().unwrap_or_else(|error| {
            problems.push(format!("the settings of all torrents are forgotten: {error}"));
            None
        });
        let bans = Mutex::new(table.bans(&mut problems));
        let order = Mutex::new(table.order(&mut problems));
        let dht = table.dht();
        let mut list: Vec<Saved> = Vec::new();
        for (info_hash, torrent) in folder.list(&mut problems).map_err(failed)? {
            let record = match records.remove(&info_hash) {
                Some(Ok(record)) => Some(record),
                Some(Err(error)) => {
                    problems.push(format!("{info_hash}: {error}; it will be checked"));
                    None
                }
                None => None,
            };
            list.push(Saved { info_hash, torrent, record });
        }
        // Those without a record keep the order of their hashes, after the others.
        list.sort_by_key(|saved| {
            saved
                .record
                .as_ref()
                .map_or((u32::MAX, u64::MAX), |record| (record.queue_position, record.added.0))
        });
        let shared = Arc::new(Shared::default());
        // Records whose torrent is gone: a removal that was cut short. A torrent that is there and
        // could not be read keeps its record, for a person to repair it.
        for info_hash in records.into_keys().filter(|info_hash| folder.lacks(info_hash)) {
            shared.lock().changes.insert(info_hash, Change::Remove);
        }
        let with_records =
            list.iter_mut().filter_map(|saved| Some((saved.info_hash, saved.record.as_mut()?)));
        let (journal, changed) = Journal::open(dir, with_records, &mut problems);
        for saved in list.iter().filter(|saved| changed.contains(&saved.info_hash)) {
            if let Some(record) = saved.record.clone() {
                let change = Change::Put { torrent: None, record: Box::new(record) };
                shared.lock().changes.insert(saved.info_hash, change);
            }
        }
        let saver = Saver {
            shared: shared.clone(),
            journal: journal.clone(),
            dir: dir.to_path_buf(),
            folder,
            table: Some(table),
            failed: None,
        };
        let thread =
            std::thread::Builder::new().name("state".into()).spawn(|| saver.run()).map_err(Error::Start)?;
        let running = Mutex::new(Some(Running { thread, _lock: lock }));
        Ok((Self { shared, bans, order, dht, journal, running, kept }, list, problems))
    }

    /// Where the disk notes the pieces of this torrent that it has hashed: what no record holds when the
    /// program is killed, the next run finds in `maybe`.
    pub fn journal(&self, info_hash: InfoHash) -> Arc<dyn NoteHashed> {
        self.journal.of(info_hash)
    }

    /// Adds a torrent to the list: a torrent file, or a magnet link that stands for it until then.
    pub fn add(&self, info_hash: InfoHash, torrent: Bytes, record: ResumeRecord) {
        let change = Change::Put { torrent: Some(torrent), record: Box::new(record) };
        self.shared.post(info_hash, change);
    }

    /// Replaces the record of a torrent that is on the list.
    pub fn put(&self, info_hash: InfoHash, record: ResumeRecord) {
        self.shared.post(info_hash, Change::Put { torrent: None, record: Box::new(record) });
    }

    /// Takes a torrent off the list.
    pub fn remove(&self, info_hash: InfoHash) {
        self.shared.post(info_hash, Change::Remove);
    }

    /// What the last run kept of the settings of all torrents together.
    pub const fn kept_settings(&self) -> Option<&GlobalSettings> {
        self.kept.as_ref()
    }

    /// Keeps the settings of all torrents together.
    pub fn put_settings(&self, settings: GlobalSettings) {
        self.shared.put(|values| values.settings = Some(settings));
    }

    /// The newest record of a torrent, saved or not.
    #[cfg(test)]
    pub(crate) fn posted(&self, info_hash: &InfoHash) -> Option<ResumeRecord> {
        self.shared.lock().posted.get(info_hash).cloned()
    }

    /// Replaces the bans that are kept.
    pub fn put_bans(&self, bans: Vec<SavedBan>) {
        self.shared.put(|values| values.bans = Some(bans));
    }

    /// What the DHT of the last run knew.
    pub const fn kept_dht(&self) -> Option<&dht::Saved> {
        self.dht.as_ref()
    }

    /// Keeps what the DHT knows.
    pub fn put_dht(&self, dht: dht::Saved) {
        self.shared.put(|values| values.dht = Some(dht));
    }

    /// Replaces the order of the torrents that is kept.
    pub fn put_order(&self, order: Vec<InfoHash>) {
        self.shared.put(|values| values.order = Some(order));
    }

    /// The order of the torrents that the last run kept, as far as a person gave them one; given once.
    pub fn take_order(&self) -> Vec<InfoHash> {
        std::mem::take(&mut *self.order.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bans that the last run kept; given once.
    pub fn take_bans(&self) -> Vec<SavedBan> {
        std::mem::take(&mut *self.bans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until everything posted so far is saved for good.
    ///
    /// # Errors
    /// [`Error::State`] when it could not be saved; it is kept and tried again.
    pub async fn flush(&self) -> Result<(), Error> {
        let (answer, result) = oneshot::channel();
        {
            let mut inner = self.shared.lock();
            if inner.closing {
                return Err(Error::Stopping);
            }
            inner.waiting.push(answer);
        }
        self.shared.posted.notify_one();
        result.await.map_err(|_| Error::Stopping)?.map_err(Error::State)
    }

    /// Calls this when a save fails, the first time in a row, on the store's thread. Only the first call
    /// of this sets it.
    pub fn on_trouble(&self, tell: impl Fn(&io::Error) + Send + Sync + 'static) {
        let _ = self.shared.tell.set(Tell(Box::new(tell)));
    }

    /// Why the last save failed; `None` when it did not. What was saved before is still good, and
    /// the save is tried again every 30 s.
    pub fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.clone()
    }

    /// Saves what was posted, ends the thread, and lets the folder go. What is posted later is
    /// dropped. Blocks: not for async code. A second call does nothing.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.posted.notify_one();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { thread, _lock }) = running {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Drop for StateStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn post(&self, info_hash: InfoHash, change: Change) {
        let mut inner = self.lock();
        if inner.closing {
            return;
        }
        #[cfg(test)]
        if let Change::Put { record, .. } = &change {
            inner.posted.insert(info_hash, (**record).clone());
        }
        merge(&mut inner.changes, info_hash, change);
        drop(inner);
        self.posted.notify_one();
    }

    fn put(&self, change: impl FnOnce(&mut Values)) {
        let mut inner = self.lock();
        if !inner.closing {
            change(&mut inner.values);
            drop(inner);
            self.posted.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Changes go in and out whole, so a panic elsewhere leaves them usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a newer change over the one that waits.
fn merge(changes: &mut HashMap<InfoHash, Change>, info_hash: InfoHash, newer: Change) {
    let change = match (newer, changes.remove(&info_hash)) {
        // The last word of a session that is being removed must not bring it back.
        (Change::Put { torrent: None, .. }, Some(Change::Remove)) => Change::Remove,
        (Change::Put { torrent: None, record }, Some(Change::Put { torrent, .. })) => {
            Change::Put { torrent, record }
        }
        (newer, _) => newer,
    };
    changes.insert(info_hash, change);
}

/// What the thread takes at once.
struct Posted {
    changes: HashMap<InfoHash, Change>,
    values: Values,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    closing: bool,
}

/// The thread's state.
struct Saver {
    shared: Arc<Shared>,
    journal: Journal,
    dir: PathBuf,
    folder: Folder,
    /// `None` after a failure: the store refuses to go on with a file that failed, so it is opened
    /// again.
    table: Option<Table>,
    failed: Option<Instant>,
}

impl Saver {
    fn run(mut self) {
        loop {
            let Posted { changes, values, waiting, closing } = self.take();
            let result = self.save(&changes, &values);
            if let Err(error) = &result
                && self.failed.is_none()
            {
                tracing::error!(%error, "the state could not be saved");
                if let Some(tell) = self.shared.tell.get() {
                    (tell.0)(error);
                }
            }
            let result = result.map_err(|error| error.to_string());
            let mut inner = self.shared.lock();
            inner.trouble = result.as_ref().err().cloned();
            if result.is_err() {
                self.failed = Some(Instant::now());
                self.table = None;
                // What was posted meanwhile is newer.
                inner.values = std::mem::take(&mut inner.values).or(values);
                let newer = std::mem::replace(&mut inner.changes, changes);
                newer.into_iter().for_each(|(hash, change)| merge(&mut inner.changes, hash, change));
            } else {
                self.failed = None;
            }
            drop(inner);
            for answer in waiting {
                let _ = answer.send(result.clone());
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for something to do. After a failure, for the time to try again, or for somebody who
    /// waits.
    fn take(&self) -> Posted {
        let mut inner = self.shared.lock();
        loop {
            let wait =
                self.failed.map(|at| RETRY.saturating_sub(at.elapsed())).filter(|left| !left.is_zero());
            let due = !inner.changes.is_empty() || !inner.values.is_empty();
            if (due && wait.is_none()) || inner.closing || !inner.waiting.is_empty() {
                return Posted {
                    changes: std::mem::take(&mut inner.changes),
                    values: std::mem::take(&mut inner.values),
                    waiting: std::mem::take(&mut inner.waiting),
                    closing: inner.closing,
                };
            }
            inner = match wait {
                Some(left) => {
                    self.shared.posted.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.posted.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Writes the files of the list. Each is synced by itself, so many wait for the disk side by side: a file system
    /// makes one write of what comes together.
    fn list(&self, changes: &[(&InfoHash, &Change)]) -> io::Result<()> {
        let write = |changes: &[(&InfoHash, &Change)]| {
            changes.iter().try_for_each(|(info_hash, change)| match change {
                Change::Put { torrent: Some(torrent), .. } => self.folder.write(info_hash, torrent),
                Change::Put { torrent: None, .. } => Ok(()),
                Change::Remove => self.folder.remove(info_hash),
            })
        };
        if changes.len() < MANY {
            return write(changes);
        }
        let share = changes.len().div_ceil(WRITERS);
        std::thread::scope(|scope| {
            let named = || std::thread::Builder::new().name("state".into());
            let start = |share| named().spawn_scoped(scope, move || write(share)).map_err(|_| share);
            let started: Vec<_> = changes.chunks(share).map(start).collect();
            let mut written = Ok(());
            for started in started {
                let result = match started {
                    Ok(writer) => {
                        writer.join().unwrap_or_else(|_| Err(io::Error::other("a writer panicked")))
                    }
                    // No thread can be had: it is done here.
                    Err(share) => write(share),
                };
                written = written.and(result);
            }
            written
        })
    }

    /// The list first, then the records: a torrent without a record is checked, a record without a
    /// torrent is dropped at the next start.
    fn save(&mut self, changes: &HashMap<InfoHash, Change>, values: &Values) -> io::Result<()> {
        if changes.is_empty() && values.is_empty() {
            return Ok(());
        }
        let of_list = |change: &(&InfoHash, &Change)| !matches!(change.1, Change::Put { torrent: None, .. });
        let listed: Vec<_> = changes.iter().filter(of_list).collect();
        if !listed.is_empty() {
            self.list(&listed)?;
            self.folder.sync()?;
        }
        let table = match self.table.take() {
            Some(table) => table,
            None => Table::reopen(&self.dir).map_err(table::into_io)?,
        };
        let table = self.table.insert(table);
        let records = || {
            changes.iter().map(|(info_hash, change)| match change {
                Change::Put { record, .. } => (info_hash, Some(&**record)),
                Change::Remove => (info_hash, None),
            })
        };
        table.write(records(), values).map_err(table::into_io)?;
        self.journal.saved(records());
        Ok(())
    }
}
