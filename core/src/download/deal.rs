//! Dealing a hand of blocks to a link.
//!
//! Within a class: what the link holds, what nobody holds, what links as slow as it share, then a
//! new piece, the rarest it has; last what others hold. When too much has begun, others' pieces
//! come before new ones. A fast link has its pieces to itself, so that a failed hash has one
//! suspect; slow ones share, so that a piece does not take as long as its slowest sender.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::seq::SliceRandom;

use super::DownloadManager;
use super::links::PeerPieces;
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

/// While we have fewer pieces than this they are picked at random: a rare piece comes from few
/// links and takes long, and we need something to trade soon (BEP 3).
const RANDOM_FIRST: u32 = 4;

/// Open pieces looked at in the order of rarity before a link's own pieces are searched instead.
const WALK: usize = 128;

/// Open pieces of a link that the rarest are chosen from, when most of the rarest overall are not
/// among its own.
const SAMPLE: usize = 256;

/// Pieces kept of one sample, so that its cost is shared by as many.
const SHORTLIST: usize = 32;

/// Age at which a shortlist's order of rarity is no longer trusted.
const SHORTLIST_AGE: Duration = Duration::from_secs(10);

/// Partials looked at on one bench before a new piece is preferred.
const BENCH_LOOKS: usize = 16;

/// A hand in the making.
#[derive(Debug)]
pub(super) struct Hand<'a> {
    pub(super) now: Instant,
    pub(super) link: LinkId,
    pub(super) speed: LinkSpeed,
    /// Blocks still to be dealt.
    pub(super) left: u32,
    /// The link gets nothing else: it may have what its part in a failure bars it from.
    last_resort: bool,
    out: &'a mut Vec<BlockRef>,
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
        let mut hand = Hand { now, link, speed, left: n, last_resort: false, out };
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
            self.deal_held(hand, class);
            self.deal_bench(hand, class, Bench::Orphans, BENCH_LOOKS, usize::MAX);
            if hand.speed != LinkSpeed::Fast {
                let bench = Bench::Held(hand.speed);
                self.deal_bench(hand, class, bench, BENCH_LOOKS, hand.speed.sharers());
            }
            let crowded = self.partials.loose() >= self.links.len() * 3 / 2 + 8;
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
    fn take(&mut self, hand: &mut Hand<'_>, piece: PieceIndex) {
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
    fn may_take(&self, hand: &Hand<'_>, piece: PieceIndex) -> bool {
        let has = self.links.get(&hand.link).is_some_and(|link| link.pieces.has(piece));
        has && self.retries.suspects(piece).is_none_or(|suspects| {
            let busy = self.partials.get(piece).is_some_and(|partial| partial.is_shared_by_others(hand.link));
            !busy && (hand.last_resort || !suspects.contains(&hand.link))
        })
    }

    /// Open pieces for the link, up to `want`, the best first.
    fn choose(&mut self, hand: &Hand<'_>, class: Class, want: usize) -> Vec<PieceIndex> {
        let mut found = Vec::new();
        let Some(link) = self.links.get(&hand.link) else { return found };
        if link.barren[class.as_usize()] == Some(self.picker.generation(class)) {
            return found;
        }
        if self.have.ones() < RANDOM_FIRST {
            self.random(hand, class, want, &mut found);
        } else {
            self.shortlisted(hand, class, want, &mut found);
            self.walk(hand, class, want, &mut found);
        }
        if found.len() < want {
            self.sample(hand, class, want, &mut found);
        }
        found
    }

    fn random(&mut self, hand: &Hand<'_>, class: Class, want: usize, found: &mut Vec<PieceIndex>) {
        // A link with half of the pieces is hit by every second try.
        for _ in 0..want.saturating_mul(2).saturating_add(8) {
            self.looks += 1;
            match self.picker.random(class, &mut self.rng) {
                Some(piece) if self.may_take(hand, piece) && !found.contains(&piece) => found.push(piece),
                _ => {}
            }
            if found.len() >= want {
                return;
            }
        }
    }

    fn shortlisted(&mut self, hand: &Hand<'_>, class: Class, want: usize, found: &mut Vec<PieceIndex>) {
        let Some(link) = self.links.get_mut(&hand.link) else { return };
        let fresh = link.shortlist.as_ref().is_some_and(|list| {
            list.class == class && hand.now.saturating_duration_since(list.made) < SHORTLIST_AGE
        });
        let Some(mut list) = link.shortlist.take().filter(|_| fresh) else { return };
        while found.len() < want
            && let Some(piece) = list.pieces.pop()
        {
            self.looks += 1;
            if self.picker.class_of(piece) == Some(class) && self.may_take(hand, piece) {
                found.push(piece);
            }
        }
        if let Some(link) = self.links.get_mut(&hand.link)
            && !list.pieces.is_empty()
        {
            link.shortlist = Some(list);
        }
    }

    /// The rarest pieces overall, as far as the link has them.
    fn walk(&mut self, hand: &Hand<'_>, class: Class, want: usize, found: &mut Vec<PieceIndex>) {
        let Some(link) = self.links.get(&hand.link) else { return };
        // What a link has that is no seed, one link outside the seeds has.
        let from = u16::from(matches!(link.pieces, PeerPieces::Some(_)));
        let listed = found.len();
        let mut looked = 0;
        for piece in self.picker.walk(class, from).take(WALK + want) {
            if found.len() >= want {
                break;
            }
            looked += 1;
            if self.may_take(hand, piece) && !found[..listed].contains(&piece) {
                found.push(piece);
            }
        }
        self.looks += looked;
    }

    /// The rarest of a sample of the link's own open pieces. Finds something if there is anything;
    /// what is not needed at once is kept for the next hands.
    fn sample(&mut self, hand: &Hand<'_>, class: Class, want: usize, found: &mut Vec<PieceIndex>) {
        let open = self.picker.open(class).words();
        let Some(link) = self.links.get(&hand.link) else { return };
        let start = self.rng.random_range(0..open.len().max(1));
        let limit = found.len() + want.max(SAMPLE);
        let (mut looked, mut barred) = (0, false);
        'words: for at in 0..open.len() {
            let at = (start + at) % open.len();
            looked += 1;
            let mut left = open[at] & link.pieces.word(at);
            while left != 0 {
                let bit = left.leading_zeros();
                left &= !(1 << (63 - bit));
                looked += 1;
                let piece = PieceIndex::new(at as u32 * 64 + bit);
                if self.may_take(hand, piece) {
                    found.push(piece);
                } else {
                    barred = true;
                }
                if found.len() >= limit {
                    break 'words;
                }
            }
        }
        self.looks += looked;
        found.sort_unstable_by_key(|piece| self.picker.rarity(*piece));
        found.dedup();
        let at_random = self.have.ones() < RANDOM_FIRST;
        if at_random {
            found.shuffle(&mut self.rng);
        }
        let rest = found.split_off(want.min(found.len()));
        let generation = self.picker.generation(class);
        let Some(link) = self.links.get_mut(&hand.link) else { return };
        if !at_random && !rest.is_empty() {
            let mut pieces: Vec<PieceIndex> = rest.into_iter().take(SHORTLIST).collect();
            pieces.reverse();
            link.shortlist = Some(Shortlist { class, made: hand.now, pieces });
        }
        if found.is_empty() && !barred {
            link.barren[class.as_usize()] = Some(generation);
        }
    }
}

/// The rarest open pieces of one link, the best last, as they were when it was made.
#[derive(Debug)]
pub(super) struct Shortlist {
    class: Class,
    made: Instant,
    pieces: Vec<PieceIndex>,
}
