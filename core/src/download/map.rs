//! The pieces as a person looks at them: what is there, what is coming, how many copies there are.
//!
//! Goes over all pieces, so it is asked only while somebody looks.

use super::DownloadManager;
use crate::stats::{PIECE_CELLS, PartialStats, PieceCell, PieceMapStats};
use crate::types::PieceIndex;

/// Partials listed at most, in the order of their pieces: more than a person reads.
const MAX_PARTIALS: usize = 1_000;

impl DownloadManager {
    /// The map as it is now.
    pub fn piece_map(&self) -> PieceMapStats {
        let pieces = self.geometry.pieces();
        let mut partials: Vec<PartialStats> = self
            .partials
            .iter()
            .map(|(piece, partial)| PartialStats {
                piece,
                blocks: partial.senders.len() as u32,
                received: partial.received,
                asked: partial.senders.len() as u32 - partial.received - partial.free(),
                peers: partial.sharers() as u32,
            })
            .collect();
        partials.sort_unstable_by_key(|partial| partial.piece);
        let (fewest, first, last) = self.rarest_run();
        let map = PieceMapStats {
            pieces,
            piece_length: self.geometry.piece_length(),
            have: self.have.ones(),
            partial: partials.len() as u32,
            fewest,
            fewest_from: first,
            fewest_to: last,
            median: self.availability.median(),
            cells: self.cells(&partials),
            partials: Vec::new(),
        };
        partials.truncate(MAX_PARTIALS);
        PieceMapStats { partials, ..map }
    }

    fn cells(&self, partials: &[PartialStats]) -> Vec<PieceCell> {
        let pieces = self.geometry.pieces() as usize;
        let count = pieces.min(PIECE_CELLS);
        let mut partials = partials.iter().peekable();
        let mut cells = Vec::with_capacity(count);
        for at in 0..count {
            let range = at * pieces / count..(at + 1) * pieces / count;
            let mut cell = PieceCell { have: 0, copies: u8::MAX, unseen: false, coming: false };
            // In 255ths of a piece.
            let mut there = 0;
            let len = range.len();
            for index in range {
                let piece = PieceIndex::new(index as u32);
                let copies = self.availability.copies(piece);
                cell.copies = cell.copies.min(u8::try_from(copies).unwrap_or(u8::MAX));
                if self.have.get(piece) {
                    there += 255;
                } else {
                    cell.unseen |= copies == 0;
                }
                while let Some(partial) = partials.next_if(|partial| partial.piece <= piece) {
                    there += (partial.received * 255 / partial.blocks.max(1)) as usize;
                    cell.coming |= partial.asked > 0;
                }
            }
            let share = there / len.max(1);
            // Something is never drawn as nothing, nor the most as all.
            cell.have = if there > 0 { share.max(1) as u8 } else { 0 };
            cells.push(cell);
        }
        cells
    }

    /// The fewest copies, and the first run of pieces that have no more.
    fn rarest_run(&self) -> (u32, PieceIndex, PieceIndex) {
        let Some((fewest, _)) = self.availability.rarest() else {
            return (0, PieceIndex::new(0), PieceIndex::new(0));
        };
        let rare = |piece: &PieceIndex| self.availability.copies(*piece) == fewest;
        let first = self.geometry.all_pieces().find(rare).unwrap_or(PieceIndex::new(0));
        let run = self.geometry.all_pieces().skip(first.as_usize()).take_while(rare);
        (fewest, first, run.last().unwrap_or(first))
    }
}
