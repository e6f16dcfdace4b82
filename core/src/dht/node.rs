//! The node: one for all torrents, over both families (BEP 5, BEP 32). Datagrams and time go in, datagrams
//! and events come out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::bep42;
use super::id::{Contact, Family, NodeId};
use super::krpc::{self, Body, Malformed, Message, Query, Response, Want};
use super::pace::{Budget, Hosts};
use super::saved::{MAX_NODES, Saved};
use super::schedule::{Schedule, Wish};
use super::searches::{Active, Search};
use super::server::{Question, Server};
use super::table::Table;
use super::traffic::{LookupId, Pending, Purpose, Traffic};
use super::upkeep::Upkeep;
use crate::net::outside::Outside;
use crate::net::scope::may_name;
use crate::stats::DhtStats;
use crate::types::InfoHash;

/// Bytes per second of our own questions: eight a second for each torrent that is searched
/// for, some fifteen torrents a second.
pub const RATE: u64 = 100_000;

/// What may go out at once.
const BURST: u64 = RATE / 4;

/// Bytes of our longest question, about.
pub(super) const QUESTION: usize = 160;

/// Nodes that wait to be asked whether they are there. More are met again.
const MAX_VERIFY: usize = 128;

/// Voices that must agree on our address outside before our id follows it: to change it costs the table its
/// order, so a few liars must not be enough.
pub(super) const VOICES: usize = 4;

/// How often something is due while questions are on their way, and while none are.
const BUSY: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(1);

/// What the shell decides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Nodes and peers of private and loopback ranges count, whoever names them.
    pub allow_inward: bool,
    /// We answer nobody, and say so (BEP 43): nobody can call us.
    pub read_only: bool,
    /// Our addresses of both families, where they are known from the start.
    pub addresses: [Option<IpAddr>; 2],
}

/// What the node has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Peers of a torrent. They are no more than what strangers say.
    Peers {
        /// Which.
        info_hash: InfoHash,
        /// Where.
        peers: Vec<SocketAddr>,
    },
    /// The torrent was announced to that many nodes of a family.
    Announced {
        /// Which.
        info_hash: InfoHash,
        /// Where.
        family: Family,
        /// How many.
        nodes: usize,
    },
    /// A family can be searched.
    Ready(Family),
    /// Nobody is known who answers: addresses to begin with are wanted.
    Lonely,
}

/// One family.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) table: Table,
    /// Our address outside.
    pub(super) address: Option<IpAddr>,
    /// There is a socket.
    pub(super) is_open: bool,
    pub(super) upkeep: Upkeep,
}

/// See the [module](super).
#[derive(Debug)]
pub struct Node {
    pub(super) options: Options,
    pub(super) random: StdRng,
    pub(super) sides: [Side; 2],
    pub(super) outside: Outside,
    pub(super) schedule: Schedule,
    server: Server,
    traffic: Traffic,
    pub(super) budget: Budget,
    pub(super) hosts: Hosts,
    pub(super) active: BTreeMap<LookupId, Active>,
    pub(super) next_lookup: u64,
    /// Which family had the last turn.
    pub(super) next_family: Family,
    /// Who was met and is to be asked whether it is there.
    verify: VecDeque<(Option<NodeId>, SocketAddr)>,
    /// Those that only help others to begin: they have enough to do and belong in no table.
    pub(super) routers: HashSet<SocketAddr>,
    /// The port at which peers can call us; without one nothing is announced.
    pub(super) port: Option<u16>,
    /// Peers can call at the port that our datagrams come from, whatever that is outside.
    pub(super) implied: bool,
    sends: Vec<(SocketAddr, Vec<u8>)>,
    pub(super) events: Vec<Event>,
    pub(super) next_upkeep: Instant,
    next_due: Instant,
}

impl Node {
    /// Goes on where the last run ended. The seed is not to be guessed: what it becomes keeps forged answers
    /// out.
    pub fn new(now: Instant, seed: [u8; 32], options: Options, saved: &Saved) -> Self {
        let mut random = StdRng::from_seed(seed);
        let sides = Family::ALL.map(|family| {
            let address = options.addresses[family as usize];
            let kept = saved.ids[family as usize];
            let kept = kept.filter(|id| address.is_none_or(|ip| bep42::fits(id, ip)));
            let id = kept.unwrap_or_else(|| match address {
                Some(ip) => bep42::make(ip, &mut random),
                None => NodeId::random(&mut random),
            });
            let mut table = Table::new(id);
            saved.nodes(family).for_each(|contact| table.restore(contact));
            Side { table, address, is_open: false, upkeep: Upkeep::new(now) }
        });
        Self {
            server: Server::new(now, &mut random),
            options,
            random,
            sides,
            outside: Outside::default(),
            schedule: Schedule::default(),
            traffic: Traffic::default(),
            budget: Budget::new(now, RATE, BURST),
            hosts: Hosts::default(),
            active: BTreeMap::new(),
            next_lookup: 0,
            next_family: Family::V6,
            verify: VecDeque::new(),
            routers: HashSet::new(),
            port: None,
            implied: false,
            sends: Vec::new(),
            events: Vec::new(),
            next_upkeep: now,
            next_due: now,
        }
    }

