//! Metadata put together from many peers (BEP 9): whom to ask for what, and who lied. No socket, no clock.
//!
//! Peers that claim one size fill one copy together. If that copy is wrong nobody knows who it was: from
//! then on each source fills a copy of its own, some of them side by side, and a wrong one is its sender's. The
//! first good copy also shows who sent what it does not have.

mod whole;

use std::time::{Duration, Instant};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use self::whole::Is;
pub use self::whole::{Verdict, Whole};
use super::link::Magnet;
use crate::types::{InfoHash, InfoHashV2, LinkId};
use crate::wire::ut_metadata::{MAX_METADATA, piece_size, pieces};

/// Pieces asked of one source at once: 96 KiB fill a fast link between two far ends, and a peer that keeps a
/// short queue still takes them.
const MAX_ASKED: usize = 6;

/// A piece that has not come by then is asked of others too, and its source counted as slow: 16 KiB at 1 KB/s
/// take as long.
const PATIENCE: Duration = Duration::from_secs(16);

/// Requests in a row that a source leaves unanswered before it is left alone.
const MAX_UNANSWERED: u32 = 3;

/// How long a source is left alone that does not answer, or answers with what makes no sense.
const QUIET: Duration = Duration::from_secs(60);

/// How long a source is left alone that rejects: libtorrent asks again after 20 to 70 s. A reject is no lie.
const REJECTED: Duration = Duration::from_secs(20);

/// Sources that are asked for one piece at once when no piece is left that nobody was asked for.
const MAX_COPIES: u8 = 3;

/// Sources that fill copies of their own side by side.
const MAX_SOLE: usize = 3;

/// Bytes that all copies together may hold, beside the one that is being hashed; beyond that only the one that most
/// sources fill is kept.
const MAX_HELD: usize = 2 * MAX_METADATA as usize;

/// Sizes of which a wrong copy is remembered.
const MAX_DOUBTED: usize = 16;

/// What a peer says it has.
#[derive(Debug)]
struct Source {
    size: u32,
    /// Pieces it was asked for, and when.
    asked: Vec<(u32, Instant)>,
    unanswered: u32,
    rejects: u32,
    /// It is not asked until then.
    quiet_until: Option<Instant>,
}

/// A copy in the making: the size, and whose it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CopyId {
    size: u32,
    sole: Option<LinkId>,
}

#[derive(Debug, Default)]
struct Copy {
    pieces: Vec<Option<(LinkId, Bytes)>>,
}

impl Copy {
    fn there(&self) -> usize {
        self.pieces.iter().flatten().count()
    }

    fn held(&self) -> usize {
        self.pieces.iter().flatten().map(|(_, data)| data.len()).sum()
    }
}

/// Who sent a piece, and the SHA-1 of it.
type Sent = (LinkId, [u8; 20]);

/// What came of a piece, or of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A copy is whole: [`judged`](MetadataFetch::judged) is to be told what it is. Until then no other comes.
    Whole(Whole),
    /// The metadata is there, and is what the hash says.
    Complete(Bytes),
    /// This link sent what is wrong.
    Lie(LinkId),
    /// What came is right by one hash of the link, and wrong by the other: nobody can have both.
    TwoTorrents,
}

/// Metadata that is being fetched.
#[derive(Debug)]
pub struct MetadataFetch {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
    sources: FxHashMap<LinkId, Source>,
    copies: FxHashMap<CopyId, Copy>,
    /// The copy that is whole, and is being hashed: nobody is asked for it.
    judging: Option<CopyId>,
    /// Sizes of which a copy of several sources was wrong.
    doubted: FxHashMap<u32, Vec<Sent>>,
}

impl MetadataFetch {
    /// Fetches what this link names.
    pub fn new(magnet: &Magnet) -> Self {
        Self {
            v1: magnet.info_hash_v1,
            v2: magnet.info_hash_v2,
            sources: FxHashMap::default(),
            copies: FxHashMap::default(),
            judging: None,
            doubted: FxHashMap::default(),
        }
    }

    /// A peer says that it has the metadata, and how many bytes that is. A claim that makes no sense is none.
    pub fn offers(&mut self, link: LinkId, size: u32) {
        if size == 0 || size > MAX_METADATA {
            return self.gone(link);
        }
        if self.sources.get(&link).is_some_and(|source| source.size == size) {
            return;
        }
        self.gone(link);
        let asked = Vec::new();
        let source = Source { size, asked, unanswered: 0, rejects: 0, quiet_until: None };
        self.sources.insert(link, source);
    }

