//! The three words of the loop on one page: news ([`Message`]), what the person wants ([`Action`]),
//! what is asked of the engine or the system ([`Effect`]).
//!
//! All three are plain data without a handle into the engine, so that the same screen can sit on an
//! engine in another process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crossterm::event::KeyEvent;
use serde::{Deserialize, Serialize};
use tc_core::event::Delivery;
use tc_core::queue::Shift;
use tc_core::settings::{GlobalSetting, Setting};
use tc_core::stats::{Changes, Detail, DetailKind};
use tc_core::tracker::TrackerEdit;
use tc_core::types::{BanTarget, InfoHash, TrackerId};
use tc_core::untrusted::Untrusted;

use crate::state::filter::StatusFilter;
use crate::state::sort::SortKey;
use crate::state::tabs::Tab;

/// News. Terminal input, the clock, the engine's snapshots and events, answers to [`Effect`]s.
#[derive(Clone, Debug)]
pub enum Message {
    /// A key was pressed; releases and repeats of the kitty protocol are left out by the sender.
    Key(KeyEvent),
    /// A bracketed paste. It is text, never keys.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The terminal has another size; the next frame tells which.
    Resized,
    /// The terminal is gone: nothing can be shown any more.
    Hangup,
    /// A signal asks the program to end; the number is the signal's.
    Quit(i32),
    /// The program was suspended and runs again: nothing on the terminal can be relied on.
    Woken,
    /// Time goes on. Comes at every data tick.
    Tick(Instant),
    /// What changed on the engine's board of snapshots.
    Stats(Changes),
    /// Events, oldest first.
    Deliveries(Vec<Delivery>),
    /// The watched detail of a torrent has new content.
    Detail(InfoHash, Arc<Detail>),
    /// An [`Effect`] has something to say.
    Answer(Answer),
}

/// What an [`Effect`] comes back with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A torrent is on the list.
    Added {
        /// Which.
        info_hash: InfoHash,
        /// Whether it was there before.
        already_here: bool,
        /// Trackers that the source names and the torrent lacks, by tier.
        more_trackers: Vec<Vec<Untrusted>>,
    },
    /// A source could not be added.
    NotAdded {
        /// The source as it was asked for.
        source: String,
        /// Why, in one line.
        why: String,
    },
    /// Torrents could not be removed: they are still there.
    NotRemoved {
        /// Which.
        torrents: Vec<InfoHash>,
        /// Why, in one line.
        why: String,
    },
    /// What lies behind a source that stands in the add dialog.
    Preview {
        /// The source as it was asked for.
        source: String,
        /// What it holds, or why it cannot be added, in one line.
        result: Result<Preview, String>,
    },
    /// How a path may go on.
    Completions {
        /// The text as it was asked for.
        text: String,
        /// Whole texts to go on with, best first.
        candidates: Vec<String>,
        /// Free bytes where the text points, if known.
        free: Option<u64>,
    },
    /// Magnet links, for the clipboard.
    Magnets(Vec<String>),
    /// A request came to nothing; the text is for the footer.
    Failed(String),
    /// A request was carried out and wants to be known; the text is for the footer.
    Done(String),
    /// The engine has ended.
    Stopped,
}

/// What the add dialog shows of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The torrent, where it is known.
    pub info_hash: Option<InfoHash>,
    /// Its name, made harmless.
    pub name: String,
    /// Number of files, and bytes of all of them; `None`: that is not known before it is added.
    pub content: Option<(usize, u64)>,
}

