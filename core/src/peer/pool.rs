//! Which peers of one torrent are known, and which to dial next. Sees addresses, never sockets.
//!
//! Nothing is ever redialled in a tight loop: each failure doubles the wait, and a link that was of
//! no use counts as one. Of equals the one is dialled that both ends think worth most (BEP 40).

mod sources;

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use self::sources::{SourceTurns, is_hearsay};
use crate::net::scope::Scope;
use crate::stats::{PeerSource, Transport};
use crate::types::LinkId;

/// Addresses kept for one torrent: twenty times the links it may have.
pub const MAX_KNOWN: usize = 2_000;

/// Those of them that may come from one kind of strangers (the DHT, peers, our own network), so that a liar
/// among one kind leaves room for all others.
const MAX_HEARSAY: usize = 600;

/// Tries that are under way to addresses of one source at most, unless a person named them: silent addresses hold
/// a place for as long as a dial may take, and must not hold all of them.
const MAX_DIALLING: usize = 30;

/// The wait after a first failure; it doubles up to [`MAX_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// The wait after the first failure of a peer that a person named.
const FIRST_WAIT_NAMED: Duration = Duration::from_secs(2);

/// The longest wait after failures.
const MAX_WAIT: Duration = Duration::from_secs(30 * 60);

/// Failures in a row after which an address that nobody named by hand is forgotten.
const GIVE_UP: u32 = 6;

/// Our own address is not tried again before this: it changes hands rarely.
const OURSELVES_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A peer that a person named and that is banned is looked at again so often: the ban may be lifted.
const BANNED_WAIT: Duration = Duration::from_secs(60);

/// What came of a link or of a try to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No connection, or no handshake.
    Unreachable,
    /// A link that ended in good order, or by a fault of the network.
    Ended,
    /// The peer broke the protocol.
    Fault,
    /// It is there already, by another way: not a failure, and no reason to call again soon.
    Useless,
    /// Two seeds have nothing for each other: no failure, and no reason to call again while both are.
    Seeds,
    /// The call came back to us.
    Ourselves,
}

/// What [`PeerPool::dial`] chooses by.
pub struct Choice<'a> {
    /// What a link to this address is worth to both ends; the most first.
    pub rank: &'a dyn Fn(SocketAddr) -> u32,
    /// Links to one public address at most.
    pub per_address: usize,
    /// Whom not to talk to.
    pub is_banned: &'a dyn Fn(SocketAddr) -> bool,
}

#[cfg(test)]
impl Choice<'static> {
    /// In the order of the addresses.
    pub const ANY: Self = Self { rank: &|_| 0, per_address: 1, is_banned: &|_| false };
}

/// The addresses of one torrent.
#[derive(Debug, Default)]
pub struct PeerPool {
    known: FxHashMap<SocketAddr, Known>,
    connected: usize,
    dialling: usize,
    /// We have everything: other seeds are not dialled.
    seeding: bool,
    /// Whose turn it is to be dialled.
    turns: SourceTurns,
}

#[derive(Debug)]
struct Known {
    source: PeerSource,
    state: State,
    /// It had everything when it was seen last.
    seed: bool,
    failures: u32,
    next_try: Instant,
    /// What it was met over last; or uTP, where somebody says that it speaks it.
    transport: Option<Transport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Connected(LinkId),
}

impl PeerPool {
    /// Learns of an address. Says whether it is new. One that strangers had named and that a tracker or a
    /// person names too counts as theirs.
    pub fn learn(&mut self, now: Instant, address: SocketAddr, source: PeerSource) -> bool {
        if let Some(known) = self.known.get_mut(&address) {
            if source == PeerSource::Manual && known.source != PeerSource::Manual {
                known.source = source;
                known.next_try = now;
            } else if source == PeerSource::Tracker && is_hearsay(known.source) {
                known.source = source;
            }
            return false;
        }
        if !self.has_room(source) {
            return false;
        }
        self.known.insert(address, Known::new(now, source));
        true
    }

    /// Somebody says that this one has everything. It may be a lie, which keeps us from calling it while we
    /// have everything too, and from nothing else.
    pub fn is_said_to_seed(&mut self, address: &SocketAddr) {
        if let Some(known) = self.known.get_mut(address) {
            known.seed = true;
        }
    }

    /// It was met over this, or is said to speak it.
    pub fn speaks(&mut self, address: &SocketAddr, transport: Transport) {
        if let Some(known) = self.known.get_mut(address) {
            known.transport = Some(transport);
        }
    }

    /// This one, which called us, listens where it called from: it can be called when it has gone, over uTP,
    /// which alone calls from there.
    pub fn listens(&mut self, address: &SocketAddr) {
        if let Some(known) = self.known.get_mut(address)
            && known.source == PeerSource::Incoming
        {
            known.source = PeerSource::Tracker;
            known.transport = Some(Transport::Utp);
        }
    }