    /// A peer has it no more, or is gone. What it sent stays.
    pub fn gone(&mut self, link: LinkId) {
        self.sources.remove(&link);
        self.copies.retain(|copy, _| copy.sole != Some(link));
        let (sources, copies) = (&self.sources, &mut self.copies);
        // A copy that nobody fills is kept only if there is something in it.
        copies.retain(|id, copy| sources.values().any(|source| source.size == id.size) || copy.there() > 0);
    }

    /// A piece came from a source that was asked for it.
    pub fn received(
        &mut self,
        now: Instant,
        link: LinkId,
        piece: u32,
        total_size: Option<u32>,
        data: Bytes,
    ) -> Vec<Finding> {
        let Some(source) = self.sources.get_mut(&link) else { return Vec::new() };
        let Some(at) = source.asked.iter().position(|(asked, _)| *asked == piece) else { return Vec::new() };
        source.asked.swap_remove(at);
        let size = source.size;
        let is_it = data.len() == piece_size(size, piece) as usize && !data.is_empty();
        if !is_it || total_size.is_some_and(|total| total != size) {
            source.quiet_until = Some(now + QUIET);
            return Vec::new();
        }
        (source.unanswered, source.rejects) = (0, 0);
        let Some(id) = self.copy_for(link) else { return Vec::new() };
        let Some(copy) = self.copies.get_mut(&id) else { return Vec::new() };
        match copy.pieces.get_mut(piece as usize) {
            Some(place @ None) => *place = Some((link, data)),
            _ => return Vec::new(),
        }
        if copy.there() == copy.pieces.len() {
            let whole = self.next_whole();
            if whole.is_some() {
                return whole.into_iter().collect();
            }
        }
        self.keep_within_bounds();
        Vec::new()
    }

    /// The copy that was whole is right, or somebody lied.
    pub fn judged(&mut self, verdict: Verdict) -> Vec<Finding> {
        self.judging = None;
        let mut findings = Vec::new();
        match verdict.is {
            Is::Good(metadata, liars) => {
                findings.extend(liars.into_iter().map(Finding::Lie));
                findings.push(Finding::Complete(metadata));
                return findings;
            }
            Is::OfTwoTorrents => return vec![Finding::TwoTorrents],
            Is::Lie(liar) => {
                self.gone(liar);
                findings.push(Finding::Lie(liar));
            }
            Is::Doubtful(sent) => self.doubt(verdict.id.size, sent),
        }
        findings.extend(self.next_whole());
        findings
    }

    /// Nobody can say what the copy is that was whole: it is fetched again.
    pub const fn not_judged(&mut self) {
        self.judging = None;
    }

    /// A source does not give a piece, or not now.
    pub fn rejected(&mut self, now: Instant, link: LinkId, piece: u32) {
        let Some(source) = self.sources.get_mut(&link) else { return };
        let Some(at) = source.asked.iter().position(|(asked, _)| *asked == piece) else { return };
        source.asked.swap_remove(at);
        // Those that were asked for together count as one.
        if source.quiet_until.is_none_or(|until| until <= now) {
            source.quiet_until = Some(now + REJECTED * (1 << source.rejects.min(3)));
            source.rejects += 1;
        }
    }

    /// Which pieces to ask of whom now. What was asked for in vain for too long is free again.
    pub fn ask(&mut self, now: Instant) -> Vec<(LinkId, u32)> {
        for source in self.sources.values_mut() {
            let before = source.asked.len();
            source.asked.retain(|(_, since)| now.saturating_duration_since(*since) < PATIENCE);
            source.unanswered += u32::from(source.asked.len() < before);
            if source.unanswered >= MAX_UNANSWERED {
                source.unanswered = 0;
                source.quiet_until = Some(now + QUIET);
            }
            source.quiet_until = source.quiet_until.filter(|until| *until > now);
        }
        // A copy that is the business of one source that says nothing makes room for another.
        let quiet = |link| self.sources.get(&link).is_none_or(|source| source.quiet_until.is_some());
        self.copies.retain(|id, _| !id.sole.is_some_and(quiet));
        let mut links: Vec<_> = self
            .sources
            .iter()
            .filter(|(_, source)| source.quiet_until.is_none())
            .map(|(link, _)| *link)
            .collect();
        links.sort_unstable();
        let mut ask = Vec::new();
        for round in 0..MAX_ASKED {
            for link in &links {
                if self.sources.get(link).is_some_and(|source| source.asked.len() > round) {
                    continue;
                }
                if let Some(piece) = self.next_piece(*link)
                    && let Some(source) = self.sources.get_mut(link)
                {
                    source.asked.push((piece, now));
                    ask.push((*link, piece));
                }
            }
        }
        ask
    }

