//! Wide screens: what the torrents do and which trackers they have, as a list of filters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::style;
use crate::state::AppState;
use crate::state::filter::StatusFilter;
use crate::state::panes::Focus;
use crate::theme::Role;
use crate::widget::paint::{Pen, cut};

/// Trackers that are listed at most.
pub const TRACKERS: usize = 20;

/// Draws the list and the line at its right.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let line = style(state, Role::Rule);
    for y in 0..area.height {
        Pen::new(buffer, Rect { x: area.right(), width: 1, ..area }, y).put("│", line);
    }
    Pen::new(buffer, area, 0).skip(1).put("Status", style(state, Role::Dim));
    let counts = state.table.counts();
    let filter = state.table.filter();
    let mut y = 1;
    for (at, status) in StatusFilter::ALL.iter().enumerate() {
        let in_use = filter.status == *status && filter.tracker.is_none();
        entry(state, buffer, area, y, at, (status.word(), counts.of(*status)), in_use);
        y += 1;
    }
    y += 1;
    if !state.table.trackers().is_empty() {
        Pen::new(buffer, area, y).skip(1).put("Trackers", style(state, Role::Dim));
    }
    for (at, (host, count)) in state.table.trackers().iter().take(TRACKERS).enumerate() {
        y += 1;
        let in_use = filter.tracker.as_ref() == Some(host);
        entry(state, buffer, area, y, StatusFilter::ALL.len() + at, (host, *count), in_use);
    }
}

fn entry(
    state: &AppState,
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    at: usize,
    (word, count): (&str, usize),
    in_use: bool,
) {
    let focused = state.panes.focus == Focus::Sidebar && state.panes.sidebar == at;
    let mut pen = Pen::new(buffer, area, y);
    let role = if in_use { Role::Title } else { Role::Text };
    pen.put(
        if focused || (in_use && state.panes.focus != Focus::Sidebar) { ">" } else { " " },
        style(state, role),
    );
    let count = count.to_string();
    let room = usize::from(area.width).saturating_sub(3 + count.len());
    pen.left(&cut(word, room), room, style(state, role)).skip(1).put(&count, style(state, Role::Dim));
    if focused && y < area.height {
        let row = Rect { y: area.y + y, height: 1, ..area }.intersection(buffer.area);
        buffer.set_style(row, style(state, Role::Sel));
    }
}
