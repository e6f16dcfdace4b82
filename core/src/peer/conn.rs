//! One link's side of the peer protocol (BEP 3, BEP 10), without the socket.
//!
//! Takes messages, mail and time; leaves frames to send, blocks for the disk and reports for the
//! session, which `peer::task` carries away. It plays the *hand* of blocks it was dealt without
//! asking back, so that the hop to the session does not show in the throughput.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::mailbox::Mail;
use super::pipeline::{Arrived, Pipeline};
use super::report::Report;
use crate::bitfield::Bitfield;
use crate::download::PeerPieces;
use crate::geometry::Geometry;
use crate::types::{BLOCK_SIZE, BlockRef, PieceIndex, PieceRange};
use crate::wire::WireError;
use crate::wire::extended::{self, ExtendedHandshake};
use crate::wire::message::{self, Message};

/// Requests of a peer that we keep, as our extension handshake promises.
const REQQ: usize = extended::OUR_REQQ as usize;

/// Longest range served in one piece message. Larger ones are ignored: BEP 3 lets clients close on
/// more than 16 KiB, rtorrent asks for up to 128 KiB.
const MAX_RANGE: u32 = 128 * 1024;

/// A peer whose requests beyond [`REQQ`], or while choked, reach four times that is not served any
/// more. A fast peer fills what it was granted, so one excess is no fault.
const MAX_VOID_REQUESTS: usize = 4 * REQQ;

/// Blocks never asked for here before the link ends (BEP 52: unsolicited pieces MUST end it; one may
/// be our own forgotten cancel).
const MAX_UNSOLICITED: u32 = 8;

/// Silence in our direction after which a keep-alive goes out: clients hang up after 120 s and more.
const KEEP_ALIVE: Duration = Duration::from_secs(110);

/// Silence in their direction after which the peer is gone: two keep-alives and some slack.
const IDLE: Duration = Duration::from_secs(240);

/// A dealt block that was not asked for by then goes back, so that others may fetch it.
const HAND_STALE: Duration = Duration::from_secs(2);

/// Blocks in the hand at most: at 1 GB/s half a second of data.
const MAX_HAND: u32 = 2_048;

/// A peer broke the protocol; its link ends. Says nothing about the session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// Bytes that are no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A bitfield of another torrent's size, or with spare bits set.
    #[error("bitfield of {got} bytes does not fit {want} pieces")]
    WrongBitfield {
        /// Its bytes.
        got: usize,
        /// Pieces of this torrent.
        want: u32,
    },
    /// A piece number past the end.
    #[error("has piece {got} of {want}")]
    WrongPiece {
        /// The number.
        got: u32,
        /// Pieces of this torrent.
        want: u32,
    },
    /// Blocks that nobody asked for.
    #[error("sends blocks that were not asked for")]
    Unsolicited,
    /// Far more requests than were granted.
    #[error("floods requests")]
    RequestFlood,
    /// Nothing came for too long.
    #[error("silent for {} s", .0.as_secs())]
    Silent(Duration),
}

/// What is needed to open a link.
#[derive(Debug)]
pub struct Opening<'a> {
    /// What we have.
    pub have: &'a Bitfield,
    /// Whether the peer set the extension bit.
    pub extensions: bool,
    /// Our listening port, for the extension handshake.
    pub listen_port: Option<u16>,
    /// The peer's address, so that it learns its own.
    pub your_ip: IpAddr,
}

/// The protocol state of one link after the handshake.
#[derive(Debug)]
pub struct Conn {
    geometry: Geometry,
    am_choking: bool,
    am_interested: bool,
    peer_choking: bool,
    peer_interested: bool,
    pipeline: Pipeline,
    hand: VecDeque<BlockRef>,
    hand_since: Instant,
    hungry: bool,
    requested: VecDeque<PieceRange>,
    void_requests: usize,
    unsolicited: u32,
    last_in: Instant,
    last_out: Instant,
    /// Frames to send. The task takes them.
    pub out: BytesMut,
    /// For the session. The task takes them.
    pub reports: Vec<Report>,
    /// For the disk. The task takes them.
    pub blocks: Vec<(BlockRef, Bytes)>,
}

