//! A backend for ratatui that writes few bytes: none where nothing changed, and one `write` a frame.
//!
//! It knows where the cursor stands, whether it is shown and what the pen is, and keeps knowing from
//! frame to frame, so that it says only what is new. (ratatui's own writes 25 bytes for a frame
//! without a change, and hides the hidden cursor again.)

use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use unicode_width::UnicodeWidthStr as _;

use super::pen::Pen;

/// `CSI K` has three bytes: shorter blanks are printed.
const ERASE_FROM: usize = 4;

/// Blanks within a row from which erasing them and moving on is shorter: `CSI n X` and `CSI n C`,
/// with two digits each.
const GAP_FROM: usize = 12;

/// As much of a cell as matters for its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    /// As erased.
    Blank,
    /// Something, or the right half of a wide character.
    Printed,
    /// The left half of a wide character.
    Wide,
}

/// The backend. `sink` gets whole frames.
#[derive(Debug)]
pub(super) struct Lean<W> {
    sink: W,
    frame: Vec<u8>,
    size: Size,
    /// What the terminal writes with; `None`: not known.
    pen: Option<Pen>,
    /// Where the next character goes; `x == width` after the last column, where terminals differ until
    /// the cursor moves. `None`: not known.
    at: Option<Position>,
    shown: bool,
    /// What stands in each cell, row by row.
    shadow: Vec<Face>,
    /// Bytes that went out, over all frames.
    written: u64,
}

impl<W: Write> Lean<W> {
    /// For a terminal that was just cleared and whose cursor is hidden.
    pub(super) fn new(sink: W, size: Size) -> Self {
        let shadow = vec![Face::Blank; size.area() as usize];
        Self { sink, frame: Vec::new(), size, pen: None, at: None, shown: false, shadow, written: 0 }
    }

    /// Takes note of the terminal's size; ratatui looks at it before each frame.
    pub(super) fn resize(&mut self, size: Size) {
        if size != self.size {
            self.size = size;
            self.shadow = vec![Face::Printed; size.area() as usize];
            self.forget();
        }
    }

    /// After others wrote to the terminal, or it moved its cursor by itself.
    pub(super) fn forget(&mut self) {
        self.pen = None;
        self.at = None;
    }

    /// Bytes that went out, over all frames.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes that are no part of the grid: a title, the clipboard, a bell.
    pub(super) fn extra(&mut self, bytes: &[u8]) {
        self.frame.extend_from_slice(bytes);
    }

    fn index(&self, at: Position) -> usize {
        usize::from(at.y) * usize::from(self.size.width) + usize::from(at.x)
    }

    fn write_with(&mut self, pen: Pen) {
        match self.pen {
            Some(now) => now.change_to(pen, &mut self.frame),
            None => {
                self.frame.extend_from_slice(b"\x1b[m");
                Pen::PLAIN.change_to(pen, &mut self.frame);
            }
        }
        self.pen = Some(pen);
    }

    fn move_to(&mut self, target: Position) {
        if self.at != Some(target) {
            let way = shortest_way(self.at, target, self.size.width);
            self.frame.extend_from_slice(way.as_bytes());
            self.at = Some(target);
        }
    }

    /// Which of a row's new cells, to the last, become right by erasing the rest of the row: they are
    /// blank, and so is what stands between them and to the end.
    fn erasable_from(&self, row: &[(Position, &Cell)]) -> usize {
        let Some(&(Position { y, .. }, _)) = row.first() else { return 0 };
        let mut from = row.len();
        for x in (0..self.size.width).rev() {
            let blank = match row[..from].last() {
                Some((at, cell)) if at.x == x => {
                    from -= 1;
                    is_blank(cell)
                }
                _ => self.shadow[self.index(Position { x, y })] == Face::Blank,
            };
            if !blank {
                let tail =
                    row[from..].iter().position(|(at, _)| at.x > x).map_or(row.len(), |skip| from + skip);
                return if row.len() - tail < ERASE_FROM { row.len() } else { tail };
            }
        }
        0
    }

    /// Prints cells of a row; long runs of blanks between words are erased instead.
    fn print_all(&mut self, cells: &[(Position, &Cell)]) {
        let mut rest = cells;
        while let Some((&(at, cell), after)) = rest.split_first() {
            let gap = self.gap(rest);
            if gap >= GAP_FROM {
                self.erase(at, gap);
                rest = &rest[gap..];
            } else {
                self.print(at, cell);
                rest = after;
            }
        }
    }

    /// How many of these cells are blanks side by side that may be erased together.
    fn gap(&self, cells: &[(Position, &Cell)]) -> usize {
        let Some(&(first, _)) = cells.first() else { return 0 };
        let goes_on = |(x, (at, cell)): &(u16, &(Position, &Cell))| at.x == *x && is_blank(cell);
        let run = (first.x..).zip(cells).take_while(goes_on).count();
        // The right half of a wide character must not stay behind alone.
        let halves = run > 0 && self.shadow[self.index(cells[run - 1].0)] == Face::Wide;
        run - usize::from(halves)
    }

