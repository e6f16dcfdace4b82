//! The ASCII set: for `--ascii`, and for terminals that are not UTF-8. One pass over the drawn
//! screen, so that every pane is written once. What has no twin becomes `?`, one for each column.

use ratatui::buffer::Buffer;

use crate::widget::paint;

/// Replaces every sign of the buffer by its ASCII twin.
pub fn replace(buffer: &mut Buffer) {
    let area = buffer.area;
    for y in area.top()..area.bottom() {
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            let columns = paint::width(symbol).max(1) as u16;
            if !symbol.is_ascii() {
                let twin = twin(symbol);
                for x in x..(x + columns).min(area.right()) {
                    buffer[(x, y)].set_symbol(twin);
                }
            }
            x += columns;
        }
    }
}

fn twin(symbol: &str) -> &'static str {
    match symbol {
        "↓" => "v",
        "↑" => "^",
        "←" | "‹" => "<",
        "→" | "▸" => ">",
        "▾" => "v",
        "▴" => "^",
        "·" => ".",
        "…" => "~",
        "∞" | "─" | "–" => "-",
        "│" => "|",
        "┌" | "┐" | "└" | "┘" | "├" | "┤" | "┬" | "┴" => "+",
        "█" | "▇" => "#",
        "▓" | "▉" | "▊" | "▋" | "▆" | "▅" => "=",
        "▒" | "▌" | "▍" | "▎" | "▏" | "▄" => "-",
        "░" | "▂" | "▃" => ".",
        "▁" => "_",
        "✓" => "+",
        "×" => "x",
        "•" => "*",
        "≥" => ">",
        _ => "?",
    }
}