impl Conn {
    /// A link right after the handshake; its first frames are in `out`: the extension handshake,
    /// then what we have. rtorrent takes any other order as "no bitfield".
    pub fn open(now: Instant, geometry: Geometry, opening: &Opening<'_>) -> Self {
        let mut out = BytesMut::new();
        if opening.extensions {
            let payload = extended::OurHandshake {
                port: opening.listen_port,
                yourip: Some(opening.your_ip),
                upload_only: opening.have.is_full(),
            }
            .encode();
            message::encode(&Message::Extended { id: extended::HANDSHAKE_ID, payload }, &mut out);
        }
        if opening.have.ones() > 0 {
            message::encode(&Message::Bitfield(opening.have.to_wire().into()), &mut out);
        }
        Self {
            geometry,
            am_choking: true,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            pipeline: Pipeline::new(extended::DEFAULT_REQQ),
            hand: VecDeque::new(),
            hand_since: now,
            hungry: false,
            requested: VecDeque::new(),
            void_requests: 0,
            unsolicited: 0,
            last_in: now,
            last_out: now,
            out,
            reports: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Takes one message. `serves` tells which pieces are checked and may be given away.
    ///
    /// # Errors
    /// The peer broke the protocol; the link must end.
    pub fn on_message(
        &mut self,
        now: Instant,
        message: Message,
        serves: impl Fn(PieceIndex) -> bool,
    ) -> Result<(), PeerFault> {
        self.last_in = now;
        match message {
            Message::Choke => self.on_choke(),
            Message::Unchoke => {
                if std::mem::replace(&mut self.peer_choking, false) {
                    self.reports.push(Report::Unchoked(true));
                }
            }
            Message::Interested | Message::NotInterested => {
                let interested = matches!(message, Message::Interested);
                if std::mem::replace(&mut self.peer_interested, interested) != interested {
                    self.reports.push(Report::Interested(interested));
                }
            }
            Message::Have(index) => {
                let piece = self.geometry.piece(index);
                let piece =
                    piece.ok_or(PeerFault::WrongPiece { got: index, want: self.geometry.pieces() })?;
                self.reports.push(Report::Has(piece));
            }
            Message::Bitfield(bytes) => {
                let want = self.geometry.pieces();
                let bits = Bitfield::from_wire(&bytes, want);
                let bits = bits.ok_or(PeerFault::WrongBitfield { got: bytes.len(), want })?;
                let pieces = if bits.is_full() { PeerPieces::All } else { PeerPieces::Some(bits) };
                self.reports.push(Report::Pieces(pieces));
            }
            Message::HaveAll => self.reports.push(Report::Pieces(PeerPieces::All)),
            Message::HaveNone => {
                let none = Bitfield::new(self.geometry.pieces());
                self.reports.push(Report::Pieces(PeerPieces::Some(none)));
            }
            Message::Request { index, begin, length } => {
                self.on_request(self.geometry.range(index, begin, length), serves)?;
            }
            Message::Cancel { index, begin, length } => {
                if let Some(range) = self.geometry.range(index, begin, length) {
                    self.requested.retain(|asked| *asked != range);
                }
            }
            Message::Piece { index, begin, data } => self.on_piece(now, index, begin, data)?,
            Message::Extended { id: extended::HANDSHAKE_ID, payload } => self.on_introduction(&payload),
            Message::Reject { index, begin, length } => {
                if let Some(block) = self.geometry.block_at(index, begin, length)
                    && self.pipeline.rejected(block) == Arrived::Expected
                {
                    self.reports.push(Report::Returned(vec![block]));
                }
            }
            // Hints, and what a later handshake bit would have to allow first.
            Message::KeepAlive
            | Message::Suggest(_)
            | Message::AllowedFast(_)
            | Message::Port(_)
            | Message::Extended { .. }
            | Message::Unknown(_) => {}
        }
        Ok(())
    }

    /// Takes what the session posted.
    pub fn on_mail(&mut self, now: Instant, mail: Mail) {
        for piece in mail.have {
            self.send(now, &Message::Have(piece.get()));
        }
        if let Some(interested) = mail.interested
            && std::mem::replace(&mut self.am_interested, interested) != interested
        {
            self.send(now, if interested { &Message::Interested } else { &Message::NotInterested });
        }
        if let Some(choke) = mail.choke
            && std::mem::replace(&mut self.am_choking, choke) != choke
        {
            // Without the fast extension a choke voids what was asked for, in silence.
            if choke {
                self.requested.clear();
            }
            self.send(now, if choke { &Message::Choke } else { &Message::Unchoke });
        }
        for block in mail.cancel {
            if let Some(at) = self.hand.iter().position(|dealt| *dealt == block) {
                self.hand.remove(at);
            } else if self.pipeline.outstanding().any(|asked| asked == block) {
                self.pipeline.cancelled(block);
                let PieceRange { piece, begin, length } = self.geometry.block_range(block);
                self.send(now, &Message::Cancel { index: piece.get(), begin, length });
            }
        }
        if !mail.hand.is_empty() {
            self.hungry = false;
            self.hand_since = now;
            if self.peer_choking {
                self.reports.push(Report::Returned(mail.hand));
            } else {
                self.hand.extend(mail.hand);
            }
        }
    }

    /// Looks at what is due.
    ///
    /// # Errors
    /// The peer has been silent for too long.
    pub fn on_timeout(&mut self, now: Instant) -> Result<(), PeerFault> {
        let silence = now.saturating_duration_since(self.last_in);
        if silence >= IDLE {
            return Err(PeerFault::Silent(silence));
        }
        if now.saturating_duration_since(self.last_out) >= KEEP_ALIVE {
            self.send(now, &Message::KeepAlive);
        }
        let mut back = self.pipeline.timed_out(now);
        if !self.hand.is_empty() && now.saturating_duration_since(self.hand_since) >= HAND_STALE {
            back.extend(self.hand.drain(..));
        }
        if !back.is_empty() {
            self.reports.push(Report::Returned(back));
        }
        Ok(())
    }

    /// When [`on_timeout`](Self::on_timeout) has something to do at the latest.
    pub fn next_timeout(&self) -> Instant {
        let mut next = (self.last_in + IDLE).min(self.last_out + KEEP_ALIVE);
        if !self.hand.is_empty() {
            next = next.min(self.hand_since + HAND_STALE);
        }
        self.pipeline.next_timeout().map_or(next, |due| next.min(due))
    }

    /// Asks for as many dealt blocks as the pipeline has room for, and says when the hand runs low.
    /// To be called after each batch of messages or mail.
    pub fn play(&mut self, now: Instant) {
        if self.peer_choking || !self.am_interested {
            return;
        }
        let mut room = self.pipeline.room(now);
        if room > 0 && !self.hand.is_empty() {
            self.hand_since = now;
            while room > 0
                && let Some(block) = self.hand.pop_front()
            {
                let PieceRange { piece, begin, length } = self.geometry.block_range(block);
                self.send(now, &Message::Request { index: piece.get(), begin, length });
                self.pipeline.sent(now, block);
                room -= 1;
            }
        }
        // What arrives within a second, on top of what could be asked for right now.
        let second = self.pipeline.rate(now) / u64::from(BLOCK_SIZE);
        let target = room + u32::try_from(second).unwrap_or(MAX_HAND).min(MAX_HAND);
        let dealt = self.hand.len() as u32;
        if !self.hungry && target > 0 && dealt <= target / 2 {
            self.hungry = true;
            self.reports.push(Report::Hungry(target - dealt));
        }
    }

    /// The next range to serve, if the peer is unchoked and asked for one.
    pub fn next_upload(&mut self) -> Option<PieceRange> {
        self.requested.pop_front()
    }

    /// The range that [`next_upload`](Self::next_upload) would give.
    pub fn peek_upload(&self) -> Option<&PieceRange> {
        self.requested.front()
    }

    /// Whether a served range may still be sent: a choke voids it.
    pub const fn may_send(&self) -> bool {
        !self.am_choking
    }

    /// Bytes went out: the keep-alive can wait.
    pub const fn sent(&mut self, now: Instant) {
        self.last_out = now;
    }

    /// Payload that comes in, bytes per second.
    pub fn rate_down(&self, now: Instant) -> u64 {
        self.pipeline.rate(now)
    }

    /// Requests on their way.
    pub fn outstanding(&self) -> u32 {
        self.pipeline.outstanding().len() as u32
    }

    /// Whether the peer owes us data for too long.
    pub fn snubbed(&self, now: Instant) -> bool {
        self.pipeline.snubbed(now)
    }

    fn send(&mut self, now: Instant, message: &Message) {
        self.last_out = now;
        message::encode(message, &mut self.out);
    }

    fn on_choke(&mut self) {
        if std::mem::replace(&mut self.peer_choking, true) {
            return;
        }
        let mut back = self.pipeline.choked();
        back.extend(self.hand.drain(..));
        self.hungry = false;
        if !back.is_empty() {
            self.reports.push(Report::Returned(back));
        }
        self.reports.push(Report::Unchoked(false));
    }

    fn on_request(
        &mut self,
        range: Option<PieceRange>,
        serves: impl Fn(PieceIndex) -> bool,
    ) -> Result<(), PeerFault> {
        let range = range.filter(|range| range.length <= MAX_RANGE && serves(range.piece));
        match range {
            Some(range) if !self.am_choking && self.requested.len() < REQQ => {
                self.void_requests = 0;
                self.requested.push_back(range);
                Ok(())
            }
            _ => {
                self.void_requests += 1;
                if self.void_requests > MAX_VOID_REQUESTS { Err(PeerFault::RequestFlood) } else { Ok(()) }
            }
        }
    }

    fn on_piece(&mut self, now: Instant, index: u32, begin: u32, data: Bytes) -> Result<(), PeerFault> {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let block = self.geometry.block_at(index, begin, length);
        let expected = block
            .is_some_and(|block| !matches!(self.pipeline.arrived(now, block, length), Arrived::Unrequested));
        let Some(block) = block.filter(|_| expected) else {
            self.unsolicited += 1;
            return if self.unsolicited > MAX_UNSOLICITED { Err(PeerFault::Unsolicited) } else { Ok(()) };
        };
        self.reports.push(Report::Block(block));
        self.blocks.push((block, data));
        Ok(())
    }

    /// A dictionary that does not parse is an introduction that says nothing: clients send odd ones.
    fn on_introduction(&mut self, payload: &[u8]) {
        let Ok(theirs) = ExtendedHandshake::parse(payload) else { return };
        if let Some(reqq) = theirs.reqq {
            self.pipeline.set_reqq(reqq);
        }
        self.reports.push(Report::Introduced {
            client: theirs.v,
            listen_port: theirs.p,
            your_ip: theirs.yourip,
            upload_only: theirs.upload_only.unwrap_or(false),
        });
    }
}
