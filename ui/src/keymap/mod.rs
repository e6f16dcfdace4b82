//! One table of keys. It drives the dispatch and prints the help, the footer and the README.

mod find;

use tc_core::queue::Shift;

#[cfg(any(test, fuzzing))]
pub(crate) use self::find::named;
pub use self::find::{Found, elsewhere, find};
use crate::message::{Action, CopyWhat, Step};
use crate::state::filter::StatusFilter;
use crate::state::sort::SortKey;
use crate::state::tabs::Tab;

/// Where a key counts. Places stack: the list, then movement, then what counts everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Whatever is open.
    Always,
    /// Wherever nothing is open over the panes.
    Global,
    /// In every list.
    Moves,
    /// In the table and in the detail: what is done to torrents.
    Torrent,
    /// In the table and in those tabs of the detail whose own list is not one to add to and remove from.
    Listing,
    /// In the table.
    List,
    /// In the files of a torrent.
    Files,
    /// In the limits of a torrent.
    Limits,
    /// In the peers of a torrent.
    Peers,
    /// On the map of pieces.
    Pieces,
    /// In the trackers of a torrent.
    Trackers,
    /// In the other tabs of the detail.
    Detail,
    /// In events: strip, full log, log tab.
    Events,
    /// In the list of filters.
    Sidebar,
    /// An opened event.
    Event,
    /// The help.
    Help,
    /// A line that is typed.
    Input,
    /// The add dialog.
    Add,
    /// The remove dialog.
    Remove,
    /// The dialog that moves data.
    MoveTo,
    /// The question before data is checked.
    Recheck,
    /// The question before a peer is let go.
    Disconnect,
    /// The question before a peer is banned.
    Ban,
    /// The list of bans.
    Bans,
    /// The quit dialog.
    Quit,
    /// The question before the program is stopped.
    Suspend,
    /// The question before a tracker is removed, or those of a private torrent change.
    TrackerChange,
    /// The menu of sort keys.
    Sort,
    /// The menu of quick filters.
    Quick,
    /// The menu of pausing all.
    PauseAll,
    /// The menu of the queue.
    Queue,
    /// The menu of what to copy.
    Copy,
}

impl Context {
    /// All contexts, in the order of the help.
    pub const ALL: [Self; 32] = [
        Self::List,
        Self::Listing,
        Self::Torrent,
        Self::Moves,
        Self::Global,
        Self::Always,
        Self::Files,
        Self::Limits,
        Self::Peers,
        Self::Pieces,
        Self::Trackers,
        Self::Detail,
        Self::Events,
        Self::Event,
        Self::Sidebar,
        Self::Sort,
        Self::Quick,
        Self::PauseAll,
        Self::Queue,
        Self::Copy,
        Self::Add,
        Self::Remove,
        Self::MoveTo,
        Self::Disconnect,
        Self::Ban,
        Self::Bans,
        Self::Recheck,
        Self::TrackerChange,
        Self::Quit,
        Self::Suspend,
        Self::Input,
        Self::Help,
    ];

