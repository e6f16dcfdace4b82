//! The pieces of a torrent, as a map of cells.

use serde::{Deserialize, Serialize};

use crate::types::PieceIndex;

/// The pieces of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceMapStats {
    /// Pieces of the torrent.
    pub pieces: u32,
    /// Bytes of one piece; the last may be shorter.
    pub piece_length: u32,
    /// Pieces that are there and checked.
    pub have: u32,
    /// Pieces that have begun.
    pub partial: u32,
    /// The fewest copies that a piece has, ours counted.
    pub fewest: u32,
    /// The first piece that has no more copies.
    pub fewest_from: PieceIndex,
    /// The last one of its run.
    pub fewest_to: PieceIndex,
    /// Half of the pieces have no more copies than that.
    pub median: u32,
    /// The map: each cell stands for an equal part of the torrent, for one piece where there are no more
    /// than [`PIECE_CELLS`].
    pub cells: Vec<PieceCell>,
    /// Pieces that have begun, in order; at most 1,000.
    pub partials: Vec<PartialStats>,
}

/// Cells of [`PieceMapStats::cells`] at most: more than the widest screen shows, 64 KiB.
pub const PIECE_CELLS: usize = 16_384;

/// One cell of a map of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceCell {
    /// The share that is there, from 0 to 255.
    pub have: u8,
    /// The fewest copies of one of its pieces, ours counted; 255 stands for more too.
    pub copies: u8,
    /// We lack a piece of it that nobody here has.
    pub unseen: bool,
    /// A block of it is asked for.
    pub coming: bool,
}

/// A piece that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialStats {
    /// Which.
    pub piece: PieceIndex,
    /// Its blocks.
    pub blocks: u32,
    /// Blocks that are received.
    pub received: u32,
    /// Blocks that are asked for.
    pub asked: u32,
    /// Peers that they are asked of.
    pub peers: u32,
}
