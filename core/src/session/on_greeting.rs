//! What happens when a peer has greeted us, whoever called: it may be ourselves, a peer that is here
//! already, or a new link.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::actor::Actor;
use super::links::LinkEntry;
use crate::event::{Event, Kind};
use crate::net::dial::Greeted;
use crate::net::scope::Scope;
use crate::peer::conn::Opening;
use crate::peer::pex::Named;
use crate::peer::pool::{MAX_KNOWN, Outcome};
use crate::peer::task::{self, Setup};
use crate::peer::{Conn, LinkGauge, Mailbox, client};
use crate::shared::ConnectionPermit;
use crate::stats::PeerSource;
use crate::types::{LinkId, UnixTime};
use crate::wire::extended::OurHandshake;
use crate::wire::handshake::Handshake;
use crate::wire::message::Decoder;

impl Actor {
    /// A peer that called us has greeted us.
    pub(super) fn on_incoming(&mut self, now: Instant, greeted: Greeted) {
        let room = self.greets_us(&greeted.handshake)
            && !self.shared.is_banned(greeted.address)
            && (self.links.len() < self.max_links() || self.make_room(now, greeted.address));
        let room = room && self.shared.may_connect(now, self.links.len());
        if let Some(permit) = room.then(|| self.shared.connection_permit()).flatten() {
            self.welcome(now, greeted, permit, true);
        }
    }

    /// Whether a greeting is for the swarm that the torrent is in: it may have left since, or be known there by another
    /// hash.
    pub(super) fn greets_us(&self, theirs: &Handshake) -> bool {
        self.in_swarm.is_some() && theirs.info_hash == self.torrent.swarm_hash()
    }

    pub(super) fn welcome(
        &mut self,
        now: Instant,
        greeted: Greeted,
        permit: ConnectionPermit,
        incoming: bool,
    ) {
        let Greeted { stream, address, handshake, early, cipher, encryption } = greeted;
        if handshake.peer_id == self.torrent.peer_id {
            self.dialled_in_vain(now, address, Outcome::Ourselves);
            return;
        }
        if !incoming && self.is_private() && self.pool.is_strangers(&address) {
            // It was called before the torrent turned out to be private.
            self.dialled_in_vain(now, address, Outcome::Useless);
            self.pool.forget_strangers();
            return;
        }
        if let Some(twin) = self.twin_of(&handshake.peer_id)
            && !self.replaces(now, twin, &handshake.peer_id, &address, incoming)
        {
            self.dialled_in_vain(now, address, Outcome::Useless);
            return;
        }
        if self.is_crowded(&address) {
            self.dialled_in_vain(now, address, Outcome::Useless);
            return;
        }
        let link = self.shared.new_link();
        let transport = stream.transport();
        // Whoever named it first, also where it has called us since.
        let unnamed = if incoming { PeerSource::Incoming } else { PeerSource::Tracker };
        let Ok(source) = self.pool.connected(now, address, unnamed, link) else { return };
        if !incoming {
            self.pool.speaks(&address, transport);
        }
        let (mailbox, gauge) = (Arc::new(Mailbox::default()), Arc::new(LinkGauge::default()));
        let geometry = self.torrent.metainfo().geometry;
        let agreed = handshake.reserved.and(self.reserved());
        let complete_ago = self
            .totals
            .completed
            .filter(|_| self.is_complete())
            .map(|at| u32::try_from(UnixTime::now().0.saturating_sub(at.0)).unwrap_or(u32::MAX));
        let metainfo = self.torrent.metainfo();
        let metadata = (metainfo.is_known() && !metainfo.private).then(|| metainfo.info_bytes());
        let opening = Opening {
            have: self.download.have(),
            agreed,
            info_hash: self.torrent.swarm_hash(),
            peer_ip: address.ip(),
            ours: OurHandshake {
                port: self.shared.port(),
                yourip: Some(address.ip()),
                upload_only: self.upload_only,
                complete_ago,
                metadata_size: metadata.as_ref().and_then(|metadata| u32::try_from(metadata.len()).ok()),
                sharing: self.reach().sharing,
                takes_pex: self.shared.config().pex,
            },
            dht_port: self.dht_port(&address),
            allows_fast: self.shared.first_slots(self.settings.upload_slots) > 0,
            metadata,
        };
        let (conn, pieces) = match &self.magnet {
            Some(_) => (Conn::open_unknown(now, &opening), None),
            None => (Conn::open(now, geometry, &opening), Some(geometry.pieces())),
        };
        let setup = Setup {
            link,
            decoder: Decoder::new(pieces),
            mailbox: mailbox.clone(),
            gauge: gauge.clone(),
            reports: self.to_reports.clone(),
            storage: self.storage.clone(),
            disk: self.shared.disk().clone(),
            down: self.down.clone(),
            up: self.up.clone(),
            early,
            cipher,
        };
        self.shared.tasks().spawn(task::run(stream, conn, setup));
        self.download.link_joined(link);
        let entry = LinkEntry {
            address,
            known_as: address,
            peer_id: handshake.peer_id,
            client: client::name(&handshake.peer_id, None),
            source,
            incoming,
            distrusted: incoming && self.shared.distrusts_callers(address),
            mailbox,
            gauge,
            am_interested: false,
            am_unchoked: false,
            choke_changed: None,
            uploaded_at_unchoke: 0,
            peer_interested: false,
            peer_unchoked: false,
            upload_only: false,
            fast: agreed.fast(),
            transport,
            encryption,
            takes_dont_have: false,
            sent_metadata: false,
            listens: (!incoming).then_some(address),
            telling: None,
            named: Named::default(),
            allowed_fast: Vec::new(),
            suggested: Vec::new(),
            hungry: 0,
            dull_ticks: 0,
            since: now,
            counted_down: 0,
            counted_up: 0,
            closing: false,
            _permit: permit,
        };
        self.torrent.bus.publish(Kind::PeerConnected, || Event::PeerConnected {
            address,
            peer_id: entry.peer_id,
            client: entry.client.clone(),
            incoming,
            transport,
            encryption,
        });
        self.links.insert(link, entry);
        self.met_changes += 1;
    }