    /// Its name over a group of keys.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::Global => "Everywhere",
            Self::Moves => "Move",
            Self::Torrent => "Torrent",
            Self::Listing => "Torrents",
            Self::List => "List",
            Self::Files => "Files",
            Self::Limits => "Limits",
            Self::Peers => "Peers",
            Self::Pieces => "Pieces",
            Self::Disconnect => "Disconnect",
            Self::Ban => "Ban",
            Self::Bans => "Bans",
            Self::Trackers => "Trackers",
            Self::Detail => "Detail",
            Self::Events => "Events",
            Self::Sidebar => "Sidebar",
            Self::Event => "Opened event",
            Self::Help => "Help",
            Self::Input => "Typing",
            Self::Add => "Add torrent",
            Self::Remove => "Remove",
            Self::MoveTo => "Move data",
            Self::Recheck => "Check data",
            Self::TrackerChange => "Change trackers",
            Self::Quit => "Quit",
            Self::Suspend => "Suspend",
            Self::Sort => "sort by",
            Self::Quick => "show",
            Self::PauseAll => "all torrents",
            Self::Queue => "queue",
            Self::Copy => "copy",
        }
    }

    /// The contexts in which a key is looked for when this one is in front.
    pub const fn stack(self) -> &'static [Self] {
        match self {
            Self::List => {
                &[Self::List, Self::Listing, Self::Torrent, Self::Moves, Self::Global, Self::Always]
            }
            Self::Files => {
                &[Self::Files, Self::Listing, Self::Torrent, Self::Moves, Self::Global, Self::Always]
            }
            Self::Trackers => &[Self::Trackers, Self::Torrent, Self::Moves, Self::Global, Self::Always],
            Self::Detail => {
                &[Self::Detail, Self::Listing, Self::Torrent, Self::Moves, Self::Global, Self::Always]
            }
            Self::Peers => {
                &[Self::Peers, Self::Listing, Self::Torrent, Self::Moves, Self::Global, Self::Always]
            }
            Self::Limits => {
                &[Self::Limits, Self::Listing, Self::Torrent, Self::Moves, Self::Global, Self::Always]
            }
            Self::Pieces => {
                &[Self::Pieces, Self::Listing, Self::Torrent, Self::Moves, Self::Global, Self::Always]
            }
            Self::Disconnect => &[Self::Disconnect, Self::Always],
            Self::Ban => &[Self::Ban, Self::Always],
            Self::Bans => &[Self::Bans, Self::Always],
            Self::Events => &[Self::Events, Self::Moves, Self::Global, Self::Always],
            Self::Sidebar => &[Self::Sidebar, Self::Moves, Self::Global, Self::Always],
            Self::Event => &[Self::Event, Self::Always],
            Self::Help => &[Self::Help, Self::Always],
            Self::Input => &[Self::Input, Self::Always],
            Self::Add => &[Self::Add, Self::Always],
            Self::Remove => &[Self::Remove, Self::Always],
            Self::MoveTo => &[Self::MoveTo, Self::Always],
            Self::Recheck => &[Self::Recheck, Self::Always],
            Self::TrackerChange => &[Self::TrackerChange, Self::Always],
            Self::Quit => &[Self::Quit, Self::Always],
            Self::Suspend => &[Self::Suspend, Self::Always],
            Self::Sort => &[Self::Sort, Self::Always],
            Self::Quick => &[Self::Quick, Self::Always],
            Self::PauseAll => &[Self::PauseAll, Self::Always],
            Self::Queue => &[Self::Queue, Self::Always],
            Self::Copy => &[Self::Copy, Self::Always],
            Self::Always | Self::Global | Self::Moves | Self::Torrent | Self::Listing => &[Self::Always],
        }
    }
}

/// How a key stands in the footer.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// One word.
    pub word: &'static str,
    /// Place from left to right.
    pub place: u8,
    /// What is dropped first where there is no room: the highest.
    pub drop: u8,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Where it counts.
    pub context: Context,
    /// Its keys, separated by blanks; the first is the one that hints name. `gg` is two presses.
    pub keys: &'static str,
    /// What it does.
    pub action: Action,
    /// The name of the action for scripts and documents.
    pub id: &'static str,
    /// What it does, in a few words.
    pub words: &'static str,
    /// Its place in the footer, if it has one.
    pub hint: Option<Hint>,
}

impl Binding {
    const fn hint(mut self, word: &'static str, place: u8, drop: u8) -> Self {
        self.hint = Some(Hint { word, place, drop });
        self
    }

    /// The first of its keys, as it is printed.
    pub fn key(&self) -> &'static str {
        self.keys.split(' ').next().map_or("", shown)
    }

    /// All of its keys, as they are printed.
    pub fn all_keys(&self) -> String {
        self.keys.split(' ').map(shown).collect::<Vec<_>>().join(" ")
    }
}

const fn bind(
    context: Context,
    keys: &'static str,
    action: Action,
    id: &'static str,
    words: &'static str,
) -> Binding {
    Binding { context, keys, action, id, words, hint: None }
}

