//! How many copies of each piece the swarm around us holds.
//!
//! We count as a holder of what we have. Seeds are one number, not one per piece: a seed that
//! comes or goes costs nothing, and leaves the order of rarity as it is.

use crate::types::PieceIndex;

/// Copies per piece, and how many pieces there are with each number of copies.
#[derive(Debug)]
pub(super) struct Availability {
    /// Copies outside seeds. A session holds far fewer than 65,535 links.
    copies: Vec<u16>,
    /// `pieces_with[n]`: number of pieces with `n` copies outside seeds.
    pieces_with: Vec<u32>,
    seeds: u32,
}

impl Availability {
    /// Nobody has anything.
    pub(super) fn new(pieces: u32) -> Self {
        Self { copies: vec![0; pieces as usize], pieces_with: vec![pieces], seeds: 0 }
    }

    /// One more holder of this piece; the new number of copies outside seeds.
    pub(super) fn add(&mut self, piece: PieceIndex) -> u16 {
        let copies = &mut self.copies[piece.as_usize()];
        self.pieces_with[usize::from(*copies)] -= 1;
        *copies += 1;
        if self.pieces_with.len() <= usize::from(*copies) {
            self.pieces_with.push(0);
        }
        self.pieces_with[usize::from(*copies)] += 1;
        *copies
    }

    /// One holder less of this piece; the new number of copies outside seeds.
    pub(super) fn remove(&mut self, piece: PieceIndex) -> u16 {
        let copies = &mut self.copies[piece.as_usize()];
        self.pieces_with[usize::from(*copies)] -= 1;
        *copies -= 1;
        self.pieces_with[usize::from(*copies)] += 1;
        *copies
    }

    /// One more that has everything.
    pub(super) fn add_seed(&mut self) {
        self.seeds += 1;
    }

    /// One less that has everything.
    pub(super) fn remove_seed(&mut self) {
        self.seeds -= 1;
    }

    /// Links that have everything.
    pub(super) fn seeds(&self) -> u32 {
        self.seeds
    }

    /// Copies of this piece outside seeds.
    pub(super) fn outside_seeds(&self, piece: PieceIndex) -> u16 {
        self.copies[piece.as_usize()]
    }

    /// Copies of this piece, seeds counted.
    pub(super) fn copies(&self, piece: PieceIndex) -> u32 {
        u32::from(self.outside_seeds(piece)) + self.seeds
    }

    /// The fewest copies that a piece has, seeds counted, and how many pieces have no more.
    pub(super) fn rarest(&self) -> Option<(u32, u32)> {
        let (copies, pieces) = self.pieces_with.iter().enumerate().find(|(_, pieces)| **pieces > 0)?;
        Some((self.seeds + copies as u32, *pieces))
    }

    /// Half of the pieces have no more copies than that, seeds counted.
    pub(super) fn median(&self) -> u32 {
        let mut left = self.copies.len() as u32 / 2;
        for (copies, pieces) in self.pieces_with.iter().enumerate() {
            if *pieces > left {
                return self.seeds + copies as u32;
            }
            left -= pieces;
        }
        self.seeds
    }

    /// Whole copies of the content, and the part of one more, in thousandths.
    pub(super) fn thousandths(&self) -> u32 {
        let Some((copies, rarest)) = self.rarest() else { return self.seeds * 1_000 };
        let pieces = self.copies.len() as u64;
        let part = (pieces - u64::from(rarest)) * 1_000 / pieces;
        copies * 1_000 + part as u32
    }
}
