//! Smart ban: which senders of a bad piece lied, found by comparing blocks. No BEP; libtorrent has
//! the name from uTorrent.
//!
//! What came of each block of a piece that failed is remembered with its sender. When the piece is
//! good later, who sent a block that differs from the good one lied; who sent an equal one did not.
//! So an honest peer is never blamed, whatever company its blocks were in.
//!
//! Sees fingerprints of blocks, never blocks. Belongs to the one disk worker that a piece goes to.

use std::collections::VecDeque;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::types::LinkId;

/// Claims kept at most, 2 MiB of them: all blocks of 1 GiB that failed. Whoever lies about more is
/// known by the pieces that failed last.
const MAX_CLAIMS: usize = 65_536;

/// Blocks of verified pieces whose fingerprints are kept, for copies that come late: 64 MiB, more
/// than is ever asked for twice in an endgame.
const MAX_GOOD: usize = 4_096;

/// Stands for the bytes of a block. Two blocks that differ have the same one by a chance of 2^-64,
/// which nobody outside can better (`disk::fingerprint`).
pub type Print = [u64; 2];

/// What a link sent as one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Number of the block within its piece.
    pub block: u32,
    /// Who sent it.
    pub from: LinkId,
    /// What it was.
    pub print: Print,
}

/// The memory of pieces that failed, and of those that were good last. `K` names a piece.
#[derive(Debug)]
pub struct SmartBan<K> {
    /// Pieces that failed and are not good since, sorted claims of all tries.
    failed: FxHashMap<K, Vec<Claim>>,
    /// The same in the order of their first failures.
    order: VecDeque<K>,
    pub(super) claims: usize,
    /// Pieces that were good last, the newest last.
    good: VecDeque<(K, Box<[Print]>)>,
    pub(super) good_blocks: usize,
}

impl<K> Default for SmartBan<K> {
    fn default() -> Self {
        Self {
            failed: FxHashMap::default(),
            order: VecDeque::new(),
            claims: 0,
            good: VecDeque::new(),
            good_blocks: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> SmartBan<K> {
    /// The piece is bad, and these were its blocks. The oldest failures make room.
    pub fn failed(&mut self, piece: K, claims: impl IntoIterator<Item = Claim>) {
        let known = self.failed.entry(piece).or_insert_with(|| {
            self.order.push_back(piece);
            Vec::new()
        });
        self.claims -= known.len();
        known.extend(claims);
        known.sort_unstable();
        known.dedup();
        self.claims += known.len();
        while self.claims > MAX_CLAIMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.claims -= self.failed.remove(&oldest).map_or(0, |claims| claims.len());
        }
    }

    /// The piece is good and these are its blocks, in order; `others` came for it and were not taken.
    /// Names the liars, each once.
    pub fn verified(
        &mut self,
        piece: K,
        good: Box<[Print]>,
        others: impl IntoIterator<Item = Claim>,
    ) -> Vec<Claim> {
        let before = self.failed.remove(&piece).unwrap_or_default();
        if !before.is_empty() {
            self.claims -= before.len();
            self.order.retain(|other| *other != piece);
        }
        let mut lies: Vec<Claim> =
            before.into_iter().chain(others).filter(|claim| lies(&good, claim)).collect();
        lies.sort_unstable_by_key(|claim| (claim.from, claim.block));
        lies.dedup_by_key(|claim| claim.from);
        self.good_blocks += good.len();
        self.good.push_back((piece, good));
        while self.good_blocks > MAX_GOOD
            && self.good.len() > 1
            && let Some((_, oldest)) = self.good.pop_front()
        {
            self.good_blocks -= oldest.len();
        }
        lies
    }

    /// A block came that was not taken, because its piece is good, or has just failed. Says whether it
    /// is a lie, as far as is known now.
    pub fn late(&mut self, piece: K, claim: Claim) -> bool {
        if let Some((_, good)) = self.good.iter().rev().find(|(other, _)| *other == piece) {
            return lies(good, &claim);
        }
        if self.failed.contains_key(&piece) {
            self.failed(piece, [claim]);
        }
        false
    }

    /// Forgets these pieces.
    pub fn forget(&mut self, is_gone: impl Fn(&K) -> bool) {
        self.failed.retain(|piece, _| !is_gone(piece));
        self.order.retain(|piece| !is_gone(piece));
        self.good.retain(|(piece, _)| !is_gone(piece));
        self.claims = self.failed.values().map(Vec::len).sum();
        self.good_blocks = self.good.iter().map(|(_, blocks)| blocks.len()).sum();
    }
}

fn lies(good: &[Print], claim: &Claim) -> bool {
    good.get(claim.block as usize).is_some_and(|print| *print != claim.print)
}
