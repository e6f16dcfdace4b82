//! Text into cells: cut on graphemes, counted in columns, never past an edge.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns of a text.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `columns` columns; what is cut ends in `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        kept.push_str(grapheme);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The end of a text in at most `columns` columns, for fields that are typed into.
pub fn cut_start(text: &str, columns: usize) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut used = 0;
    for grapheme in text.graphemes(true).rev() {
        let wide = grapheme.width();
        if used + wide > columns {
            break;
        }
        used += wide;
        kept.push(grapheme);
    }
    kept.into_iter().rev().collect()
}

/// The text in lines of at most `columns` columns, broken at blanks where there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_word_bounds() {
        let wide = word.width();
        if used > 0 && used + wide > columns {
            lines.push(String::new());
            used = 0;
            if word.trim().is_empty() {
                continue;
            }
        }
        for grapheme in word.graphemes(true) {
            let wide = grapheme.width();
            if used + wide > columns {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(grapheme);
            }
            used += wide;
        }
    }
    lines
}

/// A pen that writes one row from left to right and stops at its end.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Pen<'a> {
    /// A pen at the left end of the row `at` of `area`; outside the area it writes nothing.
    pub fn new(buffer: &'a mut Buffer, area: Rect, at: u16) -> Self {
        let area = area.intersection(buffer.area);
        let y = area.y.saturating_add(at);
        let end = if at < area.height { area.right() } else { area.x };
        Self { buffer, x: area.x, y, end }
    }

    /// Columns left.
    pub fn room(&self) -> usize {
        self.end.saturating_sub(self.x).into()
    }

    /// Writes a text, cut to the room that is left.
    pub fn put(&mut self, text: &str, style: Style) -> &mut Self {
        self.put_in(text, self.room(), style)
    }

    /// Writes a text, cut to `columns`.
    pub fn put_in(&mut self, text: &str, columns: usize, style: Style) -> &mut Self {
        let columns = columns.min(self.room());
        if columns > 0 {
            let text = cut(text, columns);
            let (x, _) = self.buffer.set_stringn(self.x, self.y, text, columns, style);
            self.x = x;
        }
        self
    }

    /// Writes a text at the left of a cell of `columns`.
    pub fn left(&mut self, text: &str, columns: usize, style: Style) -> &mut Self {
        let end = self.x.saturating_add(columns as u16).min(self.end);
        self.put_in(text, columns, style);
        self.x = end.max(self.x);
        self
    }

    /// Writes a text at the right of a cell of `columns`.
    pub fn right(&mut self, text: &str, columns: usize, style: Style) -> &mut Self {
        let end = self.x.saturating_add(columns as u16).min(self.end);
        self.skip(columns.saturating_sub(width(text)));
        self.put_in(text, columns, style);
        self.x = end.max(self.x);
        self
    }

    /// Writes a text so that it ends at the end of the row, if there is room.
    pub fn at_end(&mut self, text: &str, style: Style) -> &mut Self {
        let wide = width(text);
        if wide <= self.room() {
            self.skip(self.room() - wide);
            self.put(text, style);
        }
        self
    }

    /// Leaves cells as they are.
    pub fn skip(&mut self, columns: usize) -> &mut Self {
        self.x = self.x.saturating_add(columns as u16).min(self.end);
        self
    }

    /// Fills the rest of the row.
    pub fn fill(&mut self, symbol: &str, style: Style) -> &mut Self {
        while self.x < self.end {
            self.buffer[(self.x, self.y)].set_symbol(symbol).set_style(style);
            self.x += 1;
        }
        self
    }
}

/// Empties an area; halves of wide characters that are left at its edges become blanks.
pub fn clear(buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    for y in area.top()..area.bottom() {
        if area.x > buffer.area.x && width(buffer[(area.x - 1, y)].symbol()) > 1 {
            buffer[(area.x - 1, y)].set_symbol(" ");
        }
        for x in area.left()..area.right() {
            buffer[(x, y)].reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_on_graphemes_and_columns() {
        assert_eq!(cut("日本語の", 8), "日本語の");
        assert_eq!(cut("日本語の", 7), "日本語…");
        assert_eq!(cut("日本語の", 6), "日本…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut_start("日本語", 5), "本語");
    }

    #[test]
    fn lines_break_at_blanks_or_where_they_must() {
        assert_eq!(wrap("the disk is full", 9), ["the disk ", "is full"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
        assert!(wrap(&"x y".repeat(500), 7).iter().all(|line| width(line) <= 7));
    }

    #[test]
    fn a_box_over_wide_characters_leaves_no_halves() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "日本語の", Style::default());
        clear(&mut buffer, Rect::new(3, 0, 2, 1));
        let symbols: Vec<_> = buffer.content().iter().map(|cell| cell.symbol().to_owned()).collect();
        assert_eq!(symbols, ["日", " ", " ", " ", " ", " ", "の", " "]);
    }
}
