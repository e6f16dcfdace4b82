//! Tab 5: the pieces as a map, one cell for each or for an equal part, and how many copies there are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::stats::PieceCell;

use super::nothing;
use crate::format;
use crate::state::AppState;
use crate::state::panes::Focus;
use crate::state::pieces::{Grid, PieceMap};
use crate::theme::Role;
use crate::view::style;
use crate::widget::graph;
use crate::widget::paint::Pen;

/// Columns before a row of the map: the number of its first piece.
const LABEL: usize = 9;
/// Heights from which everything, or all but the copies, has room.
const ALL_FROM: u16 = 14;
const SOME_FROM: u16 = 5;
/// Rows above the map, and below it.
const ALL: (u16, u16) = (2, 7);
const SOME: (u16, u16) = (1, 1);

/// Rows above the map, and rows of it.
const fn rows(height: u16) -> (u16, u16) {
    let (above, below) = match height {
        ALL_FROM.. => ALL,
        SOME_FROM.. => SOME,
        _ => (0, 0),
    };
    (above, height - above - below)
}

/// How the pieces lie in an area, and the rows that there are for them.
pub fn grid(area: Rect, pieces: u32) -> (Grid, usize) {
    let rows = usize::from(rows(area.height).1);
    (Grid::new(pieces, usize::from(area.width).saturating_sub(LABEL + 2), rows), rows)
}

/// Draws sum, map, copies and legend.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let Some(map) = &state.detail.pieces else { return nothing(state, buffer, area, "…") };
    let (above, high) = rows(area.height);
    let (grid, _) = grid(area, map.stats.pieces);
    if above > 0 {
        sum(state, map, buffer, area);
    }
    let here = (state.panes.focus == Focus::Detail).then(|| grid.cell_of(map.cursor));
    for row in 0..usize::from(high) {
        let from = row * grid.columns;
        if from >= grid.cells {
            break;
        }
        let y = above + row as u16;
        let mut pen = Pen::new(buffer, area, y);
        pen.right(&grid.pieces_of(from).start.to_string(), LABEL - 2, style(state, Role::Dim)).skip(2);
        for cell in from..(from + grid.columns).min(grid.cells) {
            let (sign, role) = sign(&map.cell(grid.pieces_of(cell)), map.rarity, state.look.ascii);
            let role = if here == Some(cell) { Role::Sel } else { role };
            pen.put(sign, style(state, role));
        }
    }
    let below = above + high;
    if area.height >= ALL_FROM {
        copies(state, map, buffer, Rect { y: area.y + below + 1, height: 2, ..area });
        legend(state, map, grid, buffer, Rect { y: area.y + below + 4, height: 1, ..area });
    }
    if above > 0 {
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        Pen::new(buffer, last, 0).skip(1).put(&under_cursor(map, grid), style(state, Role::Text));
    }
}

/// `2 281 pieces × 4.00M    have 1 793   partial 11   missing 477`
fn sum(state: &AppState, map: &PieceMap, buffer: &mut Buffer, area: Rect) {
    let stats = &map.stats;
    let count = |n: u32| format::count(n.into());
    let missing = stats.pieces.saturating_sub(stats.have + stats.partial);
    let size = format::size(stats.piece_length.into());
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1).put(&format!("{} pieces × {size}", count(stats.pieces)), style(state, Role::Text)).skip(4);
    for (word, number) in [("have", stats.have), ("partial", stats.partial), ("missing", missing)] {
        pen.put(word, style(state, Role::Dim)).skip(1);
        pen.put(&count(number), style(state, Role::Text)).skip(3);
    }
}

