//! The last line: hints from the keymap, or what there is to say; and the bars of the filters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{style, typed, whole};
use crate::keymap::{self, Context};
use crate::message::Action;
use crate::state::panes::{Focus, Mode};
use crate::state::popup::{LimitEdit, Popup, RenameLine, TrackerLine};
use crate::state::{AppState, Leaving};
use crate::theme::Role;
use crate::widget::field::Field;
use crate::widget::paint::{Pen, clear, width};

/// Draws the line.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let right = right(state, area.width);
    if let Some((text, role)) = saying(state) {
        Pen::new(buffer, area, 0).put(&text, style(state, role));
        return;
    }
    let room = usize::from(area.width).saturating_sub(width(&right) + 1);
    let mut pen = Pen::new(buffer, area, 0);
    hints(state, state.context(), &mut pen, room);
    pen.at_end(&right, style(state, Role::Dim));
}

/// Writes as many hints of a place as fit into `room`.
pub fn hints(state: &AppState, context: Context, pen: &mut Pen<'_>, room: usize) {
    let mut hints = keymap::hints(context);
    hints.retain(|(binding, _)| is_of_use(state, context, binding));
    if deletes(state) {
        hints.iter_mut().filter(|(binding, _)| binding.action == Action::Yes).for_each(|(_, hint)| {
            hint.word = "delete";
        });
    }
    if context == Context::Limits {
        hints.iter_mut().filter(|(binding, _)| binding.action == Action::Limits).for_each(|(_, hint)| {
            *hint = keymap::Hint { word: "edit", place: 0, drop: 1 };
        });
        hints.sort_by_key(|(_, hint)| hint.place);
    }
    let columns = |hints: &[(&keymap::Binding, keymap::Hint)]| -> usize {
        hints.iter().map(|(binding, hint)| width(binding.key()) + 1 + width(hint.word) + 2).sum::<usize>()
    };
    while columns(&hints) > room + 2 {
        let Some(worst) = hints.iter().map(|(_, hint)| hint.drop).max() else { break };
        hints.retain(|(_, hint)| hint.drop != worst);
    }
    for (at, (binding, hint)) in hints.iter().enumerate() {
        pen.skip(if at > 0 { 2 } else { 0 });
        pen.put(binding.key(), style(state, Role::Key)).skip(1).put(hint.word, style(state, Role::Dim));
    }
}

/// Hints that lead nowhere from here are left out.
fn is_of_use(state: &AppState, context: Context, binding: &keymap::Binding) -> bool {
    match binding.action {
        Action::TabPrev => context != Context::List && state.panes.mode != Mode::Log,
        Action::BackLayer => context != Context::List,
        Action::Back => context == Context::List,
        Action::Add | Action::TrackerAdd => true,
        _ if binding.context == Context::Trackers => !state.detail.is_empty(),
        _ => {
            state.table.total() > 0
                || !matches!(binding.context, Context::List | Context::Listing | Context::Torrent)
        }
    }
}

/// Whether the open dialog would delete data.
fn deletes(state: &AppState) -> bool {
    matches!(state.popups.last(), Some(Popup::Remove(dialog)) if dialog.delete_data)
}

/// What takes the place of the hints.
fn saying(state: &AppState) -> Option<(String, Role)> {
    if state.leaving == Leaving::Stopping {
        let told = match state.global.goodbyes {
            0 => "trackers and peers are told…".to_owned(),
            left => format!("{} to go…", crate::format::plural(left.into(), "tracker")),
        };
        return Some((format!("stopping: {told}  ^C leaves at once"), Role::Warn));
    }
    if let Some(notice) = &state.notice {
        return Some((notice.text.clone(), if notice.bad { Role::Err } else { Role::Text }));
    }
    let removal = state.undo.removals.last()?;
    let what = crate::format::plural(removal.torrents.len() as u64, "torrent");
    let files = if removal.delete_data { "files go too" } else { "files kept" };
    Some((format!("Removed {what}, {files}.  u undo ({} s)", removal.left), Role::Text))
}

