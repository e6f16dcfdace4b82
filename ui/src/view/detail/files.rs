//! Tab 2: the files as a tree of folders.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{cursor_sign, mark_cursor, nothing};
use tc_core::settings::Priority;

use crate::format;
use crate::state::AppState;
use crate::state::files::FileTree;
use crate::theme::Role;
use crate::view::style;
use crate::widget::paint::Pen;

/// Cells of the column that says how much a file is wanted.
const PRIORITY: usize = 8;

/// Rows of the list: all but the heading, and the sum where there is room.
pub const fn rows(area: Rect) -> u16 {
    area.height.saturating_sub(if area.height >= 10 { 3 } else { 1 })
}

/// Draws heading, tree and sum.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let Some(tree) = &state.detail.files else { return nothing(state, buffer, area, "…") };
    let name = usize::from(area.width).saturating_sub(1 + 6 + 7 + 2 + PRIORITY + 1);
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1)
        .left("Name", name, dim)
        .right("Size", 6, dim)
        .right("Done", 7, dim)
        .skip(2)
        .left("Priority", PRIORITY, dim);
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
        let (text, role) = priority(node.priorities);
        pen.skip(2).left(text, PRIORITY, style(state, role));
        mark_cursor(state, buffer, area, y, at);
    }
    if area.height >= 10 {
        Pen::new(buffer, area, area.height - 1).skip(1).put(&sum(tree), dim);
    }
}

/// A sign and a word, so that it can be read without colour.
fn priority((least, most): (Priority, Priority)) -> (&'static str, Role) {
    match (least, most) {
        (Priority::Skip, Priority::Skip) => ("x skip", Role::Dim),
        (Priority::Low, Priority::Low) => ("- low", Role::Dim),
        (Priority::Normal, Priority::Normal) => ("  normal", Role::Dim),
        (Priority::High, Priority::High) => ("+ high", Role::Text),
        _ => ("~ mixed", Role::Text),
    }
}

/// The line below the list: what there is; where a person chose, what of it is wanted.
fn sum(tree: &FileTree) -> String {
    let count = |wanted: Priority| tree.files().filter(|node| node.priorities.0 == wanted).count();
    let all = tree.files().count();
    let size: u64 = tree.files().map(|node| node.size).sum();
    let (skipped, low, high) = (count(Priority::Skip), count(Priority::Low), count(Priority::High));
    let mut text = if skipped == 0 {
        let have = tree.files().map(|node| node.have).sum();
        format!("{} · {} of {}", format::plural(all as u64, "file"), format::size(have), format::size(size))
    } else {
        let wanted = tree.files().filter(|node| node.priorities.0.is_wanted()).map(|node| node.size).sum();
        let files = format::plural(all as u64, "file");
        format!("{} of {files} wanted · {} of {}", all - skipped, format::size(wanted), format::size(size))
    };
    for (files, word) in [(high, "high"), (low, "low"), (skipped, "skipped")] {
        if files > 0 {
            text += &format!(" · {files} {word}");
        }
    }
    text
}
