//! One bit per piece that many threads may read and set: which pieces are verified.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::bitfield::Bitfield;
use crate::types::PieceIndex;

/// A fixed number of bits, first piece first, without a lock.
///
/// A bit is set with `Release` after the data it vouches for was written, and read with `Acquire`.
#[derive(Debug)]
pub(crate) struct AtomicBits {
    words: Box<[AtomicU64]>,
    len: u32,
    ones: AtomicU32,
}

impl AtomicBits {
    /// All bits clear.
    pub(crate) fn new(len: u32) -> Self {
        let words = (0..(len as usize).div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { words, len, ones: AtomicU32::new(0) }
    }

    /// Whether this piece's bit is set. Past the end: no.
    pub(crate) fn get(&self, piece: PieceIndex) -> bool {
        let (word, mask) = place(piece);
        self.words.get(word).is_some_and(|bits| bits.load(Ordering::Acquire) & mask != 0)
    }

    /// Sets the bit; says whether it was clear before.
    pub(crate) fn set(&self, piece: PieceIndex) -> bool {
        if piece.get() >= self.len {
            return false;
        }
        let (word, mask) = place(piece);
        let fresh = self.words[word].fetch_or(mask, Ordering::AcqRel) & mask == 0;
        if fresh {
            self.ones.fetch_add(1, Ordering::Relaxed);
        }
        fresh
    }

    /// Clears the bit; says whether it was set before.
    pub(crate) fn clear(&self, piece: PieceIndex) -> bool {
        if piece.get() >= self.len {
            return false;
        }
        let (word, mask) = place(piece);
        let there = self.words[word].fetch_and(!mask, Ordering::AcqRel) & mask != 0;
        if there {
            self.ones.fetch_sub(1, Ordering::Relaxed);
        }
        there
    }

    /// Number of set bits.
    pub(crate) fn ones(&self) -> u32 {
        self.ones.load(Ordering::Relaxed)
    }

    /// A copy. Bits that change meanwhile may or may not be in it.
    pub(crate) fn copy(&self) -> Bitfield {
        let mut wire: Vec<u8> =
            self.words.iter().flat_map(|word| word.load(Ordering::Acquire).to_be_bytes()).collect();
        wire.truncate((self.len as usize).div_ceil(8));
        Bitfield::from_wire(&wire, self.len).expect("no bit past the end is ever set")
    }
}

/// The order of the wire: the first piece is the high bit.
const fn place(piece: PieceIndex) -> (usize, u64) {
    let index = piece.get();
    ((index / 64) as usize, 1 << (63 - index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_clear_count_copy() {
        let bits = AtomicBits::new(70);
        let at = PieceIndex::new;
        assert!(bits.set(at(0)) && bits.set(at(69)) && !bits.set(at(69)) && !bits.set(at(70)));
        assert!(bits.get(at(69)) && !bits.get(at(68)) && !bits.get(at(1_000)));
        assert_eq!(bits.copy().iter().collect::<Vec<_>>(), [at(0), at(69)]);
        assert!(bits.clear(at(0)) && !bits.clear(at(0)));
        assert_eq!((bits.ones(), bits.copy().ones()), (1, 1));
    }
}
