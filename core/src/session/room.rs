//! Room for links: where there are more peers than may be connected, those stay that both ends think worth
//! most (BEP 40).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::actor::Actor;
use super::links::LinkEntry;
use crate::peer::LinkGauge;
use crate::peer::pool::Outcome;
use crate::peer::rank;
use crate::stats::PeerSource;
use crate::types::LinkId;

/// Between two rounds of letting links go for peers that wait (libtorrent: `peer_turnover_interval`).
pub const TURNOVER: Duration = Duration::from_secs(300);

/// How many of a hundred links go in a round (libtorrent: `peer_turnover`).
const TURNOVER_PERCENT: usize = 4;

fn moves_nothing(entry: &LinkEntry) -> bool {
    LinkGauge::get(&entry.gauge.rate_down) + LinkGauge::get(&entry.gauge.rate_up) == 0
}

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

    /// Where all connections are taken, of this torrent or over all, and others wait for one: lets the
    /// least links go, at a pace. Torrents that have fewer come first; then the peers that this one knows
    /// and has no link to, for whom a few idle ones make room every five minutes.
    pub(super) fn turn_over(&mut self, now: Instant) {
        let links = self.links.len();
        let Some((link, _)) = self.least_link() else { return };
        let idle = self.links.get(&link).is_some_and(moves_nothing);
        if self.shared.yields_link(now, links, idle) {
            self.give_up(now, link, "another torrent needs its place");
            return;
        }
        let full = self.pool.busy() >= self.max_links() || self.shared.is_full();
        let wait = self.pool.next_due().is_some_and(|due| due <= now);
        if !full || !wait {
            return;
        }
        if self.turnover.get_or_insert(now).checked_add(TURNOVER).is_none_or(|due| due > now) {
            return;
        }
        self.turnover = Some(now);
        for _ in 0..(links * TURNOVER_PERCENT).div_ceil(100) {
            let least = self.least_link().map(|(link, _)| link);
            let old = |entry: &LinkEntry| now.saturating_duration_since(entry.since) >= TURNOVER;
            let useless = |entry: &LinkEntry| moves_nothing(entry) && old(entry);
            let Some(link) = least.filter(|link| self.links.get(link).is_some_and(useless)) else { return };
            self.give_up(now, link, "others wait for its place");
        }
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
        let least = links.map(|(link, entry)| (!moves_nothing(entry), rank(entry.known_as), *link));
        least.min().map(|(_, rank, link)| (link, rank))
    }

    fn give_up(&mut self, now: Instant, link: LinkId, why: &'static str) {
        if let Some(entry) = self.links.get_mut(&link) {
            entry.close(why);
        }
        self.let_go(now, link, why, Outcome::Ended);
    }
}
