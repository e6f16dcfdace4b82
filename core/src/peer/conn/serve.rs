//! What the peer asks of us: its requests, kept in order up to what we granted (BEP 3), each answered
//! exactly once where both sides speak the fast extension (BEP 6).

use std::collections::VecDeque;

use super::PeerFault;
use crate::peer::fast::Allowance;
use crate::types::{PieceIndex, PieceRange};
use crate::wire::extended;

/// Requests of a peer that we keep, as our extension handshake promises.
pub const REQQ: usize = extended::OUR_REQQ as usize;

/// Longest range served in one piece message. Larger ones are refused: BEP 3 lets clients close on
/// more than 16 KiB, rtorrent asks for up to 128 KiB.
pub const MAX_RANGE: u32 = 128 * 1024;

/// A peer whose requests beyond [`REQQ`], or while choked, reach four times that is not served any
/// more. A fast peer fills what it was granted, so one excess is no fault. Cancels of nothing count too.
pub const MAX_VOID_REQUESTS: usize = 4 * REQQ;

/// The uploading side of a link. What it refuses is the caller's to reject, where that is understood.
#[derive(Debug)]
pub struct Serve {
    pub(super) am_choking: bool,
    requested: VecDeque<PieceRange>,
    /// Those that the disk is asked for: they were given away and are not in the send queue.
    reading: Vec<PieceRange>,
    /// Requests that were not kept, since the last one that was.
    void: usize,
    /// What the peer may have while it is choked.
    allowance: Allowance,
}

impl Serve {
    pub(super) fn new() -> Self {
        Self {
            am_choking: true,
            requested: VecDeque::new(),
            reading: Vec::new(),
            void: 0,
            allowance: Allowance::default(),
        }
    }

    /// The peer may have this much while it is choked.
    pub(super) fn allow(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// Says whether that is a change.
    pub(super) fn unchoke(&mut self) -> bool {
        std::mem::take(&mut self.am_choking)
    }

    /// Chokes; `None` if that is no change, else what was asked for and is void now: all but what the
    /// peer may have all the same. A read that is under way is void as a whole or not at all.
    pub(super) fn choke(&mut self) -> Option<Vec<PieceRange>> {
        if std::mem::replace(&mut self.am_choking, true) {
            return None;
        }
        let allowance = &mut self.allowance;
        let mut refused = Vec::new();
        if !self.reading.iter().all(|range| allowance.take(*range)) {
            refused.append(&mut self.reading);
        }
        self.requested.retain(|range| {
            let kept = allowance.take(*range);
            if !kept {
                refused.push(*range);
            }
            kept
        });
        Some(refused)
    }

    /// Takes a request; `None` is one that we cannot serve, and a `beginner` may have what it was
    /// allowed while it is choked. Says whether the request was kept.
    pub(super) fn on_request(
        &mut self,
        range: Option<PieceRange>,
        beginner: bool,
    ) -> Result<bool, PeerFault> {
        let range = range.filter(|range| range.length <= MAX_RANGE && self.requested.len() < REQQ);
        let choked = self.am_choking;
        let kept = range.filter(|range| !choked || beginner && self.allowance.take(*range));
        match kept {
            Some(range) => {
                self.void = 0;
                self.requested.push_back(range);
                Ok(true)
            }
            None => self.count_void().map(|()| false),
        }
    }

    /// Takes a cancel; says how many requests it took back. One that is being read is sent.
    pub(super) fn on_cancel(&mut self, range: PieceRange) -> Result<usize, PeerFault> {
        let before = self.requested.len();
        self.requested.retain(|asked| *asked != range);
        let void = before - self.requested.len();
        if void == 0 && !self.reading.contains(&range) {
            self.count_void()?;
        }
        Ok(void)
    }

    /// The piece is not there any more; what was asked of it comes back.
    pub(super) fn lose(&mut self, piece: PieceIndex) -> Vec<PieceRange> {
        let refused = self.requested.iter().copied().filter(|range| range.piece == piece).collect();
        self.requested.retain(|range| range.piece != piece);
        refused
    }

    /// The next range to read; it counts as being read until [`read`](Self::read).
    pub(super) fn next(&mut self) -> Option<PieceRange> {
        let range = self.requested.pop_front()?;
        self.reading.push(range);
        Some(range)
    }

    pub(super) fn peek(&self) -> Option<&PieceRange> {
        self.requested.front()
    }

    /// Whether something is being read.
    pub(super) const fn is_reading(&self) -> bool {
        !self.reading.is_empty()
    }

    /// What was being read has come, or will not come.
    pub(super) fn read(&mut self) -> Vec<PieceRange> {
        std::mem::take(&mut self.reading)
    }

    fn count_void(&mut self) -> Result<(), PeerFault> {
        self.void += 1;
        if self.void > MAX_VOID_REQUESTS { Err(PeerFault::RequestFlood) } else { Ok(()) }
    }
}
