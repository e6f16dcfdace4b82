//! Dealing a hand of blocks to a link.
//!
//! Within a class: a piece that failed and that it had no part in, what the link holds, what nobody
//! holds, what links as slow as it share, then a new piece, the rarest it has; last what others hold.
//! When too much has begun, others' pieces come before new ones. A fast link has its pieces to itself,
//! so that a failed hash has one suspect; slow ones share, so that a piece does not take as long as its
//! slowest sender.

use std::time::Instant;

use rand::RngExt;

use super::DownloadManager;
use super::partial::{BENCHES, Bench};
use super::priority::{CLASSES, Class};
use crate::types::{BlockRef, LinkId, PieceIndex};

/// How fast a link sends, compared with the other links of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkSpeed {
    /// Shares pieces with a few other slow links.
    #[default]
    Slow,
    /// Shares pieces with one other link.
    Medium,
    /// Has whole pieces to itself.
    Fast,
}

impl LinkSpeed {
    /// Links of this speed that work on one piece before another is begun.
    const fn sharers(self) -> usize {
        match self {
            Self::Slow => 4,
            Self::Medium => 2,
            Self::Fast => 1,
        }
    }
}

/// Partials looked at on one bench before a new piece is preferred.
const BENCH_LOOKS: usize = 16;

/// Pieces on retry looked at for one hand; what more failed is found as any other piece.
const RETRY_LOOKS: usize = 16;

/// A hand in the making.
#[derive(Debug)]
pub(super) struct Hand<'a> {
    pub(super) now: Instant,
    pub(super) link: LinkId,
    pub(super) speed: LinkSpeed,
    /// Blocks still to be dealt.
    pub(super) left: u32,
    /// The link gets nothing else: it may have what its part in a failure bars it from.
    pub(super) last_resort: bool,
    out: &'a mut Vec<BlockRef>,
}

impl<'a> Hand<'a> {
    /// An empty one, for up to `n` blocks.
    pub(super) const fn new(
        now: Instant,
        link: LinkId,
        speed: LinkSpeed,
        n: u32,
        out: &'a mut Vec<BlockRef>,
    ) -> Self {
        Self { now, link, speed, left: n, last_resort: false, out }
    }
}

impl DownloadManager {
    /// Deals up to `n` blocks to this link and appends them to `out`; they are assigned to it until
    /// [`arrived`](Self::arrived) or [`returned`](Self::returned).
    ///
    /// Fewer than `n` come when the link has no more that is missing, or in the endgame. The cost
    /// per block depends neither on the number of pieces nor on the number of links.
    pub fn deal(&mut self, now: Instant, link: LinkId, n: u32, speed: LinkSpeed, out: &mut Vec<BlockRef>) {
        if n == 0 || !self.interested_in(link) {
            return;
        }
        let mut hand = Hand::new(now, link, speed, n, out);
        self.deal_classes(&mut hand);
        if hand.left == n && !self.retries.is_empty() {
            hand.last_resort = true;
            self.deal_classes(&mut hand);
        }
        if hand.left > 0 && self.in_endgame() {
            self.deal_extras(&mut hand);
        }
    }

    /// Assigns the block to the link of the hand.
    pub(super) fn assign(&mut self, hand: &mut Hand<'_>, block: BlockRef) {
        self.flights.add(block, hand.link);
        if let Some(link) = self.links.get_mut(&hand.link) {
            link.assigned.insert(block);
        }
        hand.out.push(block);
        hand.left -= 1;
    }

    fn deal_classes(&mut self, hand: &mut Hand<'_>) {
        for class in CLASSES {
            self.deal_retries(hand, class);
            self.deal_held(hand, class);
            self.deal_bench(hand, class, Bench::Orphans, BENCH_LOOKS, usize::MAX);
            if hand.speed != LinkSpeed::Fast {
                let bench = Bench::Held(hand.speed);
                self.deal_bench(hand, class, bench, BENCH_LOOKS, hand.speed.sharers());
            }
            // Orphans do not count: they come first anyway, or nobody here can finish them.
            let crowded = self.partials.held() >= self.links.len() * 3 / 2 + 8;
            if !crowded {
                self.deal_new(hand, class);
            }
            for bench in BENCHES {
                self.deal_bench(hand, class, bench, usize::MAX, usize::MAX);
            }
            if crowded {
                self.deal_new(hand, class);
            }
        }
    }

    /// What failed and this link may retry: at once, because it says who is not to be trusted with more.
    fn deal_retries(&mut self, hand: &mut Hand<'_>, class: Class) {
        if self.retries.is_empty() || hand.left == 0 {
            return;
        }
        let of_class = |piece: &PieceIndex| self.class(*piece) == Some(class);
        let pieces: Vec<_> = self.retries.pieces().take(RETRY_LOOKS).filter(of_class).collect();
        self.looks += pieces.len() as u64;
        for piece in pieces {
            if self.may_take(hand, piece) {
                if self.partials.get(piece).is_none() {
                    self.picker.remove(piece);
                    self.partials.begin(piece, self.geometry.blocks_in(piece));
                }
                self.take(hand, piece);
                if let Some(retry) = self.retries.get_mut(piece) {
                    retry.taken();
                }
            } else if self.may_retry(hand, piece) {
                self.take_over(hand, piece);
            }
            if hand.left == 0 {
                return;
            }
        }
    }

