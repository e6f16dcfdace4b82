//! Moving: in lists, between panes, tabs and layers.

use std::time::{Duration, Instant};

use crate::message::Step;
use crate::state::AppState;
use crate::state::filter::StatusFilter;
use crate::state::panes::{Focus, Mode};
use crate::state::popup::{Help, Popup};
use crate::state::scroll::Scroll;
use crate::state::tabs::Tab;
use crate::view;
use crate::widget::field::Field;

/// A step in whatever list has the keys.
pub fn step(state: &mut AppState, step: Step) {
    let size = state.panes.size;
    match state.popups.last_mut() {
        Some(Popup::Help(help)) => {
            let (last, page) = view::help::extent(help, size);
            help.top = Scroll::target(help.top, step, last + 1, page);
            return;
        }
        Some(Popup::Bans(scroll)) => {
            let len = state.detail.bans.as_ref().map_or(0, Vec::len);
            scroll.step(step, len, view::bans::rows(size, len));
            return;
        }
        Some(Popup::Event { seq, pin }) => {
            let later = step == Step::Down;
            if let Some(next) = state.log.neighbour(*seq, later, *pin) {
                *seq = next;
            }
            return;
        }
        _ => {}
    }
    let page = page(state);
    match state.panes.focus {
        Focus::List => state.table.step(step),
        Focus::Events => state.log.step(step, None, page),
        Focus::Detail if state.detail.tab == Tab::Log => state.log.step(step, state.table.cursor(), page),
        Focus::Detail if state.detail.tab == Tab::Pieces => {
            let area = state.panes.areas().detail.unwrap_or_default();
            if let Some(map) = &mut state.detail.pieces {
                let (grid, rows) = view::detail::pieces::grid(area, map.stats.pieces);
                map.step(step, grid, rows);
            }
        }
        Focus::Detail => {
            let len = state.detail.len();
            state.detail.scroll_mut().step(step, len, page);
        }
        Focus::Sidebar => {
            let len = StatusFilter::ALL.len() + state.table.trackers().len().min(view::sidebar::TRACKERS);
            state.panes.sidebar = Scroll::target(state.panes.sidebar, step, len, page);
        }
    }
}

/// A cell to the side on the map of pieces.
pub fn sideways(state: &mut AppState, right: bool) {
    let area = state.panes.areas().detail.unwrap_or_default();
    if let Some(map) = &mut state.detail.pieces {
        let (grid, _) = view::detail::pieces::grid(area, map.stats.pieces);
        map.sideways(right, grid);
    }
}

/// The map of pieces shows copies, or what is there again.
pub fn rarity(state: &mut AppState) {
    if let Some(map) = &mut state.detail.pieces {
        map.rarity = !map.rarity;
    }
}

/// Rows of the list that has the keys.
pub fn page(state: &AppState) -> usize {
    let areas = state.panes.areas();
    let rows = match state.panes.focus {
        Focus::List | Focus::Sidebar => return areas.table_rows(),
        Focus::Detail => areas.detail.map(|area| view::detail::list_rows(state.detail.tab, area)),
        Focus::Events => areas.events.map(|area| view::events::rows(area, state.panes.mode == Mode::Log)),
    };
    rows.unwrap_or(0).into()
}

/// Opens what the cursor is on.
pub fn open(state: &mut AppState) {
    match state.panes.focus {
        Focus::List if state.table.current().is_some() => state.panes.turn_to(Mode::Full),
        Focus::List => state.say("Enter: there is no torrent to open"),
        Focus::Events => open_event(state),
        Focus::Detail => match state.detail.tab {
            Tab::Log => open_event(state),
            Tab::Files => fold(state),
            Tab::Overview | Tab::Peers | Tab::Trackers | Tab::Pieces | Tab::Limits => {
                state.panes.turn_to(Mode::Full);
            }
        },
        Focus::Sidebar => apply_sidebar(state),
    }
}

fn open_event(state: &mut AppState) {
    let pin = state.pin();
    match state.log.current(pin).map(|entry| entry.seq) {
        Some(seq) => state.popups.push(Popup::Event { seq, pin }),
        None => state.say("Enter: there is no event to open"),
    }
}

