//! Everything on the screen, owned by the loop alone. Each field is a small type of its own.

pub mod add;
pub mod files;
pub mod filter;
pub mod history;
pub mod limits;
pub mod log;
pub mod look;
pub mod panes;
pub mod popup;
pub mod relocate;
pub mod scroll;
pub mod sort;
pub mod table;
pub mod tabs;
pub mod undo;

use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use tc_core::stats::GlobalStats;
use tc_core::types::InfoHash;

use self::history::History;
use self::log::Log;
use self::panes::{Focus, Panes};
use self::popup::Popup;
use self::table::Table;
use self::tabs::{DetailPane, Tab};
use self::undo::Undo;
use crate::keymap::Context;
use crate::theme::Theme;

/// How things are drawn.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours.
    pub theme: Theme,
    /// Letters and signs of ASCII only.
    pub ascii: bool,
    /// For times of day.
    pub zone: TimeZone,
}

/// A line for the footer, until the next key or for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// What to say.
    pub text: String,
    /// It is bad news.
    pub bad: bool,
    /// When the clock first saw it.
    pub since: Option<Instant>,
}

/// On the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaving {
    /// Not at all.
    #[default]
    No,
    /// Ctrl-C was pressed at this time and asks; pressed again soon, it stops and quits.
    Asked(Instant),
    /// The engine is ending.
    Stopping,
}

/// What the screen knows.
#[derive(Debug)]
pub struct AppState {
    /// The torrents.
    pub table: Table,
    /// The totals.
    pub global: Arc<GlobalStats>,
    /// How fast it went.
    pub history: History,
    /// The torrent under the cursor.
    pub detail: DetailPane,
    /// What happened.
    pub log: Log,
    /// How the screen is divided, and who gets the keys.
    pub panes: Panes,
    /// What lies over it.
    pub popups: Vec<Popup>,
    /// What the footer says instead of hints.
    pub notice: Option<Notice>,
    /// What can be taken back.
    pub undo: Undo,
    /// Whether the program is ending.
    pub leaving: Leaving,
    /// The start of a sequence of keys.
    pub before: Option<char>,
    /// Colours and signs.
    pub look: Look,
    /// Whether a shell would go on with the program after it was stopped.
    pub job_control: bool,
    /// When the bell rang last.
    pub rang: Option<Instant>,
    /// Something on the screen changed since it was drawn.
    pub dirty: bool,
}

impl AppState {
    /// An empty screen of this size.
    pub fn new(size: (u16, u16), look: Look) -> Self {
        Self {
            table: Table::default(),
            global: Arc::default(),
            history: History::default(),
            detail: DetailPane::default(),
            log: Log::default(),
            panes: Panes::new(size),
            popups: Vec::new(),
            notice: None,
            undo: Undo::default(),
            leaving: Leaving::No,
            before: None,
            look,
            job_control: true,
            rang: None,
            dirty: true,
        }
    }

    /// Whose keys count.
    pub fn context(&self) -> Context {
        if let Some(popup) = self.popups.last() {
            return popup.context();
        }
        match self.panes.focus {
            Focus::List => Context::List,
            Focus::Events => Context::Events,
            Focus::Sidebar => Context::Sidebar,
            Focus::Detail => match self.detail.tab {
                Tab::Log => Context::Events,
                Tab::Files => Context::Files,
                Tab::Limits => Context::Limits,
                Tab::Peers => Context::Peers,
                Tab::Overview | Tab::Trackers => Context::Detail,
            },
        }
    }

    /// The torrent whose events the focused log shows; `None`: all.
    pub fn pin(&self) -> Option<InfoHash> {
        let tab = self.panes.focus == Focus::Detail && self.detail.tab == Tab::Log;
        tab.then(|| self.table.cursor()).flatten()
    }

    /// Says something in the footer.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false, since: None });
        self.dirty = true;
    }

    /// Says in the footer what went wrong.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true, since: None });
        self.dirty = true;
    }
}
