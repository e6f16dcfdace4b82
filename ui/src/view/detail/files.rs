//! Tab 2: the files as a tree of folders.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{cursor_sign, mark_cursor, nothing};
use crate::format;
use crate::state::AppState;
use crate::theme::Role;
use crate::view::style;
use crate::widget::paint::Pen;

/// Rows of the list: all but the heading, and the sum where there is room.
pub const fn rows(area: Rect) -> u16 {
    area.height.saturating_sub(if area.height >= 10 { 3 } else { 1 })
}

/// Draws heading, tree and sum.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let Some(tree) = &state.detail.files else { return nothing(state, buffer, area, "…") };
    let name = usize::from(area.width).saturating_sub(1 + 6 + 7 + 1);
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1).left("Name", name, dim).right("Size", 6, dim).right("Done", 7, dim);
    let top = state.detail.scroll().top;
    let seen = usize::from(rows(area));
    for (at, (line, node)) in tree.visible().enumerate().skip(top).take(seen) {
        let y = 1 + (at - top) as u16;
        let mut text = " ".repeat(node.depth.min(20) * 2);
        match node.files {
            Some(files) if tree.is_shut(line) => {
                text += &format!("▸ {}/  ({})", node.name, format::plural(files as u64, "file"));
            }
            Some(_) => text += &format!("▾ {}/", node.name),
            None => text += &format!("  {}", node.name),
        }
        let mut pen = Pen::new(buffer, area, y);
        pen.put(cursor_sign(state, at), style(state, Role::Text));
        pen.left(&text, name, style(state, Role::Text));
        pen.right(&format::size(node.size), 6, dim);
        pen.right(&format::percent(node.have, node.size), 7, style(state, Role::Text));
        mark_cursor(state, buffer, area, y, at);
    }
    if area.height >= 10 {
        let (files, have, size) = tree.totals();
        let text = format!(
            "{} · {} of {}",
            format::plural(files as u64, "file"),
            format::size(have),
            format::size(size)
        );
        Pen::new(buffer, area, area.height - 1).skip(1).put(&text, dim);
    }
}
