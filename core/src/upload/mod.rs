//! Who gets our upload (BEP 3, "Choking and optimistic unchoking").
//!
//! A session only ranks its peers; how many slots it has is dealt to it from outside, out of what
//! all sessions share. What is sent once a peer is unchoked is the link's and the disk's affair.

mod choker;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub use self::choker::{Candidate, Change, Choker, OPTIMISTIC, ROUND};
use crate::types::LinkId;

/// The upload side of one session.
#[derive(Debug)]
pub struct UploadManager {
    choker: Choker,
    /// Peers that wanted a slot in the last round.
    demand: usize,
}

impl UploadManager {
    /// Nobody is unchoked; `slots` regular slots are ours. Equal seeds give equal decisions.
    pub fn new(slots: usize, seed: u64) -> Self {
        Self { choker: Choker::new(slots, seed), demand: 0 }
    }

    /// The share of slots that this session has from now on.
    pub fn set_slots(&mut self, now: Instant, slots: usize) {
        self.choker.set_slots(now, slots);
    }

    /// The number of slots that all share has changed: a round is due within a second.
    pub fn hurry(&mut self, now: Instant) {
        self.choker.hurry(now);
    }

    /// Slots that this session could use: for whoever deals slots across sessions.
    pub fn demand(&self) -> usize {
        self.demand
    }

    /// A round of the choker over all links of the session; see [`Choker::round`].
    pub fn round(&mut self, now: Instant, seeding: bool, peers: &[Candidate]) -> Vec<Change> {
        self.demand = peers.iter().filter(|peer| peer.wants_a_slot()).count();
        self.choker.round(now, seeding, peers)
    }

    /// See [`Choker::next_round`].
    pub fn next_round(&self) -> Option<Instant> {
        self.choker.next_round()
    }

    /// See [`Choker::optimistic`].
    pub fn optimistic(&self) -> Option<LinkId> {
        self.choker.optimistic()
    }

    /// See [`Choker::interested`].
    pub fn interested(&mut self, now: Instant, peer: &Candidate) -> Vec<Change> {
        self.choker.interested(now, peer)
    }

    /// See [`Choker::uninterested`].
    pub fn uninterested(&mut self, now: Instant, link: LinkId) {
        self.choker.uninterested(now, link);
    }

    /// See [`Choker::gone`].
    pub fn gone(&mut self, now: Instant, link: LinkId) {
        self.choker.gone(now, link);
    }
}
