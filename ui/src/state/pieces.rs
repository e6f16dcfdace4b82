//! The map of a torrent's pieces, and where in it the cursor is.

use std::ops::Range;

use tc_core::stats::{PieceCell, PieceMapStats};

use crate::message::Step;

/// The pieces of the torrent under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceMap {
    /// What the engine told.
    pub stats: PieceMapStats,
    /// The piece that the cursor is on: it stays there when the screen is resized.
    pub cursor: u32,
    /// Copies are shown instead of what is there.
    pub rarity: bool,
}

/// How the pieces lie on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Pieces of the torrent.
    pub pieces: u32,
    /// Cells of a row.
    pub columns: usize,
    /// Cells in all: one for each piece where there is room, else equal parts.
    pub cells: usize,
}

impl Grid {
    /// Over this many columns and rows.
    pub fn new(pieces: u32, columns: usize, rows: usize) -> Self {
        Self { pieces, columns: columns.max(1), cells: (pieces as usize).min(columns.max(1) * rows) }
    }

    /// The pieces of a cell.
    pub fn pieces_of(&self, cell: usize) -> Range<u32> {
        let bound = |at: usize| (at as u64 * u64::from(self.pieces) / self.cells.max(1) as u64) as u32;
        bound(cell)..bound(cell + 1)
    }

    /// The cell of a piece.
    pub fn cell_of(&self, piece: u32) -> usize {
        let at = u64::from(piece) * self.cells as u64 / u64::from(self.pieces.max(1));
        let at = (at as usize).min(self.cells.saturating_sub(1));
        // Rounding may be one short.
        if self.pieces_of(at).end <= piece && at + 1 < self.cells { at + 1 } else { at }
    }
}

impl PieceMap {
    /// A map with the cursor on the first piece.
    pub const fn new(stats: PieceMapStats) -> Self {
        Self { stats, cursor: 0, rarity: false }
    }

    /// Takes news; says whether something changed.
    pub fn update(&mut self, stats: &PieceMapStats) -> bool {
        let changed = self.stats != *stats;
        if changed {
            self.stats.clone_from(stats);
        }
        changed
    }

    /// What a part of the torrent is, of which the engine told in cells of its own.
    pub fn cell(&self, pieces: Range<u32>) -> PieceCell {
        let (cells, all) = (self.stats.cells.len() as u64, u64::from(self.stats.pieces.max(1)));
        let from = u64::from(pieces.start) * cells / all;
        let to = (u64::from(pieces.end) * cells).div_ceil(all).max(from + 1);
        let part = self.stats.cells.get(from as usize..(to.min(cells)) as usize).unwrap_or_default();
        let mut sum = PieceCell { have: 0, copies: u8::MAX, unseen: false, coming: false };
        let mut there = 0;
        for cell in part {
            there += usize::from(cell.have);
            sum.copies = sum.copies.min(cell.copies);
            sum.unseen |= cell.unseen;
            sum.coming |= cell.coming;
        }
        sum.have = (there / part.len().max(1)).max(usize::from(there > 0)) as u8;
        sum
    }

    /// Moves the cursor over a grid of `rows` rows.
    pub fn step(&mut self, step: Step, grid: Grid, rows: usize) {
        let page = rows.max(1) * grid.columns;
        let half = (rows / 2).max(1) * grid.columns;
        let last = grid.cells.saturating_sub(1);
        let cell = grid.cell_of(self.cursor);
        let down = |by: usize| if cell + by <= last { cell + by } else { cell };
        let up = |by: usize| cell.checked_sub(by).unwrap_or(cell);
        let cell = match step {
            Step::Down => down(grid.columns),
            Step::Up => up(grid.columns),
            Step::Top => 0,
            Step::Bottom => last,
            Step::HalfDown => down(half),
            Step::HalfUp => up(half),
            Step::PageDown => down(page),
            Step::PageUp => up(page),
        };
        self.cursor = grid.pieces_of(cell).start;
    }

    /// Moves the cursor by one cell.
    pub fn sideways(&mut self, right: bool, grid: Grid) {
        let cell = grid.cell_of(self.cursor);
        let cell = if right { (cell + 1).min(grid.cells.saturating_sub(1)) } else { cell.saturating_sub(1) };
        self.cursor = grid.pieces_of(cell).start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_lies_in_one_cell() {
        for (pieces, columns, rows) in
            [(1, 70, 12), (5, 3, 1), (840, 70, 12), (2_281, 70, 12), (200_000, 7, 3)]
        {
            let grid = Grid::new(pieces, columns, rows);
            let mut next = 0;
            for cell in 0..grid.cells {
                let part = grid.pieces_of(cell);
                assert_eq!(part.start, next);
                assert!(!part.is_empty());
                for piece in [part.start, part.end - 1] {
                    assert_eq!(grid.cell_of(piece), cell, "{piece} of {pieces}");
                }
                next = part.end;
            }
            assert_eq!(next, pieces);
        }
    }

    #[test]
    fn the_cursor_stays_inside() {
        let cells = vec![PieceCell { have: 0, copies: 1, unseen: false, coming: false }; 10];
        let stats = PieceMapStats {
            pieces: 10,
            piece_length: 16_384,
            have: 0,
            partial: 0,
            fewest: 1,
            fewest_from: tc_core::types::PieceIndex::new(0),
            fewest_to: tc_core::types::PieceIndex::new(9),
            median: 1,
            cells,
            partials: Vec::new(),
        };
        let mut map = PieceMap::new(stats);
        let grid = Grid::new(10, 4, 3);
        map.step(Step::Down, grid, 3);
        assert_eq!(map.cursor, 4);
        map.step(Step::PageDown, grid, 3);
        assert_eq!(map.cursor, 4);
        map.step(Step::Bottom, grid, 3);
        map.sideways(true, grid);
        assert_eq!(map.cursor, 9);
        map.step(Step::Top, grid, 3);
        map.sideways(false, grid);
        assert_eq!(map.cursor, 0);
    }
}
