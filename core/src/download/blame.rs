//! Who sent the blocks of a piece that failed its hash, and who may try it again. No BEP.
//!
//! After a failure the piece is fetched by one link at a time, first by links that had no part in
//! the failure: if it fails again, one link is to blame. A suspect gets it only when it would
//! otherwise be idle, so that a torrent that only suspects can finish is finished. Which sender of
//! a shared piece lied is found by comparing blocks (`smart_ban`), where the blocks are: on the disk's
//! side. A piece that fails again and again takes blocks of one link only, so that each try proves
//! something: liars run out, whatever they do.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::types::{LinkId, PieceIndex};

/// Who may have spoilt a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// The link that sent all of its blocks, and so is certainly at fault.
    pub sole: Option<LinkId>,
    /// Every link that sent a block of it, in no order. Links that are gone since are named too.
    pub suspects: Vec<LinkId>,
}

impl Blame {
    /// Blame for the senders of a piece's blocks.
    pub(super) fn of(senders: impl Iterator<Item = LinkId>) -> Self {
        let mut suspects: Vec<LinkId> = senders.collect();
        suspects.sort_unstable();
        suspects.dedup();
        let sole = if let [sole] = suspects[..] { Some(sole) } else { None };
        Self { sole, suspects }
    }
}

/// Failures of a piece after which it is fetched from one link alone: the blocks of others are dropped
/// before, so that one more failure has one sender and proves who lies. Before that a link that chokes
/// us half way may be helped out: smart ban names the liars once the piece is good. Three strikes, as
/// others have it.
pub(super) const STRIKES: u32 = 3;

/// A link that began a piece alone and sends no more of it has this long to go on: two rounds of the
/// optimistic unchoke. Then another one begins anew.
pub(super) const HOLD: Duration = Duration::from_secs(60);

/// A piece on retry.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// The suspects of all failures.
    pub(super) suspects: Vec<LinkId>,
    failures: u32,
    /// Since when another link would take it over.
    waiting: Option<Instant>,
    /// The disk is dropping its blocks: nobody gets it meanwhile.
    pub(super) restarting: bool,
}

impl Retry {
    /// Whether it takes blocks of one link only.
    pub(super) const fn is_solo(&self) -> bool {
        self.failures >= STRIKES
    }

    /// Some link goes on with it.
    pub(super) const fn taken(&mut self) {
        self.waiting = None;
    }

    /// Another link would take it over; says whether it has waited for long enough.
    pub(super) fn wanted(&mut self, now: Instant) -> bool {
        let since = *self.waiting.get_or_insert(now);
        now.saturating_duration_since(since) >= HOLD
    }
}

/// The pieces that failed and are not verified since.
#[derive(Debug, Default)]
pub(super) struct Retries {
    by_piece: FxHashMap<PieceIndex, Retry>,
}

impl Retries {
    /// Whether no piece is on retry, which is the rule.
    pub(super) fn is_empty(&self) -> bool {
        self.by_piece.is_empty()
    }

    /// This piece, if it is on retry.
    pub(super) fn get(&self, piece: PieceIndex) -> Option<&Retry> {
        self.by_piece.get(&piece)
    }

    /// This piece, if it is on retry.
    pub(super) fn get_mut(&mut self, piece: PieceIndex) -> Option<&mut Retry> {
        self.by_piece.get_mut(&piece)
    }

    /// The pieces on retry.
    pub(super) fn pieces(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.by_piece.keys().copied()
    }

    /// The piece failed.
    pub(super) fn failed(&mut self, piece: PieceIndex, blame: &Blame) {
        let retry = self.by_piece.entry(piece).or_default();
        retry.suspects.extend(&blame.suspects);
        retry.suspects.sort_unstable();
        retry.suspects.dedup();
        retry.failures += 1;
        retry.waiting = None;
    }

    /// The piece is there.
    pub(super) fn verified(&mut self, piece: PieceIndex) {
        self.by_piece.remove(&piece);
    }

    /// The link is gone, and its name is never used again.
    pub(super) fn link_gone(&mut self, link: LinkId) {
        for retry in self.by_piece.values_mut() {
            retry.suspects.retain(|suspect| *suspect != link);
        }
    }
}
