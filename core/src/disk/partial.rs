//! A piece that is being written: which blocks are there, and its hash as far as it goes.

use sha1::{Digest, Sha1};

use crate::types::LinkId;

/// Owned by the one worker that all blocks of the piece go to.
#[derive(Debug)]
pub(crate) struct Partial {
    /// A bit per block, low bit first.
    there: Box<[u64]>,
    missing: u32,
    hash: Sha1,
    /// Blocks that the hash covers: all before this one.
    hashed: u32,
    /// Links that sent a block, each once: a handful.
    senders: Vec<LinkId>,
    /// The storage's count of failed syncs when the piece began.
    pub(crate) epoch: u32,
}

impl Partial {
    pub(crate) fn new(blocks: u32, epoch: u32) -> Self {
        let there = vec![0; (blocks as usize).div_ceil(64)].into();
        Self { there, missing: blocks, hash: Sha1::new(), hashed: 0, senders: Vec::new(), epoch }
    }

    /// Notes a block that was just written, and extends the hash if it comes next.
    pub(crate) fn add(&mut self, block: u32, data: &[u8], from: LinkId) {
        if !self.senders.contains(&from) {
            self.senders.push(from);
        }
        let (word, mask) = ((block / 64) as usize, 1 << (block % 64));
        self.missing -= u32::from(self.there[word] & mask == 0);
        self.there[word] |= mask;
        if block == self.hashed {
            self.hash.update(data);
            self.hashed += 1;
        }
    }

    /// Blocks from the end of the hash that are there and only have to be read again: the first,
    /// and one past the last.
    pub(crate) fn cold(&self) -> Option<(u32, u32)> {
        let mut end = self.hashed;
        while self.has(end) {
            end += 1;
        }
        (end > self.hashed).then_some((self.hashed, end))
    }

    /// Extends the hash by blocks that were read again.
    pub(crate) fn hash_cold(&mut self, blocks: u32, data: &[u8]) {
        self.hash.update(data);
        self.hashed += blocks;
    }

    /// The SHA-1 and who sent it, once every block is there and hashed.
    pub(crate) fn finish(self) -> ([u8; 20], Vec<LinkId>) {
        debug_assert_eq!(self.missing, 0);
        (self.hash.finalize().into(), self.senders)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.missing == 0
    }

    /// Whether this block is written.
    pub(crate) fn has(&self, block: u32) -> bool {
        self.there.get((block / 64) as usize).is_some_and(|word| word & (1 << (block % 64)) != 0)
    }
}