    /// Which families have a socket, and the port at which peers can call us.
    pub fn open(&mut self, families: [bool; 2], port: Option<u16>) {
        for (side, is_open) in self.sides.iter_mut().zip(families) {
            side.is_open = is_open;
        }
        self.port = port;
    }

    /// Whether peers can call at the port that our datagrams come from (BEP 5, `implied_port`).
    pub const fn imply_port(&mut self, implied: bool) {
        self.implied = implied;
    }

    /// Addresses to begin with. `routers`: they are for that only.
    pub fn bootstrap(&mut self, now: Instant, addresses: &[SocketAddr], routers: bool) {
        if routers {
            self.routers.extend(addresses);
        }
        for (side, family) in self.sides.iter_mut().zip(Family::ALL) {
            let of = addresses.iter().filter(|address| Family::of(address) == family);
            side.upkeep.begin_with(now, of.copied());
        }
        self.next_due = now;
        self.next_upkeep = now;
    }

    /// A torrent is to be found, and its peers to be looked for; or it wants that otherwise than before.
    pub fn add(&mut self, now: Instant, info_hash: InfoHash, wish: Wish) {
        self.schedule.add(now, info_hash, wish);
        self.next_due = self.next_due.min(now + BUSY);
    }

    /// A torrent is not to be found any more. Searches for it end.
    pub fn remove(&mut self, info_hash: &InfoHash) {
        self.schedule.remove(info_hash);
        self.active.retain(|_, active| active.search != Search::Torrent(*info_hash));
    }

    /// A peer says that a node is there (BEP 5, PORT).
    pub fn meet(&mut self, now: Instant, address: SocketAddr) {
        self.verify_later(None, address);
        self.next_due = self.next_due.min(now + BUSY);
    }

    /// Takes a datagram.
    pub fn received(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let message = match krpc::decode(datagram) {
            Ok(message) => message,
            Err(Malformed::Refused { transaction, refusal })
                if !self.options.read_only && self.server.hears(now, &from) =>
            {
                let answer = self.server.refuse(now, transaction, refusal, datagram.len());
                self.reply(now, from, answer);
                return;
            }
            Err(_) => return,
        };
        let Message { transaction, body } = message;
        match body {
            Body::Query { id, query, want, read_only } => {
                if self.options.read_only || !self.server.hears(now, &from) {
                    return;
                }
                let question = Question { from, transaction, query, want, length: datagram.len() };
                let tables = [&self.sides[0].table, &self.sides[1].table];
                let answer = self.server.answer(now, &mut self.random, &question, tables);
                self.reply(now, from, answer);
                let contact = Contact { id, address: from };
                let is_of_use = !read_only && self.side(&from).table.asked(now, &contact);
                if is_of_use || self.server.wants_proof(now, &from) {
                    self.verify_later(Some(id), from);
                }
            }
            Body::Response(response) => {
                if let Some(pending) = self.traffic.answered(transaction, &from) {
                    self.on_response(now, pending, &response);
                }
            }
            Body::Error(code, text) => {
                let Some(pending) = self.traffic.answered(transaction, &from) else { return };
                tracing::trace!(%from, code, text = %text.escape_ascii(), "refused");
                if let Purpose::Lookup(lookup) = pending.purpose {
                    self.lookup_failed(now, lookup, &from);
                }
            }
        }
    }

    /// Looks at what is due.
    pub fn timeout(&mut self, now: Instant) {
        while let Some(late) = self.traffic.late(now) {
            self.side(&late.to).table.failed(now, &late.to);
            if let Purpose::Lookup(lookup) = late.purpose {
                self.lookup_failed(now, lookup, &late.to);
            }
        }
        if self.next_upkeep <= now {
            self.next_upkeep = now + IDLE;
            self.look_after(now);
            self.server.forget(now);
        }
        self.begin_turns(now);
        let lookups: Vec<_> = self.active.keys().copied().collect();
        lookups.into_iter().for_each(|lookup| self.advance(now, lookup));
        self.ping_some(now);
        let busy = self.traffic.is_waiting() || !self.active.is_empty() || !self.verify.is_empty();
        self.next_due = if busy { now + BUSY } else { self.next_upkeep };
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub const fn next_due(&self) -> Instant {
        self.next_due
    }

    /// The datagrams to send now.
    pub fn take_sends(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.sends)
    }

    /// What is new, each told once.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// For the next run.
    pub fn save(&self) -> Saved {
        let ids = [0, 1].map(|side: usize| Some(*self.sides[side].table.own()));
        let nodes = self.sides.iter().flat_map(|side| side.table.to_save().take(MAX_NODES)).collect();
        Saved { ids, nodes }
    }

