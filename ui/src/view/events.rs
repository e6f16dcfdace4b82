//! Events: the strip below, the column beside the detail, the tab of a torrent, the full log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::event::Level;
use tc_core::types::InfoHash;

use super::style;
use crate::format;
use crate::state::AppState;
use crate::state::log::{Entry, What, short, summary};
use crate::state::panes::Focus;
use crate::theme::Role;
use crate::widget::paint::{Pen, width};

/// Rows of lines in the area of events.
pub const fn rows(area: Rect, full: bool) -> u16 {
    area.height.saturating_sub(if full { 3 } else { 1 })
}

/// The strip: a rule, then lines.
pub fn strip(state: &AppState, buffer: &mut Buffer, area: Rect) {
    rule(state, buffer, area);
    lines(state, buffer, below(area, 1), None);
}

/// The column: a rule that goes on from the tabs, a line at its left, then lines.
pub fn column(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let line = style(state, Role::Rule);
    rule(state, buffer, Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area });
    for y in 1..area.height {
        Pen::new(buffer, area, y).put("│", line);
    }
    let inner = Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..below(area, 1) };
    lines(state, buffer, inner, None);
}

/// The log over the whole screen.
pub fn full(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let mut pen = Pen::new(buffer, area, 0);
    pen.put("Events", style(state, Role::Title));
    let kept = format!("{} kept", format::count(state.log.kept() as u64));
    pen.at_end(&format!("{kept}  {} lost", format::count(state.log.missed)), lost(state, dim));
    Pen::new(buffer, area, 1).fill("─", style(state, Role::Rule));
    let (status, role) = status(state, None);
    let mut pen = Pen::new(buffer, area, 2);
    pen.skip(1).put("/", style(state, Role::Key));
    let room = pen.room().saturating_sub(width(&status) + 2);
    pen.left(&state.log.filter.describe(), room, style(state, Role::Text));
    pen.skip(1).put(&status, style(state, role));
    lines(state, buffer, below(area, 3), None);
}

fn below(area: Rect, rows: u16) -> Rect {
    Rect { y: area.y + rows.min(area.height), height: area.height.saturating_sub(rows), ..area }
}

/// `─ Events ─ patterns ────── following ─`
fn rule(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let line = style(state, Role::Rule);
    let (status, role) = status(state, None);
    let mut pen = Pen::new(buffer, area, 0);
    let title = if state.panes.focus == Focus::Events { Role::Tab } else { Role::Title };
    pen.put("─ ", line).put("Events", style(state, title)).put(" ─ ", line);
    let right = width(&status) + 3;
    let room = pen.room().saturating_sub(right + 2);
    pen.put_in(&state.log.filter.describe(), room, style(state, Role::Dim));
    pen.skip(1);
    while pen.room() > right {
        pen.put_in("─", 1, line);
    }
    pen.skip(1).put(&status, style(state, role)).skip(1).fill("─", line);
}

/// `following`, or how much came since it was paused; and what was lost.
fn status(state: &AppState, pin: Option<InfoHash>) -> (String, Role) {
    let lost = match state.log.missed {
        0 => String::new(),
        missed => format!("{} lost, ", format::count(missed)),
    };
    if state.log.view(pin.is_some()).follows() {
        return (format!("{lost}following"), Role::Dim);
    }
    let new = state.log.new_below(pin);
    (format!("{lost}paused, {} new below", format::count(new as u64)), Role::Warn)
}

fn lost(state: &AppState, otherwise: ratatui::style::Style) -> ratatui::style::Style {
    if state.log.missed > 0 { style(state, Role::Warn) } else { otherwise }
}

/// The lines of a log, pinned to a torrent or not.
pub fn lines(state: &AppState, buffer: &mut Buffer, area: Rect, pin: Option<InfoHash>) {
    let entries = state.log.lines(pin, area.height.into());
    if entries.is_empty() && area.height > 0 {
        let text = match (pin, state.log.kept()) {
            (Some(_), 0) => "No events of this torrent yet.",
            (None, 0) => "No events yet.",
            (Some(_), _) => "No event of this torrent that the filter of the events lets through.",
            (None, _) => "No event that the filter lets through.",
        };
        Pen::new(buffer, area, 0).skip(1).put(text, style(state, Role::Dim));
        return;
    }
    let pane = if pin.is_some() { Focus::Detail } else { Focus::Events };
    let cursor = state.log.view(pin.is_some()).cursor.filter(|_| state.panes.focus == pane);
    for (at, entry) in entries.iter().enumerate() {
        let is_cursor = cursor == Some(entry.seq);
        line(state, buffer, area, at as u16, entry, pin.is_some(), is_cursor);
        if is_cursor {
            let row = Rect { y: area.y + at as u16, height: 1, ..area }.intersection(buffer.area);
            buffer.set_style(row, style(state, Role::Sel));
        }
    }
}

fn line(
    state: &AppState,
    buffer: &mut Buffer,
    area: Rect,
    at: u16,
    entry: &Entry,
    pinned: bool,
    cursor: bool,
) {
    let dim = style(state, Role::Dim);
    let mut pen = Pen::new(buffer, area, at);
    pen.put(if cursor { ">" } else { " " }, style(state, Role::Text));
    let What::Event(event) = &entry.what else {
        let What::Missed(count) = entry.what else { return };
        let text =
            format!("… {} not received: look at the table, it is right", format::plural(count, "event"));
        pen.put(&text, style(state, Role::Warn));
        return;
    };
    pen.put(&format::clock(entry.time, &state.look.zone), dim).skip(1);
    let (word, letter, role) = level(entry.level());
    let wide = area.width >= 70;
    if wide {
        pen.left(word, 5, style(state, role)).skip(1);
        pen.left(event.kind().name(), 17, style(state, Role::Text)).skip(1);
    } else {
        pen.put(letter, style(state, role)).skip(1);
    }
    if let Some((_, name)) = entry.torrent.as_ref().filter(|_| !pinned) {
        let columns = if wide { (usize::from(area.width) / 4).clamp(12, 40) } else { 14 };
        pen.left(name, columns, style(state, Role::Text)).skip(1);
    }
    let mut summary = summary(event);
    if !wide {
        let word = short(event.kind());
        pen.put(word, style(state, Role::Text));
        // "started: started" says it twice.
        if summary == word {
            summary.clear();
        } else {
            pen.put(": ", dim);
        }
    }
    let times = if entry.times > 1 { format!("  ×{}", entry.times) } else { String::new() };
    let room = pen.room().saturating_sub(width(&times));
    pen.put_in(&summary, room, dim).put(&times, style(state, Role::Title));
}

const fn level(level: Level) -> (&'static str, &'static str, Role) {
    match level {
        Level::Debug => ("debug", "D", Role::Dim),
        Level::Info => ("info", "I", Role::Dim),
        Level::Warn => ("warn", "W", Role::Warn),
        Level::Error => ("error", "E", Role::Err),
    }
}