    /// Whether as many peers of one public address are here as may be.
    pub(super) fn is_crowded(&self, address: &SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let there = self.links.values().filter(|entry| entry.address.ip().to_canonical() == ip).count();
        Scope::of(ip) == Scope::Public && there >= self.shared.config().max_connections_per_address
    }

    fn twin_of(&self, peer_id: &crate::types::PeerId) -> Option<LinkId> {
        self.links.iter().find(|(_, entry)| entry.peer_id == *peer_id).map(|(link, _)| *link)
    }

    /// Two links to one peer: both sides must let the same one go. Where both were dialled at once,
    /// the side with the lower port keeps its outgoing one, as libtorrent does; else the older stays.
    fn replaces(
        &mut self,
        now: Instant,
        twin: LinkId,
        peer_id: &crate::types::PeerId,
        address: &SocketAddr,
        incoming: bool,
    ) -> bool {
        let Some(there) = self.links.get_mut(&twin) else { return true };
        if there.incoming == incoming {
            return false;
        }
        let outgoing = if incoming { there.address } else { *address };
        let ours = (self.shared.port().unwrap_or(0), self.torrent.peer_id);
        let keep_outgoing = ours < (outgoing.port(), *peer_id);
        if keep_outgoing == incoming {
            return false;
        }
        there.close("a second link to the same peer");
        self.let_go(now, twin, "a second link to the same peer", Outcome::Useless);
        true
    }

    /// A peer that called us says where it listens: from now on it is known by that address, and can
    /// be dialled when it has gone.
    pub(super) fn on_listen_port(&mut self, now: Instant, link: LinkId, port: u16) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        if entry.listens.is_none() && port != 0 {
            entry.listens = Some(SocketAddr::new(entry.address.ip(), port));
            self.met_changes += 1;
        }
        if entry.incoming && entry.address.port() == port {
            // Over uTP a peer calls from where it listens.
            self.pool.listens(&entry.address);
        }
        // Once for each link, and not beyond the pool's bound: else a peer could name ports without end,
        // and we would dial them all.
        let named = entry.known_as != entry.address;
        if !entry.incoming
            || port == 0
            || named
            || entry.address.port() == port
            || self.pool.known() >= MAX_KNOWN
        {
            return;
        }
        let listens = SocketAddr::new(entry.address.ip(), port);
        if self.shared.is_banned(listens) {
            entry.close("banned");
            self.let_go(now, link, "banned", Outcome::Fault);
            return;
        }
        if self.pool.connected(now, listens, PeerSource::Tracker, link).is_ok() {
            self.pool.ended(now, entry.known_as, Outcome::Ended);
            entry.known_as = listens;
            self.pool.speaks(&listens, entry.transport);
        }
    }

    /// Lets peers call us.
    pub(super) fn open_door(&mut self) {
        // The old one first: as it goes it would take the new one for its own.
        self.door = None;
        let door = crate::shared::Door {
            peer_id: self.torrent.peer_id,
            reserved: self.reserved(),
            incoming: self.to_door.clone(),
        };
        self.door = Some(self.shared.registry().open(self.torrent.swarm_hash(), door));
    }
}
