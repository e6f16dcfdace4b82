//! What happens when a link says something: the peers meet what we want and what we give.

use std::time::{Duration, Instant};

use super::actor::{Actor, TICK};
use crate::download::{Arrived, PeerPieces};
use crate::event::{Event, Kind};
use crate::peer::pool::Outcome;
use crate::peer::{LinkGauge, PeerReport, Report, client};
use crate::types::{BlockRef, LinkId};

/// A link that lasted this long was worth having, whatever it moved: two rounds of the optimistic
/// unchoke.
const SETTLED: Duration = Duration::from_secs(60);

impl Actor {
    /// Takes one batch of a link. A batch of a link that was let go says nothing any more.
    pub(super) fn on_peer(&mut self, now: Instant, batch: PeerReport) {
        let link = batch.link;
        for report in batch.reports {
            if self.links.contains_key(&link) {
                self.on_report(now, link, report);
            } else if matches!(report, Report::Closed { .. }) {
                self.has_parted(now, link);
            }
        }
    }

    fn on_report(&mut self, now: Instant, link: LinkId, report: Report) {
        match report {
            Report::Pieces(pieces) => self.on_pieces(link, pieces),
            Report::Has(piece) => {
                self.download.link_has(link, piece);
                self.feed = true;
                self.show_interest(link);
            }
            Report::HasNot(piece) => self.download.link_lost(link, piece),
            Report::Suggested(piece) => {
                if let Some(entry) = self.links.get_mut(&link) {
                    entry.suggests(piece);
                }
            }
            Report::AllowedFast(piece) => {
                if let Some(entry) = self.links.get_mut(&link) {
                    entry.allowed_fast.push(piece);
                    self.feed = true;
                }
            }
            Report::RefusedFast(piece) => {
                if let Some(entry) = self.links.get_mut(&link) {
                    entry.allowed_fast.retain(|allowed| *allowed != piece);
                }
            }
            Report::Unchoked(unchoked) => {
                if let Some(entry) = self.links.get_mut(&link) {
                    entry.peer_unchoked = unchoked;
                    entry.hungry = 0;
                }
            }
            Report::Interested(interested) => self.on_interested(now, link, interested),
            Report::Block(block) => self.on_block(now, link, block),
            Report::Returned(blocks) => {
                for block in blocks {
                    self.download.returned(link, block);
                }
                self.feed = true;
            }
            Report::Hungry(room) => {
                if let Some(entry) = self.links.get_mut(&link) {
                    entry.hungry = room;
                    self.feed = true;
                }
            }
            Report::DhtPort(port) => self.on_dht_port(link, port),
            Report::UploadOnly(upload_only) => self.on_upload_only(now, link, upload_only),
            Report::MetadataPiece { piece, total_size, data } => {
                self.on_metadata_piece(now, link, piece, total_size, data);
            }
            Report::MetadataRejected(piece) => self.on_metadata_rejected(now, link, piece),
            Report::Introduced {
                client,
                listen_port,
                your_ip,
                upload_only,
                takes_dont_have,
                metadata_size,
                takes_pex,
            } => {
                self.on_metadata_offer(link, metadata_size);
                if let Some(entry) = self.links.get_mut(&link) {
                    if client.is_some() {
                        entry.client = client::name(&entry.peer_id, client.as_ref());
                    }
                    entry.takes_dont_have = takes_dont_have;
                    entry.takes_pex(now, link, takes_pex);
                    if let Some(ours) = your_ip {
                        self.shared.hear_address(entry.address.ip(), ours);
                    }
                }
                if let Some(upload_only) = upload_only {
                    self.on_upload_only(now, link, upload_only);
                }
                if let Some(port) = listen_port {
                    self.on_listen_port(now, link, port);
                }
            }
            Report::Pex(list) => self.on_pex(now, link, list),
            Report::Closed { why, fault } => {
                let outcome = self.outcome(now, link, fault);
                self.let_go(now, link, &why, outcome);
                self.has_parted(now, link);
            }
        }
    }

    fn on_pieces(&mut self, link: LinkId, pieces: PeerPieces) {
        self.download.link_pieces(link, pieces);
        self.feed = true;
        self.show_interest(link);
    }

