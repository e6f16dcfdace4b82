//! Who sent the blocks of a piece that failed its hash, and who may try it again. No BEP.
//!
//! After a failure the piece is fetched by one link at a time, first by links that had no part in
//! the failure: if it fails again, one link is to blame. A suspect gets it only when it would
//! otherwise be idle, so that a torrent that only suspects can finish is finished. Which sender of
//! a shared piece lied is found by comparing blocks, where the blocks are: on the disk's side.

use rustc_hash::FxHashMap;

use crate::types::{LinkId, PieceIndex};

/// Who may have spoilt a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// The link that sent all of its blocks, and so is certainly at fault.
    pub sole: Option<LinkId>,
    /// Every link that sent a block of it, in no order. Links that are gone since are named too.
    pub suspects: Vec<LinkId>,
}

impl Blame {
    /// Blame for the senders of a piece's blocks.
    pub(super) fn of(senders: impl Iterator<Item = LinkId>) -> Self {
        let mut suspects: Vec<LinkId> = senders.collect();
        suspects.sort_unstable();
        suspects.dedup();
        let sole = if let [sole] = suspects[..] { Some(sole) } else { None };
        Self { sole, suspects }
    }
}

/// The pieces that failed and are not verified since.
#[derive(Debug, Default)]
pub(super) struct Retries {
    suspects: FxHashMap<PieceIndex, Vec<LinkId>>,
}

impl Retries {
    /// Whether no piece is on retry, which is the rule.
    pub(super) fn is_empty(&self) -> bool {
        self.suspects.is_empty()
    }

    /// The suspects of all failures of this piece; `None` when it is not on retry.
    pub(super) fn suspects(&self, piece: PieceIndex) -> Option<&[LinkId]> {
        self.suspects.get(&piece).map(Vec::as_slice)
    }

    /// The piece failed.
    pub(super) fn failed(&mut self, piece: PieceIndex, blame: &Blame) {
        let suspects = self.suspects.entry(piece).or_default();
        suspects.extend(&blame.suspects);
        suspects.sort_unstable();
        suspects.dedup();
    }

    /// The piece is there.
    pub(super) fn verified(&mut self, piece: PieceIndex) {
        self.suspects.remove(&piece);
    }

    /// The link is gone, and its name is never used again.
    pub(super) fn link_gone(&mut self, link: LinkId) {
        for suspects in self.suspects.values_mut() {
            suspects.retain(|suspect| *suspect != link);
        }
    }
}
