//! The extension protocol on a link (BEP 10): introductions, and what extensions say (BEP 9, 11, 21, 54).

use std::time::Instant;

use bytes::Bytes;

use super::early::Early;
use super::metadata::Metadata;
use super::{Conn, PeerFault, Shape};
use crate::peer::report::Report;
use crate::types::PieceIndex;
use crate::wire::extended::{self, ExtendedHandshake, Extension};
use crate::wire::message::Message;
use crate::wire::ut_metadata::UtMetadata;
use crate::wire::ut_pex::UtPex;

/// Turns from a seed to a peer that lacks something, on one link (BEP 54). Each costs a look at all
/// pieces; who drops pieces for want of room does so once, and then lacks others too.
pub(super) const MAX_TURNS: u32 = 16;

impl Conn {
    /// The metadata is there: what the peer has said that it has means something now, and the peer hears
    /// whether it can have the metadata too. `serves` as in [`on_message`](Self::on_message).
    ///
    /// # Errors
    /// What it said does not fit the torrent.
    pub fn learn(
        &mut self,
        now: Instant,
        shape: Shape,
        serves: impl Fn(PieceIndex) -> bool,
    ) -> Result<(), PeerFault> {
        let Shape { geometry, metadata, sharing } = shape;
        self.geometry = geometry;
        self.fetch.learn(geometry);
        self.ours.metadata_size = metadata.as_ref().and_then(|metadata| u32::try_from(metadata.len()).ok());
        self.ours.sharing = sharing;
        self.metadata = Metadata::new(metadata);
        if self.agreed.extensions() {
            let payload = self.ours.encode();
            self.out.send(now, &Message::Extended { id: extended::HANDSHAKE_ID, payload });
        }
        for message in self.early.take().into_iter().flat_map(Early::messages) {
            self.on_message(now, message, &serves)?;
        }
        Ok(())
    }

    /// Puts what the peer asked for of the metadata into the outbox, a little at a time: `queued` bytes wait
    /// to be sent beside it. To be called whenever some were.
    pub fn give_metadata(&mut self, now: Instant, queued: usize) {
        if let Some(id) = self.their_ids.get(Extension::UtMetadata) {
            self.metadata.give(now, id.get(), queued, &mut self.out);
        }
    }

    /// Says whether we download anything: by libtorrent's message where the peer takes it, else by a
    /// second handshake.
    pub(super) fn say_upload_only(&mut self, now: Instant, upload_only: bool) {
        if std::mem::replace(&mut self.ours.upload_only, upload_only) == upload_only {
            return;
        }
        let said = match self.their_ids.get(Extension::UploadOnly) {
            Some(id) => (id.get(), Bytes::copy_from_slice(&[u8::from(upload_only)])),
            None => (extended::HANDSHAKE_ID, self.ours.encode()),
        };
        if self.agreed.extensions() {
            self.out.send(now, &Message::Extended { id: said.0, payload: said.1 });
        }
    }

    pub(super) fn on_extension(&mut self, now: Instant, id: u8, payload: &Bytes) -> Result<(), PeerFault> {
        let extension = Extension::received(id).filter(|extension| self.ours.offers(*extension));
        match (extension, &payload[..]) {
            (Some(Extension::UtMetadata), _) => self.on_metadata(now, payload),
            (Some(Extension::LtDontHave), [a, b, c, d]) => {
                let index = u32::from_be_bytes([*a, *b, *c, *d]);
                let want = self.geometry.pieces();
                let piece = self.geometry.piece(index).ok_or(PeerFault::WrongPiece { got: index, want })?;
                self.turns += u32::from(self.peer_has == want);
                if self.turns > MAX_TURNS {
                    return Err(PeerFault::Fickle);
                }
                self.peer_has = self.peer_has.saturating_sub(1);
                self.fetch.on_lost(piece, &mut self.reports);
                self.reports.push(Report::HasNot(piece));
            }
            (Some(Extension::UploadOnly), [flag]) => self.reports.push(Report::UploadOnly(*flag != 0)),
            (Some(Extension::UtPex), payload) => {
                if self.pex.hears(now).ok_or(PeerFault::PexFlood)?
                    && let Ok(pex) = UtPex::parse(payload)
                {
                    self.reports.push(Report::Pex(pex));
                }
            }
            // What we have not offered, or not so.
            _ => {}
        }
        Ok(())
    }

    fn on_metadata(&mut self, now: Instant, payload: &Bytes) {
        let answer =
            UtMetadata::parse(payload).and_then(|said| self.metadata.on_message(said, &mut self.reports));
        if let (Some(answer), Some(id)) = (answer, self.their_ids.get(Extension::UtMetadata)) {
            self.out.send(now, &Message::Extended { id: id.get(), payload: answer.encode() });
        }
    }

    /// A dictionary that does not parse is an introduction that says nothing: clients send odd ones.
    pub(super) fn on_introduction(&mut self, payload: &[u8]) {
        let Ok(theirs) = ExtendedHandshake::parse(payload) else { return };
        if let Some(reqq) = theirs.reqq {
            self.fetch.pipeline.set_reqq(reqq);
        }
        self.their_ids.update(&theirs.m);
        self.reports.push(Report::Introduced {
            client: theirs.v,
            listen_port: theirs.p,
            your_ip: theirs.yourip,
            upload_only: theirs.upload_only,
            takes_dont_have: self.their_ids.get(Extension::LtDontHave).is_some(),
            takes_pex: self.their_ids.get(Extension::UtPex).is_some(),
            metadata_size: theirs
                .metadata_size
                .filter(|_| self.their_ids.get(Extension::UtMetadata).is_some()),
        });
    }
}
