//! All arithmetic of pieces, blocks and bytes (BEP 3); nobody else multiplies piece lengths.

use crate::types::{BLOCK_SIZE, BlockRef, PieceIndex, PieceRange};

/// The shape of one torrent's content: how many bytes, cut in pieces of which length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    total: u64,
    piece_length: u32,
    pieces: u32,
}

impl Geometry {
    /// That of a torrent of which only the hash is known: it has no pieces.
    pub const NOTHING: Self = Self { total: 0, piece_length: 1, pieces: 0 };

    /// `None` when `piece_length` is 0 or the pieces cannot be counted in 32 bits.
    pub fn new(total: u64, piece_length: u32) -> Option<Self> {
        if piece_length == 0 {
            return None;
        }
        let pieces = total.div_ceil(u64::from(piece_length));
        Some(Self { total, piece_length, pieces: u32::try_from(pieces).ok()? })
    }

    /// Bytes of the content, pad files included.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of every piece but the last.
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Number of pieces.
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Every piece, in order.
    pub fn all_pieces(&self) -> impl ExactSizeIterator<Item = PieceIndex> + use<> {
        (0..self.pieces).map(PieceIndex::new)
    }

    /// A piece number from outside: `None` when the torrent has no such piece.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.pieces).then(|| PieceIndex::new(index))
    }

    /// Bytes of this piece.
    pub fn piece_size(&self, piece: PieceIndex) -> u32 {
        let left = self.total.saturating_sub(self.piece_offset(piece));
        u32::try_from(left).unwrap_or(u32::MAX).min(self.piece_length)
    }

    /// Where this piece starts within the content.
    pub fn piece_offset(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.get()) * u64::from(self.piece_length)
    }

    /// The piece that holds this byte of the content; `None` past the end.
    pub fn piece_at(&self, offset: u64) -> Option<PieceIndex> {
        if offset >= self.total {
            return None;
        }
        self.piece(u32::try_from(offset / u64::from(self.piece_length)).ok()?)
    }

    /// Number of blocks of this piece.
    pub fn blocks_in(&self, piece: PieceIndex) -> u32 {
        self.piece_size(piece).div_ceil(BLOCK_SIZE)
    }

    /// Number of blocks of the largest piece.
    pub const fn blocks_per_piece(&self) -> u32 {
        self.piece_length.div_ceil(BLOCK_SIZE)
    }

    /// Every block of this piece, in order.
    pub fn blocks(&self, piece: PieceIndex) -> impl ExactSizeIterator<Item = BlockRef> + use<> {
        (0..self.blocks_in(piece)).map(move |block| BlockRef { piece, block })
    }

    /// Bytes of this block: [`BLOCK_SIZE`], less for the last one of a piece.
    pub fn block_size(&self, block: BlockRef) -> u32 {
        self.piece_size(block.piece).saturating_sub(block.begin()).min(BLOCK_SIZE)
    }

    /// The block that a `piece` message carries, by its numbers from outside: `None` unless it is
    /// exactly one block of ours.
    pub fn block_at(&self, index: u32, begin: u32, length: u32) -> Option<BlockRef> {
        let piece = self.piece(index)?;
        if !begin.is_multiple_of(BLOCK_SIZE) || begin >= self.piece_size(piece) {
            return None;
        }
        let block = BlockRef { piece, block: begin / BLOCK_SIZE };
        (self.block_size(block) == length).then_some(block)
    }

    /// A range asked for from outside: `None` when it is empty or leaves the piece.
    pub fn range(&self, index: u32, begin: u32, length: u32) -> Option<PieceRange> {
        let piece = self.piece(index)?;
        let end = begin.checked_add(length)?;
        (length > 0 && end <= self.piece_size(piece)).then_some(PieceRange { piece, begin, length })
    }

    /// The range that this block covers.
    pub fn block_range(&self, block: BlockRef) -> PieceRange {
        PieceRange { piece: block.piece, begin: block.begin(), length: self.block_size(block) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_and_block_are_shorter() {
        let g = Geometry::new(100_000, 32_768).unwrap();
        assert_eq!(g.pieces(), 4);
        let last = g.piece(3).unwrap();
        assert_eq!(g.piece_size(last), 100_000 - 3 * 32_768);
        assert_eq!(g.blocks_in(last), 1);
        assert_eq!(g.blocks_in(g.piece(0).unwrap()), 2);
        assert_eq!(g.block_size(BlockRef { piece: last, block: 0 }), 1_696);
        assert_eq!(g.piece(4), None);
        assert_eq!(g.piece_at(99_999), Some(last));
        assert_eq!(g.piece_at(100_000), None);
    }

    #[test]
    fn numbers_from_outside_are_checked() {
        let g = Geometry::new(100_000, 32_768).unwrap();
        assert!(g.block_at(0, 16_384, 16_384).is_some());
        assert!(g.block_at(0, 16_384, 16_383).is_none());
        assert!(g.block_at(0, 1, 16_384).is_none());
        assert!(g.block_at(0, 32_768, 16_384).is_none());
        assert!(g.block_at(4, 0, 16_384).is_none());
        assert!(g.range(0, u32::MAX, 2).is_none());
        assert!(g.range(3, 0, 1_697).is_none());
        assert!(g.range(3, 1_695, 1).is_some());
        assert!(g.range(3, 0, 0).is_none());
    }

    #[test]
    fn shapes_that_cannot_be() {
        assert!(Geometry::new(1, 0).is_none());
        assert!(Geometry::new(u64::MAX, 1).is_none());
        assert_eq!(Geometry::new(0, 16_384).unwrap().pieces(), 0);
    }
}