fn apply_sidebar(state: &mut AppState) {
    let at = state.panes.sidebar;
    let tracker = at.checked_sub(StatusFilter::ALL.len());
    let tracker = tracker.and_then(|at| state.table.trackers().get(at)).map(|(host, _)| host.clone());
    let status = StatusFilter::ALL.get(at).copied().unwrap_or_default();
    state.table.set_filter(|filter| {
        filter.status = status;
        filter.tracker = tracker;
    });
}

/// Space: the box of the remove dialog.
pub fn toggle(state: &mut AppState, now: Instant) {
    if let Some(Popup::Remove(_)) = state.popups.last() {
        super::remove::toggle_data(state, now);
    }
}

/// Opens or shuts the folder under the cursor.
fn fold(state: &mut AppState) {
    let row = state.detail.scroll().cursor;
    if let Some(tree) = &mut state.detail.files {
        let Some((line, node)) = tree.at(row) else { return };
        if !node.is_folder() {
            return state.say("only folders open and shut");
        }
        let is_shut = tree.is_shut(line);
        tree.set_shut(row, !is_shut);
    }
}

/// Peels one layer: an open folder, the pane, the filter, the marks.
pub fn back_layer(state: &mut AppState) {
    if state.context() == crate::keymap::Context::Files {
        let row = state.detail.scroll().cursor;
        if state.detail.files.as_mut().is_some_and(|tree| tree.set_shut(row, true)) {
            return;
        }
    }
    if state.panes.go_back() {
        return;
    }
    if !state.table.filter().is_empty() {
        state.table.set_filter(|filter| *filter = crate::state::filter::Filter::default());
        return;
    }
    if !state.table.clear_marks() {
        state.say("nothing is open; q quits");
    }
}

/// The next pane, or the one before.
pub fn focus(state: &mut AppState, by: isize) {
    let panes = state.panes.focusable();
    if panes.len() < 2 {
        return state.say("there is no other pane; v divides the screen, Enter opens the torrent");
    }
    let at = panes.iter().position(|pane| *pane == state.panes.focus).unwrap_or(0) as isize;
    if let Some(pane) = panes.get((at + by).rem_euclid(panes.len().max(1) as isize) as usize) {
        state.panes.focus = *pane;
    }
}

/// Opens the detail at a tab; where it has no room beside the table, alone.
pub fn open_tab(state: &mut AppState, tab: Tab) {
    state.detail.tab = tab;
    if state.panes.areas().detail.is_none() && state.table.current().is_some() {
        state.panes.turn_to(Mode::Full);
    }
}

/// The next keys are for the detail, where it is shown.
pub fn enter_detail(state: &mut AppState) {
    if state.panes.areas().detail.is_some() {
        state.panes.focus = Focus::Detail;
    }
}

/// List, split, full.
pub fn cycle(state: &mut AppState) {
    let next = match state.panes.mode {
        Mode::List if state.panes.has_room_for_detail() => Mode::Split,
        Mode::List if state.table.current().is_some() => Mode::Full,
        Mode::List => return state.say("v: there is no room for more than the list"),
        Mode::Split => Mode::Full,
        Mode::Full | Mode::Log => Mode::List,
    };
    state.panes.turn_to(next);
}

/// The focused pane alone, or back.
pub fn zoom(state: &mut AppState) {
    if matches!(state.panes.mode, Mode::Full | Mode::Log) {
        state.panes.go_back();
        return;
    }
    match state.panes.focus {
        Focus::List | Focus::Sidebar if !state.panes.has_room_for_detail() => {
            state.say("z: the list is alone already");
        }
        Focus::List | Focus::Sidebar => {
            let other = if state.panes.mode == Mode::List { Mode::Split } else { Mode::List };
            state.panes.turn_to(other);
        }
        Focus::Detail => state.panes.turn_to(Mode::Full),
        Focus::Events => state.panes.turn_to(Mode::Log),
    }
}

/// The strip on or off; where it has no room, the full log or back.
pub fn toggle_events(state: &mut AppState) {
    if state.panes.mode == Mode::Log {
        state.panes.go_back();
    } else if state.panes.has_room_for_events() && state.panes.mode != Mode::Full {
        state.panes.events = !state.panes.events;
    } else {
        state.panes.turn_to(Mode::Log);
    }
}

/// The keys of this place.
pub fn help(state: &mut AppState) {
    let place = state.context().stack().to_vec();
    state.popups.push(Popup::Help(Help { place, top: 0, search: Field::default(), searching: false }));
}

/// How long Ctrl-C waits for the second one.
pub const TWICE: Duration = Duration::from_secs(2);
