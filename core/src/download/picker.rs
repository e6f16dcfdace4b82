//! The open pieces, rarest first. No BEP; the idea is in BEP 3's author's "Incentives Build
//! Robustness in BitTorrent", section 2.4.
//!
//! An *open* piece is wanted, missing and not begun. Each lies in one bucket per class and rank
//! (its copies outside seeds); to put in, take out and move one costs the same for ten pieces as
//! for a million. The order within a bucket is random, so that two clients with the same view do
//! not fetch the same piece.

use rand::RngExt;
use rand::rngs::SmallRng;

use super::priority::{CLASSES, Class};
use crate::bitfield::Bitfield;
use crate::types::PieceIndex;

/// Ranks told apart. What 63 incomplete peers hold is not rare, and one word says which of a
/// class's buckets are filled.
const RANKS: usize = 64;

/// `Slot::bucket` of a piece that is not open.
const NOWHERE: u8 = u8::MAX;

/// Where an open piece lies.
#[derive(Clone, Copy, Debug)]
struct Slot {
    bucket: u8,
    at: u32,
}

/// The open pieces of one class.
#[derive(Debug)]
struct Shelf {
    ranks: Vec<Vec<PieceIndex>>,
    /// Bit `r` is set when `ranks[r]` is not empty.
    filled: u64,
    open: Bitfield,
    /// Counts the pieces put in: a search that found nothing holds until this changes.
    generation: u64,
}

/// The open pieces of a torrent.
#[derive(Debug)]
pub(super) struct Picker {
    shelves: [Shelf; CLASSES.len()],
    slots: Vec<Slot>,
}

impl Picker {
    /// No piece is open.
    pub(super) fn new(pieces: u32) -> Self {
        let shelf = || Shelf {
            ranks: vec![Vec::new(); RANKS],
            filled: 0,
            open: Bitfield::new(pieces),
            generation: 0,
        };
        let nowhere = Slot { bucket: NOWHERE, at: 0 };
        Self { shelves: [shelf(), shelf(), shelf()], slots: vec![nowhere; pieces as usize] }
    }

    /// Number of open pieces.
    pub(super) fn len(&self) -> u32 {
        CLASSES.iter().map(|class| self.len_of(*class)).sum()
    }

    /// Number of open pieces of a class.
    pub(super) fn len_of(&self, class: Class) -> u32 {
        self.shelves[class.as_usize()].open.ones()
    }

    /// Number of open pieces that nobody but seeds has.
    pub(super) fn at_rank_zero(&self) -> u32 {
        self.shelves.iter().map(|shelf| shelf.ranks[0].len() as u32).sum()
    }

    /// Changes when a piece of this class is put in.
    pub(super) fn generation(&self, class: Class) -> u64 {
        self.shelves[class.as_usize()].generation
    }

    /// The open pieces of a class as a set.
    pub(super) fn open(&self, class: Class) -> &Bitfield {
        &self.shelves[class.as_usize()].open
    }

    /// The class that this piece is open in.
    pub(super) fn class_of(&self, piece: PieceIndex) -> Option<Class> {
        let bucket = self.slots[piece.as_usize()].bucket;
        (bucket != NOWHERE).then(|| CLASSES[usize::from(bucket) / RANKS])
    }

    /// Sorts open pieces of one class: the rarest first, at random between equals.
    pub(super) fn rarity(&self, piece: PieceIndex) -> (u8, u32) {
        let slot = self.slots[piece.as_usize()];
        (slot.bucket, slot.at)
    }

    /// Puts a piece in, or moves it to the class and number of copies that it has now.
    pub(super) fn insert(&mut self, piece: PieceIndex, class: Class, copies: u16, rng: &mut SmallRng) {
        self.remove(piece);
        self.place(piece, class, rank(copies), rng);
        let shelf = &mut self.shelves[class.as_usize()];
        shelf.open.set(piece);
        shelf.generation += 1;
    }

    /// Takes a piece out; nothing happens when it is not open.
    pub(super) fn remove(&mut self, piece: PieceIndex) {
        if let Some(class) = self.class_of(piece) {
            self.unplace(piece);
            self.shelves[class.as_usize()].open.clear(piece);
        }
    }

