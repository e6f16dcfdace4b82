//! What each link's peer has, and whether we want it: availability and interest (BEP 3, BEP 6).

use rustc_hash::FxHashSet;

use super::DownloadManager;
use super::choose::{Passed, Shortlist};
use super::priority::CLASSES;
use crate::bitfield::Bitfield;
use crate::types::{BlockRef, LinkId, PieceIndex};

/// What a peer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerPieces {
    /// Everything: a seed.
    All,
    /// These pieces; as many bits as the torrent has pieces.
    Some(Bitfield),
}

impl PeerPieces {
    /// Whether this piece is among them.
    pub fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::All => true,
            Self::Some(pieces) => pieces.get(piece),
        }
    }

    /// A word of the bitfield, as [`Bitfield::words`] has it.
    pub(super) fn word(&self, at: usize) -> u64 {
        match self {
            Self::All => u64::MAX,
            Self::Some(pieces) => pieces.words().get(at).copied().unwrap_or(0),
        }
    }
}

/// What the download knows of one link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) pieces: PeerPieces,
    /// Number of its pieces that we want and lack.
    pub(super) interesting: u32,
    /// The blocks assigned to it.
    pub(super) assigned: FxHashSet<BlockRef>,
    /// Loose partials that it took blocks of last. May name one that is so no more.
    pub(super) held: Vec<PieceIndex>,
    /// What is left of the last sample of its open pieces.
    pub(super) shortlist: Option<Shortlist>,
    /// Per class, the picker's generation in which it had no open piece.
    pub(super) barren: [Option<u64>; CLASSES.len()],
    /// Where the last search in the order of the content began to find something.
    pub(super) passed: Option<Passed>,
}

impl DownloadManager {
    /// A link is there; its peer has nothing as yet. Nothing happens when it is known.
    pub fn link_joined(&mut self, link: LinkId) {
        let pieces = self.geometry.pieces();
        self.links.entry(link).or_insert_with(|| Link {
            pieces: PeerPieces::Some(Bitfield::new(pieces)),
            interesting: 0,
            assigned: FxHashSet::default(),
            held: Vec::new(),
            shortlist: None,
            barren: [None; CLASSES.len()],
            passed: None,
        });
    }

    /// The peer has these pieces and no others: a bitfield, have all or have none, also in
    /// mid-connection, where it is an update. A bitfield of another length is ignored.
    pub fn link_pieces(&mut self, link: LinkId, pieces: PeerPieces) {
        let pieces = match pieces {
            PeerPieces::Some(bits) if bits.len() != self.geometry.pieces() => return,
            PeerPieces::Some(bits) if bits.is_full() => PeerPieces::All,
            pieces => pieces,
        };
        let Some(known) = self.links.get_mut(&link) else { return };
        let before = std::mem::replace(&mut known.pieces, pieces.clone());
        known.barren = [None; CLASSES.len()];
        known.passed = None;
        match (&before, &pieces) {
            (PeerPieces::All, PeerPieces::All) => {}
            (PeerPieces::All, PeerPieces::Some(after)) => {
                self.availability.remove_seed();
                after.iter().for_each(|piece| self.copy_added(piece));
            }
            (PeerPieces::Some(before), PeerPieces::All) => {
                self.availability.add_seed();
                before.iter().for_each(|piece| self.copy_removed(piece));
            }
            (PeerPieces::Some(before), PeerPieces::Some(after)) => {
                after.without(before).for_each(|piece| self.copy_added(piece));
                before.without(after).for_each(|piece| self.copy_removed(piece));
            }
        }
        self.count_interesting(link);
    }

