//! What we ask of the peer: the hand of blocks that was dealt, the requests on their way, and the
//! blocks that come (BEP 3). With the fast extension (BEP 6) a choke voids nothing: each request gets
//! its block or its reject, and some pieces are given all the same.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Outbox, PeerFault};
use crate::geometry::Geometry;
use crate::peer::pipeline::{Arrived, Pipeline};
use crate::peer::report::Report;
use crate::types::{BLOCK_SIZE, BlockRef, PieceIndex, PieceRange};
use crate::wire::extended;
use crate::wire::message::Message;

/// Blocks never asked for here before the link ends (BEP 52: unsolicited pieces MUST end it; one may
/// be our own forgotten cancel).
pub const MAX_UNSOLICITED: u32 = 8;

/// A dealt block that was not asked for by then goes back, so that others may fetch it.
pub const HAND_STALE: Duration = Duration::from_secs(2);

/// Blocks in the hand at most: at 1 GB/s half a second of data.
const MAX_HAND: u32 = 2_048;

/// Pieces that a peer may allow while it chokes us: BEP 6 speaks of ten.
const MAX_ALLOWED: usize = 64;

/// How long nothing is asked of a peer that unchoked us and rejects what we ask for. Doubles with each
/// time up to 64 s; a block ends it.
const REJECTED_PAUSE: Duration = Duration::from_secs(1);

/// A fast peer that choked us and then neither sends nor rejects anything for this long has dropped what
/// was asked of it: others may fetch that. BEP 6 wants a reject for each request, and some clients send
/// none. What is in a slow peer's buffers comes within this, one block at least, and counts even after it.
pub const CHOKE_PATIENCE: Duration = Duration::from_secs(10);

/// The downloading side of a link.
#[derive(Debug)]
pub struct Fetch {
    geometry: Geometry,
    pub(super) am_interested: bool,
    peer_choking: bool,
    pub(super) pipeline: Pipeline,
    hand: VecDeque<BlockRef>,
    /// When the hand was dealt, or played last.
    hand_since: Instant,
    /// More blocks were asked of the session, which has not dealt since.
    hungry: bool,
    unsolicited: u32,
    /// The fast extension was agreed on.
    fast: bool,
    /// Pieces that the peer gives while it chokes us.
    allowed: Vec<PieceIndex>,
    /// Times that it rejected requests while it did not choke us, since its last block.
    rejections: u32,
    /// Nothing is asked until then.
    paused_until: Option<Instant>,
    /// A fast peer has choked us, and owes answers to what it was asked before.
    choked: Option<Choked>,
}

/// What a fast peer owes after a choke.
#[derive(Clone, Copy, Debug)]
struct Choked {
    /// What was asked for up to then is meant, also once it lets us ask again.
    at: Instant,
    /// The choke, or its last answer to one of those.
    answered: Instant,
}

impl Fetch {
    pub(super) fn new(now: Instant, geometry: Geometry, fast: bool) -> Self {
        Self {
            geometry,
            am_interested: false,
            peer_choking: true,
            pipeline: Pipeline::new(extended::DEFAULT_REQQ),
            hand: VecDeque::new(),
            hand_since: now,
            hungry: false,
            unsolicited: 0,
            fast,
            allowed: Vec::new(),
            rejections: 0,
            paused_until: None,
            choked: None,
        }
    }

    /// The shape of the torrent is known.
    pub(super) const fn learn(&mut self, geometry: Geometry) {
        self.geometry = geometry;
    }

