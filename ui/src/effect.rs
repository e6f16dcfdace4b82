//! The only caller of the engine: carries requests out, and never waits. What may take time is an
//! errand for a thread of its own, whose answer comes back as news.

pub(crate) mod fetches;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use tc_core::error::Error;
use tc_core::magnet::Magnet;
use tc_core::manager::{AddOptions, RemoveData, TorrentManager};
use tc_core::metainfo::Metainfo;
use tc_core::queue::Shift;
use tc_core::session::Session;
use tc_core::tracker::{AtUrl, FetchError, mask_url};
use tc_core::types::InfoHash;
use tc_core::untrusted::clean;

use self::fetches::Fetches;
use crate::message::{AddRequest, AddStart, Answer, Effect, Message, Preview};

/// Errands that wait. A person makes a few a second at most; the largest paste adds some dozens.
const ERRANDS: usize = 256;

/// Gets what is at a URL.
pub type Fetch<'a> = dyn Fn(&str) -> Result<AtUrl, FetchError> + 'a;

/// What a source holds.
#[derive(Clone, Debug)]
pub enum Found {
    /// A torrent.
    Whole(Box<Metainfo>),
    /// The hash of one, and what a link says besides.
    Link(Box<Magnet>),
}

impl Found {
    /// Which torrent it is.
    pub const fn info_hash(&self) -> InfoHash {
        match self {
            Self::Whole(metainfo) => metainfo.info_hash,
            Self::Link(magnet) => magnet.info_hash,
        }
    }

    /// Adds it.
    ///
    /// # Errors
    /// As the manager's.
    pub fn add(self, manager: &TorrentManager, options: AddOptions) -> Result<Session, Error> {
        match self {
            Self::Whole(metainfo) => manager.add_metainfo(*metainfo, options),
            Self::Link(magnet) => manager.add_magnet(*magnet, options),
        }
    }
}

/// What the dashboard needs of the system. The program implements it: the dashboard itself touches
/// no file. Its methods may take their time; they are called on the errand thread, and on those that fetch.
pub trait System: Send + Sync + 'static {
    /// What a source that a person typed holds; a URL is fetched with `fetch`.
    ///
    /// # Errors
    /// It is no torrent and no link to one, in one line.
    fn torrent(&self, source: &str, fetch: &Fetch<'_>) -> Result<Found, String>;

    /// Whether a source is elsewhere, and has to be fetched.
    fn is_remote(&self, source: &str) -> bool;

    /// The folder that a person means; `~` and `$NAME` are expanded.
    ///
    /// # Errors
    /// It is none, in one line.
    fn folder(&self, typed: &str) -> Result<PathBuf, String>;

    /// What lies behind a source, as far as that is known without fetching anything.
    ///
    /// # Errors
    /// It cannot be added, in one line.
    fn preview(&self, source: &str) -> Result<Preview, String>;

    /// How a path may go on, best first, folders with a `/` at their end, and the free bytes where it
    /// points.
    fn complete(&self, typed: &str, folders_only: bool) -> (Vec<String>, Option<u64>);
}

enum Errand {
    Add(AddRequest),
    Move { torrents: Vec<InfoHash>, to: String },
    Preview(String),
    Complete { text: String, folders_only: bool },
}

/// Carries requests out.
pub(crate) struct Hands {
    manager: TorrentManager,
    errands: SyncSender<Errand>,
    outbox: SyncSender<Message>,
}

impl Hands {
    /// Starts the errand thread. It ends with the last request of the one who holds this.
    pub(crate) fn start(
        manager: TorrentManager,
        system: Arc<dyn System>,
        outbox: SyncSender<Message>,
    ) -> io::Result<Self> {
        let (errands, inbox) = sync_channel(ERRANDS);
        let runner = Arc::new(Runner { manager: manager.clone(), system, outbox: outbox.clone() });
        thread::Builder::new().name("errands".into()).spawn(move || runner.run(&inbox))?;
        Ok(Self { manager, errands, outbox })
    }