/// What the person wants, as the keymap says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Show the keys of this place.
    Help,
    /// Close what is open; at the list, leave.
    Back,
    /// Peel one layer; never leaves.
    BackLayer,
    /// Leave, by Ctrl-C.
    Quit,
    /// Repaint everything.
    Redraw,
    /// Stop the program until the shell goes on with it, after a question.
    Suspend,
    /// Stop it now.
    SuspendNow,
    /// The next pane.
    FocusNext,
    /// The pane before.
    FocusPrev,
    /// The next tab.
    TabNext,
    /// The tab before.
    TabPrev,
    /// This tab.
    OpenTab(Tab),
    /// List, split, full.
    LayoutCycle,
    /// The focused pane over the whole screen, or back.
    Zoom,
    /// The event strip on or off.
    EventsToggle,
    /// Take back what was done last.
    Undo,
    /// Menu: what to copy; in a tab whose rows have something to copy, that.
    CopyMenu,
    /// Copy this.
    Copy(CopyWhat),
    /// Move in a list.
    Move(Step),
    /// A cell to the left.
    Left,
    /// A cell to the right.
    Right,
    /// Show copies of pieces, or what is there.
    Rarity,
    /// Open what the cursor is on.
    Open,
    /// Mark and go down.
    Mark,
    /// Start or end a range of marks.
    MarkRange,
    /// Mark all rows shown, or none.
    MarkAll,
    /// Pause, or resume when nothing runs.
    PauseToggle,
    /// Menu: pause all, resume those.
    PauseMenu,
    /// Pause all that run.
    PauseAll,
    /// Resume those that [`Action::PauseAll`] paused.
    ResumePaused,
    /// The remove dialog.
    Remove,
    /// Elsewhere in the queue.
    Shift(Shift),
    /// Menu: where in the queue.
    QueueMenu,
    /// Run whatever stands before it in the queue, or not any more.
    Force,
    /// The dialog that moves data to another folder.
    MoveData,
    /// Hash what is on disk again, after a question where that stops a transfer.
    Recheck,
    /// The add dialog.
    Add,
    /// Ask the trackers again.
    Announce,
    /// Ask the tracker under the cursor again.
    AnnounceTo,
    /// Type the URL of another tracker.
    TrackerAdd,
    /// Correct the URL of the tracker under the cursor.
    TrackerEdit,
    /// Type another name for the file or folder under the cursor.
    Rename,
    /// Remove the tracker under the cursor, after a question.
    TrackerRemove,
    /// Whether the tracker under the cursor may have any certificate; to let it, after a question.
    TrackerCertificate,
    /// The tracker under the cursor into the tier before.
    TrackerEarlier,
    /// The tracker under the cursor into the tier behind.
    TrackerLater,
    /// Menu: sort by.
    SortMenu,
    /// Sort by this; again: the other way round.
    Sort(SortKey),
    /// Menu: quick filter.
    QuickMenu,
    /// Show only torrents that do this.
    Quick(StatusFilter),
    /// Type words that names must hold.
    Filter,
    /// Type patterns and words for the event log.
    LogFilter,
    /// Follow new events.
    Follow,
    /// Show less important events too.
    LevelDown,
    /// Show only more important events.
    LevelUp,
    /// Go to the torrent of the event.
    GoToTorrent,
    /// Let the peer go, after a question.
    Disconnect,
    /// Ban the peer, after a question.
    Ban,
    /// Who is banned.
    Bans,
    /// End the ban under the cursor.
    LiftBan,
    /// Do what the dialog says.
    Yes,
    /// Leave the dialog as if it had never been.
    Cancel,
    /// Press the focused button.
    Press,
    /// Toggle the focused box.
    Toggle,
    /// The next field or button.
    NextField,
    /// The field or button before.
    PrevField,
    /// Complete the path, or go to the next field.
    Complete,
    /// Take what was typed.
    Accept,
    /// Want the file or folder under the cursor, or skip it.
    WantToggle,
    /// Want all files, or skip all.
    WantAll,
    /// Fetch the file or folder sooner.
    PriorityUp,
    /// Fetch the file or folder later.
    PriorityDown,
    /// Shut all folders.
    ShutAll,
    /// Open all folders.
    OpenAll,
    /// The tab of limits; in it, type the value under the cursor.
    Limits,
    /// Switch the limit under the cursor.
    LimitSwitch,
    /// As it is without a choice.
    LimitReset,
    /// The other set of limits for all torrents.
    Alternative,
    /// Search the keys.
    HelpSearch,
    /// Stop everything, save, leave.
    QuitNow,
}

/// A movement in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// One row down.
    Down,
    /// One row up.
    Up,
    /// The first row.
    Top,
    /// The last row.
    Bottom,
    /// Half a page down.
    HalfDown,
    /// Half a page up.
    HalfUp,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
}

/// What can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CopyWhat {
    /// A magnet link.
    Magnet,
    /// The info-hash in hexadecimal.
    Hash,
    /// The name, made harmless.
    Name,
    /// The folder of its files.
    Path,
    /// Why it is in error.
    Error,
}

