//! Boxes over the screen, and the two dialogs that can end something: quit and remove.
//!
//! Where a box has no room there is none: the dialog takes the whole screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{footer, style, whole};
use tc_core::types::InfoHash;

use crate::format;
use crate::keymap::Context;
use crate::state::AppState;
use crate::state::filter::StatusFilter;
use crate::state::popup::{Button, PeerDialog, RemoveDialog};
use crate::theme::Role;
use crate::widget::paint::{Pen, clear, cut, width};

/// Names that a dialog lists.
const NAMES: usize = 5;

/// A box with a title and a line in its lower edge; gives the room inside.
pub fn frame(
    state: &AppState,
    buffer: &mut Buffer,
    area: Rect,
    title: &str,
    foot: &str,
    danger: bool,
) -> Rect {
    clear(buffer, area);
    let edge = style(state, if danger { Role::Err } else { Role::Rule });
    let head = style(state, if danger { Role::Err } else { Role::Title });
    let inner_width = usize::from(area.width).saturating_sub(2);
    let last = area.height.saturating_sub(1);
    let mut pen = Pen::new(buffer, area, 0);
    pen.put("┌─", edge).skip(1);
    pen.put(&cut(title, inner_width.saturating_sub(3)), head).skip(1);
    while pen.room() > 1 {
        pen.put_in("─", 1, edge);
    }
    pen.put("┐", edge);
    for y in 1..last {
        Pen::new(buffer, area, y).put("│", edge).skip(inner_width).put("│", edge);
    }
    let mut pen = Pen::new(buffer, area, last);
    pen.put("└─", edge);
    if !foot.is_empty() {
        pen.skip(1).put_in(foot, inner_width.saturating_sub(3), style(state, Role::Dim)).skip(1);
    }
    while pen.room() > 1 {
        pen.put_in("─", 1, edge);
    }
    pen.put("┘", edge);
    Rect {
        x: area.x + 2.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(2),
    }
}

/// A rectangle in the middle of the screen, a little above it as people look there first.
pub fn middle(screen: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 2, width, height }
}

/// A dialog over the whole screen: title, rule, and hints below; gives the room between.
pub fn sheet(state: &AppState, buffer: &mut Buffer, title: &str, danger: bool, context: Context) -> Rect {
    let screen = whole(buffer);
    clear(buffer, screen);
    let head = style(state, if danger { Role::Err } else { Role::Title });
    Pen::new(buffer, screen, 0).put(title, head);
    if screen.height < 4 {
        return Rect { y: 1.min(screen.height), height: screen.height.saturating_sub(1), ..screen };
    }
    Pen::new(buffer, screen, 1).fill("─", style(state, Role::Rule));
    let mut pen = Pen::new(buffer, screen, screen.height - 1);
    let room = pen.room();
    footer::hints(state, context, &mut pen, room);
    Rect { x: 1.min(screen.width), y: 2, width: screen.width.saturating_sub(2), height: screen.height - 3 }
}

/// Leave?
pub fn quit(state: &AppState, buffer: &mut Buffer) {
    let counts = state.table.counts();
    let parts: Vec<String> = [
        (StatusFilter::Downloading, "downloading"),
        (StatusFilter::Seeding, "seeding"),
        (StatusFilter::Checking, "checking"),
    ]
    .into_iter()
    .filter(|(status, _)| counts.of(*status) > 0)
    .map(|(status, word)| format!("{} {word}", counts.of(status)))
    .collect();
    let doing =
        if parts.is_empty() { "Nothing is running.".to_owned() } else { format!("{}.", parts.join(", ")) };
    let keys = [("q", "stop everything, save, quit"), ("Esc", "stay")];
    ask(state, buffer, "Quit?", Context::Quit, &doing, keys);
}

/// Stop the program?
pub fn suspend(state: &AppState, buffer: &mut Buffer) {
    let words = "All transfers stop; peers leave in 2 min.";
    let keys = [("z", "suspend; fg in the shell goes on"), ("Esc", "stay")];
    ask(state, buffer, "Suspend?", Context::Suspend, words, keys);
}

/// Check data?
pub fn recheck(state: &AppState, torrents: &[InfoHash], buffer: &mut Buffer) {
    let title = match torrents {
        [one] => state.table.row(one).map_or_else(String::new, |row| format!("Check {}?", row.name)),
        many => format!("Check the data of {}?", format::plural(many.len() as u64, "torrent")),
    };
    let words = "Transfers stop meanwhile and then go on.";
    let keys = [("y", "check all that is on disk"), ("Esc", "cancel")];
    ask(state, buffer, &title, Context::Recheck, words, keys);
}

