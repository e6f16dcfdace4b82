//! What happens when the torrent meets the DHT (BEP 5). A private torrent never does (see `reach`):
//! it neither asks nor announces, and its links neither send nor take PORT.

use std::net::SocketAddr;

use super::actor::Actor;
use crate::dht::Wish;
use crate::types::LinkId;
use crate::wire::handshake::Reserved;

impl Actor {
    /// What our handshakes of this torrent offer.
    pub(super) fn reserved(&self) -> Reserved {
        if self.reach().dht { Reserved::OURS.with_dht() } else { Reserved::OURS }
    }

    /// Where a peer at this address finds our node, if it may know.
    pub(super) fn dht_port(&self, peer: &SocketAddr) -> Option<u16> {
        if self.reach().dht { self.shared.dht().port(peer) } else { None }
    }

    /// The torrent runs, and wants to be found; or it has all that it wants, or not any more.
    pub(super) fn keep_turns(&mut self) {
        if !self.reach().dht {
            return;
        }
        let wish = Wish { urgent: !self.is_finished() };
        match &self.dht {
            Some(registration) => registration.wish(wish),
            None => {
                let found = self.to_found.clone();
                self.dht = self.shared.dht().register(self.torrent.swarm_hash(), wish, found);
            }
        }
    }

    /// A peer says where its node is.
    pub(super) fn on_dht_port(&self, link: LinkId, port: u16) {
        if let Some(entry) = self.links.get(&link)
            && self.reach().dht
            && port != 0
        {
            self.shared.dht().meet(SocketAddr::new(entry.address.ip(), port));
        }
    }
}