    /// The peer lets us ask, or not any more. A choke gives back all that was dealt, but what is on its
    /// way to a fast peer: that is answered, or given back after [`CHOKE_PATIENCE`].
    pub(super) fn on_choke(&mut self, now: Instant, choke: bool, reports: &mut Vec<Report>) {
        if std::mem::replace(&mut self.peer_choking, choke) == choke {
            return;
        }
        // What was asked for among a few allowed pieces is asked for anew among all, and the other way
        // round: to the session either report ends the hunger of before.
        self.hungry = false;
        if choke {
            self.choked = self.fast.then_some(Choked { at: now, answered: now });
            let mut back = if self.fast { Vec::new() } else { self.pipeline.choked() };
            back.extend(self.hand.drain(..));
            give_back(back, reports);
        }
        reports.push(Report::Unchoked(!choke));
    }

    /// Takes the numbers and the data of a piece message; gives the block that they are.
    pub(super) fn on_piece(
        &mut self,
        now: Instant,
        index: u32,
        begin: u32,
        data: &Bytes,
    ) -> Result<Option<BlockRef>, PeerFault> {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if let Some(block) = self.geometry.block_at(index, begin, length) {
            self.has_answered(now, block);
            let arrived = self.pipeline.arrived(now, block, length);
            if arrived == Arrived::Late {
                // It may have been dealt to us anew.
                self.hand.retain(|dealt| *dealt != block);
            }
            if arrived != Arrived::Unrequested {
                self.rejections = 0;
                self.paused_until = None;
                return Ok(Some(block));
            }
        }
        self.unsolicited += 1;
        if self.unsolicited > MAX_UNSOLICITED { Err(PeerFault::Unsolicited) } else { Ok(None) }
    }

    /// A reject of what was never asked for is ignored: it costs nothing, and may be a second answer.
    pub(super) fn on_reject(&mut self, now: Instant, numbers: [u32; 3], reports: &mut Vec<Report>) {
        let [index, begin, length] = numbers;
        let Some(block) = self.geometry.block_at(index, begin, length) else { return };
        self.has_answered(now, block);
        if self.pipeline.rejected(block) != Arrived::Expected {
            return;
        }
        reports.push(Report::Returned(vec![block]));
        if !self.peer_choking {
            if self.paused_until.is_none() {
                self.paused_until = Some(now + REJECTED_PAUSE * (1 << self.rejections.min(6)));
                self.rejections += 1;
            }
        } else if let Some(at) = self.allowed.iter().position(|allowed| *allowed == block.piece) {
            self.allowed.swap_remove(at);
            reports.push(Report::RefusedFast(block.piece));
        }
    }

    /// The peer gives this piece while it chokes us.
    pub(super) fn on_allowed(&mut self, piece: PieceIndex, reports: &mut Vec<Report>) {
        if self.allowed.len() < MAX_ALLOWED && !self.allowed.contains(&piece) {
            self.allowed.push(piece);
            reports.push(Report::AllowedFast(piece));
        }
    }

    /// The peer has this piece no more (BEP 54). What was asked of it is void, unless a fast peer
    /// answers that too.
    pub(super) fn on_lost(&mut self, piece: PieceIndex, reports: &mut Vec<Report>) {
        let mut back: Vec<BlockRef> = Vec::new();
        if !self.fast {
            back.extend(self.pipeline.outstanding().filter(|block| block.piece == piece));
            back.iter().for_each(|block| self.pipeline.cancelled(*block));
        }
        back.extend(self.hand.iter().filter(|block| block.piece == piece));
        self.hand.retain(|block| block.piece != piece);
        give_back(back, reports);
    }

    /// A block is not wanted from here any more.
    pub(super) fn cancel(&mut self, now: Instant, block: BlockRef, out: &mut Outbox) {
        if let Some(at) = self.hand.iter().position(|dealt| *dealt == block) {
            self.hand.remove(at);
        } else if self.pipeline.outstanding().any(|asked| asked == block) {
            self.pipeline.cancelled(block);
            let PieceRange { piece, begin, length } = self.geometry.block_range(block);
            out.send(now, &Message::Cancel { index: piece.get(), begin, length });
        }
    }

