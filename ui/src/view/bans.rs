//! Who is banned, why and for how long; a list over the screen, for all torrents.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{dialog, style, whole};
use crate::format;
use crate::keymap::Context;
use crate::state::AppState;
use crate::state::scroll::Scroll;
use crate::theme::Role;
use crate::widget::paint::Pen;

/// Columns of the box: the longest reason beside an IPv6 address.
const WIDTH: u16 = 76;

/// Whether there is room for a box.
const fn boxed((columns, rows): (u16, u16)) -> bool {
    columns >= WIDTH && rows >= 18
}

/// Bans that are seen at once, of `len`, on a screen of this size.
pub fn rows(size: (u16, u16), len: usize) -> usize {
    let most = size.1.saturating_sub(if boxed(size) { 8 } else { 3 });
    if boxed(size) { len.clamp(3, usize::from(most)) } else { most.into() }
}

/// Draws the list.
pub fn draw(state: &AppState, scroll: Scroll, buffer: &mut Buffer) {
    let screen = whole(buffer);
    let bans = state.detail.bans.as_deref();
    let len = bans.map_or(0, <[_]>::len);
    let title = match len {
        0 => "Bans".to_owned(),
        many => format!("Bans · {many}"),
    };
    let seen = rows((screen.width, screen.height), len);
    let area = if boxed((screen.width, screen.height)) {
        let area = dialog::middle(screen, WIDTH, seen as u16 + 2);
        dialog::frame(state, buffer, area, &title, "d lift the ban · Esc close", false)
    } else {
        dialog::sheet(state, buffer, &title, false, Context::Bans)
    };
    let Some(bans) = bans else { return line(state, buffer, area, "…") };
    if bans.is_empty() {
        return line(state, buffer, area, "Nobody is banned.");
    }
    let target = usize::from(area.width / 3).clamp(16, 40);
    for (at, ban) in bans.iter().enumerate().skip(scroll.top).take(seen.min(area.height.into())) {
        let y = (at - scroll.top) as u16;
        let here = at == scroll.cursor;
        let mut pen = Pen::new(buffer, area, y);
        pen.put(if here { ">" } else { " " }, style(state, Role::Text));
        pen.left(&ban.target.to_string(), target.saturating_sub(2), style(state, Role::Text)).skip(1);
        let room = pen.room().saturating_sub(7);
        pen.left(&ban.reason.to_string(), room, style(state, Role::Dim));
        pen.right(&format::duration(ban.left), 7, style(state, Role::Text));
        if here {
            let row = Rect { y: area.y + y, height: 1, ..area }.intersection(buffer.area);
            buffer.set_style(row, style(state, Role::Sel));
        }
    }
}

fn line(state: &AppState, buffer: &mut Buffer, area: Rect, text: &str) {
    Pen::new(buffer, area, 0).put(text, style(state, Role::Dim));
}
