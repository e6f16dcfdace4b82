//! Which peers of one torrent are known, and which to dial next. Sees addresses, never sockets.
//!
//! Nothing is ever redialled in a tight loop: each failure doubles the wait, and a link that was of
//! no use counts as one. Of equals the one is dialled that both ends think worth most (BEP 40).

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::net::scope::Scope;
use crate::stats::PeerSource;
use crate::types::LinkId;

/// Addresses kept for one torrent: twenty times the links it may have.
pub const MAX_KNOWN: usize = 2_000;

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
}

#[derive(Debug)]
struct Known {
    source: PeerSource,
    state: State,
    /// It had everything when it was seen last.
    seed: bool,
    failures: u32,
    next_try: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Connected(LinkId),
}

impl PeerPool {
    /// Learns of an address. Says whether it is new.
    pub fn learn(&mut self, now: Instant, address: SocketAddr, source: PeerSource) -> bool {
        if let Some(known) = self.known.get_mut(&address) {
            if source == PeerSource::Manual && known.source != PeerSource::Manual {
                known.source = source;
                known.next_try = now;
            }
            return false;
        }
        if self.known.len() >= MAX_KNOWN && !self.forget_worst() {
            return false;
        }
        self.known.insert(address, Known::new(now, source));
        true
    }

    /// Whether we have everything: then other seeds are left alone.
    pub const fn set_seeding(&mut self, seeding: bool) {
        self.seeding = seeding;
    }

