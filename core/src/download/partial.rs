//! The pieces that have begun: some block is assigned or received, the piece is not verified.
//!
//! A partial is *loose* while it has missing blocks, *full* when all are received. The link that
//! took blocks of it last *holds* it, and finds it again first; one that nobody holds is an orphan,
//! and finishing it is everybody's first task. Loose partials lie on benches, so that a link finds
//! work of its own kind without looking at the others.

use rustc_hash::FxHashMap;

use super::deal::LinkSpeed;
use super::priority::{CLASSES, Class};
use crate::types::{LinkId, PieceIndex};

/// A piece that has begun.
#[derive(Debug)]
pub(super) struct Partial {
    /// For each block that is received, who sent it.
    pub(super) senders: Vec<Option<LinkId>>,
    /// Number of received blocks.
    pub(super) received: u32,
    /// Missing blocks, the last one first: the disk hashes a piece from its start.
    free: Vec<u32>,
    /// The links that have blocks of it assigned, and how many.
    takers: Vec<(LinkId, u32)>,
    holder: Option<LinkId>,
    pace: LinkSpeed,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    bench: usize,
    at: usize,
}

/// Which bench of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bench {
    /// Nobody holds them.
    Orphans,
    /// Held by a link of this speed.
    Held(LinkSpeed),
}

/// Every bench of a class, those first that another link should rather take from.
pub(super) const BENCHES: [Bench; 4] = [
    Bench::Orphans,
    Bench::Held(LinkSpeed::Slow),
    Bench::Held(LinkSpeed::Medium),
    Bench::Held(LinkSpeed::Fast),
];

impl Partial {
    fn new(blocks: u32) -> Self {
        Self {
            senders: vec![None; blocks as usize],
            received: 0,
            free: (0..blocks).rev().collect(),
            takers: Vec::new(),
            holder: None,
            pace: LinkSpeed::Slow,
            place: None,
        }
    }

    /// Number of missing blocks.
    pub(super) fn free(&self) -> u32 {
        self.free.len() as u32
    }

    /// Whether all blocks are received.
    pub(super) fn is_full(&self) -> bool {
        self.received as usize == self.senders.len()
    }

    /// Whether nothing is received and nothing assigned: the piece might as well not have begun.
    pub(super) fn is_bare(&self) -> bool {
        self.received == 0 && self.takers.is_empty()
    }

    /// Whether this block is received.
    pub(super) fn has(&self, block: u32) -> bool {
        self.senders.get(block as usize).is_some_and(Option::is_some)
    }

    /// Number of links that have blocks of it assigned.
    pub(super) fn sharers(&self) -> usize {
        self.takers.len()
    }

    /// Whether a link other than this one has blocks of it assigned.
    pub(super) fn is_shared_by_others(&self, link: LinkId) -> bool {
        self.takers.iter().any(|(taker, _)| *taker != link)
    }

    /// Whether this link took blocks of it last, and more are missing.
    pub(super) fn is_held_by(&self, link: LinkId) -> bool {
        self.holder == Some(link) && !self.free.is_empty()
    }

    /// The first missing block, which is assigned to this link from now on.
    pub(super) fn take(&mut self, link: LinkId, pace: LinkSpeed) -> Option<u32> {
        let block = self.free.pop()?;
        self.holder = Some(link);
        self.pace = pace;
        self.count(link);
        Some(block)
    }

    /// One more block of it is assigned to this link.
    pub(super) fn count(&mut self, link: LinkId) {
        match self.takers.iter_mut().find(|(taker, _)| *taker == link) {
            Some((_, blocks)) => *blocks += 1,
            None => self.takers.push((link, 1)),
        }
    }

    /// One block less of it is assigned to this link. Says whether none is left.
    pub(super) fn discount(&mut self, link: LinkId) -> bool {
        let Some(at) = self.takers.iter().position(|(taker, _)| *taker == link) else { return true };
        self.takers[at].1 -= 1;
        let none = self.takers[at].1 == 0;
        if none {
            self.takers.swap_remove(at);
        }
        none
    }

    /// The link has given up its blocks: if it holds the piece, nobody does.
    pub(super) fn abandon(&mut self, link: LinkId) {
        if self.holder == Some(link) {
            self.holder = None;
        }
    }

    /// The block is missing again.
    pub(super) fn put_back(&mut self, block: u32) {
        let at = self.free.partition_point(|free| *free > block);
        self.free.insert(at, block);
    }

    /// The block is received; it was assigned or missing before.
    pub(super) fn receive(&mut self, block: u32, from: LinkId) {
        if let Ok(at) = self.free.binary_search_by(|free| block.cmp(free)) {
            self.free.remove(at);
        }
        self.senders[block as usize] = Some(from);
        self.received += 1;
    }

    /// The block is missing again; says whether it was received.
    pub(super) fn take_away(&mut self, block: u32) -> bool {
        let received = self.senders.get_mut(block as usize).and_then(Option::take).is_some();
        if received {
            self.received -= 1;
            self.put_back(block);
        }
        received
    }