/// How a cell is drawn. Every state is a sign of its own, also without colours.
const fn sign(cell: &PieceCell, rarity: bool, ascii: bool) -> (&'static str, Role) {
    if rarity {
        const COPIES: [&str; 10] = ["×", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        return match cell.copies {
            0 => (COPIES[0], Role::Err),
            copies if copies < 10 => (COPIES[copies as usize], Role::Down),
            _ => ("+", Role::Dim),
        };
    }
    match cell.have {
        u8::MAX => ("█", Role::Down),
        _ if cell.coming => ("↓", Role::Text),
        _ if cell.unseen => ("×", Role::Err),
        // In ASCII the dot is a little of a piece.
        0 => (if ascii { " " } else { "·" }, Role::Dim),
        1..=84 => ("░", Role::Down),
        85..=169 => ("▒", Role::Down),
        _ => ("▓", Role::Down),
    }
}

/// The copies over the torrent as columns, and in numbers.
fn copies(state: &AppState, map: &PieceMap, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let columns = usize::from(area.width).saturating_sub(LABEL + 2);
    let wide = Grid::new(map.stats.pieces, columns, 1);
    let samples: Vec<u64> = (0..columns)
        .filter(|_| wide.cells > 0)
        .map(|column| u64::from(map.cell(wide.pieces_of(column * wide.cells / columns)).copies))
        .collect();
    let line = graph::columns(samples.iter(), columns, 1).pop().unwrap_or_default();
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1).left("Avail", LABEL - 1, dim).put(&line, style(state, Role::Down));
    let stats = &map.stats;
    let (from, to) = (stats.fewest_from, stats.fewest_to);
    let at = match (from.get(), to.get()) {
        (0, last) if last + 1 == stats.pieces => "everywhere".to_owned(),
        (first, last) if first == last => format!("at #{first}"),
        (first, last) => format!("at #{first}–{last}"),
    };
    let text = format!("min {} {at} · median {}", number_of_copies(stats.fewest), stats.median);
    Pen::new(buffer, area, 1).skip(LABEL).put(&text, dim);
}

fn number_of_copies(copies: u32) -> String {
    if copies == 1 { "1 copy".to_owned() } else { format!("{copies} copies") }
}

/// What the signs mean, and how much a cell is.
fn legend(state: &AppState, map: &PieceMap, grid: Grid, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let tenths = u64::from(grid.pieces) * 10 / grid.cells.max(1) as u64;
    let cell = match tenths {
        0..=10 => "1 cell = 1 piece".to_owned(),
        tenths if tenths < 1_000 => format!("1 cell = {}.{} pieces", tenths / 10, tenths % 10),
        tenths => format!("1 cell = {} pieces", tenths / 10),
    };
    let signs = if map.rarity {
        "1-9 copies  + more  × nobody has it"
    } else if state.look.ascii {
        "# have  =-. part  blank missing  v now  x nobody has it"
    } else {
        "█ have  ▓▒░ part  · missing  ↓ now  × nobody has it"
    };
    Pen::new(buffer, area, 0).skip(1).put(&cell, dim).skip(4).put(signs, dim);
}

/// What the cell under the cursor is.
fn under_cursor(map: &PieceMap, grid: Grid) -> String {
    if grid.cells == 0 {
        return String::new();
    }
    let pieces = grid.pieces_of(grid.cell_of(map.cursor));
    let cell = map.cell(pieces.clone());
    let copies = number_of_copies(cell.copies.into());
    if pieces.len() > 1 {
        let share = u32::from(cell.have) * 1_000 / 255;
        let last = pieces.end - 1;
        return format!("#{}–{last}  {} there · min {copies}", pieces.start, format::permille(share));
    }
    let partial = map.stats.partials.iter().find(|partial| partial.piece.get() == pieces.start);
    let what = match partial {
        Some(partial) => {
            let mut what = format!("{} of {} blocks", partial.received, partial.blocks);
            if partial.asked > 0 {
                let peers = format::plural(partial.peers.into(), "peer");
                what += &format!(", {} asked of {peers}", partial.asked);
            }
            what
        }
        None if cell.have == u8::MAX => "have".to_owned(),
        None => "missing".to_owned(),
    };
    format!("#{}  {what} · {copies}", pieces.start)
}