/// A request to the engine or to the system. Carried out by `effect`, which never waits: what may
/// take time is done elsewhere and comes back as an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Pause these torrents.
    Pause(Vec<InfoHash>),
    /// Let these torrents go on.
    Resume(Vec<InfoHash>),
    /// Move these torrents in the queue.
    Shift(Vec<InfoHash>, Shift),
    /// Let these torrents run whatever stands before them in the queue, or not any more.
    Force(Vec<InfoHash>, bool),
    /// Take these torrents off the list.
    Remove {
        /// Which.
        torrents: Vec<InfoHash>,
        /// Whether their files go too.
        delete_data: bool,
    },
    /// Move the data of these torrents.
    Move {
        /// Which.
        torrents: Vec<InfoHash>,
        /// The folder, as typed; `~` and `$NAME` are not expanded yet.
        to: String,
    },
    /// Hash all data of these torrents again.
    Recheck(Vec<InfoHash>),
    /// Change this setting of these torrents.
    Set(Vec<InfoHash>, Setting),
    /// Change this setting of all torrents together.
    SetAll(GlobalSetting),
    /// Let this peer of a torrent go.
    Disconnect(InfoHash, SocketAddr),
    /// Ban the peer at this address.
    Ban(SocketAddr),
    /// End this ban.
    LiftBan(BanTarget),
    /// Ask the trackers of these torrents again.
    Announce(Vec<InfoHash>),
    /// Ask one tracker of a torrent again.
    AnnounceTo(InfoHash, TrackerId),
    /// Change the trackers of a torrent.
    EditTrackers(InfoHash, TrackerEdit),
    /// Give a file or folder of a torrent another name.
    Rename {
        /// Which torrent.
        torrent: InfoHash,
        /// The file's place in torrent order; for a folder that of a file in it.
        file: u32,
        /// Which element of the file's path.
        depth: usize,
        /// The name, as typed.
        name: String,
    },
    /// Add a source.
    Add(AddRequest),
    /// Look into a source; comes back as [`Answer::Preview`].
    Preview(String),
    /// How may this path go on? Comes back as [`Answer::Completions`].
    Complete {
        /// What was typed.
        text: String,
        /// Folders only, no torrent files.
        folders_only: bool,
    },
    /// Put this text on the clipboard.
    Copy(String),
    /// Make magnet links of these torrents; they come back as [`Answer::Magnets`].
    Magnets(Vec<InfoHash>),
    /// Gather this detail from now on instead of the one before.
    Watch(Option<(InfoHash, DetailKind)>),
    /// Hear these events from now on instead of those before; patterns of the event bus.
    Subscribe(String),
    /// Repaint the whole terminal.
    Repaint,
    /// Ring the terminal's bell.
    Bell,
    /// Give the terminal back and stop until the shell goes on with us.
    Suspend,
    /// End the engine in order; comes back as [`Answer::Stopped`].
    Stop,
    /// End the loop.
    Leave(Why),
}

/// A source to add, as the dialog was filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRequest {
    /// A path, as typed, of which `~` and `$NAME` are not expanded yet; a URL, a magnet link, an info-hash.
    pub source: String,
    /// Where its files go, as typed; empty: the usual folder.
    pub save_to: String,
    /// When it starts.
    pub start: AddStart,
    /// Its data is there: only sizes are looked at, and each piece is hashed when it is first read.
    pub assume_complete: bool,
    /// A magnet pauses when its files are known, so that they can be chosen.
    pub choose_files: bool,
}

/// When an added torrent starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddStart {
    /// When its turn comes.
    #[default]
    Queue,
    /// At once, whatever the others do.
    Now,
    /// When a person resumes it.
    Paused,
}

impl AddStart {
    /// All of them, in the order of the dialog.
    pub const ALL: [Self; 3] = [Self::Queue, Self::Now, Self::Paused];

    /// The word in the dialog.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Now => "now",
            Self::Paused => "paused",
        }
    }

    /// The one behind it, or before.
    #[must_use]
    pub fn beside(self, by: isize) -> Self {
        let at = (self as isize + by).rem_euclid(Self::ALL.len() as isize);
        Self::ALL[at as usize]
    }
}

/// Why the dashboard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// The person left, and the engine has ended in order.
    Asked,
    /// The person did not want to wait for the engine.
    Impatient,
    /// The terminal is gone.
    Hangup,
    /// This signal asked for it.
    Signal(i32),
}