    /// What to call it over first.
    pub fn first_over(&self, address: &SocketAddr) -> Transport {
        self.known.get(address).and_then(|known| known.transport).unwrap_or(Transport::Tcp)
    }

    /// Whether we have everything: then other seeds are left alone.
    pub const fn set_seeding(&mut self, seeding: bool) {
        self.seeding = seeding;
    }

    /// Addresses known, connected or not.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Addresses that this source named.
    pub fn named_by(&self, source: PeerSource) -> u32 {
        self.known.values().filter(|known| known.source == source).count() as u32
    }

    /// Links and tries that are under way.
    pub const fn busy(&self) -> usize {
        self.connected + self.dialling
    }

    /// Tries that are under way.
    pub const fn dialling(&self) -> usize {
        self.dialling
    }

    /// Up to `n` addresses to dial now; they count as dialling until told otherwise. People's own
    /// first; then the other sources take turns, each with those that failed least, then by rank: who floods
    /// one source with addresses takes nothing from the others. Those that are banned meanwhile are forgotten:
    /// who named them will name them again.
    pub fn dial(&mut self, now: Instant, n: usize, choice: &Choice<'_>) -> Vec<SocketAddr> {
        if n == 0 {
            return Vec::new();
        }
        let seeding = self.seeding;
        let due = |known: &Known| known.is_able(seeding) && known.next_try <= now;
        self.known.retain(|address, known| {
            let banned = due(known) && (choice.is_banned)(*address);
            if banned {
                known.next_try = now + BANNED_WAIT;
            }
            !banned || known.source == PeerSource::Manual
        });
        let mut able: FxHashMap<PeerSource, Vec<_>> = FxHashMap::default();
        let mut dialling: FxHashMap<PeerSource, usize> = FxHashMap::default();
        for (address, known) in &self.known {
            if due(known) {
                let worth = (known.failures, Reverse((choice.rank)(*address)), *address);
                able.entry(known.source).or_default().push(worth);
            } else if known.state == State::Dialling {
                *dialling.entry(known.source).or_default() += 1;
            }
        }
        // The next one of each source stands last.
        able.values_mut().for_each(|of_source| of_source.sort_unstable_by(|a, b| b.cmp(a)));
        let mut busy = self.busy_addresses();
        let mut dialled = Vec::new();
        while dialled.len() < n {
            let may_dial = |source: &PeerSource| {
                let under_way = dialling.get(source).copied().unwrap_or_default();
                *source == PeerSource::Manual || under_way < MAX_DIALLING
            };
            able.retain(|source, waiting| !waiting.is_empty() && may_dial(source));
            let Some(source) = self.turns.next(able.keys().copied()) else { break };
            let Some((_, _, address)) = able.get_mut(&source).and_then(Vec::pop) else { break };
            let Some(known) = self.known.get_mut(&address) else { continue };
            let there = busy.entry(address.ip().to_canonical()).or_default();
            if *there >= choice.per_address && Scope::of(address.ip()) == Scope::Public {
                // Its turn comes when the other one there has gone.
                known.next_try = now + FIRST_WAIT;
                continue;
            }
            *there += 1;
            known.state = State::Dialling;
            self.dialling += 1;
            *dialling.entry(source).or_default() += 1;
            self.turns.took(source);
            dialled.push(address);
        }
        dialled
    }

    /// Links and tries to each address.
    fn busy_addresses(&self) -> FxHashMap<IpAddr, usize> {
        let mut busy = FxHashMap::default();
        for (address, _) in self.known.iter().filter(|(_, known)| known.state != State::Idle) {
            *busy.entry(address.ip().to_canonical()).or_default() += 1;
        }
        busy
    }

    /// When [`dial`](Self::dial) has something to give at the earliest.
    pub fn next_due(&self) -> Option<Instant> {
        let able = self.known.values().filter(|known| known.is_able(self.seeding));
        able.map(|known| known.next_try).min()
    }

    /// A link to this address is up; says how the address came to be known. `Err` if there is one
    /// already.
    ///
    /// # Errors
    /// The link that is there.
    pub fn connected(
        &mut self,
        now: Instant,
        address: SocketAddr,
        source: PeerSource,
        link: LinkId,
    ) -> Result<PeerSource, LinkId> {
        let known = self.known.entry(address).or_insert_with(|| Known::new(now, source));
        match known.state {
            State::Connected(there) => return Err(there),
            State::Dialling => self.dialling -= 1,
            State::Idle => {}
        }
        known.state = State::Connected(link);
        self.connected += 1;
        Ok(known.source)
    }

