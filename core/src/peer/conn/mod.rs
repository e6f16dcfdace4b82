//! One link's side of the peer protocol (BEP 3, BEP 10), without the socket.
//!
//! Takes messages, mail and time; leaves frames to send, blocks for the disk and reports for the
//! session, which `peer::task` carries away. It plays the *hand* of blocks it was dealt without
//! asking back, so that the hop to the session does not show in the throughput.

mod fault;
mod fetch;
mod serve;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

pub use self::fault::PeerFault;
use self::fetch::Fetch;
use self::serve::Serve;
use super::mailbox::Mail;
use super::report::Report;
use crate::bitfield::Bitfield;
use crate::download::PeerPieces;
use crate::geometry::Geometry;
use crate::types::{BlockRef, PieceIndex, PieceRange};
use crate::wire::extended::{self, ExtendedHandshake};
use crate::wire::message::{self, Message};

/// Silence in our direction after which a keep-alive goes out: clients send one each 100 to 120 s.
const KEEP_ALIVE: Duration = Duration::from_secs(110);

/// Silence in their direction after which the peer is gone: two keep-alives and some slack.
const IDLE: Duration = Duration::from_secs(240);

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

/// Frames that wait to be taken by the task.
#[derive(Debug)]
pub struct Outbox {
    /// The frames.
    pub frames: BytesMut,
    /// When one was put here last, or bytes went out.
    last: Instant,
}

impl Outbox {
    fn send(&mut self, now: Instant, message: &Message) {
        self.last = now;
        message::encode(message, &mut self.frames);
    }
}

/// The protocol state of one link after the handshake.
#[derive(Debug)]
pub struct Conn {
    geometry: Geometry,
    fetch: Fetch,
    serve: Serve,
    peer_interested: bool,
    last_in: Instant,
    /// Frames to send. The task takes them.
    pub out: Outbox,
    /// For the session. The task takes them.
    pub reports: Vec<Report>,
    /// For the disk. The task takes them.
    pub blocks: Vec<(BlockRef, Bytes)>,
}

impl Conn {
    /// A link right after the handshake; its first frames are in `out`: the extension handshake,
    /// then what we have. rtorrent takes any other order as "no bitfield".
    pub fn open(now: Instant, geometry: Geometry, opening: &Opening<'_>) -> Self {
        let mut out = Outbox { frames: BytesMut::new(), last: now };
        if opening.extensions {
            let payload = extended::OurHandshake {
                port: opening.listen_port,
                yourip: Some(opening.your_ip),
                upload_only: opening.have.is_full(),
            }
            .encode();
            out.send(now, &Message::Extended { id: extended::HANDSHAKE_ID, payload });
        }
        if opening.have.ones() > 0 {
            out.send(now, &Message::Bitfield(opening.have.to_wire().into()));
        }
        Self {
            geometry,
            fetch: Fetch::new(now, geometry),
            serve: Serve::new(),
            peer_interested: false,
            last_in: now,
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
            Message::Choke => self.fetch.on_choke(true, &mut self.reports),
            Message::Unchoke => self.fetch.on_choke(false, &mut self.reports),
            Message::Interested => self.on_interest(true),
            Message::NotInterested => self.on_interest(false),
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
                let range = self.geometry.range(index, begin, length);
                self.serve.on_request(range.filter(|range| serves(range.piece)))?;
            }
            Message::Cancel { index, begin, length } => {
                if let Some(range) = self.geometry.range(index, begin, length) {
                    self.serve.on_cancel(range);
                }
            }
            Message::Piece { index, begin, data } => {
                if let Some(block) = self.fetch.on_piece(now, index, begin, &data)? {
                    self.reports.push(Report::Block(block));
                    self.blocks.push((block, data));
                }
            }
            Message::Reject { index, begin, length } => {
                self.fetch.on_reject(index, begin, length, &mut self.reports);
            }
            Message::Extended { id: extended::HANDSHAKE_ID, payload } => self.on_introduction(&payload),
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
        let Mail { choke, interested, hand, cancel, dealt, have, close: _ } = mail;
        for piece in have {
            self.out.send(now, &Message::Have(piece.get()));
        }
        if let Some(interested) = interested
            && std::mem::replace(&mut self.fetch.am_interested, interested) != interested
        {
            self.out.send(now, if interested { &Message::Interested } else { &Message::NotInterested });
        }
        if let Some(choke) = choke
            && self.serve.choke(choke)
        {
            self.out.send(now, if choke { &Message::Choke } else { &Message::Unchoke });
        }
        for block in cancel {
            self.fetch.cancel(now, block, &mut self.out);
        }
        if dealt {
            self.fetch.deal(now, hand, &mut self.reports);
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
        if now.saturating_duration_since(self.out.last) >= KEEP_ALIVE {
            self.out.send(now, &Message::KeepAlive);
        }
        self.fetch.on_timeout(now, &mut self.reports);
        Ok(())
    }

    /// When [`on_timeout`](Self::on_timeout) has something to do at the latest.
    pub fn next_timeout(&self) -> Instant {
        let next = (self.last_in + IDLE).min(self.out.last + KEEP_ALIVE);
        self.fetch.next_timeout().map_or(next, |due| next.min(due))
    }

    /// Asks for as many dealt blocks as the pipeline has room for, and says when the hand runs low.
    /// To be called after each batch of messages or mail.
    pub fn play(&mut self, now: Instant) {
        self.fetch.play(now, &mut self.out, &mut self.reports);
    }

    /// The next range to serve, if the peer is unchoked and asked for one.
    pub fn next_upload(&mut self) -> Option<PieceRange> {
        self.serve.next()
    }

    /// The range that [`next_upload`](Self::next_upload) would give.
    pub fn peek_upload(&self) -> Option<&PieceRange> {
        self.serve.peek()
    }

    /// Whether a served range may still be sent: a choke voids it.
    pub const fn may_send(&self) -> bool {
        !self.serve.am_choking
    }

    /// Bytes went out: the keep-alive can wait.
    pub const fn sent(&mut self, now: Instant) {
        self.out.last = now;
    }

    /// We have not listened until now, for reasons of our own: that was no silence of the peer.
    pub const fn listens_again(&mut self, now: Instant) {
        self.last_in = now;
    }

    /// Payload that comes in, bytes per second.
    pub fn rate_down(&self, now: Instant) -> u64 {
        self.fetch.pipeline.rate(now)
    }

    /// Requests on their way.
    pub fn outstanding(&self) -> u32 {
        self.fetch.pipeline.outstanding().len() as u32
    }

    /// Whether the peer owes us data for too long.
    pub fn snubbed(&self, now: Instant) -> bool {
        self.fetch.pipeline.snubbed(now)
    }

    fn on_interest(&mut self, interested: bool) {
        if std::mem::replace(&mut self.peer_interested, interested) != interested {
            self.reports.push(Report::Interested(interested));
        }
    }

    /// A dictionary that does not parse is an introduction that says nothing: clients send odd ones.
    fn on_introduction(&mut self, payload: &[u8]) {
        let Ok(theirs) = ExtendedHandshake::parse(payload) else { return };
        if let Some(reqq) = theirs.reqq {
            self.fetch.pipeline.set_reqq(reqq);
        }
        self.reports.push(Report::Introduced {
            client: theirs.v,
            listen_port: theirs.p,
            your_ip: theirs.yourip,
            upload_only: theirs.upload_only.unwrap_or(false),
        });
    }
}

#[cfg(test)]
mod tests;