    /// Carries out what concerns the engine or the system; an answer that is known at once is given.
    pub(crate) fn perform(&self, effect: Effect) -> Option<Answer> {
        match effect {
            Effect::Pause(torrents) => self.each(&torrents, Session::pause),
            Effect::Resume(torrents) => self.each(&torrents, Session::resume),
            Effect::Shift(torrents, shift) => return self.shift(&torrents, shift),
            Effect::Force(torrents, forced) => self.each(&torrents, |session| session.force(forced)),
            Effect::Recheck(torrents) => self.each(&torrents, Session::recheck),
            Effect::Announce(torrents) => self.each(&torrents, Session::reannounce),
            Effect::AnnounceTo(torrent, tracker) => {
                self.each(&[torrent], |session| session.reannounce_to(tracker));
            }
            Effect::EditTrackers(torrent, edit) => {
                let changed = self.manager.get(&torrent).map(|session| session.edit_trackers(edit));
                return changed.and_then(Result::err).map(|error| Answer::Failed(error.to_string()));
            }
            Effect::Rename { torrent, file, depth, name } => {
                let renamed = self.manager.rename(&torrent, file as usize, depth, &name);
                return renamed.err().map(|error| Answer::Failed(error.to_string()));
            }
            Effect::Set(torrents, setting) => self.each(&torrents, |session| session.set(&setting)),
            Effect::SetAll(setting) => self.manager.shared().set(setting),
            Effect::Disconnect(torrent, address) => {
                if let Some(session) = self.manager.get(&torrent) {
                    session.disconnect(address);
                }
            }
            Effect::Ban(address) => {
                // It may be banned by now: what was asked for is so.
                self.manager.ban(address);
            }
            Effect::LiftBan(target) => {
                // It may have ended by now: what was asked for is so.
                self.manager.lift_ban(target);
            }
            Effect::Magnets(torrents) => return Some(Answer::Magnets(self.magnets(&torrents))),
            Effect::Remove { torrents, delete_data } => return self.remove(&torrents, delete_data),
            Effect::Add(request) => return self.post(Errand::Add(request)),
            Effect::Move { torrents, to } => return self.post(Errand::Move { torrents, to }),
            Effect::Preview(source) => return self.post(Errand::Preview(source)),
            Effect::Complete { text, folders_only } => {
                return self.post(Errand::Complete { text, folders_only });
            }
            Effect::Stop => return self.stop(),
            // The loop and the feed have these.
            Effect::Copy(_)
            | Effect::Watch(_)
            | Effect::Subscribe(_)
            | Effect::Repaint
            | Effect::Bell
            | Effect::Suspend
            | Effect::Leave(_) => {}
        }
        None
    }

    /// A torrent that is gone by now needs nothing any more.
    fn each(&self, torrents: &[InfoHash], call: impl Fn(&Session)) {
        torrents
            .iter()
            .filter_map(|info_hash| self.manager.get(info_hash))
            .for_each(|session| call(&session));
    }

    /// A link to each of these torrents. A tracker whose URL holds a secret is the person's own business, and so
    /// are all trackers of a private torrent.
    fn magnets(&self, torrents: &[InfoHash]) -> Vec<String> {
        let link = |session: Session| {
            let metainfo = session.metainfo();
            let trackers = session.trackers();
            let open = trackers.iter().map(|known| &known.url).filter(|url| mask_url(url) == **url);
            let trackers = open.filter(|_| !metainfo.private).cloned().collect();
            Magnet { trackers, ..Magnet::of(metainfo) }.to_string()
        };
        torrents.iter().filter_map(|info_hash| self.manager.get(info_hash)).map(link).collect()
    }

    /// Says where the first of them stands now.
    fn shift(&self, torrents: &[InfoHash], shift: Shift) -> Option<Answer> {
        self.manager.shift(torrents, shift);
        let queue = self.manager.queue();
        let (place, of) = torrents.iter().filter_map(|torrent| queue.place(torrent)).min()?;
        let what = match torrents.len() {
            1 => "queue position".to_owned(),
            many => format!("{many} torrents, from queue position"),
        };
        Some(Answer::Done(format!("{what} {place} of {of}")))
    }

    fn remove(&self, torrents: &[InfoHash], delete_data: bool) -> Option<Answer> {
        let data = if delete_data { RemoveData::Delete } else { RemoveData::Keep };
        let mut why = None;
        let remove = |info_hash: &&InfoHash| match self.manager.remove_torrent(info_hash, data) {
            // Somebody else was quicker: what was asked for is so.
            Ok(()) | Err(Error::UnknownTorrent(_)) => false,
            Err(error) => {
                why.get_or_insert(error.to_string());
                true
            }
        };
        let torrents: Vec<_> = torrents.iter().filter(remove).copied().collect();
        why.map(|why| Answer::NotRemoved { torrents, why })
    }

