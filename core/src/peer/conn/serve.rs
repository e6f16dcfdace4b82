//! What the peer asks of us: its requests, kept in order up to what we granted (BEP 3).

use std::collections::VecDeque;

use super::PeerFault;
use crate::types::PieceRange;
use crate::wire::extended;

/// Requests of a peer that we keep, as our extension handshake promises.
pub const REQQ: usize = extended::OUR_REQQ as usize;

/// Longest range served in one piece message. Larger ones are ignored: BEP 3 lets clients close on
/// more than 16 KiB, rtorrent asks for up to 128 KiB.
pub const MAX_RANGE: u32 = 128 * 1024;

/// A peer whose requests beyond [`REQQ`], or while choked, reach four times that is not served any
/// more. A fast peer fills what it was granted, so one excess is no fault.
pub const MAX_VOID_REQUESTS: usize = 4 * REQQ;

/// The uploading side of a link.
#[derive(Debug)]
pub struct Serve {
    pub(super) am_choking: bool,
    requested: VecDeque<PieceRange>,
    /// Requests that were not kept, since the last one that was.
    void: usize,
}

impl Serve {
    pub(super) fn new() -> Self {
        Self { am_choking: true, requested: VecDeque::new(), void: 0 }
    }

    /// Chokes or unchokes; says whether that is a change. Without the fast extension a choke voids
    /// what was asked for, in silence.
    pub(super) fn choke(&mut self, choke: bool) -> bool {
        if choke {
            self.requested.clear();
        }
        std::mem::replace(&mut self.am_choking, choke) != choke
    }

    /// Keeps a request; `None` is one that we cannot serve.
    pub(super) fn on_request(&mut self, range: Option<PieceRange>) -> Result<(), PeerFault> {
        let range = range.filter(|range| range.length <= MAX_RANGE);
        let room = !self.am_choking && self.requested.len() < REQQ;
        if let Some(range) = range.filter(|_| room) {
            self.void = 0;
            self.requested.push_back(range);
            return Ok(());
        }
        self.void += 1;
        if self.void > MAX_VOID_REQUESTS { Err(PeerFault::RequestFlood) } else { Ok(()) }
    }

    pub(super) fn on_cancel(&mut self, range: PieceRange) {
        self.requested.retain(|asked| *asked != range);
    }

    pub(super) fn next(&mut self) -> Option<PieceRange> {
        self.requested.pop_front()
    }

    pub(super) fn peek(&self) -> Option<&PieceRange> {
        self.requested.front()
    }
}