    /// Addresses known, connected or not.
    pub fn known(&self) -> usize {
        self.known.len()
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
    /// first, then those that failed least, then by rank. Those that are banned meanwhile are forgotten:
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
        let mut able: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| due(known))
            .map(|(address, known)| {
                let rank = Reverse((choice.rank)(*address));
                (known.source != PeerSource::Manual, known.failures, rank, *address)
            })
            .collect();
        able.sort_unstable();
        let mut busy = self.busy_addresses();
        let mut dialled = Vec::new();
        for (_, _, _, address) in able {
            if dialled.len() == n {
                break;
            }
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

    /// Forgets the addresses of all other sources that are not in use: a magnet turned out to be private.
    pub fn forget_all_but(&mut self, sources: &[PeerSource]) {
        self.known.retain(|_, known| sources.contains(&known.source) || known.state != State::Idle);
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

    /// Makes room by dropping an idle address, the one that failed most; `false` if all are in use
    /// or none has failed.
    fn forget_worst(&mut self) -> bool {
        let idle = self.known.iter().filter(|(_, known)| known.state == State::Idle && known.failures > 0);
        let worst = idle.max_by_key(|(_, known)| known.failures).map(|(address, _)| *address);
        worst.is_some_and(|address| self.known.remove(&address).is_some())
    }
}

impl Known {
    const fn new(now: Instant, source: PeerSource) -> Self {
        Self { source, state: State::Idle, seed: false, failures: 0, next_try: now }
    }

    /// Whether it may be dialled once its time has come.
    fn is_able(&self, seeding: bool) -> bool {
        self.state == State::Idle && !(seeding && self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([11, n, 0, 1], 6_000 + u16::from(n)))
    }

    fn pool(n: u8, now: Instant) -> PeerPool {
        let mut pool = PeerPool::default();
        for n in 0..n {
            assert!(pool.learn(now, address(n), PeerSource::Tracker));
        }
        pool
    }

    const ANY: Choice<'static> = Choice::ANY;

    #[test]
    fn who_is_worth_most_to_both_ends_is_dialled_first() {
        let now = Instant::now();
        let mut pool = pool(5, now);
        let rank = |address: SocketAddr| [3, 9, 1, 7, 5][usize::from(address.port() - 6_000)];
        let choice = Choice { rank: &rank, ..ANY };
        assert_eq!(pool.dial(now, 3, &choice), [address(1), address(3), address(4)]);
        // Who failed comes after who did not.
        pool.ended(now, address(1), Outcome::Unreachable);
        assert_eq!(pool.dial(now + FIRST_WAIT, 1, &choice), [address(0)]);
    }

    #[test]
    fn one_public_address_has_one_link_and_a_shared_one_many() {
        let now = Instant::now();
        let mut pool = PeerPool::default();
        for address in ["11.1.0.1:1", "11.1.0.1:2", "[::ffff:11.1.0.1]:3", "10.0.0.1:1", "10.0.0.1:2"] {
            pool.learn(now, address.parse().unwrap(), PeerSource::Tracker);
        }
        assert_eq!(pool.dial(now, 9, &ANY).len(), 3);
        assert_eq!(pool.dial(now, 9, &ANY).len(), 0);
        pool.ended(now, "11.1.0.1:1".parse().unwrap(), Outcome::Ended);
        assert_eq!(pool.dial(now + FIRST_WAIT, 9, &ANY).len(), 1);
        assert_eq!(pool.dial(now + 2 * FIRST_WAIT, 9, &Choice { per_address: 2, ..ANY }).len(), 1);
    }

    #[test]
    fn seeds_leave_each_other_alone_while_both_are() {
        let now = Instant::now();
        let mut pool = pool(2, now);
        pool.set_seeding(true);
        assert_eq!(pool.dial(now, 1, &ANY), [address(0)]);
        pool.ended(now, address(0), Outcome::Seeds);
        let later = now + 100 * MAX_WAIT;
        assert_eq!(pool.dial(later, 9, &ANY), [address(1)]);
        assert_eq!(pool.next_due(), None, "nobody is woken for it");
        // We have lost a piece: seeds are what we need.
        pool.set_seeding(false);
        assert_eq!(pool.dial(later, 9, &ANY), [address(0)]);
    }

    #[test]
    fn an_address_is_dialled_once_at_a_time() {
        let now = Instant::now();
        let mut pool = pool(3, now);
        assert_eq!(pool.dial(now, 2, &ANY).len(), 2);
        assert_eq!(pool.dial(now, 2, &ANY).len(), 1);
        assert_eq!(pool.dial(now, 2, &ANY).len(), 0);
        assert_eq!(pool.busy(), 3);
    }

    #[test]
    fn failures_wait_longer_each_time_and_end() {
        let mut now = Instant::now();
        let mut pool = pool(1, now);
        let mut tries = 0;
        let start = now;
        while let Some(due) = pool.next_due() {
            now = now.max(due);
            let dialled = pool.dial(now, 1, &ANY);
            assert_eq!(dialled.len(), 1);
            pool.ended(now, dialled[0], Outcome::Unreachable);
            assert_eq!(pool.dial(now, 1, &ANY).len(), 0, "no tight loop");
            tries += 1;
        }
        assert_eq!(tries, GIVE_UP);
        assert_eq!(now - start, FIRST_WAIT * (1 + 2 + 4 + 8 + 16));
        assert_eq!(pool.known(), 0);
    }

    #[test]
    fn who_was_named_by_a_person_goes_first_and_is_never_given_up() {
        let mut now = Instant::now();
        let mut pool = pool(5, now);
        pool.learn(now, address(9), PeerSource::Manual);
        assert_eq!(pool.dial(now, 1, &ANY), [address(9)]);
        for _ in 0..20 {
            pool.ended(now, address(9), Outcome::Unreachable);
            now += MAX_WAIT;
            assert_eq!(pool.dial(now, 1, &ANY), [address(9)]);
        }
    }

    #[test]
    fn who_is_banned_is_not_dialled_and_one_that_a_person_named_is_remembered() {
        let now = Instant::now();
        let mut pool = pool(3, now);
        pool.learn(now, address(9), PeerSource::Manual);
        let banned = |other| other == address(1) || other == address(9);
        assert_eq!(pool.dial(now, 9, &Choice { is_banned: &banned, ..ANY }), [address(0), address(2)]);
        assert_eq!(pool.known(), 3);
        assert_eq!(pool.next_due(), Some(now + BANNED_WAIT));
        assert_eq!(pool.dial(now + BANNED_WAIT, 9, &ANY), [address(9)]);
    }

    #[test]
    fn two_links_to_one_address_are_one_too_many() {
        let now = Instant::now();
        let mut pool = pool(1, now);
        assert_eq!(pool.connected(now, address(0), PeerSource::Incoming, LinkId(1)), Ok(PeerSource::Tracker));
        assert_eq!(pool.connected(now, address(0), PeerSource::Incoming, LinkId(2)), Err(LinkId(1)));
        pool.ended(now, address(0), Outcome::Useless);
        assert_eq!(pool.dial(now + FIRST_WAIT, 1, &ANY).len(), 0, "seeds do not call each other again soon");
        assert_eq!(pool.busy(), 0);
    }

    #[test]
    fn when_more_is_wanted_the_useless_are_called_again_and_the_unreachable_are_not() {
        let now = Instant::now();
        let mut pool = pool(2, now);
        assert_eq!(pool.dial(now, 2, &ANY).len(), 2);
        pool.ended(now, address(0), Outcome::Unreachable);
        pool.ended(now, address(1), Outcome::Unreachable);
        let later = now + FIRST_WAIT;
        assert_eq!(pool.dial(later, 2, &ANY).len(), 2);
        assert_eq!(
            pool.connected(later, address(0), PeerSource::Tracker, LinkId(1)),
            Ok(PeerSource::Tracker)
        );
        pool.ended(later, address(0), Outcome::Useless);
        pool.ended(later, address(1), Outcome::Unreachable);
        assert_eq!(pool.dial(later, 2, &ANY).len(), 0);
        pool.call_again(later);
        assert_eq!(pool.dial(later, 2, &ANY), [address(0)]);
    }

    #[test]
    fn the_pool_is_bounded() {
        let now = Instant::now();
        let mut pool = PeerPool::default();
        for i in 0..10_000_u32 {
            let address = SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + i), 1));
            pool.learn(now, address, PeerSource::Tracker);
        }
        assert_eq!(pool.known(), MAX_KNOWN);
    }
}
