//! Pieces that a peer named: those it gives while it chokes us, and those it would like to send
//! (BEP 6, "Allowed Fast" and "Suggest Piece"). Hints: they change the order, never what is wanted.

use std::time::Instant;

use super::DownloadManager;
use super::deal::{Hand, LinkSpeed};
use super::links::PeerPieces;
use super::priority::CLASSES;
use crate::types::{BlockRef, LinkId, PieceIndex};

impl DownloadManager {
    /// The peer has this piece no more (BEP 54). Blocks of it stay assigned until they come or are
    /// given back. Nothing happens when it is not known to have it.
    pub fn link_lost(&mut self, link: LinkId, piece: PieceIndex) {
        let Some(known) = self.links.get_mut(&link) else { return };
        if !known.pieces.has(piece) || piece.get() >= self.geometry.pieces() {
            return;
        }
        known.interesting -= u32::from(self.lacking.get(piece));
        match &mut known.pieces {
            PeerPieces::Some(bits) => {
                bits.clear(piece);
                self.copy_removed(piece);
            }
            PeerPieces::All => {
                let mut bits = crate::bitfield::Bitfield::full(self.geometry.pieces());
                bits.clear(piece);
                known.pieces = PeerPieces::Some(bits);
                self.availability.remove_seed();
                self.geometry.all_pieces().filter(|other| *other != piece).for_each(|other| {
                    self.copy_added(other);
                });
            }
        }
    }

    /// As [`deal`](Self::deal), but of these pieces only, in this order: what a link may have that is
    /// choked. Their number is to be small: each is looked at.
    pub fn deal_of(
        &mut self,
        now: Instant,
        link: LinkId,
        n: u32,
        speed: LinkSpeed,
        pieces: &[PieceIndex],
        out: &mut Vec<BlockRef>,
    ) {
        if n == 0 || !self.interested_in(link) {
            return;
        }
        let mut hand = Hand::new(now, link, speed, n, out);
        for piece in pieces.iter().copied() {
            if hand.left == 0 {
                return;
            }
            self.looks += 1;
            if piece.get() >= self.geometry.pieces()
                || self.have.get(piece)
                || !self.priority(piece).is_wanted()
                || !self.may_take(&hand, piece)
            {
                continue;
            }
            if self.partials.get(piece).is_none() {
                self.picker.remove(piece);
                self.partials.begin(piece, self.geometry.blocks_in(piece));
            }
            self.take(&mut hand, piece);
        }
    }

    /// As [`deal`](Self::deal); where a new piece is begun, one that the peer suggested comes first.
    /// But not before a piece that is wanted more, and not while there is something to finish.
    pub fn deal_suggested(
        &mut self,
        now: Instant,
        link: LinkId,
        n: u32,
        speed: LinkSpeed,
        suggested: &[PieceIndex],
        out: &mut Vec<BlockRef>,
    ) {
        let before = out.len();
        let most = CLASSES.into_iter().find(|class| self.picker.len_of(*class) > 0);
        let open: Vec<_> = suggested
            .iter()
            .copied()
            .filter(|piece| piece.get() < self.geometry.pieces() && self.partials.get(*piece).is_none())
            .filter(|piece| most.is_some() && self.class(*piece) == most)
            .collect();
        if !open.is_empty() && self.links.get(&link).is_none_or(|link| link.held.is_empty()) {
            self.deal_of(now, link, n, speed, &open, out);
        }
        self.deal(now, link, n - (out.len() - before) as u32, speed, out);
    }
}
