//! The info dictionary on a link (BEP 9): what we give of it, and what we have asked for.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::Outbox;
use crate::peer::report::Report;
use crate::wire::message::Message;
use crate::wire::ut_metadata::{self, UtMetadata};

/// Requests of a peer that wait; more are rejected. transmission keeps 64 too.
const MAX_WAITING: usize = 64;

/// How often a peer gets each piece on one link: once, and some more if what it put together was wrong. What
/// it asks for beyond that is rejected (BEP 9).
const SERVINGS: u32 = 4;

/// Bytes that wait to be sent while another piece is put behind them: a peer that asks for everything and
/// reads nothing costs no more.
const AHEAD: usize = 64 << 10;

/// Pieces that we may have asked for at once; the session asks for fewer.
const MAX_ASKED: usize = 16;

/// Both directions of one link.
#[derive(Debug, Default)]
pub struct Metadata {
    /// What peers may have; `None`: we do not have it, or the torrent is private.
    ours: Option<Bytes>,
    /// Pieces that the peer waits for.
    waiting: VecDeque<u32>,
    /// Pieces that it may have beside those.
    left: u32,
    /// Pieces that we have asked for.
    asked: Vec<u32>,
}

impl Metadata {
    pub(super) fn new(ours: Option<Bytes>) -> Self {
        let left = ours.as_ref().map_or(0, |ours| SERVINGS * ut_metadata::pieces(size(ours)));
        Self { ours, left, ..Self::default() }
    }

    /// Takes a message; what is to be said at once comes back.
    pub(super) fn on_message(
        &mut self,
        message: UtMetadata,
        reports: &mut Vec<Report>,
    ) -> Option<UtMetadata> {
        match message {
            UtMetadata::Request { piece } => {
                let there = self.ours.as_ref().is_some_and(|ours| piece < ut_metadata::pieces(size(ours)));
                if !there || self.left == 0 || self.waiting.len() >= MAX_WAITING {
                    return Some(UtMetadata::Reject { piece });
                }
                self.left -= 1;
                self.waiting.push_back(piece);
            }
            UtMetadata::Data { piece, total_size, data } if self.has_answered(piece) => {
                // Not a view: it would hold on to all of the receive buffer.
                let data = Bytes::copy_from_slice(&data);
                reports.push(Report::MetadataPiece { piece, total_size, data });
            }
            UtMetadata::Reject { piece } if self.has_answered(piece) => {
                reports.push(Report::MetadataRejected(piece));
            }
            // What was not asked for says nothing.
            UtMetadata::Data { .. } | UtMetadata::Reject { .. } => {}
        }
        None
    }

    /// Asks for a piece under the peer's id for such messages.
    pub(super) fn ask(&mut self, now: Instant, id: u8, piece: u32, out: &mut Outbox) {
        if self.asked.len() >= MAX_ASKED {
            // The oldest took too long, else the session would not ask again.
            self.asked.remove(0);
        }
        self.asked.push(piece);
        out.send(now, &Message::Extended { id, payload: UtMetadata::Request { piece }.encode() });
    }

    /// Sends pieces that the peer waits for, while no more than that waits to be sent.
    pub(super) fn give(&mut self, now: Instant, id: u8, queued: usize, out: &mut Outbox) {
        let Some(ours) = &self.ours else { return };
        while queued + out.frames.len() < AHEAD
            && let Some(piece) = self.waiting.pop_front()
        {
            let (total, from) = (size(ours), (piece * ut_metadata::PIECE_SIZE) as usize);
            let data = ours.slice(from..from + ut_metadata::piece_size(total, piece) as usize);
            let payload = UtMetadata::Data { piece, total_size: Some(total), data }.encode();
            out.send(now, &Message::Extended { id, payload });
        }
    }

    fn has_answered(&mut self, piece: u32) -> bool {
        let at = self.asked.iter().position(|asked| *asked == piece);
        at.map(|at| self.asked.remove(at)).is_some()
    }
}

fn size(metadata: &Bytes) -> u32 {
    // The bound on torrent files is far below.
    u32::try_from(metadata.len()).unwrap_or(u32::MAX)
}
