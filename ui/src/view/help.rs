//! The keys of this place and then all others, printed from the keymap.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{style, typed, whole};
use crate::keymap::{self, Context};
use crate::state::AppState;
use crate::state::popup::Help;
use crate::theme::Role;
use crate::widget::paint::{Pen, clear};

/// From this width on there are two columns of keys.
const TWO_COLUMNS: u16 = 72;

/// A line of the help: a heading, or keys and what they do.
enum Line {
    Heading(&'static str),
    Keys(String, &'static str),
    Blank,
}

/// The groups in the order of the help: those of the place first.
fn groups(help: &Help) -> Vec<Context> {
    let mut order = help.place.clone();
    order.extend(Context::ALL.iter().filter(|context| !help.place.contains(context)));
    order
}

fn lines(help: &Help) -> Vec<Line> {
    let wanted = help.search.text().to_lowercase();
    let mut lines = Vec::new();
    for context in groups(help) {
        let found: Vec<_> = keymap::of(context)
            .filter(|binding| {
                let text = format!("{} {}", binding.words, binding.id).to_lowercase();
                text.contains(&wanted) || binding.keys.split(' ').any(|key| key == help.search.text())
            })
            .collect();
        if found.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::Blank);
        }
        lines.push(Line::Heading(context.title()));
        lines.extend(found.into_iter().map(|binding| Line::Keys(binding.all_keys(), binding.words)));
    }
    lines
}

/// Columns of text side by side, and rows of each.
fn shape(screen: Rect) -> (usize, usize) {
    let columns = if screen.width >= TWO_COLUMNS { 2 } else { 1 };
    (columns, screen.height.saturating_sub(3).max(1).into())
}

/// The last line that can stand at the top, and the lines of a page.
pub fn extent(help: &Help, size: (u16, u16)) -> (usize, usize) {
    let (columns, rows) = shape(Rect::new(0, 0, size.0, size.1));
    let page = columns * rows;
    (lines(help).len().saturating_sub(page), page)
}

/// Draws the page.
pub fn draw(state: &AppState, help: &Help, buffer: &mut Buffer) {
    let screen = whole(buffer);
    clear(buffer, screen);
    let lines = lines(help);
    let (columns, rows) = shape(screen);
    let mut pen = Pen::new(buffer, screen, 0);
    pen.put("Keys", style(state, Role::Title));
    let first = help.place.first().map_or("", |context| context.title());
    pen.put(&format!(" · {}", first.to_lowercase()), style(state, Role::Dim));
    let pages = lines.len().div_ceil(columns * rows).max(1);
    let page = (help.top.div_ceil(columns * rows) + 1).min(pages);
    pen.at_end(&format!("/ search · Esc close · {page}/{pages}"), style(state, Role::Dim));
    Pen::new(buffer, screen, 1).fill("─", style(state, Role::Rule));
    let width = screen.width / columns as u16;
    for (at, line) in lines.iter().skip(help.top).take(columns * rows).enumerate() {
        let x = (at / rows) as u16 * width;
        let cell = Rect { x, y: 2 + (at % rows) as u16, width, height: 1 };
        let mut pen = Pen::new(buffer, cell.intersection(screen), 0);
        match line {
            Line::Heading(title) => {
                pen.skip(1).put(title, style(state, Role::Title));
            }
            Line::Keys(keys, words) => {
                pen.skip(1)
                    .left(keys, 14, style(state, Role::Key))
                    .skip(1)
                    .put(words, style(state, Role::Text));
            }
            Line::Blank => {}
        }
    }
    if screen.height < 3 {
        return;
    }
    let mut pen = Pen::new(buffer, screen, screen.height - 1);
    if help.searching || !help.search.text().is_empty() {
        pen.put("/", style(state, Role::Key));
        let room = pen.room();
        pen.put(&typed(&help.search, room, state.look.ascii), style(state, Role::Text));
    } else {
        let legend = "↓ down ↑ seed ? magnet · stalled = paused q queued c checking m moving ! error";
        pen.put(legend, style(state, Role::Dim));
    }
}
