//! One link's side of the peer protocol (BEP 3, 6, 9, 10, 11, 21, 54), without the socket.
//!
//! Takes messages, mail and time; leaves frames to send, blocks for the disk and reports for the
//! session, which `peer::task` carries away. It plays the *hand* of blocks it was dealt without
//! asking back, so that the hop to the session does not show in the throughput.

mod early;
mod extensions;
mod fault;
mod fetch;
mod metadata;
mod serve;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::early::Early;
pub use self::fault::PeerFault;
use self::fetch::Fetch;
use self::metadata::Metadata;
use self::serve::Serve;
use super::fast::{self, Allowance};
use super::mailbox::Mail;
use super::pex::Pace;
use super::report::Report;
use crate::bitfield::Bitfield;
use crate::download::PeerPieces;
use crate::geometry::Geometry;
use crate::types::{BlockRef, InfoHash, PieceIndex, PieceRange};
use crate::wire::extended::{self, Extension, ExtensionIds, OurHandshake, Sharing};
use crate::wire::handshake::Reserved;
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
    /// What both sides can do.
    pub agreed: Reserved,
    /// Which torrent: the allowed-fast set depends on it.
    pub info_hash: InfoHash,
    /// The peer's address.
    pub peer_ip: IpAddr,
    /// What we say about ourselves where the extension protocol was agreed on.
    pub ours: OurHandshake,
    /// Where our DHT node is, if the peer may know (BEP 5).
    pub dht_port: Option<u16>,
    /// Whether a beginner may fetch a few pieces while it is choked.
    pub allows_fast: bool,
    /// The info dictionary, where we have it and peers may have it too (BEP 9).
    pub metadata: Option<Bytes>,
}

