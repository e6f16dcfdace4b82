//! A menu of keys, printed from the keymap: sort, quick filter, pause all, queue, copy.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{dialog, style, whole};
use crate::keymap::{self, Context};
use crate::message::Action;
use crate::state::AppState;
use crate::theme::Role;
use crate::widget::paint::Pen;

/// Columns of the box.
const WIDTH: u16 = 34;

/// Draws the menu at the lower right, over as little of the table as it can.
pub fn draw(state: &AppState, context: Context, buffer: &mut Buffer) {
    let screen = whole(buffer);
    let entries: Vec<_> = keymap::of(context).filter(|binding| binding.action != Action::Cancel).collect();
    let note = (context == Context::Sort).then_some("same key again reverses");
    let height = entries.len() as u16 + 2 + if note.is_some() { 2 } else { 0 };
    let width = WIDTH.min(screen.width);
    let height = height.min(screen.height.saturating_sub(1));
    let area = Rect { x: screen.width - width, y: screen.height.saturating_sub(1 + height), width, height };
    let opener = keymap::KEYMAP.iter().find(|binding| binding.action == opener(context));
    let title = format!("{}  {}", opener.map_or("", keymap::Binding::key), context.title());
    let inner = dialog::frame(state, buffer, area, &title, "", false);
    for (at, binding) in entries.iter().enumerate() {
        let mut pen = Pen::new(buffer, inner, at as u16);
        pen.put(binding.key(), style(state, Role::Key)).skip(2);
        pen.left(binding.words, 22, style(state, Role::Text));
        pen.put(in_use(state, binding.action), style(state, Role::Down));
    }
    if let Some(note) = note {
        Pen::new(buffer, inner, entries.len() as u16 + 1).put(note, style(state, Role::Dim));
    }
}

const fn opener(context: Context) -> Action {
    match context {
        Context::Sort => Action::SortMenu,
        Context::Quick => Action::QuickMenu,
        Context::PauseAll => Action::PauseMenu,
        Context::Queue => Action::QueueMenu,
        _ => Action::CopyMenu,
    }
}

fn in_use(state: &AppState, action: Action) -> &'static str {
    let sort = state.table.sort();
    match action {
        Action::Sort(key) if key == sort.key && sort.reversed => "▾",
        Action::Sort(key) if key == sort.key => "▴",
        Action::Quick(status) if status == state.table.filter().status => "•",
        _ => "",
    }
}
