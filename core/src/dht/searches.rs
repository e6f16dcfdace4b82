//! Searches that are under way (BEP 5): what each asks next, and the announces that follow those for torrents.

use std::net::SocketAddr;
use std::time::Instant;

use super::id::{Contact, Family, NodeId};
use super::krpc::Query;
use super::lookup::{BEGIN_WITH, Lookup};
use super::node::{Event, Node, QUESTION};
use super::schedule::Outcome;
use super::traffic::{LookupId, Purpose};
use crate::types::InfoHash;

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Our neighbours.
    Ourselves,
    /// A bucket in which nothing happens.
    Bucket,
    /// A torrent's peers, and its announce.
    Torrent(InfoHash),
}

/// A search that is under way.
#[derive(Debug)]
pub(super) struct Active {
    family: Family,
    pub(super) search: Search,
    pub(super) lookup: Lookup,
    began: Instant,
    /// Somebody knows a peer of the torrent that is not us.
    pub(super) found: bool,
    /// The search is over: its announces.
    announce: Option<Announce>,
}

#[derive(Debug)]
struct Announce {
    /// Who is still to be told, and with which token.
    left: Vec<(Contact, Vec<u8>)>,
    told: usize,
}

impl Node {
    /// Begins a search.
    pub(super) fn search(
        &mut self,
        now: Instant,
        family: Family,
        search: Search,
        target: NodeId,
        strangers: Vec<SocketAddr>,
    ) {
        let table = &self.sides[family as usize].table;
        let known = table.closest(now, &target, 2 * super::K, BEGIN_WITH);
        let lookup = Lookup::new(target, known, strangers);
        let id = LookupId(self.next_lookup);
        self.next_lookup += 1;
        self.active.insert(id, Active { family, search, lookup, began: now, found: false, announce: None });
        self.advance(now, id);
    }

    /// Searches under way of torrents.
    pub(super) fn turns_under_way(&self) -> usize {
        self.active.len()
    }

    pub(super) fn lookup_failed(&mut self, now: Instant, id: LookupId, address: &SocketAddr) {
        if let Some(active) = self.active.get_mut(&id) {
            active.lookup.failed(address);
            self.advance(now, id);
        }
    }

    /// Takes a search as far as it gets now.
    pub(super) fn advance(&mut self, now: Instant, id: LookupId) {
        let Some(mut active) = self.active.remove(&id) else { return };
        if !self.advance_search(now, id, &mut active) || !self.advance_announce(now, &mut active) {
            self.active.insert(id, active);
            return;
        }
        let Active { family, search, lookup, began, found, announce } = active;
        let answered = lookup.answers() > 0;
        match search {
            Search::Torrent(info_hash) => {
                let outcome = match (answered, found) {
                    (false, _) => Outcome::NoAnswer,
                    (true, false) => Outcome::NoPeers,
                    (true, true) => Outcome::Peers,
                };
                self.schedule.over(now, began, (info_hash, family), outcome, &mut self.random);
                let nodes = announce.map_or(0, |announce| announce.told);
                self.events.push(Event::Announced { info_hash, family, nodes });
            }
            Search::Ourselves => self.found_ourselves(now, family, answered),
            Search::Bucket => {}
        }
    }

    /// Whether the search is over.
    fn advance_search(&mut self, now: Instant, id: LookupId, active: &mut Active) -> bool {
        if active.announce.is_some() {
            return true;
        }
        let query = match active.search {
            Search::Torrent(info_hash) => Query::GetPeers(info_hash),
            Search::Ourselves | Search::Bucket => Query::FindNode(*active.lookup.target()),
        };
        let want = self.want(now, active.family, active.search);
        while self.budget.allows(now, QUESTION) {
            let hosts = &mut self.hosts;
            let Some((node, to)) = active.lookup.next(now, |to| hosts.allow(now, to)) else { break };
            if !self.ask(now, to, node, &query, want, Purpose::Lookup(id)) {
                active.lookup.not_asked(&to);
                break;
            }
        }
        active.lookup.is_done()
    }

    /// Whether all are told that are to be.
    fn advance_announce(&mut self, now: Instant, active: &mut Active) -> bool {
        let (Search::Torrent(info_hash), Some(port)) = (active.search, self.port) else { return true };
        let Announce { left, told } =
            active.announce.get_or_insert_with(|| Announce { left: active.lookup.to_announce(), told: 0 });
        left.retain(|(contact, token)| {
            let query = Query::AnnouncePeer { info_hash, port, implied: self.implied, token };
            let asked = self.ask(now, contact.address, Some(contact.id), &query, None, Purpose::Announce);
            *told += usize::from(asked);
            !asked
        });
        left.is_empty()
    }
}