    fn post(&self, errand: Errand) -> Option<Answer> {
        match self.errands.try_send(errand) {
            Ok(()) => None,
            Err(
                TrySendError::Full(Errand::Add(request)) | TrySendError::Disconnected(Errand::Add(request)),
            ) => Some(Answer::too_much(request)),
            Err(
                TrySendError::Full(Errand::Move { .. }) | TrySendError::Disconnected(Errand::Move { .. }),
            ) => Some(Answer::Failed("not moved: too much at once; try again".to_owned())),
            // A preview or a completion that nobody gets around to is not missed.
            Err(_) => None,
        }
    }

    /// The engine's end takes seconds: trackers are told, the disk drains.
    fn stop(&self) -> Option<Answer> {
        let (manager, outbox) = (self.manager.clone(), self.outbox.clone());
        let end = move || {
            manager.shutdown();
            // Nobody listens any more where the person did not want to wait.
            let _ = outbox.send(Message::Answer(Answer::Stopped));
        };
        // Without a thread to be had, whoever runs the dashboard ends the engine after it.
        thread::Builder::new().name("stop".into()).spawn(end).err().map(|_| Answer::Stopped)
    }
}

impl Answer {
    fn too_much(request: AddRequest) -> Self {
        Self::NotAdded { source: request.source, why: "too much at once; try again".to_owned() }
    }
}

/// The errand thread, and what it shares with those that fetch.
struct Runner {
    manager: TorrentManager,
    system: Arc<dyn System>,
    outbox: SyncSender<Message>,
}

impl Runner {
    fn run(self: &Arc<Self>, errands: &Receiver<Errand>) {
        let fetches = Fetches::new(self.clone());
        for errand in errands {
            let answer = match errand {
                Errand::Add(request) if self.system.is_remote(&request.source) => {
                    let Some(answer) = fetches.post(request) else { continue };
                    answer
                }
                Errand::Add(request) => self.add(&request),
                Errand::Move { torrents, to } => self.relocate(&torrents, &to),
                Errand::Preview(source) => {
                    let result = self.system.preview(&source);
                    Answer::Preview { source, result }
                }
                Errand::Complete { text, folders_only } => {
                    let (candidates, free) = self.system.complete(&text, folders_only);
                    Answer::Completions { text, candidates, free }
                }
            };
            if self.outbox.send(Message::Answer(answer)).is_err() {
                return;
            }
        }
    }

    /// The engine tells by events how it goes on.
    fn relocate(&self, torrents: &[InfoHash], to: &str) -> Answer {
        let folder = match self.system.folder(to) {
            Ok(folder) => folder,
            Err(why) => return Answer::Failed(format!("not moved: {why}")),
        };
        let moved = torrents.iter().map(|info_hash| self.manager.move_torrent(info_hash, &folder));
        // One that is gone by now needs nothing any more.
        let refused = moved.filter_map(Result::err).find(|error| !matches!(error, Error::UnknownTorrent(_)));
        match refused {
            Some(error) => Answer::Failed(format!("not moved: {error}")),
            None => Answer::Done(format!("moving to {}", clean(&folder.to_string_lossy()))),
        }
    }

    fn add(&self, request: &AddRequest) -> Answer {
        self.try_add(request).unwrap_or_else(|why| Answer::NotAdded { source: request.source.clone(), why })
    }

    fn try_add(&self, request: &AddRequest) -> Result<Answer, String> {
        let found = self.system.torrent(&request.source, &|url| self.manager.shared().fetch(url))?;
        let download_dir = match request.save_to.as_str() {
            "" => None,
            typed => Some(self.system.folder(typed)?),
        };
        // The engine gives the torrent that is there already; what the source holds tells before.
        let here = self.manager.get(&found.info_hash());
        let already_here = here.is_some();
        let AddRequest { start, assume_complete, choose_files, .. } = *request;
        let (paused, forced) = (start == AddStart::Paused, start == AddStart::Now);
        let options = AddOptions {
            download_dir,
            paused,
            forced,
            assume_complete,
            stop_at_metadata: choose_files,
            ..AddOptions::default()
        };
        // Those of a link are taken over without a question, as it has little else to say.
        let more_trackers = match (here, &found) {
            (Some(session), Found::Whole(metainfo)) => session.new_trackers(metainfo),
            _ => Vec::new(),
        };
        let session = found.add(&self.manager, options).map_err(|error| error.to_string())?;
        Ok(Answer::Added { info_hash: session.info_hash(), already_here, more_trackers })
    }
}
