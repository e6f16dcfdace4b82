//! The screen as a function of the state. Nothing here changes or asks anything.

mod add;
mod ascii;
pub mod bans;
mod columns;
pub mod detail;
mod dialog;
mod event;
pub mod events;
mod footer;
pub mod header;
pub mod help;
mod menu;
pub mod sidebar;
mod table;
mod tiny;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::state::AppState;
use crate::state::panes::Mode;
use crate::state::popup::Popup;
use crate::theme::Role;

/// Draws everything.
pub fn draw(state: &AppState, frame: &mut Frame<'_>) {
    draw_on(state, frame.buffer_mut());
}

/// Draws everything into a buffer of any size.
pub fn draw_on(state: &AppState, buffer: &mut Buffer) {
    panes(state, buffer);
    for popup in &state.popups {
        over(state, popup, buffer);
    }
    if state.look.ascii {
        ascii::replace(buffer);
    }
}

fn panes(state: &AppState, buffer: &mut Buffer) {
    let areas = state.panes.areas();
    if areas.tiny {
        return tiny::draw(state, buffer);
    }
    match state.panes.mode {
        Mode::List | Mode::Split => header::draw(state, buffer, areas.header),
        Mode::Full => detail::title(state, buffer, areas.header),
        Mode::Log => {}
    }
    if let Some(area) = areas.sidebar {
        sidebar::draw(state, buffer, area);
    }
    if let Some(area) = areas.table {
        table::draw(state, buffer, area);
    }
    if let Some(area) = areas.tabs {
        detail::rule(state, buffer, area, areas.beside);
    }
    if let Some(area) = areas.detail {
        detail::draw(state, buffer, area);
    }
    if let Some(area) = areas.events {
        match state.panes.mode {
            Mode::Log => events::full(state, buffer, area),
            _ if areas.beside => events::column(state, buffer, area),
            _ => events::strip(state, buffer, area),
        }
    }
    if let Some(area) = areas.footer {
        footer::draw(state, buffer, area);
    }
}

fn over(state: &AppState, popup: &Popup, buffer: &mut Buffer) {
    match popup {
        Popup::Menu(context) => menu::draw(state, *context, buffer),
        Popup::Help(help) => help::draw(state, help, buffer),
        Popup::Quit => dialog::quit(state, buffer),
        Popup::Suspend => dialog::suspend(state, buffer),
        Popup::Remove(remove) => dialog::remove(state, remove, buffer),
        Popup::Move(form) => add::relocate(state, form, buffer),
        Popup::Recheck(torrents) => dialog::recheck(state, torrents, buffer),
        Popup::Peer(peer) => dialog::peer(state, peer, buffer),
        Popup::Bans(scroll) => bans::draw(state, *scroll, buffer),
        Popup::Tracker(line) => footer::tracker(state, line, buffer),
        Popup::Rename(line) => footer::rename(state, line, buffer),
        Popup::TrackerChange(change) => dialog::tracker_change(state, change, buffer),
        Popup::Add(form) => add::draw(state, form, buffer),
        Popup::Filter(field) => footer::filter(state, field, buffer),
        Popup::LogFilter { field, error } => footer::log_filter(state, field, error.as_deref(), buffer),
        Popup::Limit(edit) => footer::limit(state, edit, buffer),
        Popup::Event { seq, pin } => event::draw(state, *seq, *pin, buffer),
    }
}

/// The style of a role.
fn style(state: &AppState, role: Role) -> Style {
    state.look.theme.style(role)
}

/// The whole buffer.
const fn whole(buffer: &Buffer) -> Rect {
    buffer.area
}

/// A caret: a thin bar, which no blinking cursor has to be moved for.
const fn caret(ascii: bool) -> &'static str {
    if ascii { "|" } else { "▏" }
}

/// A typed text with its caret, so that the caret is seen in `columns`.
fn typed(field: &crate::widget::field::Field, columns: usize, ascii: bool) -> String {
    let text = field.text();
    let at = text.char_indices().nth(field.caret()).map_or(text.len(), |(at, _)| at);
    let clean = |part: &str| tc_core::untrusted::clean(part);
    let before = clean(&text[..at]) + caret(ascii);
    let before = crate::widget::paint::cut_start(&before, columns);
    before + &clean(&text[at..])
}
