//! The first line: what flows, what the torrents do, and the room that is left.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::detail::reach;
use super::style;
use crate::format;
use crate::state::AppState;
use crate::state::filter::StatusFilter;
use crate::state::history::Samples;
use crate::theme::Role;
use crate::widget::graph;
use crate::widget::paint::{Pen, width};

/// Screens this wide have a small graph of what comes in.
pub const GRAPH_FROM: u16 = 160;
/// Screens this wide say what the rates may be.
const LIMITS_FROM: u16 = 100;

/// Columns of the graph.
const GRAPH: usize = 40;

/// Draws the line.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let wide = area.width >= 72;
    let gap = if wide { 3 } else { 2 };
    let mut pen = Pen::new(buffer, area, 0);
    pen.put("tc  ", style(state, Role::Title));
    if area.width >= LIMITS_FROM {
        limited(state, &mut pen);
    } else {
        rates(state, &mut pen, gap);
    }
    if state.global.alternative {
        pen.put("T ", style(state, Role::Warn));
    }
    if area.width >= GRAPH_FROM {
        pen.put(&graph(state.history.all()), style(state, Role::Down)).skip(2);
    }
    counts(state, &mut pen, wide);
    let (text, role) = right(state, area.width, pen.room());
    pen.at_end(&text, style(state, role));
}

/// The small graph.
pub fn graph(samples: &Samples) -> String {
    graph::columns(samples.iter(), GRAPH, 1).concat()
}

/// Both rates, in cells that do not shift.
pub fn rates(state: &AppState, pen: &mut Pen<'_>, gap: usize) {
    let global = &state.global;
    for (glyph, rate, role) in [("↓", global.rate_down, Role::Down), ("↑", global.rate_up, Role::Up)] {
        let text = if format::is_rate(rate) { format::size(rate) } else { "0".to_owned() };
        pen.put(glyph, style(state, role)).skip(1);
        pen.left(&text, 5, style(state, role)).skip(gap);
    }
}

/// Both rates, and what they may be.
fn limited(state: &AppState, pen: &mut Pen<'_>) {
    let global = &state.global;
    let (down, up) = (global.limits.down, global.limits.up);
    for (glyph, rate, limit, role) in
        [("↓", global.rate_down, down, Role::Down), ("↑", global.rate_up, up, Role::Up)]
    {
        let text = if format::is_rate(rate) { format::size(rate) } else { "0".to_owned() };
        pen.put(glyph, style(state, role)).skip(1);
        match limit {
            Some(limit) => {
                let of = format!(" of {}", format::size(limit));
                pen.put(&text, style(state, role));
                pen.left(&of, 5 - width(&text).min(5) + 9, style(state, Role::Dim)).skip(2);
            }
            None => _ = pen.left(&text, 5, style(state, role)).skip(3),
        }
    }
}

/// How many torrents do what.
pub fn counts(state: &AppState, pen: &mut Pen<'_>, all: bool) {
    let counts = state.table.counts();
    let parts = [
        (StatusFilter::Downloading, "↓", Role::Text, true),
        (StatusFilter::Seeding, "↑", Role::Text, true),
        (StatusFilter::Paused, "=", Role::Dim, all),
        (StatusFilter::Queued, "q", Role::Dim, all),
        (StatusFilter::Checking, "c", Role::Dim, all),
        (StatusFilter::Error, "!", Role::Err, true),
    ];
    for (status, glyph, role, wanted) in parts {
        let count = counts.of(status);
        if wanted && count > 0 {
            pen.put(&format!("{count}{glyph}"), style(state, role)).skip(1);
        }
    }
}

/// What is at the right end: as much as there is room for, the most important last.
fn right(state: &AppState, columns: u16, room: usize) -> (String, Role) {
    let global = &state.global;
    if let Some(error) = &global.listen_error {
        let long = format!(" cannot listen: {error}");
        let text = if width(&long) <= room { long } else { " cannot listen".to_owned() };
        return (text, Role::Warn);
    }
    let mut parts = Vec::new();
    if columns >= 72 && global.dht.on {
        parts.push(format!("dht {}", global.dht.good[0].saturating_add(global.dht.good[1])));
    }
    if columns >= 120 {
        let (up, down) = state.table.all().fold((0u64, 0u64), |(up, down), row| {
            (up.saturating_add(row.stats.uploaded), down.saturating_add(row.stats.downloaded))
        });
        if down > 0 {
            parts.push(format!("ratio {}", format::ratio(up as f64 / down as f64)));
        }
    }
    if columns >= 72 {
        parts.extend(reach::mark(global));
        parts.push(format!("peers {}", global.peers));
    }
    parts.extend(global.free_space.map(|free| format!("free {}", format::size(free))));
    while !parts.is_empty() && width(&parts.join("  ")) + 1 > room {
        parts.remove(0);
    }
    (parts.join("  "), Role::Dim)
}
