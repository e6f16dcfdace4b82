//! The detail of the torrent under the cursor: a rule with the tabs, and what the open tab shows.

mod files;
mod limits;
mod overview;
mod peers;
pub mod pieces;
pub mod reach;
mod trackers;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{events, style};
use crate::format;
use crate::state::AppState;
use crate::state::panes::Focus;
use crate::state::tabs::Tab;
use crate::theme::Role;
use crate::widget::paint::{Pen, width};

/// The title of the detail alone: `‹ name`, and how it goes.
pub fn title(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let mut pen = Pen::new(buffer, area, 0);
    pen.put("‹ ", style(state, Role::Key));
    let Some(row) = state.table.current() else { return };
    let stats = &row.stats;
    let mut facts = Vec::new();
    if area.width >= 72 {
        if format::is_rate(stats.rate_down) {
            facts.push((format!("↓ {}", format::size(stats.rate_down)), Role::Down));
        }
        if format::is_rate(stats.rate_up) {
            facts.push((format!("↑ {}", format::size(stats.rate_up)), Role::Up));
        }
        facts.push((format::percent(stats.have, stats.wanted), Role::Text));
        facts.extend(stats.eta.map(|eta| (format!("eta {}", format::duration(eta)), Role::Text)));
    }
    // Two blanks between the facts, and more before them.
    let taken: usize = facts.iter().map(|(text, _)| width(text) + 2).sum();
    let name = pen.room().saturating_sub(if facts.is_empty() { 0 } else { taken + 2 });
    pen.left(&row.name, name, style(state, Role::Title)).skip(2);
    for (text, role) in &facts {
        pen.skip(2).put(text, style(state, *role));
    }
}

/// The rule with the tabs. Numbers leave first, then the other tabs.
pub fn rule(state: &AppState, buffer: &mut Buffer, area: Rect, beside: bool) {
    let line = style(state, Role::Rule);
    let mut pen = Pen::new(buffer, area, 0);
    pen.put("─ ", line);
    let numbered: usize = Tab::ALL.iter().map(|tab| tab.title().len() + 4).sum();
    let plain: usize = Tab::ALL.iter().map(|tab| tab.title().len() + 1).sum();
    for (at, tab) in Tab::ALL.iter().enumerate() {
        let open = *tab == state.detail.tab;
        if pen.room() == 0 || (usize::from(area.width) < plain + 2 && !open) {
            continue;
        }
        let role = match (open, state.panes.focus == Focus::Detail) {
            (true, _) => Role::Tab,
            (false, true) => Role::Text,
            (false, false) => Role::Dim,
        };
        if usize::from(area.width) >= numbered + 2 {
            pen.put(&(at + 1).to_string(), style(state, Role::Key)).skip(1);
            pen.put(tab.title(), style(state, role)).skip(if at + 1 < Tab::ALL.len() { 2 } else { 1 });
        } else {
            pen.put(tab.title(), style(state, role)).skip(1);
        }
    }
    if let Some(part) = part(state)
        && let Some(dashes) = pen.room().checked_sub(width(&part) + 1)
    {
        pen.put(&"─".repeat(dashes), line).skip(1).put(&part, style(state, Role::Dim));
    }
    pen.fill("─", line);
    if beside {
        let x = area.right();
        if x < buffer.area.right() {
            buffer[(x, area.y)].set_symbol("┬").set_style(line);
        }
    }
}

/// `3-9/22`: which rows of a list are seen, where that is not all of it.
fn part(state: &AppState) -> Option<String> {
    let area = state.panes.areas().detail?;
    let (len, rows) = (state.detail.len(), usize::from(list_rows(state.detail.tab, area)));
    let top = state.detail.scroll().top;
    (len > rows).then(|| format!("{}-{}/{len}", top + 1, (top + rows).min(len)))
}

/// Rows of the list that a tab shows in an area.
pub const fn list_rows(tab: Tab, area: Rect) -> u16 {
    match tab {
        Tab::Overview | Tab::Pieces => 0,
        Tab::Files => files::rows(area),
        Tab::Limits => limits::rows(area),
        Tab::Peers => peers::rows(area),
        Tab::Trackers => trackers::rows(area),
        Tab::Log => area.height,
    }
}

/// Whether the open tab draws how fast it went.
pub fn has_graph(state: &AppState, area: Rect) -> bool {
    state.detail.tab == Tab::Overview && overview::room_for_graph(state, area).is_some()
}

/// Draws the open tab.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let Some(row) = state.table.current() else { return };
    if row.stats.metadata.is_some() && matches!(state.detail.tab, Tab::Files | Tab::Pieces) {
        return nothing(state, buffer, area, "Known when the metadata is here.");
    }
    match state.detail.tab {
        Tab::Overview => overview::draw(state, buffer, area),
        Tab::Files => files::draw(state, buffer, area),
        Tab::Limits => limits::draw(state, buffer, area),
        Tab::Peers => peers::draw(state, buffer, area),
        Tab::Trackers => trackers::draw(state, buffer, area),
        Tab::Pieces => pieces::draw(state, buffer, area),
        Tab::Log => events::lines(state, buffer, area, state.table.cursor()),
    }
}

/// A line that says why there is no list.
fn nothing(state: &AppState, buffer: &mut Buffer, area: Rect, text: &str) {
    Pen::new(buffer, area, 1).skip(1).put(text, style(state, Role::Dim));
}

/// The sign of the cursor on a row of a list.
fn cursor_sign(state: &AppState, at: usize) -> &'static str {
    if state.panes.focus == Focus::Detail && state.detail.scroll().cursor == at { ">" } else { " " }
}

/// Marks the row of the cursor.
fn mark_cursor(state: &AppState, buffer: &mut Buffer, area: Rect, line: u16, at: usize) {
    if cursor_sign(state, at) == ">" {
        let row = Rect { y: area.y + line, height: 1, ..area }.intersection(buffer.area);
        buffer.set_style(row, style(state, Role::Sel));
    }
}