    /// The number of copies has changed; nothing happens when the piece is not open.
    pub(super) fn rerank(&mut self, piece: PieceIndex, copies: u16, rng: &mut SmallRng) {
        if let Some(class) = self.class_of(piece) {
            let rank = rank(copies);
            if usize::from(self.slots[piece.as_usize()].bucket) % RANKS != rank {
                self.unplace(piece);
                self.place(piece, class, rank, rng);
            }
        }
    }

    /// The open pieces of a class from this rank on, the rarest first.
    pub(super) fn walk(&self, class: Class, from: u16) -> impl Iterator<Item = PieceIndex> + '_ {
        let shelf = &self.shelves[class.as_usize()];
        filled(shelf.filled & (u64::MAX << rank(from))).flat_map(|rank| shelf.ranks[rank].iter().copied())
    }

    /// An open piece of this class, all with the same chance.
    pub(super) fn random(&self, class: Class, rng: &mut SmallRng) -> Option<PieceIndex> {
        let shelf = &self.shelves[class.as_usize()];
        let len = shelf.open.ones() as usize;
        let mut at = if len == 0 { return None } else { rng.random_range(0..len) };
        for rank in filled(shelf.filled) {
            let bucket = &shelf.ranks[rank];
            if let Some(piece) = bucket.get(at) {
                return Some(*piece);
            }
            at -= bucket.len();
        }
        None
    }

    fn place(&mut self, piece: PieceIndex, class: Class, rank: usize, rng: &mut SmallRng) {
        let shelf = &mut self.shelves[class.as_usize()];
        let bucket = &mut shelf.ranks[rank];
        let name = (class.as_usize() * RANKS + rank) as u8;
        // To the end, then change places with any: the order stays random.
        bucket.push(piece);
        let last = bucket.len() - 1;
        let at = rng.random_range(0..=last);
        bucket.swap(at, last);
        self.slots[bucket[last].as_usize()] = Slot { bucket: name, at: last as u32 };
        self.slots[piece.as_usize()] = Slot { bucket: name, at: at as u32 };
        shelf.filled |= 1 << rank;
    }

    fn unplace(&mut self, piece: PieceIndex) {
        let slot = std::mem::replace(&mut self.slots[piece.as_usize()], Slot { bucket: NOWHERE, at: 0 });
        let (class, rank) = (usize::from(slot.bucket) / RANKS, usize::from(slot.bucket) % RANKS);
        let shelf = &mut self.shelves[class];
        let bucket = &mut shelf.ranks[rank];
        bucket.swap_remove(slot.at as usize);
        if let Some(moved) = bucket.get(slot.at as usize) {
            self.slots[moved.as_usize()].at = slot.at;
        }
        if bucket.is_empty() {
            shelf.filled &= !(1 << rank);
        }
        // When all pieces pass through a bucket as peers join, it must not keep room for all.
        if bucket.capacity() > 64 && bucket.len() < bucket.capacity() / 4 {
            bucket.shrink_to(bucket.capacity() / 2);
        }
    }

    /// Panics unless every slot names the place where its piece lies.
    #[cfg(test)]
    pub(super) fn check(&self, copies: impl Fn(PieceIndex) -> u16) {
        let mut seen = 0;
        for (class, shelf) in self.shelves.iter().enumerate() {
            for (at_rank, bucket) in shelf.ranks.iter().enumerate() {
                assert_eq!(shelf.filled >> at_rank & 1 == 1, !bucket.is_empty());
                for (at, piece) in bucket.iter().enumerate() {
                    let slot = self.slots[piece.as_usize()];
                    assert_eq!((usize::from(slot.bucket), slot.at as usize), (class * RANKS + at_rank, at));
                    assert!(shelf.open.get(*piece));
                    assert_eq!(at_rank, rank(copies(*piece)), "rank of {piece:?}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, self.len());
        assert_eq!(seen as usize, self.slots.iter().filter(|slot| slot.bucket != NOWHERE).count());
    }
}

fn rank(copies: u16) -> usize {
    usize::from(copies).min(RANKS - 1)
}

fn filled(mut ranks: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let rank = ranks.trailing_zeros() as usize;
        ranks &= ranks.checked_sub(1)?;
        Some(rank)
    })
}