/// The table.
pub const KEYMAP: &[Binding] = {
    use Action as A;
    use Context as C;
    use Step as S;
    &[
        bind(C::List, "Space", A::Mark, "mark", "mark and go down").hint("mark", 1, 5),
        bind(C::List, "V", A::MarkRange, "mark-range", "mark a range"),
        bind(C::List, "*", A::MarkAll, "mark-all", "mark all shown, or none"),
        bind(C::List, "J", A::Shift(Shift::Down), "queue-down", "later in the queue"),
        bind(C::List, "K", A::Shift(Shift::Up), "queue-up", "sooner in the queue"),
        bind(C::List, "s", A::SortMenu, "sort", "sort…").hint("sort", 6, 6),
        bind(C::List, "f", A::QuickMenu, "quick-filter", "quick filter…"),
        bind(C::List, "/", A::Filter, "filter", "filter by name").hint("filter", 5, 2),
        bind(C::Torrent, "p", A::PauseToggle, "pause-toggle", "pause or resume").hint("pause", 2, 3),
        bind(C::Torrent, "P", A::PauseMenu, "pause-all", "pause or resume all…"),
        bind(C::Torrent, "Q", A::QueueMenu, "queue", "place in the queue…"),
        bind(C::Torrent, "F", A::Force, "force-start", "force start, or not"),
        bind(C::Listing, "d Del", A::Remove, "remove", "remove…").hint("remove", 3, 4),
        bind(C::Listing, "a", A::Add, "add", "add…").hint("add", 4, 1),
        bind(C::Torrent, "m", A::MoveData, "move", "move data…"),
        bind(C::Torrent, "c", A::Recheck, "check", "check data…"),
        bind(C::Listing, "R", A::Announce, "announce", "announce now"),
        bind(C::Listing, "e", A::Limits, "limits", "limits; in their tab: edit").hint("limits", 7, 15),
        bind(C::Torrent, "y", A::CopyMenu, "copy", "copy…; in files, peers, trackers: that row"),
        bind(C::Moves, "j Down", A::Move(S::Down), "down", "down"),
        bind(C::Moves, "k Up", A::Move(S::Up), "up", "up"),
        bind(C::Moves, "gg Home", A::Move(S::Top), "top", "top"),
        bind(C::Moves, "G End", A::Move(S::Bottom), "bottom", "bottom"),
        bind(C::Moves, "^D", A::Move(S::HalfDown), "half-down", "half a page down"),
        bind(C::Moves, "^U", A::Move(S::HalfUp), "half-up", "half a page up"),
        bind(C::Moves, "PgDn ^F", A::Move(S::PageDown), "page-down", "a page down"),
        bind(C::Moves, "PgUp ^B", A::Move(S::PageUp), "page-up", "a page up"),
        bind(C::Moves, "Enter l Right", A::Open, "open", "open"),
        bind(C::Global, "Tab", A::FocusNext, "focus-next", "next pane"),
        bind(C::Global, "BackTab", A::FocusPrev, "focus-prev", "pane before"),
        bind(C::Global, "]", A::TabNext, "tab-next", "next tab"),
        bind(C::Global, "[", A::TabPrev, "tab-prev", "tab before").hint("] tab", 10, 6),
        bind(C::Global, "1", A::OpenTab(Tab::Overview), "tab-overview", "overview"),
        bind(C::Global, "2", A::OpenTab(Tab::Files), "tab-files", "files"),
        bind(C::Global, "3", A::OpenTab(Tab::Peers), "tab-peers", "peers"),
        bind(C::Global, "4", A::OpenTab(Tab::Trackers), "tab-trackers", "trackers"),
        bind(C::Global, "5", A::OpenTab(Tab::Pieces), "tab-pieces", "pieces"),
        bind(C::Global, "6", A::OpenTab(Tab::Log), "tab-log", "log of the torrent"),
        bind(C::Global, "7", A::OpenTab(Tab::Limits), "tab-limits", "limits of the torrent"),
        bind(C::Global, "v", A::LayoutCycle, "layout-cycle", "list, split, full").hint("layout", 20, 20),
        bind(C::Global, "z", A::Zoom, "zoom", "this pane alone"),
        bind(C::Global, "L", A::EventsToggle, "events-toggle", "events on or off").hint("events", 21, 21),
        bind(C::Global, "T", A::Alternative, "alt-limits", "alternative limits on or off"),
        bind(C::Global, "u", A::Undo, "undo", "take back what was done last"),
        bind(C::Global, "Esc h Left", A::BackLayer, "back-layer", "back one layer").hint("back", 11, 2),
        bind(C::Global, "q", A::Back, "back", "back, quit…").hint("quit", 22, 10),
        bind(C::Global, "? F1", A::Help, "help", "the keys of this place").hint("help", 99, 0),
        bind(C::Always, "^L", A::Redraw, "redraw", "repaint the screen"),
        bind(C::Always, "^Z", A::Suspend, "suspend", "suspend…"),
        bind(C::Always, "^C", A::Quit, "quit", "quit; twice: at once"),
        bind(C::Files, "Space", A::WantToggle, "want-toggle", "want or skip").hint("want/skip", 1, 3),
        bind(C::Files, "+ =", A::PriorityUp, "file-priority-up", "fetch sooner"),
        bind(C::Files, "-", A::PriorityDown, "file-priority-down", "fetch later").hint("+ priority", 2, 4),
        bind(C::Files, "*", A::WantAll, "want-all", "want all, or skip all"),
        bind(C::Files, "r", A::Rename, "rename", "rename…").hint("rename", 3, 5),
        bind(C::Files, "H", A::ShutAll, "collapse-all", "shut all folders"),
        bind(C::Files, "E", A::OpenAll, "expand-all", "open all folders"),
        bind(C::Limits, "Space", A::LimitSwitch, "limit-switch", "on or off").hint("on/off", 2, 4),
        bind(C::Limits, "Backspace", A::LimitReset, "limit-reset", "reset").hint("reset", 3, 5),
        bind(C::Pieces, "h Left", A::Left, "cell-left", "left").hint("l move", 1, 5),
        bind(C::Pieces, "l Right", A::Right, "cell-right", "right"),
        bind(C::Pieces, "r", A::Rarity, "rarity", "copies, or what is there").hint("rarity", 2, 4),
        bind(C::Peers, "x", A::Disconnect, "disconnect", "disconnect…").hint("disconnect", 1, 5),
        bind(C::Peers, "b", A::Ban, "ban", "ban…").hint("ban", 2, 4),
        bind(C::Peers, "B", A::Bans, "bans", "who is banned").hint("bans", 3, 5),
        bind(C::Trackers, "R", A::AnnounceTo, "tracker-announce", "announce to this one")
            .hint("announce", 1, 2),
        bind(C::Trackers, "a", A::TrackerAdd, "tracker-add", "add a tracker…").hint("add", 2, 3),
        bind(C::Trackers, "e", A::TrackerEdit, "tracker-edit", "edit its URL…").hint("edit", 3, 4),
        bind(C::Trackers, "d Del", A::TrackerRemove, "tracker-remove", "remove it…").hint("remove", 4, 5),
        bind(C::Trackers, "J", A::TrackerLater, "tier-later", "into the tier behind").hint("K tier", 5, 7),
        bind(C::Trackers, "K", A::TrackerEarlier, "tier-earlier", "into the tier before"),
        bind(C::Trackers, "C", A::TrackerCertificate, "tracker-certificate", "take any certificate, or not"),
        bind(C::Events, "F", A::Follow, "follow", "follow new events, or pause").hint("follow", 1, 1),
        bind(C::Events, "/", A::LogFilter, "log-filter", "filter: piece.* words !words").hint("filter", 2, 2),
        bind(C::Events, "+", A::LevelUp, "level-up", "only more important events").hint("- level", 3, 3),
        bind(C::Events, "-", A::LevelDown, "level-down", "less important events too"),
        bind(C::Events, ".", A::GoToTorrent, "go-to-torrent", "go to the torrent").hint("torrent", 4, 4),
        bind(C::Event, "j Down", A::Move(S::Down), "event-next", "next event").hint("next", 1, 3),
        bind(C::Event, "k Up", A::Move(S::Up), "event-prev", "event before").hint("prev", 2, 4),
        bind(C::Event, ".", A::GoToTorrent, "event-torrent", "go to the torrent").hint("go to torrent", 3, 2),
        bind(C::Event, "Esc q h Left Enter", A::Cancel, "event-close", "back").hint("back", 4, 1),
        bind(C::TrackerChange, "y", A::Yes, "tracker-change", "change").hint("change", 1, 1),
        bind(C::TrackerChange, "Esc n q h Left", A::Cancel, "tracker-keep", "cancel").hint("cancel", 2, 2),
        bind(C::Sort, "n", A::Sort(SortKey::Name), "sort-name", "name"),
        bind(C::Sort, "s", A::Sort(SortKey::Size), "sort-size", "size"),
        bind(C::Sort, "p", A::Sort(SortKey::Progress), "sort-progress", "progress"),
        bind(C::Sort, "d", A::Sort(SortKey::Down), "sort-down", "download speed"),
        bind(C::Sort, "u", A::Sort(SortKey::Up), "sort-up", "upload speed"),
        bind(C::Sort, "e", A::Sort(SortKey::Eta), "sort-eta", "eta"),
        bind(C::Sort, "r", A::Sort(SortKey::Ratio), "sort-ratio", "ratio"),
        bind(C::Sort, "a", A::Sort(SortKey::Added), "sort-added", "added"),
        bind(C::Sort, "t", A::Sort(SortKey::Tracker), "sort-tracker", "tracker"),
        bind(C::Sort, "S", A::Sort(SortKey::State), "sort-state", "state"),
        bind(C::Sort, "o", A::Sort(SortKey::Queue), "sort-queue", "order in the queue"),
        bind(C::Sort, "Esc q h Left", A::Cancel, "sort-cancel", "cancel").hint("cancel", 1, 1),
        bind(C::Quick, "a", A::Quick(StatusFilter::All), "show-all", "all"),
        bind(C::Quick, "d", A::Quick(StatusFilter::Downloading), "show-downloading", "downloading"),
        bind(C::Quick, "s", A::Quick(StatusFilter::Seeding), "show-seeding", "seeding"),
        bind(C::Quick, "x", A::Quick(StatusFilter::Active), "show-active", "active"),
        bind(C::Quick, "p", A::Quick(StatusFilter::Paused), "show-paused", "paused"),
        bind(C::Quick, "w", A::Quick(StatusFilter::Queued), "show-queued", "queued"),
        bind(C::Quick, "c", A::Quick(StatusFilter::Checking), "show-checking", "checking"),
        bind(C::Quick, "e", A::Quick(StatusFilter::Error), "show-error", "error"),
        bind(C::Quick, "Esc q h Left", A::Cancel, "show-cancel", "cancel").hint("cancel", 1, 1),
        bind(C::PauseAll, "p", A::PauseAll, "pause-all-now", "pause all that run"),
        bind(C::PauseAll, "r", A::ResumePaused, "resume-those", "resume those paused so"),
        bind(C::PauseAll, "Esc q h Left", A::Cancel, "pause-all-cancel", "cancel").hint("cancel", 1, 1),
        bind(C::Queue, "t", A::Shift(Shift::Top), "queue-top", "to the top"),
        bind(C::Queue, "k", A::Shift(Shift::Up), "queue-sooner", "one place up"),
        bind(C::Queue, "j", A::Shift(Shift::Down), "queue-later", "one place down"),
        bind(C::Queue, "b", A::Shift(Shift::Bottom), "queue-bottom", "to the bottom"),
        bind(C::Queue, "f", A::Force, "queue-force", "force start, or not"),
        bind(C::Queue, "Esc q h Left", A::Cancel, "queue-cancel", "cancel").hint("cancel", 1, 1),
        bind(C::Copy, "m", A::Copy(CopyWhat::Magnet), "copy-magnet", "magnet link"),
        bind(C::Copy, "n", A::Copy(CopyWhat::Name), "copy-name", "name"),
        bind(C::Copy, "h", A::Copy(CopyWhat::Hash), "copy-hash", "info-hash"),
        bind(C::Copy, "p", A::Copy(CopyWhat::Path), "copy-path", "folder"),
        bind(C::Copy, "e", A::Copy(CopyWhat::Error), "copy-error", "error"),
        bind(C::Copy, "Esc q Left", A::Cancel, "copy-cancel", "cancel").hint("cancel", 1, 1),
        bind(C::Add, "Enter", A::Accept, "add-now", "add").hint("add", 1, 1),
        bind(C::Add, "Tab", A::Complete, "complete", "complete, else next field").hint(
            "complete, next field",
            2,
            2,
        ),
        bind(C::Add, "Down", A::NextField, "next-field", "next field"),
        bind(C::Add, "BackTab Up", A::PrevField, "prev-field", "field before"),
        bind(C::Add, "Esc", A::Cancel, "add-cancel", "cancel").hint("cancel", 3, 3),
        bind(C::Remove, "y", A::Yes, "remove-now", "remove").hint("remove from list", 1, 1),
        bind(C::Remove, "Space", A::Toggle, "with-data", "also delete the data").hint("data", 2, 2),
        bind(C::Remove, "Tab Right Left BackTab", A::NextField, "button", "the other button"),
        bind(C::Remove, "Enter", A::Press, "press", "press the button: cancel at first"),
        bind(C::Remove, "Esc n q", A::Cancel, "remove-cancel", "cancel").hint("cancel", 3, 3),
        bind(C::MoveTo, "Enter", A::Accept, "move-now", "move").hint("move", 1, 1),
        bind(C::MoveTo, "Tab", A::Complete, "move-complete", "complete").hint("complete", 2, 2),
        bind(C::MoveTo, "Down", A::NextField, "move-next", "next completion"),
        bind(C::MoveTo, "BackTab Up", A::PrevField, "move-prev", "completion before"),
        bind(C::MoveTo, "Esc", A::Cancel, "move-cancel", "cancel").hint("cancel", 3, 3),
        bind(C::Recheck, "y", A::Yes, "check-now", "check").hint("check", 1, 1),
        bind(C::Recheck, "Esc n q h Left", A::Cancel, "check-cancel", "cancel").hint("cancel", 2, 2),
        bind(C::Disconnect, "y", A::Yes, "disconnect-now", "disconnect").hint("disconnect", 1, 1),
        bind(C::Disconnect, "Esc n q h Left Enter", A::Cancel, "disconnect-cancel", "cancel")
            .hint("cancel", 2, 2),
        bind(C::Ban, "y", A::Yes, "ban-now", "ban").hint("ban", 1, 1),
        bind(C::Ban, "Esc n q h Left Enter", A::Cancel, "ban-cancel", "cancel").hint("cancel", 2, 2),
        bind(C::Bans, "j Down", A::Move(S::Down), "bans-down", "down"),
        bind(C::Bans, "k Up", A::Move(S::Up), "bans-up", "up"),
        bind(C::Bans, "gg Home", A::Move(S::Top), "bans-top", "top"),
        bind(C::Bans, "G End", A::Move(S::Bottom), "bans-bottom", "bottom"),
        bind(C::Bans, "PgDn ^D ^F", A::Move(S::PageDown), "bans-page-down", "a page down"),
        bind(C::Bans, "PgUp ^U ^B", A::Move(S::PageUp), "bans-page-up", "a page up"),
        bind(C::Bans, "d Del", A::LiftBan, "ban-lift", "lift the ban").hint("lift the ban", 1, 1),
        bind(C::Bans, "Esc q h Left B", A::Cancel, "bans-close", "close").hint("close", 2, 2),
        bind(C::Quit, "q", A::QuitNow, "quit-now", "stop everything, save, quit").hint("quit", 1, 1),
        bind(C::Quit, "Esc n h Left", A::Cancel, "stay", "stay").hint("stay", 2, 2),
        bind(C::Suspend, "z", A::SuspendNow, "suspend-now", "stop until the shell says fg")
            .hint("suspend", 1, 1),
        bind(C::Suspend, "Esc n q h Left", A::Cancel, "suspend-cancel", "stay").hint("stay", 2, 2),
        bind(C::Input, "Enter", A::Accept, "accept", "keep").hint("keep", 1, 1),
        bind(C::Input, "Esc", A::Cancel, "cancel", "cancel").hint("clear", 2, 2),
        bind(C::Help, "j Down", A::Move(S::Down), "help-down", "down"),
        bind(C::Help, "k Up", A::Move(S::Up), "help-up", "up"),
        bind(C::Help, "PgDn Space ^D ^F", A::Move(S::PageDown), "help-page-down", "a page down"),
        bind(C::Help, "PgUp ^U ^B", A::Move(S::PageUp), "help-page-up", "a page up"),
        bind(C::Help, "gg Home", A::Move(S::Top), "help-top", "top"),
        bind(C::Help, "G End", A::Move(S::Bottom), "help-bottom", "bottom"),
        bind(C::Help, "/", A::HelpSearch, "help-search", "search").hint("search", 1, 1),
        bind(C::Help, "Esc q ? F1 h Left", A::Cancel, "help-close", "close").hint("close", 2, 2),
    ]
};