/// What a link is told once the metadata of its torrent is there (BEP 9).
#[derive(Clone, Debug)]
pub struct Shape {
    /// Pieces and blocks.
    pub geometry: Geometry,
    /// The info dictionary, where peers may have it too.
    pub metadata: Option<Bytes>,
    /// Whether they may.
    pub sharing: Sharing,
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
    metadata: Metadata,
    /// There until the shape of the torrent is known.
    early: Option<Early>,
    agreed: Reserved,
    info_hash: InfoHash,
    peer_ip: IpAddr,
    /// What we said about ourselves.
    ours: OurHandshake,
    /// How to send extension messages.
    their_ids: ExtensionIds,
    peer_interested: bool,
    /// The peer has said where its DHT node is. Once is enough: else it could have us ask anybody.
    told_port: bool,
    /// Pieces that the peer has, as far as can be told without keeping which: one that is told twice
    /// counts twice.
    peer_has: u32,
    turns: u32,
    /// How often it names peers.
    pex: Pace,
    /// A beginner is still to be told what it may fetch while it is choked.
    allows_fast: bool,
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
        let Opening { have, agreed, info_hash, peer_ip, ours, dht_port, allows_fast, ref metadata } =
            *opening;
        if agreed.extensions() {
            let payload = ours.encode();
            out.send(now, &Message::Extended { id: extended::HANDSHAKE_ID, payload });
        }
        if agreed.fast() && have.is_full() && geometry.pieces() > 0 {
            out.send(now, &Message::HaveAll);
        } else if have.ones() > 0 {
            out.send(now, &Message::Bitfield(have.to_wire().into()));
        } else if agreed.fast() {
            out.send(now, &Message::HaveNone);
        }
        if let Some(port) = dht_port.filter(|_| agreed.dht()) {
            out.send(now, &Message::Port(port));
        }
        Self {
            geometry,
            fetch: Fetch::new(now, geometry, agreed.fast()),
            serve: Serve::new(),
            metadata: Metadata::new(metadata.clone()),
            early: None,
            agreed,
            info_hash,
            peer_ip,
            ours,
            their_ids: ExtensionIds::default(),
            peer_interested: false,
            told_port: false,
            peer_has: 0,
            turns: 0,
            pex: Pace::default(),
            allows_fast: allows_fast && agreed.fast(),
            last_in: now,
            out,
            reports: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// A link of a torrent of which only the hash is known: what the peer has is kept until
    /// [`learn`](Self::learn) says what there is (BEP 9).
    pub fn open_unknown(now: Instant, opening: &Opening<'_>) -> Self {
        let early = Some(Early::default());
        Self { early, ..Self::open(now, Geometry::NOTHING, opening) }
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
        if is_of_fast(&message) && !self.agreed.fast() {
            return Err(PeerFault::NotFast);
        }
        let message = match &mut self.early {
            Some(early) => early.keep(message),
            None => Some(message),
        };
        let Some(message) = message else { return Ok(()) };
        match message {
            Message::Choke => self.fetch.on_choke(now, true, &mut self.reports),
            Message::Unchoke => self.fetch.on_choke(now, false, &mut self.reports),
            Message::Interested => self.on_interest(true),
            Message::NotInterested => self.on_interest(false),
            Message::Have(index) => {
                let piece = self.geometry.piece(index);
                let piece =
                    piece.ok_or(PeerFault::WrongPiece { got: index, want: self.geometry.pieces() })?;
                self.peer_has = (self.peer_has + 1).min(self.geometry.pieces());
                self.reports.push(Report::Has(piece));
            }
            Message::Bitfield(bytes) => {
                let want = self.geometry.pieces();
                let bits = Bitfield::from_wire(&bytes, want);
                let bits = bits.ok_or(PeerFault::WrongBitfield { got: bytes.len(), want })?;
                let pieces = if bits.is_full() { PeerPieces::All } else { PeerPieces::Some(bits) };
                self.on_pieces(now, pieces);
            }
            Message::HaveAll => self.on_pieces(now, PeerPieces::All),
            Message::HaveNone => {
                let none = Bitfield::new(self.geometry.pieces());
                self.on_pieces(now, PeerPieces::Some(none));
            }
            Message::Request { index, begin, length } => {
                let range = self.geometry.range(index, begin, length);
                let range = range.filter(|range| serves(range.piece));
                if !self.serve.on_request(range, self.peer_has <= fast::SET as u32)? && self.agreed.fast() {
                    self.out.send(now, &Message::Reject { index, begin, length });
                }
            }
            Message::Cancel { index, begin, length } => {
                if let Some(range) = self.geometry.range(index, begin, length) {
                    let void = self.serve.on_cancel(range)?;
                    self.reject(now, &vec![range; void]);
                }
            }
            Message::Piece { index, begin, data } => {
                if let Some(block) = self.fetch.on_piece(now, index, begin, &data)? {
                    self.reports.push(Report::Block(block));
                    self.blocks.push((block, data));
                }
            }
            Message::Reject { index, begin, length } => {
                self.fetch.on_reject(now, [index, begin, length], &mut self.reports);
            }
            Message::Suggest(index) => {
                self.reports.extend(self.geometry.piece(index).map(Report::Suggested));
            }
            Message::AllowedFast(index) => {
                if let Some(piece) = self.geometry.piece(index) {
                    self.fetch.on_allowed(piece, &mut self.reports);
                }
            }
            Message::Extended { id: extended::HANDSHAKE_ID, payload } => self.on_introduction(&payload),
            Message::Extended { id, payload } => self.on_extension(now, id, &payload)?,
            Message::Port(port) if self.agreed.dht() && !std::mem::replace(&mut self.told_port, true) => {
                self.reports.push(Report::DhtPort(port));
            }
            Message::KeepAlive | Message::Port(_) => {}
        }
        Ok(())
    }

    /// Takes what the session posted.
    pub fn on_mail(&mut self, now: Instant, mail: Mail) {
        let Mail { choke, interested, hand, cancel, dealt, have, lost, upload_only, metadata, pex, .. } =
            mail;
        for piece in lost {
            self.lose(now, piece);
        }
        for piece in have {
            self.out.send(now, &Message::Have(piece.get()));
        }
        if let Some(upload_only) = upload_only {
            self.say_upload_only(now, upload_only);
        }
        if let Some(pex) = pex
            && let Some(id) = self.their_ids.get(Extension::UtPex)
        {
            self.out.send(now, &Message::Extended { id: id.get(), payload: pex.encode() });
        }
        if let Some(interested) = interested
            && std::mem::replace(&mut self.fetch.am_interested, interested) != interested
        {
            self.out.send(now, if interested { &Message::Interested } else { &Message::NotInterested });
        }
        match choke {
            Some(true) => {
                if let Some(refused) = self.serve.choke() {
                    self.out.send(now, &Message::Choke);
                    self.reject(now, &refused);
                }
            }
            Some(false) if self.serve.unchoke() => self.out.send(now, &Message::Unchoke),
            _ => {}
        }
        if let Some(id) = self.their_ids.get(Extension::UtMetadata) {
            metadata.into_iter().for_each(|piece| self.metadata.ask(now, id.get(), piece, &mut self.out));
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

    /// The next range to serve, if there is one. It counts as being read until [`uploaded`](Self::uploaded).
    pub fn next_upload(&mut self) -> Option<PieceRange> {
        self.serve.next()
    }

    /// The range that [`next_upload`](Self::next_upload) would give.
    pub fn peek_upload(&self) -> Option<&PieceRange> {
        self.serve.peek()
    }

    /// Whether what is being read may still be sent: a choke voids it.
    pub const fn is_reading(&self) -> bool {
        self.serve.is_reading()
    }

    /// The ranges that were being read, in the order they were asked for: they are sent, all of them.
    pub fn uploaded(&mut self) -> Vec<PieceRange> {
        self.serve.read()
    }

    /// What was being read cannot be sent.
    pub fn upload_failed(&mut self, now: Instant) {
        let refused = self.serve.read();
        self.reject(now, &refused);
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

    fn on_pieces(&mut self, now: Instant, pieces: PeerPieces) {
        self.peer_has = match &pieces {
            PeerPieces::All => self.geometry.pieces(),
            PeerPieces::Some(bits) => bits.ones(),
        };
        self.reports.push(Report::Pieces(pieces));
        let is_beginner = self.peer_has <= fast::SET as u32 && self.peer_has < self.geometry.pieces();
        if std::mem::take(&mut self.allows_fast) && is_beginner {
            let pieces = self.geometry.pieces();
            let set = fast::allowed_set(self.peer_ip, &self.info_hash, pieces, fast::SET);
            for piece in &set {
                self.out.send(now, &Message::AllowedFast(piece.get()));
            }
            self.serve.allow(Allowance::of(&self.geometry, &set));
        }
    }

    /// Where the fast extension was agreed on each request has an answer (BEP 6).
    fn reject(&mut self, now: Instant, refused: &[PieceRange]) {
        if !self.agreed.fast() {
            return;
        }
        for PieceRange { piece, begin, length } in refused.iter().copied() {
            self.out.send(now, &Message::Reject { index: piece.get(), begin, length });
        }
    }

    /// We have this piece no more (BEP 54).
    fn lose(&mut self, now: Instant, piece: PieceIndex) {
        if let Some(id) = self.their_ids.get(Extension::LtDontHave) {
            let payload = piece.get().to_be_bytes().to_vec().into();
            self.out.send(now, &Message::Extended { id: id.get(), payload });
        }
        let refused = self.serve.lose(piece);
        self.reject(now, &refused);
    }
}

/// Whether the message means something only where the fast extension was agreed on.
const fn is_of_fast(message: &Message) -> bool {
    matches!(
        message,
        Message::HaveAll
            | Message::HaveNone
            | Message::Suggest(_)
            | Message::AllowedFast(_)
            | Message::Reject { .. }
    )
}

#[cfg(test)]
mod tests;