    /// Blocks that are neither missing nor received.
    pub(super) fn assigned(&self) -> impl Iterator<Item = u32> + '_ {
        let missing = |block: u32| self.free.binary_search_by(|free| block.cmp(free)).is_ok();
        (0..self.senders.len() as u32).filter(move |block| !self.has(*block) && !missing(*block))
    }
}

/// The partials of a torrent.
#[derive(Debug, Default)]
pub(super) struct Partials {
    by_piece: FxHashMap<PieceIndex, Partial>,
    benches: [Vec<PieceIndex>; CLASSES.len() * BENCHES.len()],
}

impl Partials {
    /// Number of partials, full ones counted.
    pub(super) fn len(&self) -> usize {
        self.by_piece.len()
    }

    /// Number of loose partials that are wanted and that some link holds.
    pub(super) fn held(&self) -> usize {
        self.benches.iter().map(Vec::len).sum::<usize>() - self.orphans()
    }

    /// Number of loose partials that are wanted and that nobody holds.
    fn orphans(&self) -> usize {
        CLASSES.iter().map(|class| self.bench(*class, Bench::Orphans).len()).sum()
    }

    /// The loose partials on one bench of a class.
    pub(super) fn bench(&self, class: Class, bench: Bench) -> &[PieceIndex] {
        &self.benches[bench_at(class, bench)]
    }

    /// The loose partials that are wanted, of all classes.
    pub(super) fn all_loose(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.benches.iter().flatten().copied()
    }

    /// This piece, if it has begun.
    pub(super) fn get(&self, piece: PieceIndex) -> Option<&Partial> {
        self.by_piece.get(&piece)
    }

    /// This piece, if it has begun. [`settle`](Self::settle) must follow a change.
    pub(super) fn get_mut(&mut self, piece: PieceIndex) -> Option<&mut Partial> {
        self.by_piece.get_mut(&piece)
    }

    /// The piece begins, with all of its blocks missing.
    pub(super) fn begin(&mut self, piece: PieceIndex, blocks: u32) {
        self.by_piece.insert(piece, Partial::new(blocks));
    }

    /// Forgets the piece, and says what was known of it.
    pub(super) fn remove(&mut self, piece: PieceIndex) -> Option<Partial> {
        self.leave_bench(piece);
        self.by_piece.remove(&piece)
    }

    /// Puts the piece on the bench where it belongs now; on none when it is full, has all of its
    /// missing blocks assigned, or is in no class.
    pub(super) fn settle(&mut self, piece: PieceIndex, class: Option<Class>) {
        let Some(partial) = self.by_piece.get_mut(&piece) else { return };
        let bench = class.filter(|_| !partial.free.is_empty()).map(|class| {
            let kind = partial.holder.map_or(Bench::Orphans, |_| Bench::Held(partial.pace));
            bench_at(class, kind)
        });
        if bench == partial.place.map(|place| place.bench) {
            return;
        }
        self.leave_bench(piece);
        if let (Some(bench), Some(partial)) = (bench, self.by_piece.get_mut(&piece)) {
            partial.place = Some(Place { bench, at: self.benches[bench].len() });
            self.benches[bench].push(piece);
        }
    }

    fn leave_bench(&mut self, piece: PieceIndex) {
        let Some(place) = self.by_piece.get_mut(&piece).and_then(|partial| partial.place.take()) else {
            return;
        };
        self.benches[place.bench].swap_remove(place.at);
        if let Some(moved) = self.benches[place.bench].get(place.at)
            && let Some(moved) = self.by_piece.get_mut(moved)
        {
            moved.place = Some(place);
        }
    }

    /// Every piece that has begun.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (PieceIndex, &Partial)> {
        self.by_piece.iter().map(|(piece, partial)| (*piece, partial))
    }

    /// Panics unless every loose partial lies on the bench of its class, and no other does.
    #[cfg(test)]
    pub(super) fn check(&self, class: impl Fn(PieceIndex) -> Option<Class>) {
        let mut on_benches = 0;
        for (piece, partial) in self.iter() {
            let loose = !partial.free.is_empty() && class(piece).is_some();
            assert_eq!(loose, partial.place.is_some(), "bench of {piece:?}");
            if let Some(place) = partial.place {
                assert_eq!(self.benches[place.bench][place.at], piece);
                assert_eq!(Some(CLASSES[place.bench / BENCHES.len()]), class(piece));
                on_benches += 1;
            }
            assert!(partial.free.is_sorted_by(|a, b| a > b));
            assert!(!partial.is_bare(), "{piece:?} has not begun");
        }
        assert_eq!(on_benches, self.held() + self.orphans());
    }

    /// The links that have blocks of this piece assigned, and how many.
    #[cfg(test)]
    pub(super) fn takers(&self, piece: PieceIndex) -> Vec<(LinkId, u32)> {
        self.get(piece).map(|partial| partial.takers.clone()).unwrap_or_default()
    }
}

fn bench_at(class: Class, bench: Bench) -> usize {
    let kind = match bench {
        Bench::Orphans => 0,
        Bench::Held(LinkSpeed::Slow) => 1,
        Bench::Held(LinkSpeed::Medium) => 2,
        Bench::Held(LinkSpeed::Fast) => 3,
    };
    class.as_usize() * BENCHES.len() + kind
}
