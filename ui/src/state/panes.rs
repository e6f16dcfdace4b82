//! Which pane is where: by height first, then by width, as rectangles.

use ratatui::layout::Rect;

/// How the screen is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The table alone.
    List,
    /// The table, and the detail below where there is room.
    #[default]
    Split,
    /// The detail alone.
    Full,
    /// The event log alone.
    Log,
}

/// Who gets the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// The table.
    #[default]
    List,
    /// The detail.
    Detail,
    /// The event strip, or the full log.
    Events,
    /// The list of filters at the left.
    Sidebar,
}

/// Rows of the detail at least.
const DETAIL_ROWS: u16 = 7;
/// Heights from which the detail, then the events have room.
const SPLIT_MIN: u16 = 20;
const EVENTS_MIN: u16 = 32;
/// From this height, on a wide screen, the events are a column beside the detail.
const COLUMN_MIN: u16 = 45;
/// Screens this wide have a sidebar.
const WIDE: u16 = 160;
/// Columns of the sidebar and of the column of events.
const SIDEBAR: u16 = 21;
const COLUMN: u16 = 66;
/// Wider tables are harder to read, not better.
const WIDEST: u16 = 240;

/// How the person arranged the screen, and its size.
#[derive(Clone, Copy, Debug)]
pub struct Panes {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// How it is divided.
    pub mode: Mode,
    /// Where going back leads.
    pub back: Mode,
    /// Who gets the keys.
    pub focus: Focus,
    /// Whether events have a pane.
    pub events: bool,
    /// The line of the sidebar that the cursor is on.
    pub sidebar: usize,
}

impl Panes {
    /// A screen of this size, divided as it fits.
    pub fn new(size: (u16, u16)) -> Self {
        Self {
            size,
            mode: Mode::default(),
            back: Mode::default(),
            focus: Focus::default(),
            events: true,
            sidebar: 0,
        }
    }

    /// Turns to a mode, and remembers the way back.
    pub fn turn_to(&mut self, mode: Mode) {
        if self.mode != mode {
            if matches!(self.mode, Mode::List | Mode::Split) {
                self.back = self.mode;
            }
            self.mode = mode;
        }
        self.focus = match mode {
            Mode::Full => Focus::Detail,
            Mode::Log => Focus::Events,
            Mode::List | Mode::Split => Focus::List,
        };
    }

    /// Back to the table; says whether it was elsewhere.
    pub fn go_back(&mut self) -> bool {
        let elsewhere = matches!(self.mode, Mode::Full | Mode::Log) || self.focus != Focus::List;
        if matches!(self.mode, Mode::Full | Mode::Log) {
            self.mode = self.back;
        }
        self.focus = Focus::List;
        elsewhere
    }

    /// Where everything is.
    pub fn areas(&self) -> Areas {
        let (width, height) = self.size;
        let row = |y: u16| Rect::new(0, y, width, 1);
        if height < 6 {
            return Areas { tiny: true, header: row(0), ..Areas::default() };
        }
        let mut areas = Areas { header: row(0), footer: Some(row(height - 1)), ..Areas::default() };
        match self.mode {
            Mode::Full => {
                areas.tabs = Some(row(1));
                areas.detail = Some(Rect::new(0, 2, width, height - 3));
            }
            Mode::Log => areas.events = Some(Rect::new(0, 0, width, height - 1)),
            Mode::List | Mode::Split => self.divide(&mut areas),
        }
        areas
    }

    /// Places the panes between header and footer.
    fn divide(&self, areas: &mut Areas) {
        let (width, height) = self.size;
        let left = if width >= WIDE && height >= SPLIT_MIN { SIDEBAR + 1 } else { 0 };
        if left > 0 {
            areas.sidebar = Some(Rect::new(0, 1, SIDEBAR, height - 2));
        }
        let split = self.mode == Mode::Split && height >= SPLIT_MIN;
        let column = self.events && split && height >= COLUMN_MIN && width >= WIDE;
        let strip = if self.events && height >= EVENTS_MIN && !column { strip_rows(height) + 1 } else { 0 };
        let middle = height - 2 - strip;
        let table = if split { middle.saturating_sub(1 + DETAIL_ROWS).min(height * 3 / 5) } else { middle };
        areas.table = Some(Rect::new(left, 1, (width - left).min(WIDEST), table));
        let below = 1 + table;
        if split {
            let right = if column { COLUMN } else { 0 };
            areas.tabs = Some(Rect::new(left, below, width - left - right, 1));
            areas.detail =
                Some(Rect::new(left, below + 1, width - left - right, middle.saturating_sub(table + 1)));
            if column {
                areas.events = Some(Rect::new(width - right, below, right, middle - table));
                areas.beside = true;
            }
        }
        if strip > 0 {
            areas.events = Some(Rect::new(left, height - 1 - strip, width - left, strip));
        }
    }

    /// The panes that can have the keys, in the order of Tab.
    pub fn focusable(&self) -> Vec<Focus> {
        let areas = self.areas();
        let panes = [
            (areas.table.is_some() || areas.tiny, Focus::List),
            (areas.detail.is_some(), Focus::Detail),
            (areas.events.is_some(), Focus::Events),
            (areas.sidebar.is_some(), Focus::Sidebar),
        ];
        panes.into_iter().filter(|(there, _)| *there).map(|(_, focus)| focus).collect()
    }

    /// Whether the detail has room beside the table.
    pub fn has_room_for_detail(&self) -> bool {
        self.size.1 >= SPLIT_MIN
    }

    /// Whether a strip or column of events has room.
    pub fn has_room_for_events(&self) -> bool {
        self.size.1 >= EVENTS_MIN
    }
}

/// A sixth of the screen, from 4 to 8 rows.
fn strip_rows(height: u16) -> u16 {
    ((height + 3) / 6).clamp(4, 8)
}

/// Where everything is; what has no room has no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Too low for a table.
    pub tiny: bool,
    /// Totals, or the title of a full detail.
    pub header: Rect,
    /// The filters at the left.
    pub sidebar: Option<Rect>,
    /// The table with its heading.
    pub table: Option<Rect>,
    /// The rule with the tabs.
    pub tabs: Option<Rect>,
    /// What the open tab shows.
    pub detail: Option<Rect>,
    /// The events with their rule, or the full log with its title.
    pub events: Option<Rect>,
    /// The events stand beside the detail.
    pub beside: bool,
    /// Hints.
    pub footer: Option<Rect>,
}

impl Areas {
    /// Rows of the table below its heading.
    pub fn table_rows(&self) -> usize {
        self.table.map_or(0, |area| area.height.saturating_sub(1).into())
    }
}