/// Where the cursor is, and the marks.
fn right(state: &AppState, columns: u16) -> String {
    if state.panes.focus != Focus::List || matches!(state.panes.mode, Mode::Full | Mode::Log) {
        return String::new();
    }
    let mut text = format!("{}/{}", state.table.position().map_or(0, |at| at + 1), state.table.len());
    if !state.table.filter().is_empty() {
        text += &format!(" of {}", state.table.total());
    }
    let marked = state.table.marked();
    if state.table.in_range() {
        text += "  range";
    } else if marked > 0 {
        text += &if columns >= 100 { format!("  {marked} marked") } else { format!(" {marked}*") };
    }
    text
}

/// The bar in which the table's filter is typed.
pub fn filter(state: &AppState, field: &Field, buffer: &mut Buffer) {
    let area = whole(buffer);
    let count = format!("{} of {} match", state.table.len(), state.table.total());
    if area.height >= 20 {
        let line = Rect { y: area.height - 2, height: 1, ..area };
        clear(buffer, line);
        Pen::new(buffer, line, 0).put(&count, style(state, Role::Dim));
        bar(state, field, "Enter keep  Esc clear", buffer);
    } else {
        bar(state, field, &count, buffer);
    }
}

/// The bar in which the log's filter is typed, with what is wrong with it above.
pub fn log_filter(state: &AppState, field: &Field, error: Option<&str>, buffer: &mut Buffer) {
    let area = whole(buffer);
    if area.height >= 3 {
        let line = Rect { y: area.height - 2, height: 1, ..area };
        clear(buffer, line);
        let mut pen = Pen::new(buffer, line, 0);
        match error {
            Some(error) => pen.put(error, style(state, Role::Err)),
            None => pen.put("kinds and words: piece.* peer.banned debian !fedora", style(state, Role::Dim)),
        };
    }
    bar(state, field, "Enter keep  Esc clear", buffer);
}

/// The bar in which a limit is typed, with what may be typed above.
pub fn limit(state: &AppState, edit: &LimitEdit, buffer: &mut Buffer) {
    let area = whole(buffer);
    if area.height >= 3 {
        let line = Rect { y: area.height - 2, height: 1, ..area };
        clear(buffer, line);
        let (text, role) = edit.error.map_or((edit.limit.hint(), Role::Dim), |error| (error, Role::Err));
        Pen::new(buffer, line, 0).put(text, style(state, role));
    }
    prompt(state, &format!("{}: ", edit.limit.title()), &edit.field, "Enter set  Esc cancel", buffer);
}

/// The bar in which the URL of a tracker is typed, with what is wrong with it, or what it means, above.
pub fn tracker(state: &AppState, line: &TrackerLine, buffer: &mut Buffer) {
    let area = whole(buffer);
    if area.height >= 3 {
        let above = Rect { y: area.height - 2, height: 1, ..area };
        clear(buffer, above);
        let mut pen = Pen::new(buffer, above, 0);
        match &line.error {
            Some(error) => pen.put(error, style(state, Role::Err)),
            None if line.tracker.is_some() => {
                pen.put("tracker's URL; … stands for what is hidden, and stays", style(state, Role::Dim))
            }
            None => pen.put("another tracker's URL: http://, https:// or udp://", style(state, Role::Dim)),
        };
    }
    prompt(state, ">", &line.field, "Enter take  Esc cancel", buffer);
}

/// The bar in which another name for a file or folder is typed.
pub fn rename(state: &AppState, line: &RenameLine, buffer: &mut Buffer) {
    prompt(state, "Name: ", &line.field, "Enter rename  Esc cancel", buffer);
}

fn bar(state: &AppState, field: &Field, right: &str, buffer: &mut Buffer) {
    prompt(state, "/", field, right, buffer);
}

fn prompt(state: &AppState, before: &str, field: &Field, right: &str, buffer: &mut Buffer) {
    let area = whole(buffer);
    if area.height == 0 {
        return;
    }
    let line = Rect { y: area.height - 1, height: 1, ..area };
    clear(buffer, line);
    let mut pen = Pen::new(buffer, line, 0);
    let right = if usize::from(area.width) > width(right) + 20 { right } else { "" };
    let room = pen.room().saturating_sub(width(before) + width(right));
    pen.put(before, style(state, Role::Key));
    pen.left(&typed(field, room, state.look.ascii), room, style(state, Role::Text));
    pen.put(right, style(state, Role::Dim));
}
