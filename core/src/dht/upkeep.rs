//! What keeps a node's place in the DHT (BEP 5): it finds its neighbours, looks after buckets in which nothing
//! happens, asks silent nodes whether they are there, and follows its address (BEP 42).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::K;
use super::bep42;
use super::id::Family;
use super::krpc::Want;
use super::node::{Event, Node, VOICES};
use super::searches::Search;

/// How often our neighbours are searched for when all is well.
const SETTLED: Duration = Duration::from_secs(15 * 60);

/// The first pause, which doubles until then: at first a node is known to few, and in a network that has just
/// begun others come after it.
const SETTLING: Duration = Duration::from_secs(60);

/// ... and while hardly anybody is known.
const SPARSE: Duration = Duration::from_secs(10);

/// The first pause before the next try while nobody answers, and the longest.
const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Addresses to begin with that are remembered, and asked in one go.
const MAX_STRANGERS: usize = 16;

/// Searches that are under way at once: one takes ten seconds where it meets nodes that are gone.
const MAX_TURNS: usize = 256;

/// How a family does.
#[derive(Debug)]
pub struct Upkeep {
    ready: bool,
    /// A search for our neighbours is under way.
    searching: bool,
    next: Instant,
    retry: Duration,
    settle: Duration,
    begin_with: Vec<SocketAddr>,
}

impl Upkeep {
    /// At the start.
    pub const fn new(now: Instant) -> Self {
        Self {
            ready: false,
            searching: false,
            next: now,
            retry: RETRY,
            settle: SETTLING,
            begin_with: Vec::new(),
        }
    }

    /// Whether torrents can be searched for.
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Addresses at which somebody may answer.
    pub fn begin_with(&mut self, now: Instant, addresses: impl Iterator<Item = SocketAddr>) {
        for address in addresses {
            if !self.begin_with.contains(&address) && self.begin_with.len() < MAX_STRANGERS {
                self.begin_with.push(address);
                self.next = now;
            }
        }
    }
}

impl Node {
    /// Once a second.
    pub(super) fn look_after(&mut self, now: Instant) {
        let mut lonely = false;
        for family in Family::ALL {
            if !self.sides[family as usize].is_open {
                continue;
            }
            lonely |= self.find_neighbours(now, family);
            let side = &mut self.sides[family as usize];
            if !side.upkeep.ready {
                continue;
            }
            let silent = side.table.to_ping(now);
            let target = side.table.to_refresh(now, &mut self.random);
            if let Some(silent) = silent {
                self.verify_later(Some(silent.id), silent.address);
            }
            if let Some(target) = target {
                self.search(now, family, Search::Bucket, target, Vec::new());
            }
        }
        if lonely {
            self.events.push(Event::Lonely);
        }
    }

    /// Searches for our neighbours when it is time. Whether there is nobody to ask.
    fn find_neighbours(&mut self, now: Instant, family: Family) -> bool {
        let side = &mut self.sides[family as usize];
        if side.upkeep.searching || side.upkeep.next > now {
            return false;
        }
        let (known, good) = side.table.count(now);
        let strangers = if good < K { side.upkeep.begin_with.clone() } else { Vec::new() };
        side.upkeep.next = now + side.upkeep.retry;
        side.upkeep.retry = (side.upkeep.retry * 2).min(LONGEST_RETRY);
        if known == 0 && strangers.is_empty() {
            side.upkeep.ready = false;
            return true;
        }
        side.upkeep.searching = true;
        let own = *side.table.own();
        self.search(now, family, Search::Ourselves, own, strangers);
        good == 0
    }

    /// The search for our neighbours is over.
    pub(super) fn found_ourselves(&mut self, now: Instant, family: Family, answered: bool) {
        let side = &mut self.sides[family as usize];
        let (_, good) = side.table.count(now);
        let upkeep = &mut side.upkeep;
        upkeep.searching = false;
        let was_ready = std::mem::replace(&mut upkeep.ready, answered && good > 0);
        if upkeep.ready {
            upkeep.next = now + if good < K { SPARSE } else { upkeep.settle };
            upkeep.settle = (upkeep.settle * 2).min(SETTLED);
            upkeep.retry = RETRY;
            if !was_ready {
                self.events.push(Event::Ready(family));
            }
        }
    }

    /// Of which families contacts are wanted. Usually those of the one that is asked; a search for ourselves
    /// fills the other table as well while that is nearly empty (BEP 32).
    pub(super) fn want(&self, now: Instant, family: Family, search: Search) -> Option<Want> {
        let other = &self.sides[family.other() as usize];
        let helps = search == Search::Ourselves && other.is_open && other.table.count(now).1 < K;
        helps.then_some(Want { v4: true, v6: true })
    }

    /// Gives torrents their turn, as far as the budget goes.
    pub(super) fn begin_turns(&mut self, now: Instant) {
        let mut in_vain = 0;
        while in_vain < Family::ALL.len() && self.turns_under_way() < MAX_TURNS && self.is_free(now) {
            // In turns, or one family would take all that there is.
            self.next_family = self.next_family.other();
            let family = self.next_family;
            let side = &self.sides[family as usize];
            let can_search = side.is_open && side.upkeep.ready;
            match can_search.then(|| self.schedule.take(now, family)).flatten() {
                Some(info_hash) => {
                    self.search(now, family, Search::Torrent(info_hash), info_hash.into(), Vec::new());
                    in_vain = 0;
                }
                None => in_vain += 1,
            }
        }
    }

    /// Somebody says where it sees us.
    pub(super) fn on_outside(&mut self, now: Instant, voice: IpAddr, ip: IpAddr) {
        self.outside.hear(voice, ip);
        for family in Family::ALL {
            let Some(ip) = self.outside.agreed(family == Family::V6, VOICES) else { continue };
            let side = &mut self.sides[family as usize];
            if side.address == Some(ip) {
                continue;
            }
            let moved = side.address.replace(ip).is_some();
            if !bep42::fits(side.table.own(), ip) {
                side.table.rename(bep42::make(ip, &mut self.random));
                // Our neighbours are others.
                side.upkeep.next = now;
            }
            if moved {
                self.schedule.renew(now, family);
            }
        }
    }
}
