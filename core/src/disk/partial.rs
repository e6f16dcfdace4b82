//! A piece that is being written: which blocks are there and what they are, and its hash as far as it
//! goes.

use sha1::{Digest, Sha1};

use crate::download::{Claim, Print};
use crate::types::LinkId;

/// Copies of blocks that differ from what is there, kept for one piece: more than links are ever asked
/// for twice.
const MAX_OTHERS: usize = 1_024;

/// Owned by the one worker that all blocks of the piece go to.
#[derive(Debug)]
pub(crate) struct Partial {
    /// Each block that is there.
    there: Box<[Option<Block>]>,
    missing: u32,
    hash: Sha1,
    /// Blocks that the hash covers: all before this one.
    hashed: u32,
    /// What came for blocks that are there, and is not the same.
    others: Vec<Claim>,
    /// The storage's count of failed syncs when the piece began.
    pub(crate) epoch: u32,
}

/// A block that is there.
#[derive(Clone, Copy, Debug)]
struct Block {
    print: Print,
    from: LinkId,
}

/// A piece of which every block is there.
#[derive(Debug)]
pub(crate) struct Finished {
    /// SHA-1 of all of it.
    pub(crate) hash: [u8; 20],
    /// What came as its blocks, in order.
    pub(crate) claims: Vec<Claim>,
    /// What came for blocks that were there, and was not the same.
    pub(crate) others: Vec<Claim>,
}

impl Partial {
    pub(crate) fn new(blocks: u32, epoch: u32) -> Self {
        let there = vec![None; blocks as usize].into();
        Self { there, missing: blocks, hash: Sha1::new(), hashed: 0, others: Vec::new(), epoch }
    }

    /// Notes a block that was just written, and extends the hash if it comes next.
    pub(crate) fn add(&mut self, block: u32, data: &[u8], print: Print, from: LinkId) {
        let Some(place) = self.there.get_mut(block as usize) else { return };
        self.missing -= u32::from(place.replace(Block { print, from }).is_none());
        if block == self.hashed {
            self.hash.update(data);
            self.hashed += 1;
        }
    }

    /// A block came that is there already. One that differs is remembered.
    pub(crate) fn compare(&mut self, claim: Claim) {
        let there = self.there.get(claim.block as usize).copied().flatten();
        let differs = there.is_some_and(|there| there.print != claim.print);
        if differs && self.others.len() < MAX_OTHERS && !self.others.contains(&claim) {
            self.others.push(claim);
        }
    }

    /// Takes away the blocks that this link sent, or all blocks; gives those that are missing now.
    pub(crate) fn take_away(&mut self, from: Option<LinkId>) -> Vec<u32> {
        let mut gone = Vec::new();
        for (number, place) in (0..).zip(&mut self.there) {
            if place.is_some_and(|block| from.is_none_or(|from| from == block.from)) {
                *place = None;
                gone.push(number);
            }
        }
        self.missing += gone.len() as u32;
        if gone.first().is_some_and(|first| *first < self.hashed) {
            self.hash = Sha1::new();
            self.hashed = 0;
        }
        gone
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

    /// Extends the hash by a block that was read again. `false` when it is not what was written: then
    /// the disk is to blame, and nobody else.
    pub(crate) fn hash_cold(&mut self, data: &[u8], print: Print) -> bool {
        let block = self.there.get(self.hashed as usize).copied().flatten();
        self.hash.update(data);
        self.hashed += 1;
        block.is_some_and(|block| block.print == print)
    }

    /// What it is, once every block is there and hashed.
    pub(crate) fn finish(self) -> Finished {
        debug_assert_eq!(self.missing, 0);
        let blocks = (0..).zip(self.there.iter().flatten());
        let claims = blocks.map(|(block, there)| Claim { block, from: there.from, print: there.print });
        Finished { hash: self.hash.finalize().into(), claims: claims.collect(), others: self.others }
    }

    /// Whether no block is there.
    pub(crate) const fn is_empty(&self) -> bool {
        self.missing as usize == self.there.len()
    }

    /// Whether every block is there.
    pub(crate) const fn is_full(&self) -> bool {
        self.missing == 0
    }

    /// Whether this block is written.
    pub(crate) fn has(&self, block: u32) -> bool {
        self.there.get(block as usize).is_some_and(Option::is_some)
    }
}

impl Finished {
    /// Who sent a block of it, each once.
    pub(crate) fn senders(&self) -> Vec<LinkId> {
        let mut senders: Vec<LinkId> = self.claims.iter().map(|claim| claim.from).collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }
}
