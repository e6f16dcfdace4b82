//! One bit per piece, in the order of the wire: the first piece is the high bit (BEP 3, bitfield).

use crate::types::PieceIndex;

/// A fixed number of bits. Words are kept most significant bit first, so that the wire form is
/// their big-endian bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bitfield {
    words: Vec<u64>,
    len: u32,
    ones: u32,
}

impl Bitfield {
    /// All bits clear.
    pub fn new(len: u32) -> Self {
        Self { words: vec![0; (len as usize).div_ceil(64)], len, ones: 0 }
    }

    /// All bits set.
    pub fn full(len: u32) -> Self {
        let mut bits = Self { words: vec![u64::MAX; (len as usize).div_ceil(64)], len, ones: len };
        if let Some(last) = bits.words.last_mut()
            && !len.is_multiple_of(64)
        {
            *last = !(u64::MAX >> (len % 64));
        }
        bits
    }

    /// Reads the wire form: exactly `len` bits, rounded up to bytes, with no spare bit set.
    pub fn from_wire(bytes: &[u8], len: u32) -> Option<Self> {
        if bytes.len() != (len as usize).div_ceil(8) {
            return None;
        }
        let mut words = Vec::with_capacity(bytes.len().div_ceil(8));
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            words.push(u64::from_be_bytes(word));
        }
        let spare = words.last().is_some_and(|last| {
            let used = len % 64;
            used != 0 && last & (u64::MAX >> used) != 0
        });
        let ones = words.iter().map(|word| word.count_ones()).sum();
        (!spare).then_some(Self { words, len, ones })
    }

    /// The wire form, `len` bits rounded up to bytes.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate((self.len as usize).div_ceil(8));
        bytes
    }

    /// Number of bits.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no bits at all.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of set bits; kept, not counted.
    pub const fn ones(&self) -> u32 {
        self.ones
    }

    /// Whether every bit is set.
    pub const fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether this piece's bit is set. Past the end: no.
    pub fn get(&self, piece: PieceIndex) -> bool {
        let (word, mask) = Self::place(piece);
        self.words.get(word).is_some_and(|bits| bits & mask != 0)
    }

    /// Sets the bit; says whether it was clear before. Past the end: nothing happens.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        if piece.get() >= self.len {
            return false;
        }
        let (word, mask) = Self::place(piece);
        let fresh = self.words[word] & mask == 0;
        self.words[word] |= mask;
        self.ones += u32::from(fresh);
        fresh
    }

    /// Clears the bit; says whether it was set before.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        if !self.get(piece) {
            return false;
        }
        let (word, mask) = Self::place(piece);
        self.words[word] &= !mask;
        self.ones -= 1;
        true
    }

    /// The set bits, in order.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        ones(self.words.iter().copied())
    }

    /// The bits set here and clear in `other`, in order.
    pub fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = PieceIndex> + 'a {
        let there = other.words.iter().copied().chain(std::iter::repeat(0));
        ones(self.words.iter().zip(there).map(|(here, there)| here & !there))
    }

    /// The bits in words of 64, the first bit of a word its most significant one; spare bits of the
    /// last word are clear. For whoever combines sets word by word.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether some bit is set here and clear in `other`.
    pub fn has_any_without(&self, other: &Self) -> bool {
        self.without(other).next().is_some()
    }

    const fn place(piece: PieceIndex) -> (usize, u64) {
        let index = piece.get();
        ((index / 64) as usize, 1 << (63 - index % 64))
    }
}

fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = PieceIndex> {
    words.enumerate().filter(|(_, word)| *word != 0).flat_map(|(at, word)| {
        let mut left = word;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let bit = left.leading_zeros();
            left &= !(1 << (63 - bit));
            Some(PieceIndex::new(at as u32 * 64 + bit))
        })
    })
}

impl std::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitfield({} of {})", self.ones, self.len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert!(Bitfield::from_wire(&[0xff], 8).is_some());
        assert!(Bitfield::from_wire(&[0xff], 7).is_none());
        assert!(Bitfield::from_wire(&[0xfe], 7).is_some());
        assert!(Bitfield::from_wire(&[0xfe, 0], 7).is_none());
        assert!(Bitfield::from_wire(&[], 0).is_some());
    }

    proptest! {
        #[test]
        fn agrees_with_a_vector_of_bools(bools in proptest::collection::vec(any::<bool>(), 0..300)) {
            let mut bits = Bitfield::new(bools.len() as u32);
            for (i, on) in bools.iter().enumerate() {
                if *on {
                    prop_assert!(bits.set(PieceIndex::new(i as u32)));
                }
            }
            let set: Vec<usize> = bits.iter().map(PieceIndex::as_usize).collect();
            let want: Vec<usize> = bools.iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i).collect();
            prop_assert_eq!(&set, &want);
            prop_assert_eq!(bits.ones() as usize, want.len());
            let back = Bitfield::from_wire(&bits.to_wire(), bits.len());
            prop_assert_eq!(back.as_ref(), Some(&bits));
            let full = Bitfield::full(bits.len());
            prop_assert_eq!(full.iter().count(), bools.len());
            prop_assert_eq!(full.without(&bits).count(), bools.len() - want.len());
            prop_assert!(full.is_full() && Bitfield::from_wire(&full.to_wire(), full.len()).is_some());
        }
    }
}
