//! Room for links: where there are more peers than may be connected, those stay that both ends think worth
//! most (BEP 40).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use super::actor::Actor;
use crate::peer::LinkGauge;
use crate::peer::pool::Outcome;
use crate::peer::rank;
use crate::stats::PeerSource;
use crate::types::LinkId;

impl Actor {
    /// What a link to an address is worth.
    pub(super) fn rank(&self) -> impl Fn(SocketAddr) -> u32 + use<> {
        let v4 = self.shared.seen_by(&(Ipv4Addr::UNSPECIFIED, 0).into());
        let v6 = self.shared.seen_by(&(Ipv6Addr::UNSPECIFIED, 0).into());
        move |address| rank::priority(if address.ip().to_canonical().is_ipv4() { v4 } else { v6 }, address)
    }

    /// All links are taken: lets the least one go if the caller is worth more. Says whether there is room.
    pub(super) fn make_room(&mut self, now: Instant, caller: SocketAddr) -> bool {
        let worth = self.rank()(caller);
        let least = self.least_link().filter(|(_, least)| *least < worth);
        if let Some((link, _)) = least {
            self.give_up(now, link, "a peer of higher priority took its place");
        }
        least.is_some()
    }

    /// There may be fewer links than there were, of this torrent or over all.
    pub(super) fn keep_within_limits(&mut self, now: Instant) {
        let keep = self.shared.links_to_keep(self.links.len(), self.settings.max_peers);
        while self.links.len() > keep
            && let Some((link, _)) = self.least_link()
        {
            self.give_up(now, link, "there are more connections than may be");
        }
    }

    /// The link that is worth least, and what: first of those that move nothing. Whom a person named
    /// stays.
    fn least_link(&self) -> Option<(LinkId, u32)> {
        let rank = self.rank();
        let links = self.links.iter().filter(|(_, entry)| entry.source != PeerSource::Manual);
        let least = links.map(|(link, entry)| {
            let rates = LinkGauge::get(&entry.gauge.rate_down) + LinkGauge::get(&entry.gauge.rate_up);
            (rates > 0, rank(entry.known_as), *link)
        });
        least.min().map(|(_, rank, link)| (link, rank))
    }

    fn give_up(&mut self, now: Instant, link: LinkId, why: &'static str) {
        if let Some(entry) = self.links.get_mut(&link) {
            entry.close(why);
        }
        self.let_go(now, link, why, Outcome::Ended);
    }
}