/// The keys of a context.
pub fn of(context: Context) -> impl Iterator<Item = &'static Binding> {
    KEYMAP.iter().filter(move |binding| binding.context == context)
}

/// The hints of a place, in their order.
pub fn hints(context: Context) -> Vec<(&'static Binding, Hint)> {
    let mut hints: Vec<_> =
        context.stack().iter().flat_map(|place| of(*place)).filter_map(|b| Some((b, b.hint?))).collect();
    hints.sort_by_key(|(_, hint)| hint.place);
    hints
}

/// The keys as tables for the README.
pub fn markdown() -> String {
    let mut text = String::new();
    for context in Context::ALL.into_iter().filter(|context| of(*context).next().is_some()) {
        text += &format!("**{}**\n\n| Key | Action | What it does |\n| --- | --- | --- |\n", context.title());
        for binding in of(context) {
            let keys: Vec<_> = binding.keys.split(' ').map(|key| format!("`{}`", shown(key))).collect();
            text += &format!("| {} | `{}` | {} |\n", keys.join(" "), binding.id, binding.words);
        }
        text.push('\n');
    }
    text
}

fn shown(key: &'static str) -> &'static str {
    match key {
        "Down" => "↓",
        "Up" => "↑",
        "Left" => "←",
        "Right" => "→",
        "BackTab" => "Shift-Tab",
        key => key,
    }
}

#[cfg(test)]
mod tests;
