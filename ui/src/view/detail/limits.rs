//! The tab of limits: what a person decided for this torrent and for all together.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{cursor_sign, mark_cursor, nothing};
use crate::state::AppState;
use crate::state::limits::Limit;
use crate::theme::Role;
use crate::view::style;
use crate::widget::paint::Pen;

/// Cells of the titles and of the values.
const TITLE: usize = 27;
const VALUE: usize = 12;

/// Rows of the list: all.
pub const fn rows(area: Rect) -> u16 {
    area.height
}

/// Draws the rows.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let Some(limits) = &state.detail.limits else { return nothing(state, buffer, area, "…") };
    let dim = style(state, Role::Dim);
    let top = state.detail.scroll().top;
    for (at, limit) in Limit::ALL.iter().enumerate().skip(top).take(rows(area).into()) {
        let y = (at - top) as u16;
        let row = state.table.current();
        let value = limit.value(limits, row);
        let chosen =
            if ["none", "off", "never", "as all"].contains(&value.as_str()) { Role::Dim } else { Role::Text };
        let mut pen = Pen::new(buffer, area, y);
        pen.put(cursor_sign(state, at), style(state, Role::Text)).skip(1);
        pen.left(limit.title(), TITLE, style(state, Role::Text)).left(&value, VALUE, style(state, chosen));
        pen.put(&limit.remark(limits, row), dim);
        mark_cursor(state, buffer, area, y, at);
    }
}
