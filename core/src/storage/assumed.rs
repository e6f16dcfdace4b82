//! Pieces that count as there because a person said so: their files have the right size, and nobody has
//! hashed them. Each is hashed when it is first read, before anybody gets it.

use super::Storage;
use crate::bitfield::Bitfield;
use crate::types::PieceIndex;

impl Storage {
    /// Counts a piece as there that was not hashed.
    pub(crate) fn assume(&self, piece: PieceIndex) {
        if !self.has(piece) {
            // In this order: nobody sees it as hashed for a moment.
            self.assumed.set(piece);
            self.mark(piece);
        }
    }

    /// Whether a piece counts as there and was never hashed.
    pub(crate) fn is_assumed(&self, piece: PieceIndex) -> bool {
        self.assumed.get(piece)
    }

    /// The piece is not assumed any more. `true` for one of those who ask: what it found out holds.
    pub(crate) fn take_assumed(&self, piece: PieceIndex) -> bool {
        self.assumed.clear(piece)
    }

    /// Pieces that count as there and were never hashed.
    pub fn assumed(&self) -> Bitfield {
        self.assumed.copy()
    }

    /// Number of those.
    pub fn assumed_count(&self) -> u32 {
        self.assumed.ones()
    }

    /// Every piece that is there and was hashed.
    pub fn hashed(&self) -> Bitfield {
        // In this order: one that is proved between the two was hashed.
        let (mut hashed, assumed) = (self.verified(), self.assumed());
        for piece in assumed.iter() {
            hashed.clear(piece);
        }
        hashed
    }

    /// The piece was read and is to be claimed for good: its files are to be synced, perhaps it was read
    /// from memory that the last run left behind.
    pub(crate) fn sync_piece(&self, piece: PieceIndex) {
        let _gate = self.hold_gate();
        for span in self.layout.piece_spans(piece) {
            if !self.layout.files()[span.file].pad {
                self.file(self.place(span).0).set_dirty();
            }
        }
    }
}
