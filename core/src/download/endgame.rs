//! The endgame (BEP 3, "Piece downloading"): when nothing is left to ask for, ask a second link for
//! what the slow ones owe, and cancel the rest when a block comes.
//!
//! It starts only when every block that somebody here could send is assigned, and stays small: a
//! link gets few extra blocks at a time, a block few links, and never one link twice.

use rand::RngExt;

use super::DownloadManager;
use super::deal::{Hand, LinkSpeed};
use super::flight::MAX_TAKERS;
use crate::types::BlockRef;

/// Assigned blocks looked at for one hand. The tail of a download is shorter than that.
const LOOKS: usize = 512;

impl DownloadManager {
    /// Whether every block that is wanted and missing is assigned, those aside that no link here
    /// has or that one link alone is to send.
    pub fn in_endgame(&self) -> bool {
        let out_of_reach = if self.availability.seeds() == 0 { self.picker.at_rank_zero() } else { 0 };
        self.flights.len() > 0
            && self.picker.len() == out_of_reach
            && self.partials.all_loose().all(|piece| {
                self.availability.copies(piece) == 0
                    || self.retries.get(piece).is_some()
                        && self.partials.get(piece).is_some_and(|partial| partial.sharers() > 0)
            })
    }

    /// Deals blocks that other links have assigned already.
    pub(super) fn deal_extras(&mut self, hand: &mut Hand<'_>) {
        let Some(link) = self.links.get(&hand.link) else { return };
        let extras = link.assigned.iter().filter(|block| self.flights.takers(**block).len() > 1).count();
        let room = extras_in_flight(hand.speed).saturating_sub(extras).min(hand.left as usize);
        if room == 0 {
            return;
        }
        let blocks = self.flights.len();
        let start = self.rng.random_range(0..blocks);
        let mut open: Vec<(usize, BlockRef)> = Vec::new();
        for at in 0..blocks.min(LOOKS) {
            let block = self.flights.at((start + at) % blocks);
            let takers = self.flights.takers(block);
            if takers.len() < MAX_TAKERS
                && !takers.contains(hand.link)
                && link.pieces.has(block.piece)
                && self.priorities[block.piece.as_usize()].is_wanted()
                && self.retries.get(block.piece).is_none()
            {
                open.push((takers.len(), block));
            }
        }
        self.looks += blocks.min(LOOKS) as u64;
        // Those that only one link owes first; a stable sort keeps the random start.
        open.sort_by_key(|(takers, _)| *takers);
        for (_, block) in open.into_iter().take(room) {
            self.assign(hand, block);
            if let Some(partial) = self.partials.get_mut(block.piece) {
                partial.count(hand.link);
            }
        }
    }
}

/// Extra blocks that a link may have assigned: enough that a fast link is not limited by its round
/// trips, few enough that a hundred links waste a few MiB at most.
const fn extras_in_flight(speed: LinkSpeed) -> usize {
    match speed {
        LinkSpeed::Slow => 1,
        LinkSpeed::Medium => 2,
        LinkSpeed::Fast => 4,
    }
}