    /// Erases `count` cells from `at` on, in the terminal's own ground. The cursor stays.
    fn erase(&mut self, at: Position, count: usize) {
        self.move_to(at);
        let first = self.index(at);
        self.shadow[first..first + count].fill(Face::Blank);
        if !self.pen.is_some_and(Pen::leaves_no_trace) {
            self.write_with(Pen::PLAIN);
        }
        self.frame.extend_from_slice(format!("\x1b[{count}X").as_bytes());
    }

    fn print(&mut self, at: Position, cell: &Cell) {
        self.move_to(at);
        let symbol = cell.symbol();
        let columns = symbol.width().max(1);
        let first = self.index(at);
        let covered = first..(first + columns).min(self.shadow.len());
        if self.shadow[covered.clone()].ends_with(&[Face::Wide]) {
            // Half of a wide character stays behind, and takes the ground of what covers the rest.
            self.write_with(Pen::PLAIN);
            self.frame.extend_from_slice(format!("\x1b[{}X", columns + 1).as_bytes());
        }
        self.shadow[covered].fill(Face::Printed);
        if columns > 1 {
            self.shadow[first] = Face::Wide;
        } else if is_blank(cell) {
            self.shadow[first] = Face::Blank;
        }
        let pen = Pen::of(cell);
        if symbol != " " || !self.pen.is_some_and(|now| now.paints_same_blank(pen)) {
            self.write_with(pen);
        }
        self.frame.extend_from_slice(symbol.as_bytes());
        self.at = advance(symbol).map(|width| Position { x: at.x + width, y: at.y });
    }

    /// Erases from `at` to the end of the row, in the terminal's own ground.
    fn erase_rest(&mut self, at: Position) {
        self.move_to(at);
        let first = self.index(at);
        let rest = usize::from(self.size.width - at.x);
        self.shadow[first..first + rest].fill(Face::Blank);
        if !self.pen.is_some_and(Pen::leaves_no_trace) {
            self.write_with(Pen::PLAIN);
        }
        self.frame.extend_from_slice(b"\x1b[K");
    }
}

/// How far the cursor moves for a symbol, where all terminals agree: one code point of fixed width.
/// For joined emoji, variation selectors and combining marks they do not, and for the
/// replacement character some do nothing.
fn advance(symbol: &str) -> Option<u16> {
    let mut chars = symbol.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c != char::REPLACEMENT_CHARACTER => u16::try_from(symbol.width()).ok(),
        _ => None,
    }
}

/// The fewest bytes that bring the cursor to `target`.
fn shortest_way(from: Option<Position>, target: Position, width: u16) -> String {
    let Position { x, y } = target;
    let absolute = match (x, y) {
        (0, 0) => "\x1b[H".to_owned(),
        (0, _) => format!("\x1b[{}H", y + 1),
        _ => format!("\x1b[{};{}H", y + 1, x + 1),
    };
    let Some(from) = from else { return absolute };
    let step = |count: u16, letter: char| match count {
        0 => String::new(),
        1 => format!("\x1b[{letter}"),
        _ => format!("\x1b[{count}{letter}"),
    };
    let mut ways = vec![absolute];
    // Carriage return is sure even where the last column was just written; line feed cannot scroll,
    // because the target lies on the screen.
    match y.checked_sub(from.y) {
        Some(0) => ways.push(format!("\r{}", step(x, 'C'))),
        Some(down @ 1..=3) => ways.push(format!("\r{}{}", "\n".repeat(down.into()), step(x, 'C'))),
        _ => {}
    }
    if from.x < width && y == from.y {
        ways.push(if x > from.x { step(x - from.x, 'C') } else { step(from.x - x, 'D') });
    }
    if from.x < width && x == from.x {
        ways.push(if y > from.y { step(y - from.y, 'B') } else { step(from.y - y, 'A') });
    }
    ways.into_iter().min_by_key(String::len).expect("the absolute way is always there")
}

impl<W: Write> Backend for Lean<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<_> = content.map(|(x, y, cell)| (Position { x, y }, cell)).collect();
        for row in cells.chunk_by(|a, b| a.0.y == b.0.y) {
            let (print, erase) = row.split_at(self.erasable_from(row));
            self.print_all(print);
            if let Some((at, _)) = erase.first() {
                self.erase_rest(*at);
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.shown) {
            self.frame.extend_from_slice(b"\x1b[?25l");
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.shown, true) {
            self.frame.extend_from_slice(b"\x1b[?25h");
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.at.unwrap_or(Position::ORIGIN))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.move_to(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.write_with(Pen::PLAIN);
        if clear_type == ClearType::All {
            self.shadow.fill(Face::Blank);
        }
        self.frame.extend_from_slice(match clear_type {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let outcome = self.sink.write_all(&self.frame);
        self.written += self.frame.len() as u64;
        self.frame.clear();
        outcome
    }
}

/// Whether a cell looks as if erased.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && Pen::of(cell).leaves_no_trace()
}

#[cfg(test)]
mod tests;