    /// The peer has this piece too. Nothing happens when that is known.
    pub fn link_has(&mut self, link: LinkId, piece: PieceIndex) {
        let Some(known) = self.links.get_mut(&link) else { return };
        let PeerPieces::Some(bits) = &mut known.pieces else { return };
        if !bits.set(piece) {
            return;
        }
        let is_full = bits.is_full();
        known.interesting += u32::from(self.lacking.get(piece));
        known.barren = [None; CLASSES.len()];
        // One that is not open changes nothing; when it is put in, the search begins anew.
        if let Some(passed) = &mut known.passed
            && self.picker.class_of(piece).is_some()
        {
            passed.back_to(piece);
        }
        if is_full {
            let PeerPieces::Some(bits) = std::mem::replace(&mut known.pieces, PeerPieces::All) else {
                return;
            };
            self.availability.add_seed();
            bits.iter().filter(|other| *other != piece).for_each(|other| self.copy_removed(other));
        } else {
            self.copy_added(piece);
        }
    }

    /// The link is gone: its blocks are missing again, its copies no longer there.
    pub fn link_gone(&mut self, link: LinkId) {
        let Some(known) = self.links.get(&link) else { return };
        let assigned: Vec<BlockRef> = known.assigned.iter().copied().collect();
        let held = known.held.clone();
        for block in assigned {
            self.returned(link, block);
        }
        for piece in held {
            if let Some(partial) = self.partials.get_mut(piece) {
                partial.abandon(link);
                self.settle(piece);
            }
        }
        let Some(known) = self.links.remove(&link) else { return };
        match &known.pieces {
            PeerPieces::All => self.availability.remove_seed(),
            PeerPieces::Some(bits) => bits.iter().for_each(|piece| self.copy_removed(piece)),
        }
        self.retries.link_gone(link);
    }

    /// Whether the peer has a piece that we want and lack. Kept, not computed.
    pub fn interested_in(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.interesting > 0)
    }

    /// Whether the peer is known to have everything.
    pub fn is_seed(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.pieces == PeerPieces::All)
    }

    /// Pieces that the peer is known to have, in thousandths of the torrent.
    pub fn link_progress(&self, link: LinkId) -> u32 {
        let pieces = u64::from(self.geometry.pieces().max(1));
        match self.links.get(&link).map(|link| &link.pieces) {
            Some(PeerPieces::All) => 1_000,
            Some(PeerPieces::Some(bits)) => (u64::from(bits.ones()) * 1_000 / pieces) as u32,
            None => 0,
        }
    }

    /// Whether the peer is known to have this piece.
    pub fn link_holds(&self, link: LinkId, piece: PieceIndex) -> bool {
        self.links.get(&link).is_some_and(|link| link.pieces.has(piece))
    }

    /// We lack this wanted piece, or have stopped lacking it.
    pub(super) fn set_lacking(&mut self, piece: PieceIndex, lacking: bool) {
        let changed = if lacking { self.lacking.set(piece) } else { self.lacking.clear(piece) };
        if !changed {
            return;
        }
        let size = u64::from(self.geometry.piece_size(piece));
        self.missing_bytes = if lacking { self.missing_bytes + size } else { self.missing_bytes - size };
        for link in self.links.values_mut().filter(|link| link.pieces.has(piece)) {
            link.interesting = if lacking { link.interesting + 1 } else { link.interesting - 1 };
        }
    }

    /// One more holder outside the seeds, who may be us.
    pub(super) fn copy_added(&mut self, piece: PieceIndex) {
        let copies = self.availability.add(piece);
        self.picker.rerank(piece, copies, &mut self.rng);
    }

    /// One holder less outside the seeds, who may be us.
    pub(super) fn copy_removed(&mut self, piece: PieceIndex) {
        let copies = self.availability.remove(piece);
        self.picker.rerank(piece, copies, &mut self.rng);
    }

    fn count_interesting(&mut self, link: LinkId) {
        let Some(link) = self.links.get_mut(&link) else { return };
        let wanted = self.lacking.words().iter().enumerate();
        link.interesting = wanted.map(|(at, word)| (word & link.pieces.word(at)).count_ones()).sum();
    }
}