    /// Who wants to download again is in line for a slot again.
    fn on_upload_only(&mut self, now: Instant, link: LinkId, upload_only: bool) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        if std::mem::replace(&mut entry.upload_only, upload_only) != upload_only && entry.peer_interested {
            self.on_interested(now, link, true);
        }
    }

    fn on_interested(&mut self, now: Instant, link: LinkId, interested: bool) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        entry.peer_interested = interested;
        let candidate = entry.candidate(link);
        if interested {
            let changes = self.upload.interested(now, &candidate);
            self.apply_chokes(now, changes);
        } else {
            self.upload.uninterested(now, link);
        }
    }

    fn on_block(&mut self, now: Instant, link: LinkId, block: BlockRef) {
        self.last_payload = Some(now);
        let Arrived::Fresh { cancel, .. } = self.download.arrived(link, block) else { return };
        // In the endgame each block that comes makes room for another extra one.
        self.feed |= self.download.in_endgame();
        for other in cancel {
            if let Some(entry) = self.links.get(&other) {
                entry.mailbox.post(|mail| mail.cancel(block));
            }
        }
    }

    /// Deals blocks to links that could ask for more, if anything has changed for them.
    pub(super) fn deal(&mut self, now: Instant) {
        if self.full.is_some() || !std::mem::take(&mut self.feed) {
            return;
        }
        let mut hand = Vec::new();
        for (link, entry) in &mut self.links {
            if entry.hungry == 0 || !entry.am_interested || entry.closing {
                continue;
            }
            let (room, speed) = (entry.hungry, entry.speed());
            if !entry.peer_unchoked {
                self.download.deal_of(now, *link, room, speed, &entry.allowed_fast, &mut hand);
            } else if entry.suggested.is_empty() {
                self.download.deal(now, *link, room, speed, &mut hand);
            } else {
                self.download.deal_suggested(now, *link, room, speed, &entry.suggested, &mut hand);
            }
            if !hand.is_empty() {
                entry.hungry = 0;
                let hand = std::mem::take(&mut hand);
                entry.mailbox.post(|mail| mail.deal(hand));
            }
        }
        for piece in self.download.take_restarts() {
            self.shared.disk().restart(&self.storage, piece);
        }
    }

    /// Tells a link that we want something it has. That we want nothing any more is told by the
    /// tick, which waits a little: the peer may have the next piece in a moment.
    pub(super) fn show_interest(&mut self, link: LinkId) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        let wanted = self.full.is_none() && !entry.distrusted;
        if wanted && !entry.am_interested && self.download.interested_in(link) {
            entry.am_interested = true;
            entry.dull_ticks = 0;
            // It may have been hungry since before we lost interest.
            self.feed = true;
            entry.mailbox.post(|mail| mail.interested = Some(true));
        }
    }

    /// What an end that the peer or the network brought says about calling again. Who takes the call
    /// and lets us go without a byte, again and again, is called less and less often.
    fn outcome(&self, now: Instant, link: LinkId, fault: bool) -> Outcome {
        let Some(entry) = self.links.get(&link) else { return Outcome::Ended };
        let seeds = self.is_finished() && (self.download.is_seed(link) || entry.upload_only);
        let moved = LinkGauge::get(&entry.gauge.downloaded) + LinkGauge::get(&entry.gauge.uploaded) > 0;
        match (fault, seeds) {
            (true, _) => Outcome::Fault,
            (false, true) => Outcome::Seeds,
            (false, false) if moved || now.saturating_duration_since(entry.since) >= SETTLED => {
                Outcome::Ended
            }
            (false, false) => Outcome::Unreachable,
        }
    }

    /// The last word of a link that was let go: now its figures are final.
    fn has_parted(&mut self, now: Instant, link: LinkId) {
        if let Some(mut entry) = self.parting.remove(&link)
            && self.totals.count(&mut entry) > 0
        {
            self.tick.get_or_insert(now);
        }
    }

    /// Forgets a link that has ended or is told to; everything it held is free again.
    pub(super) fn let_go(&mut self, now: Instant, link: LinkId, why: &str, outcome: Outcome) {
        let Some(mut entry) = self.links.remove(&link) else { return };
        self.met_changes += 1;
        self.totals.count(&mut entry);
        if !self.is_complete() {
            self.gone.note(link, &entry);
        }
        self.download.link_gone(link);
        if let Some(magnet) = &mut self.magnet {
            magnet.gone(link);
        }
        self.upload.gone(now, link);
        self.pool.ended(now, entry.known_as, outcome);
        self.feed = true;
        self.torrent.bus.publish(Kind::PeerDisconnected, || Event::PeerDisconnected {
            address: entry.address,
            peer_id: entry.peer_id,
            client: entry.client.clone(),
            why: why.into(),
        });
        // One last look at the figures, also where the last link of a resting torrent goes.
        self.tick.get_or_insert(now + TICK);
        if !entry.is_orphaned() {
            self.parting.insert(link, entry);
        }
    }
}
