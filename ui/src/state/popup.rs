//! What lies over the screen: menus, dialogs, text fields, help. The topmost gets the keys.

use std::net::SocketAddr;
use std::time::Instant;

use tc_core::tracker::TrackerEdit;
use tc_core::types::{InfoHash, TrackerId};

use super::add::AddForm;
use super::limits::Limit;
use super::relocate::MoveForm;
use super::scroll::Scroll;
use super::table::Table;
use crate::keymap::Context;
use crate::widget::field::Field;

/// One layer.
#[derive(Clone, Debug)]
pub enum Popup {
    /// A menu of the keys of this context.
    Menu(Context),
    /// The keys of a place.
    Help(Help),
    /// Leave?
    Quit,
    /// Stop the program, and all transfers with it?
    Suspend,
    /// Remove torrents?
    Remove(RemoveDialog),
    /// Move data.
    Move(Box<MoveForm>),
    /// Check the data of these torrents, which stops their transfers?
    Recheck(Vec<InfoHash>),
    /// The URL of a tracker is typed.
    Tracker(TrackerLine),
    /// Another name for a file or folder is typed.
    Rename(RenameLine),
    /// Change the trackers of a torrent, after all?
    TrackerChange(TrackerChange),
    /// Add torrents.
    Add(Box<AddForm>),
    /// Disconnect a peer, or ban it?
    Peer(PeerDialog),
    /// Who is banned.
    Bans(Scroll),
    /// The words of the table's filter are typed; the text before is kept for Esc.
    Filter(Field),
    /// The filter of the log is typed.
    LogFilter {
        /// What is typed.
        field: Field,
        /// Why it cannot be taken.
        error: Option<String>,
    },
    /// A value of the tab of limits is typed.
    Limit(LimitEdit),
    /// One event of the log, by its number.
    Event {
        /// Which.
        seq: u64,
        /// Of which torrent's log.
        pin: Option<InfoHash>,
    },
}

impl Popup {
    /// Whose keys count.
    pub const fn context(&self) -> Context {
        match self {
            Self::Menu(context) => *context,
            Self::Help(help) => {
                if help.searching {
                    Context::Input
                } else {
                    Context::Help
                }
            }
            Self::Quit => Context::Quit,
            Self::Suspend => Context::Suspend,
            Self::Remove(_) => Context::Remove,
            Self::Move(_) => Context::MoveTo,
            Self::Recheck(_) => Context::Recheck,
            Self::Peer(dialog) => {
                if dialog.ban {
                    Context::Ban
                } else {
                    Context::Disconnect
                }
            }
            Self::Bans(_) => Context::Bans,
            Self::Tracker(_) | Self::Rename(_) => Context::Input,
            Self::TrackerChange(_) => Context::TrackerChange,
            Self::Add(_) => Context::Add,
            Self::Filter(_) | Self::LogFilter { .. } | Self::Limit(_) => Context::Input,
            Self::Event { .. } => Context::Event,
        }
    }
}

/// A value that is typed.
#[derive(Clone, Debug)]
pub struct LimitEdit {
    /// Of which row.
    pub limit: Limit,
    /// Of which torrent, where the row is a torrent's.
    pub torrent: InfoHash,
    /// What is typed.
    pub field: Field,
    /// Why it cannot be taken.
    pub error: Option<&'static str>,
}

/// The help pop-up.
#[derive(Clone, Debug)]
pub struct Help {
    /// The contexts whose keys come first.
    pub place: Vec<Context>,
    /// The first line seen.
    pub top: usize,
    /// What the keys and words must hold.
    pub search: Field,
    /// Whether the search is being typed.
    pub searching: bool,
}

/// The line in which the URL of a tracker is typed.
#[derive(Clone, Debug)]
pub struct TrackerLine {
    /// Of which torrent.
    pub torrent: InfoHash,
    /// The tracker whose URL is edited; `None`: another one is added.
    pub tracker: Option<TrackerId>,
    /// What is typed.
    pub field: Field,
    /// Why it cannot be taken.
    pub error: Option<String>,
}

/// The line in which another name for a file or folder is typed.
#[derive(Clone, Debug)]
pub struct RenameLine {
    /// Of which torrent.
    pub torrent: InfoHash,
    /// Its place in torrent order, or that of a file in the folder.
    pub file: u32,
    /// Which element of the file's path it is.
    pub depth: usize,
    /// What is typed.
    pub field: Field,
}

/// A change of trackers that waits for a yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerChange {
    /// Of which torrent.
    pub torrent: InfoHash,
    /// What would change.
    pub edit: TrackerEdit,
    /// The question.
    pub title: String,
    /// What else it does.
    pub words: &'static str,
}

/// The buttons of a dialog that destroys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Button {
    /// Where Enter sits.
    #[default]
    Cancel,
    /// Only the key `y`, or moving here on purpose, does it.
    Yes,
}

/// Disconnect a peer, or ban it?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerDialog {
    /// Of which torrent.
    pub torrent: InfoHash,
    /// Which peer.
    pub address: SocketAddr,
    /// Its client, made harmless.
    pub client: String,
    /// It is not to come back.
    pub ban: bool,
}

/// Remove torrents? Opened with data deletion off, each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveDialog {
    /// Which.
    pub torrents: Vec<InfoHash>,
    /// Their files go too.
    pub delete_data: bool,
    /// `y` counts from then on.
    pub armed_from: Option<Instant>,
    /// Where Enter is.
    pub button: Button,
}

impl RemoveDialog {
    /// Bytes on disk of what would be removed.
    pub fn size_on_disk(&self, table: &Table) -> u64 {
        let rows = self.torrents.iter().filter_map(|info_hash| table.row(info_hash));
        rows.fold(0, |sum, row| sum.saturating_add(row.stats.have))
    }
}
