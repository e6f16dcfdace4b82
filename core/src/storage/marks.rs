//! Which pieces are there: marks that come and go.

use super::{DiskDone, Storage};
use crate::bitfield::Bitfield;
use crate::types::PieceIndex;

impl Storage {
    /// Marks a piece as verified; says whether it was not before.
    pub(crate) fn mark(&self, piece: PieceIndex) -> bool {
        let fresh = self.verified.set(piece);
        if fresh {
            self.layout.piece_spans(piece).for_each(|span| self.files[span.file].gained());
        }
        fresh
    }

    /// A piece is not verified any more; says whether it was.
    pub(crate) fn unmark(&self, piece: PieceIndex) -> bool {
        let there = self.verified.clear(piece);
        self.assumed.clear(piece);
        if there {
            self.layout.piece_spans(piece).for_each(|span| self.files[span.file].lost());
            self.synced().clear(piece);
        }
        there
    }

    /// Marks all of these as lost and tells so.
    pub(crate) fn unmark_all(&self, pieces: impl Iterator<Item = PieceIndex>) {
        let mut lost = Bitfield::new(self.geometry().pieces());
        for piece in pieces.filter(|piece| self.unmark(*piece)) {
            lost.set(piece);
        }
        if lost.ones() > 0 {
            self.tell(DiskDone::Unverified { pieces: lost });
        }
    }
}