    /// When [`ask`](Self::ask) has something to do at the latest, though nothing happens.
    pub fn next_timeout(&self) -> Option<Instant> {
        let asked =
            self.sources.values().flat_map(|source| source.asked.iter().map(|(_, at)| *at + PATIENCE));
        asked.chain(self.sources.values().filter_map(|source| source.quiet_until)).min()
    }

    /// Pieces that are there, and all of them, of the copy that has most; `None`: nobody has said how many there are.
    pub fn progress(&self) -> Option<(u32, u32)> {
        let copies = self.copies.values().map(|copy| (copy.there() as u32, copy.pieces.len() as u32));
        let claimed = self.sources.values().map(|source| (0, pieces(source.size)));
        let whole = self.judging.iter().map(|id| (pieces(id.size), pieces(id.size)));
        copies.chain(whole).chain(claimed).max_by_key(|(there, all)| (*there, u32::MAX - all))
    }

    /// Peers that say they have it.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// The copy that a source fills, which begins if it is not there; `None`: it is being hashed, or enough sources
    /// fill copies of their own.
    fn copy_for(&mut self, link: LinkId) -> Option<CopyId> {
        let size = self.sources.get(&link)?.size;
        let id = CopyId { size, sole: self.doubted.contains_key(&size).then_some(link) };
        if self.judging == Some(id) {
            return None;
        }
        let sole = self.copies.keys().filter(|copy| copy.sole.is_some()).count();
        if !self.copies.contains_key(&id) && (id.sole.is_none() || sole < MAX_SOLE) {
            self.copies.insert(id, Copy { pieces: vec![None; pieces(size) as usize] });
        }
        self.copies.contains_key(&id).then_some(id)
    }

    /// A piece that this source could be asked for: one that nobody was asked for, else one that few were.
    fn next_piece(&mut self, link: LinkId) -> Option<u32> {
        let id = self.copy_for(link)?;
        let copy = self.copies.get(&id)?;
        let mut asked = vec![0_u8; copy.pieces.len()];
        for (other, source) in self.sources.iter().filter(|(_, source)| source.size == id.size) {
            let counts = id.sole.is_none() || *other == link;
            for (piece, _) in source.asked.iter().filter(|_| counts) {
                let copies = if *other == link { MAX_COPIES } else { 1 };
                if let Some(asked) = asked.get_mut(*piece as usize) {
                    *asked = asked.saturating_add(copies);
                }
            }
        }
        let missing = (0..).zip(copy.pieces.iter().zip(asked)).filter(|(_, (there, _))| there.is_none());
        let (piece, (_, asked)) = missing.min_by_key(|(piece, (_, asked))| (*asked, *piece))?;
        (asked < MAX_COPIES).then_some(piece)
    }

    /// A copy that is whole, if none is being hashed.
    fn next_whole(&mut self) -> Option<Finding> {
        if self.judging.is_some() {
            return None;
        }
        let (id, _) = self.copies.iter().find(|(_, copy)| copy.there() == copy.pieces.len())?;
        let id = *id;
        let pieces = self.copies.remove(&id)?.pieces.into_iter().flatten().collect();
        self.judging = Some(id);
        let doubted = self.doubted.get(&id.size).cloned().unwrap_or_default();
        Some(Finding::Whole(Whole { id, pieces, v1: self.v1, v2: self.v2, doubted }))
    }

    /// A copy of several sources is wrong: from now on each fills one of its own.
    fn doubt(&mut self, size: u32, sent: Vec<Sent>) {
        if self.doubted.len() >= MAX_DOUBTED {
            self.doubted.clear();
        }
        self.doubted.insert(size, sent);
        // What was asked for was for a copy that is no more.
        for source in self.sources.values_mut().filter(|source| source.size == size) {
            source.asked.clear();
        }
    }

    /// Copies of sizes that few claim make room.
    fn keep_within_bounds(&mut self) {
        if self.copies.values().map(Copy::held).sum::<usize>() <= MAX_HELD {
            return;
        }
        let count = |id: &CopyId| self.sources.values().filter(|source| source.size == id.size).count();
        let most = self.copies.keys().max_by_key(|id| count(id)).copied();
        self.copies.retain(|id, _| Some(*id) == most);
    }
}

#[cfg(test)]
mod tests;
