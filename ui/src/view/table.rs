//! The table of torrents. Text is made for the rows that are seen and for no others.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{columns, style};
use crate::state::AppState;
use crate::state::panes::Focus;
use crate::state::table::Row;
use crate::theme::Role;
use crate::widget::paint::Pen;

/// What an empty list says, so that nobody is lost.
const HOW_TO_BEGIN: [&str; 4] = [
    "No torrents yet.",
    "",
    "a  add one: a .torrent file, a magnet link, a URL or an info-hash",
    "or paste it here; ? shows all keys",
];

/// Draws heading and rows.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let screen = state.panes.size.0;
    let (chosen, name) = columns::choose(screen, area.width);
    let mut pen = Pen::new(buffer, area, 0);
    let heading = style(state, Role::Dim);
    let title = title(state);
    pen.skip(3).left(&title, name, heading);
    for column in &chosen {
        pen.skip(1);
        let width = column.width(screen);
        if column.is_left() {
            pen.left(column.title(), width, heading);
        } else {
            pen.right(column.title(), width, heading);
        }
    }
    if state.table.is_empty() {
        return empty(state, buffer, area);
    }
    let cursor = state.table.cursor();
    for (at, row) in state.table.visible().enumerate().take(area.height.saturating_sub(1).into()) {
        let is_cursor = cursor == Some(row.stats.info_hash);
        let line = Rect { y: area.y + 1 + at as u16, height: 1, ..area };
        draw_row(state, buffer, line, row, &chosen, name, is_cursor);
        if is_cursor {
            let role = if state.panes.focus == Focus::List { Role::Sel } else { Role::Title };
            let line = line.intersection(buffer.area);
            buffer.set_style(line, style(state, role));
        }
    }
}

fn draw_row(
    state: &AppState,
    buffer: &mut Buffer,
    line: Rect,
    row: &Row,
    chosen: &[columns::Column],
    name: usize,
    is_cursor: bool,
) {
    #[cfg(test)]
    crate::testing::worked(|work| work.rows += 1);
    let screen = state.panes.size.0;
    let stats = &*row.stats;
    let (glyph, role) = columns::glyph(stats);
    let text = match stats.state {
        tc_core::stats::SessionState::Paused => Role::Dim,
        _ => Role::Text,
    };
    let mut pen = Pen::new(buffer, line, 0);
    pen.put(if is_cursor { ">" } else { " " }, style(state, Role::Text));
    pen.put(glyph, style(state, role));
    pen.put(if state.table.is_marked(&stats.info_hash) { "*" } else { " " }, style(state, Role::Mark));
    pen.left(&row.name, name, style(state, text));
    for column in chosen {
        pen.skip(1);
        let (text, width, style) =
            (column.text(state, row), column.width(screen), style(state, column.role(stats)));
        if column.is_left() {
            pen.left(&text, width, style);
        } else {
            pen.right(&text, width, style);
        }
    }
}

/// `Name`, and what the filter says.
fn title(state: &AppState) -> String {
    let filter = state.table.filter();
    if filter.is_empty() { "Name".to_owned() } else { format!("Name  {}", filter.describe()) }
}

fn empty(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let lines: Vec<String> = if state.table.total() == 0 {
        HOW_TO_BEGIN.iter().map(ToString::to_string).collect()
    } else {
        vec![format!(
            "None of {} match {}. Esc shows all.",
            state.table.total(),
            state.table.filter().describe()
        )]
    };
    for (at, line) in lines.iter().enumerate() {
        Pen::new(buffer, area, 2 + at as u16).skip(3).put(line, style(state, Role::Dim));
    }
}
