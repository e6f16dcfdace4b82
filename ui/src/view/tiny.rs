//! Screens below six rows: speeds, the torrent under the cursor, and what would be needed.

use ratatui::buffer::Buffer;

use super::{columns, header, style, whole};
use crate::format;
use crate::state::AppState;
use crate::theme::Role;
use crate::widget::paint::{Pen, width};

/// Draws what fits.
pub fn draw(state: &AppState, buffer: &mut Buffer) {
    let area = whole(buffer);
    let mut pen = Pen::new(buffer, area, 0);
    header::rates(state, &mut pen, 1);
    pen.skip(1);
    header::counts(state, &mut pen, area.width >= 40);
    if area.height < 3 {
        return;
    }
    if let Some(row) = state.table.current() {
        let (glyph, role) = columns::glyph(&row.stats);
        let done = format::percent(row.stats.have, row.stats.wanted);
        let mut pen = Pen::new(buffer, area, 1);
        pen.put(glyph, style(state, role)).skip(1);
        let name = pen.room().saturating_sub(width(&done) + 1);
        pen.left(&row.name, name, style(state, Role::Text)).skip(1).put(&done, style(state, Role::Text));
    }
    let (columns, rows) = state.panes.size;
    let hint = match &state.notice {
        Some(notice) => notice.text.clone(),
        None => format!("{columns}x{rows}: list needs {}x6", columns.max(40)),
    };
    Pen::new(buffer, area, area.height - 1).put(&hint, style(state, Role::Dim));
}