    /// Figures for people.
    pub fn stats(&self, now: Instant) -> DhtStats {
        let counts = [0, 1].map(|side: usize| self.sides[side].table.count(now));
        let torrents = self.active.values().filter(|active| matches!(active.search, Search::Torrent(_)));
        let waiting = Family::ALL.into_iter().filter(|family| self.sides[*family as usize].upkeep.is_ready());
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        DhtStats {
            on: true,
            ready: [0, 1].map(|side: usize| self.sides[side].upkeep.is_ready()),
            nodes: counts.map(|(all, _)| number(all)),
            good: counts.map(|(_, good)| number(good)),
            searches: number(torrents.count()),
            waiting: number(waiting.map(|family| self.schedule.waiting(now, family)).sum()),
            torrents: number(self.schedule.torrents()),
            stored: number(self.server.torrents()),
            outside: [0, 1].map(|side: usize| self.sides[side].address),
        }
    }

    /// Our names over IPv4 and IPv6.
    pub fn ids(&self) -> [NodeId; 2] {
        [0, 1].map(|side: usize| *self.sides[side].table.own())
    }

    /// Whether there is a good part of the budget left.
    pub(super) fn is_free(&mut self, now: Instant) -> bool {
        self.budget.allows(now, BURST as usize / 2)
    }

    pub(super) fn side(&mut self, address: &SocketAddr) -> &mut Side {
        &mut self.sides[Family::of(address) as usize]
    }

    pub(super) fn verify_later(&mut self, id: Option<NodeId>, address: SocketAddr) {
        let is_new = !self.verify.iter().any(|(_, waiting)| *waiting == address);
        if is_new && address.port() != 0 && self.verify.len() < MAX_VERIFY {
            self.verify.push_back((id, address));
        }
    }

    fn ping_some(&mut self, now: Instant) {
        for _ in 0..self.verify.len() {
            let Some((id, address)) = self.verify.pop_front() else { return };
            if self.traffic.is_asked(&address) || !self.side(&address).is_open {
                continue;
            }
            if !self.ask(now, address, id, &Query::Ping, None, Purpose::Ping) {
                self.verify.push_back((id, address));
            }
        }
    }

    fn reply(&mut self, now: Instant, to: SocketAddr, answer: Option<Vec<u8>>) {
        if let Some(answer) = answer {
            self.hosts.sent(now, &to);
            self.sends.push((to, answer));
        }
    }

    /// Sends a question, if it may go now.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        to: SocketAddr,
        id: Option<NodeId>,
        query: &Query<'_>,
        want: Option<Want>,
        purpose: Purpose,
    ) -> bool {
        if !self.budget.allows(now, QUESTION) || !self.hosts.allow(now, &to) {
            return false;
        }
        let transaction = self.traffic.asked(now, &mut self.random, Pending { to, id, purpose });
        let own = *self.side(&to).table.own();
        let datagram = krpc::ask(&transaction, &own, query, want, self.options.read_only);
        self.budget.take(now, datagram.len());
        self.hosts.sent(now, &to);
        self.sends.push((to, datagram));
        true
    }

    fn on_response(&mut self, now: Instant, pending: Pending, response: &Response<'_>) {
        let from = Contact { id: response.id, address: pending.to };
        self.server.proven(now, &from.address);
        if let Some(ip) = response.ip {
            self.on_outside(now, from.address.ip(), ip.ip());
        }
        if response.id == *self.side(&from.address).table.own() {
            // Ourselves, or somebody who takes our name.
            if let Purpose::Lookup(lookup) = pending.purpose {
                self.lookup_failed(now, lookup, &from.address);
            }
            return;
        }
        if pending.id.is_some_and(|id| id != response.id) {
            tracing::trace!(node = %from.address, "answers under another name");
        }
        if !self.routers.contains(&from.address) {
            self.side(&from.address).table.answered(now, from);
        }
        let Purpose::Lookup(id) = pending.purpose else { return };
        let family = Family::of(&from.address);
        let inward = self.options.allow_inward;
        let trusted =
            |address: &SocketAddr| address.port() != 0 && (inward || may_name(from.address.ip(), *address));
        let (ours, others): (Vec<_>, Vec<_>) = (response.nodes.iter())
            .filter(|contact| trusted(&contact.address) && !self.routers.contains(&contact.address))
            .partition(|contact| Family::of(&contact.address) == family);
        for contact in others {
            if self.sides[family.other() as usize].table.lacks(now, contact) {
                self.verify_later(Some(contact.id), contact.address);
            }
        }
        let own = *self.sides[family as usize].table.own();
        let Some(active) = self.active.get_mut(&id) else { return };
        let ours = ours.into_iter().filter(|contact| contact.id != own).copied();
        active.lookup.answered(from, response.token, ours);
        if let Search::Torrent(info_hash) = active.search {
            let peers = response.values.iter().filter(|peer| Family::of(peer) == family && trusted(peer));
            let peers: Vec<_> = peers.copied().collect();
            let outside = self.sides[family as usize].address;
            active.found |= peers.iter().any(|peer| Some(peer.ip()) != outside);
            if !peers.is_empty() {
                self.events.push(Event::Peers { info_hash, peers });
            }
        }
        self.advance(now, id);
    }
}
