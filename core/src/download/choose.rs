//! Which pieces a link begins: at random while we have few, the rarest it has later (BEP 3); or, where
//! a person wants to look at the content soon, in the order of the content.
//!
//! The order of rarity is one for all links. One that has most of the rarest pieces is served by
//! walking along that order; one that has few of them, from a sample of its own pieces, of which
//! the best are kept as its shortlist. So no hand looks at all pieces.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::seq::SliceRandom;

use super::DownloadManager;
use super::deal::Hand;
use super::links::{Link, PeerPieces};
use super::priority::Class;
use crate::types::PieceIndex;

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

/// Where the first open piece of one link is not: in these words of its bitfield.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    class: Class,
    /// The picker's, in which that was so.
    generation: u64,
    words: usize,
}

impl Passed {
    /// The link has this piece too.
    pub(super) fn back_to(&mut self, piece: PieceIndex) {
        self.words = self.words.min(piece.as_usize() / 64);
    }
}

/// The rarest open pieces of one link, the best last, as they were when it was made.
#[derive(Debug)]
pub(super) struct Shortlist {
    class: Class,
    made: Instant,
    pieces: Vec<PieceIndex>,
}

impl DownloadManager {
    /// Open pieces for the link, up to `want`, the best first.
    pub(super) fn choose(&mut self, hand: &Hand<'_>, class: Class, want: usize) -> Vec<PieceIndex> {
        let mut found = Vec::new();
        let Some(link) = self.links.get(&hand.link) else { return found };
        if link.barren[class.as_usize()] == Some(self.picker.generation(class)) {
            return found;
        }
        if self.sequential {
            self.in_order(hand, class, want, &mut found);
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

    /// The first of the link's open pieces. Where nothing was found stays known until a piece is put in or
    /// the link has more, so that a download goes over the words of the torrent once for each link.
    fn in_order(&mut self, hand: &Hand<'_>, class: Class, want: usize, found: &mut Vec<PieceIndex>) {
        let generation = self.picker.generation(class);
        let open = self.picker.open(class).words();
        let Some(link) = self.links.get(&hand.link) else { return };
        let known = link.passed.filter(|passed| (passed.class, passed.generation) == (class, generation));
        let first = known.map_or(0, |passed| passed.words);
        let scan = self.scan(hand, class, link, first..open.len(), want, found);
        let words = scan.first.unwrap_or(open.len());
        self.looks += scan.looked;
        let Some(link) = self.links.get_mut(&hand.link) else { return };
        link.passed = Some(Passed { class, generation, words });
        if found.is_empty() && !scan.barred {
            link.barren[class.as_usize()] = Some(generation);
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
        let scan = self.scan(hand, class, link, (start..open.len()).chain(0..start), limit, found);
        self.looks += scan.looked;
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
        if found.is_empty() && !scan.barred {
            link.barren[class.as_usize()] = Some(generation);
        }
    }

    /// Goes over these words of the link's open pieces, in this order, until `limit` are found.
    fn scan(
        &self,
        hand: &Hand<'_>,
        class: Class,
        link: &Link,
        words: impl Iterator<Item = usize>,
        limit: usize,
        found: &mut Vec<PieceIndex>,
    ) -> Scan {
        let open = self.picker.open(class).words();
        let mut scan = Scan::default();
        for at in words {
            scan.looked += 1;
            let mut left = open[at] & link.pieces.word(at);
            if left != 0 {
                scan.first.get_or_insert(at);
            }
            while left != 0 {
                let bit = left.leading_zeros();
                left &= !(1 << (63 - bit));
                scan.looked += 1;
                let piece = PieceIndex::new(at as u32 * 64 + bit);
                if self.may_take(hand, piece) {
                    found.push(piece);
                } else {
                    scan.barred = true;
                }
                if found.len() >= limit {
                    return scan;
                }
            }
        }
        scan
    }
}

/// What came of a scan.
#[derive(Debug, Default)]
struct Scan {
    /// Words and pieces that were looked at.
    looked: u64,
    /// The first word with an open piece of the link.
    first: Option<usize>,
    /// Some piece is open and may not be taken now.
    barred: bool,
}