    /// The link would begin a piece anew that another one has left half done.
    fn take_over(&mut self, hand: &Hand<'_>, piece: PieceIndex) {
        let Some(partial) = self.partials.get(piece) else { return };
        let abandoned = partial.senders.iter().flatten().all(|sender| !self.links.contains_key(sender));
        let Some(retry) = self.retries.get_mut(piece) else { return };
        if !partial.is_full() && (abandoned || retry.wanted(hand.now)) {
            retry.restarting = true;
            self.restarts.push(piece);
        }
    }

    /// What the link holds.
    fn deal_held(&mut self, hand: &mut Hand<'_>, class: Class) {
        let Some(link) = self.links.get_mut(&hand.link) else { return };
        let mut held = std::mem::take(&mut link.held);
        self.looks += held.len() as u64;
        held.retain(|piece| self.partials.get(*piece).is_some_and(|partial| partial.is_held_by(hand.link)));
        for piece in &held {
            if self.class(*piece) == Some(class) && self.may_take(hand, *piece) {
                self.take(hand, *piece);
            }
        }
        if let Some(link) = self.links.get_mut(&hand.link) {
            link.held = held;
        }
    }

    /// What lies on a bench: up to `looks` partials that fewer than `sharers` links work on.
    fn deal_bench(&mut self, hand: &mut Hand<'_>, class: Class, bench: Bench, looks: usize, sharers: usize) {
        let len = self.partials.bench(class, bench).len();
        if hand.left == 0 || len == 0 {
            return;
        }
        let start = self.rng.random_range(0..len);
        let pieces = self.partials.bench(class, bench);
        let mut found = Vec::new();
        let mut blocks = 0;
        let mut looked = 0;
        for at in 0..len.min(looks) {
            looked += 1;
            let piece = pieces[(start + at) % len];
            let Some(partial) = self.partials.get(piece) else { continue };
            if partial.sharers() < sharers && self.may_take(hand, piece) {
                found.push(piece);
                blocks += partial.free();
                if blocks >= hand.left {
                    break;
                }
            }
        }
        self.looks += looked;
        for piece in found {
            self.take(hand, piece);
        }
    }

    /// Pieces that nobody has begun.
    fn deal_new(&mut self, hand: &mut Hand<'_>, class: Class) {
        while hand.left > 0 && self.picker.len_of(class) > 0 {
            let want = hand.left.div_ceil(self.geometry.blocks_per_piece().max(1)) as usize;
            let found = self.choose(hand, class, want);
            if found.is_empty() {
                return;
            }
            for piece in found.into_iter().take(want) {
                self.picker.remove(piece);
                self.partials.begin(piece, self.geometry.blocks_in(piece));
                self.take(hand, piece);
            }
        }
    }

    /// Assigns missing blocks of a partial to the link.
    pub(super) fn take(&mut self, hand: &mut Hand<'_>, piece: PieceIndex) {
        while hand.left > 0
            && let Some(block) =
                self.partials.get_mut(piece).and_then(|partial| partial.take(hand.link, hand.speed))
        {
            self.assign(hand, BlockRef { piece, block });
        }
        self.settle(piece);
        let held = self.partials.get(piece).is_some_and(|partial| partial.is_held_by(hand.link));
        if let Some(link) = self.links.get_mut(&hand.link)
            && held
            && !link.held.contains(&piece)
        {
            link.held.push(piece);
        }
    }

    /// Whether the link has the piece, and may have it if it is on retry.
    pub(super) fn may_take(&self, hand: &Hand<'_>, piece: PieceIndex) -> bool {
        let Some(retry) = self.retries.get(piece) else {
            return self.links.get(&hand.link).is_some_and(|link| link.pieces.has(piece));
        };
        self.may_retry(hand, piece) && !(retry.is_solo() && self.is_half_done_by_others(hand.link, piece))
    }

    /// Whether it is this link's turn with a piece on retry.
    fn may_retry(&self, hand: &Hand<'_>, piece: PieceIndex) -> bool {
        let has = self.links.get(&hand.link).is_some_and(|link| link.pieces.has(piece));
        has && self.retries.get(piece).is_some_and(|retry| {
            let busy = self.partials.get(piece).is_some_and(|partial| partial.is_shared_by_others(hand.link));
            !busy && !retry.restarting && (hand.last_resort || !retry.suspects.contains(&hand.link))
        })
    }

    /// Whether a block of the piece came from another link.
    fn is_half_done_by_others(&self, link: LinkId, piece: PieceIndex) -> bool {
        let partial = self.partials.get(piece);
        partial.is_some_and(|partial| partial.senders.iter().flatten().any(|sender| *sender != link))
    }
}
