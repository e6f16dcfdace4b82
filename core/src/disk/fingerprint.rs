//! A number that stands for a block's bytes: NH, the universal hash of UMAC (RFC 4418, section 5.2),
//! over words of 64 bits.
//!
//! Two given blocks of one length have the same fingerprint by a chance of 2^-64 over keys. The key
//! never leaves its worker, nor does any fingerprint, so nobody can make blocks that collide. One
//! multiplication for 16 bytes: next to a SHA-1 of the same block it does not show.

use rand::Rng as _;

use crate::download::Print;
use crate::types::BLOCK_SIZE;

/// Words of a whole block.
const WORDS: usize = BLOCK_SIZE as usize / size_of::<u64>();

/// The key: as long as a block.
#[derive(Debug)]
pub(crate) struct Fingerprint {
    key: Box<[u64]>,
}

impl Fingerprint {
    /// One with a key of its own.
    pub(crate) fn new() -> Self {
        let mut rng = rand::rng();
        Self { key: (0..WORDS).map(|_| rng.next_u64()).collect() }
    }

    /// The fingerprint of a block. Blocks of other lengths are not meant to be compared with it.
    pub(crate) fn of(&self, block: &[u8]) -> Print {
        let mut sum = 0_u128;
        let (pairs, rest) = block.as_chunks::<16>();
        let mut keys = self.key.as_chunks::<2>().0.iter();
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        let rest = (!rest.is_empty()).then_some(&last);
        for (pair, [first, second]) in pairs.iter().chain(rest).zip(&mut keys) {
            let (low, high) = pair.split_at(8);
            let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            let (low, high) = (word(low).wrapping_add(*first), word(high).wrapping_add(*second));
            sum = sum.wrapping_add(u128::from(low) * u128::from(high));
        }
        [sum as u64, (sum >> 64) as u64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_makes_another_number() {
        let print = Fingerprint::new();
        let mut block: Vec<u8> = (0..BLOCK_SIZE).map(|at| ((at * 31) >> 3) as u8).collect();
        let before = print.of(&block);
        for at in (0..block.len()).step_by(97).chain([0, block.len() - 1]) {
            block[at] ^= 1 << (at % 8);
            assert_ne!(print.of(&block), before, "byte {at}");
            block[at] ^= 1 << (at % 8);
        }
        assert_eq!(print.of(&block), before);
    }

    #[test]
    fn all_of_a_short_block_counts() {
        let print = Fingerprint::new();
        for length in [1, 7, 8, 15, 16, 17, 31, 100] {
            let mut block = vec![7; length];
            let before = print.of(&block);
            for at in 0..length {
                block[at] ^= 0x80;
                assert_ne!(print.of(&block), before, "byte {at} of {length}");
                block[at] ^= 0x80;
            }
        }
    }

    #[test]
    fn swapped_words_make_another_number() {
        let print = Fingerprint::new();
        let mut block = vec![0; BLOCK_SIZE as usize];
        block[..16].copy_from_slice(b"the first words.");
        let before = print.of(&block);
        block.rotate_right(16);
        assert_ne!(print.of(&block), before);
    }

    #[test]
    fn another_key_makes_other_numbers() {
        assert_ne!(Fingerprint::new().of(b"a block"), Fingerprint::new().of(b"a block"));
    }
}