    /// The session has dealt; all of it may have been cancelled since.
    pub(super) fn deal(&mut self, now: Instant, hand: Vec<BlockRef>, reports: &mut Vec<Report>) {
        self.hungry = false;
        self.hand_since = now;
        if self.peer_choking {
            let (allowed, back): (Vec<_>, Vec<_>) =
                hand.into_iter().partition(|block| self.allowed.contains(&block.piece));
            self.hand.extend(allowed);
            give_back(back, reports);
        } else {
            self.hand.extend(hand);
        }
    }

    /// Asks for as many dealt blocks as the pipeline has room for, and says when the hand runs low.
    pub(super) fn play(&mut self, now: Instant, out: &mut Outbox, reports: &mut Vec<Report>) {
        let may_ask = !self.peer_choking || !self.allowed.is_empty();
        if !may_ask || !self.am_interested || self.is_paused(now) {
            return;
        }
        let mut room = self.pipeline.room(now);
        if room > 0 && !self.hand.is_empty() {
            self.hand_since = now;
            while room > 0
                && let Some(block) = self.hand.pop_front()
            {
                let PieceRange { piece, begin, length } = self.geometry.block_range(block);
                out.send(now, &Message::Request { index: piece.get(), begin, length });
                self.pipeline.sent(now, block);
                room -= 1;
            }
        }
        // What arrives within a second, on top of what could be asked for right now.
        let second = if self.peer_choking { 0 } else { self.pipeline.rate(now) / u64::from(BLOCK_SIZE) };
        let target = room + u32::try_from(second).unwrap_or(MAX_HAND).min(MAX_HAND);
        let dealt = self.hand.len() as u32;
        if !self.hungry && target > 0 && dealt <= target / 2 {
            self.hungry = true;
            reports.push(Report::Hungry(target - dealt));
        }
    }

    /// Gives back requests that took too long, and a hand that was not played.
    pub(super) fn on_timeout(&mut self, now: Instant, reports: &mut Vec<Report>) {
        if !self.is_paused(now) {
            self.paused_until = None;
        }
        let mut back = self.pipeline.timed_out(now);
        if self.drops_at().is_some_and(|at| at <= now) {
            let void: Vec<_> = self.void().collect();
            void.iter().for_each(|block| self.pipeline.cancelled(*block));
            back.extend(void);
            self.choked = None;
        }
        if !self.hand.is_empty() && now.saturating_duration_since(self.hand_since) >= HAND_STALE {
            back.extend(self.hand.drain(..));
        }
        give_back(back, reports);
    }

    /// What was asked for before the peer choked us and has no answer: all but the pieces that it gives
    /// all the same.
    fn void(&self) -> impl Iterator<Item = BlockRef> {
        let asked = self.choked.into_iter().flat_map(|choked| self.pipeline.sent_by(choked.at));
        asked.filter(|block| !self.allowed.contains(&block.piece))
    }

    /// When a peer that choked us is taken to have dropped what was asked of it.
    fn drops_at(&self) -> Option<Instant> {
        let choked = self.choked.filter(|_| self.void().next().is_some());
        choked.map(|choked| choked.answered + CHOKE_PATIENCE)
    }

    fn has_answered(&mut self, now: Instant, block: BlockRef) {
        if let Some(choked) = &mut self.choked
            && self.pipeline.sent_by(choked.at).any(|asked| asked == block)
        {
            choked.answered = now;
        }
    }

    /// Blocks that were dealt and are neither here nor given back.
    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = BlockRef> {
        self.hand.iter().copied().chain(self.pipeline.outstanding())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let stale = (!self.hand.is_empty()).then(|| self.hand_since + HAND_STALE);
        [stale, self.pipeline.next_timeout(), self.paused_until, self.drops_at()].into_iter().flatten().min()
    }

    /// It rejects what we ask for, and is left alone for a while.
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }
}

fn give_back(blocks: Vec<BlockRef>, reports: &mut Vec<Report>) {
    if !blocks.is_empty() {
        reports.push(Report::Returned(blocks));
    }
}