    /// A try failed, or a link ended. An address that called us and does not say where it listens is
    /// forgotten: its port is of no use.
    pub fn ended(&mut self, now: Instant, address: SocketAddr, outcome: Outcome) {
        let Some(known) = self.known.get_mut(&address) else { return };
        match known.state {
            State::Dialling => self.dialling -= 1,
            State::Connected(_) => self.connected -= 1,
            State::Idle => return,
        }
        known.state = State::Idle;
        let named = known.source == PeerSource::Manual;
        let first = if named { FIRST_WAIT_NAMED } else { FIRST_WAIT };
        match outcome {
            Outcome::Ended => {
                known.failures = 0;
                known.next_try = now + first;
            }
            // It was there: what failed before is over.
            Outcome::Useless => {
                known.failures = 0;
                known.next_try = now + MAX_WAIT;
            }
            Outcome::Seeds => {
                known.seed = true;
                known.failures = 0;
                known.next_try = now + first;
            }
            Outcome::Ourselves => known.next_try = now + OURSELVES_WAIT,
            Outcome::Unreachable | Outcome::Fault => {
                if outcome == Outcome::Unreachable {
                    // The other way may lead there.
                    known.transport = match known.transport {
                        Some(Transport::Utp) => None,
                        Some(Transport::Tcp) | None => Some(Transport::Utp),
                    };
                }
                known.failures += if outcome == Outcome::Fault { 2 } else { 1 };
                let wait = first.saturating_mul(1 << known.failures.saturating_sub(1).min(12));
                known.next_try = now + wait.min(MAX_WAIT);
            }
        }
        if known.source == PeerSource::Incoming || (known.failures >= GIVE_UP && !named) {
            self.known.remove(&address);
        }
    }

    /// A dial ticket was not to be had: the address is as idle as before.
    pub fn put_back(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address)
            && known.state == State::Dialling
        {
            known.state = State::Idle;
            self.dialling -= 1;
        }
    }

    /// Forgets the addresses of this source that are not in use. A private torrent that has other
    /// trackers does not call the peers of the old ones (BEP 27).
    pub fn forget(&mut self, source: PeerSource) {
        self.known.retain(|_, known| known.source != source || known.state != State::Idle);
    }

    /// Whether a stranger named this address, and nobody else did.
    pub fn is_strangers(&self, address: &SocketAddr) -> bool {
        self.known.get(address).is_some_and(|known| is_hearsay(known.source))
    }

    /// Forgets the addresses that strangers named and that are not in use: a magnet turned out to be private.
    pub fn forget_strangers(&mut self) {
        self.known.retain(|_, known| !is_hearsay(known.source) || known.state != State::Idle);
    }

    /// More is wanted than before, or we come back: those that were left or of no use may be called at once.
    pub fn call_again(&mut self, now: Instant) {
        for known in self.known.values_mut().filter(|known| known.failures == 0) {
            known.next_try = known.next_try.min(now);
        }
    }

    /// The link to this address, if there is one.
    pub fn link_to(&self, address: &SocketAddr) -> Option<LinkId> {
        match self.known.get(address)?.state {
            State::Connected(link) => Some(link),
            State::Idle | State::Dialling => None,
        }
    }

    /// Addresses worth keeping over a restart: reached or not yet tried.
    pub fn worth_keeping(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let good = |known: &Known| known.failures == 0 && known.source != PeerSource::Incoming;
        self.known.iter().filter(move |(_, known)| good(known)).map(|(address, _)| *address)
    }

    /// Whether one more of this source may be known. Makes room by dropping an idle address that failed: the
    /// one that did most, and of the same source where that has its share. A tracker's or a person's word
    /// takes the place of a stranger's.
    fn has_room(&mut self, source: PeerSource) -> bool {
        let of_source = |known: &&Known| known.source == source;
        let full = self.known.len() >= MAX_KNOWN;
        // Counting all is dear, and tells nothing where there are few.
        let crowded = is_hearsay(source)
            && self.known.len() >= MAX_HEARSAY
            && self.known.values().filter(of_source).count() >= MAX_HEARSAY;
        if !full && !crowded {
            return true;
        }
        let may_go = |known: &Known| {
            let worse = !is_hearsay(source) && is_hearsay(known.source);
            known.state == State::Idle
                && (known.failures > 0 || worse)
                && known.source != PeerSource::Manual
                && (!crowded || known.source == source)
        };
        let idle = self.known.iter().filter(|(_, known)| may_go(known));
        let worst = idle.max_by_key(|(_, known)| known.failures).map(|(address, _)| *address);
        worst.is_some_and(|address| self.known.remove(&address).is_some())
    }
}

impl Known {
    const fn new(now: Instant, source: PeerSource) -> Self {
        Self { source, state: State::Idle, seed: false, failures: 0, next_try: now, transport: None }
    }

    /// Whether it may be dialled once its time has come.
    fn is_able(&self, seeding: bool) -> bool {
        self.state == State::Idle && !(seeding && self.seed)
    }
}

#[cfg(test)]
mod tests;