/// Disconnect a peer, or ban it?
pub fn peer(state: &AppState, dialog: &PeerDialog, buffer: &mut Buffer) {
    let (verb, context, words, does) = if dialog.ban {
        ("Ban", Context::Ban, "No torrent talks to it for 24 h. B lifts it.", "ban it")
    } else {
        ("Disconnect", Context::Disconnect, "It may come back; b bans.", "disconnect it")
    };
    let title = format!("{verb} {}?", dialog.address);
    let words = format!("{}  {words}", dialog.client);
    let words = if width(&words) > 48 { words[dialog.client.len() + 2..].to_owned() } else { words };
    ask(state, buffer, &title, context, &words, [("y", does), ("Esc", "cancel")]);
}

/// A question with two answers.
fn ask(
    state: &AppState,
    buffer: &mut Buffer,
    title: &str,
    context: Context,
    words: &str,
    keys: [(&str, &str); 2],
) {
    let screen = whole(buffer);
    let inner = if screen.width < 54 || screen.height < 9 {
        sheet(state, buffer, title, false, context)
    } else {
        frame(state, buffer, middle(screen, 52, 7), title, "", false)
    };
    Pen::new(buffer, inner, 0).put(words, style(state, Role::Text));
    for (at, (key, words)) in keys.iter().enumerate() {
        let mut pen = Pen::new(buffer, inner, 2 + at as u16);
        pen.skip(1).left(key, 5, style(state, Role::Key)).put(words, style(state, Role::Text));
    }
}

/// Remove torrents?
pub fn remove(state: &AppState, dialog: &RemoveDialog, buffer: &mut Buffer) {
    let screen = whole(buffer);
    let danger = dialog.delete_data;
    let what = format::plural(dialog.torrents.len() as u64, "torrent");
    let title = format!("Remove {what}{}", if danger { " AND DELETE DATA" } else { "" });
    let names = dialog.torrents.len().min(NAMES) as u16;
    let more = u16::from(dialog.torrents.len() > NAMES);
    let boxed = screen.width >= 72 && screen.height >= 18;
    let inner = if boxed {
        frame(state, buffer, middle(screen, 58, names + more + 9), &title, "", danger)
    } else {
        sheet(state, buffer, &title, danger, Context::Remove)
    };
    let mut y = 0;
    for info_hash in dialog.torrents.iter().take(NAMES) {
        let Some(row) = state.table.row(info_hash) else { continue };
        let mut pen = Pen::new(buffer, inner, y);
        let name = pen.room().saturating_sub(7);
        pen.left(&row.name, name, style(state, Role::Text));
        pen.right(&format::size(row.stats.have), 7, style(state, Role::Dim));
        y += 1;
    }
    if more > 0 {
        let text = format!("and {} more", dialog.torrents.len() - NAMES);
        Pen::new(buffer, inner, y).put(&text, style(state, Role::Dim));
        y += 1;
    }
    let size = format::size(dialog.size_on_disk(&state.table));
    let tick = if danger { "[x]" } else { "[ ]" };
    let mut pen = Pen::new(buffer, inner, y + 1);
    pen.put(tick, style(state, if danger { Role::Err } else { Role::Key }));
    pen.put(&format!(" also delete the data on disk ({size})"), style(state, Role::Text));
    let note = if danger {
        "Deleted after 15 s; until then u undoes."
    } else {
        "Files stay where they are. Undo with u for 15 s."
    };
    Pen::new(buffer, inner, y + 3).put(note, style(state, Role::Dim));
    if boxed {
        buttons(state, dialog, buffer, inner, y + 5, &size);
    }
}

fn buttons(state: &AppState, dialog: &RemoveDialog, buffer: &mut Buffer, inner: Rect, y: u16, size: &str) {
    let danger = dialog.delete_data;
    let does = if danger { format!("Delete {size}") } else { "Remove from list".to_owned() };
    let button = |focused: bool, role: Role| if focused { Role::Sel } else { role };
    let yes = button(dialog.button == Button::Yes, if danger { Role::Err } else { Role::Text });
    let no = button(dialog.button == Button::Cancel, Role::Text);
    let gap = 25usize.saturating_sub(4 + width(&does));
    let mut pen = Pen::new(buffer, inner, y);
    pen.skip(1).put("y", style(state, Role::Key)).skip(2).put(&does, style(state, yes)).skip(gap);
    let space = if danger { "keep" } else { "data" };
    pen.put("Space", style(state, Role::Key)).skip(2).left(space, 8, style(state, Role::Text));
    pen.put("Esc", style(state, Role::Key)).skip(2).put("Cancel", style(state, no));
}
