//! Which peers of one torrent are known, and which to dial next. Sees addresses, never sockets.
//!
//! Nothing is ever redialled in a tight loop: each failure doubles the wait, and a link that was of
//! no use counts as one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

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
    /// Two seeds have nothing for each other: not a failure, and no reason to call again soon.
    Useless,
}

/// The addresses of one torrent.
#[derive(Debug, Default)]
pub struct PeerPool {
    known: FxHashMap<SocketAddr, Known>,
    connected: usize,
    dialling: usize,
}

#[derive(Debug)]
struct Known {
    source: PeerSource,
    state: State,
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
        self.known.insert(address, Known { source, state: State::Idle, failures: 0, next_try: now });
        true
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
    /// first, then those that failed least. Those that are banned meanwhile are forgotten: who named
    /// them will name them again.
    pub fn dial(
        &mut self,
        now: Instant,
        n: usize,
        is_banned: impl Fn(SocketAddr) -> bool,
    ) -> Vec<SocketAddr> {
        if n == 0 {
            return Vec::new();
        }
        let due = |known: &Known| known.state == State::Idle && known.next_try <= now;
        self.known.retain(|address, known| {
            let banned = due(known) && is_banned(*address);
            if banned {
                known.next_try = now + BANNED_WAIT;
            }
            !banned || known.source == PeerSource::Manual
        });
        let mut able: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| due(known))
            .map(|(address, known)| (known.source != PeerSource::Manual, known.failures, *address))
            .collect();
        able.sort_unstable();
        able.truncate(n);
        able.iter()
            .map(|(_, _, address)| {
                if let Some(known) = self.known.get_mut(address) {
                    known.state = State::Dialling;
                    self.dialling += 1;
                }
                *address
            })
            .collect()
    }

    /// When [`dial`](Self::dial) has something to give at the earliest.
    pub fn next_due(&self) -> Option<Instant> {
        let idle = self.known.values().filter(|known| known.state == State::Idle);
        idle.map(|known| known.next_try).min()
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
        let fresh = Known { source, state: State::Idle, failures: 0, next_try: now };
        let known = self.known.entry(address).or_insert(fresh);
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

    /// More is wanted than before: those that were of no use may be called at once.
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

    #[test]
    fn an_address_is_dialled_once_at_a_time() {
        let now = Instant::now();
        let mut pool = pool(3, now);
        assert_eq!(pool.dial(now, 2, |_| false).len(), 2);
        assert_eq!(pool.dial(now, 2, |_| false).len(), 1);
        assert_eq!(pool.dial(now, 2, |_| false).len(), 0);
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
            let dialled = pool.dial(now, 1, |_| false);
            assert_eq!(dialled.len(), 1);
            pool.ended(now, dialled[0], Outcome::Unreachable);
            assert_eq!(pool.dial(now, 1, |_| false).len(), 0, "no tight loop");
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
        assert_eq!(pool.dial(now, 1, |_| false), [address(9)]);
        for _ in 0..20 {
            pool.ended(now, address(9), Outcome::Unreachable);
            now += MAX_WAIT;
            assert_eq!(pool.dial(now, 1, |_| false), [address(9)]);
        }
    }

    #[test]
    fn who_is_banned_is_not_dialled_and_one_that_a_person_named_is_remembered() {
        let now = Instant::now();
        let mut pool = pool(3, now);
        pool.learn(now, address(9), PeerSource::Manual);
        let banned = |other| other == address(1) || other == address(9);
        assert_eq!(pool.dial(now, 9, banned), [address(0), address(2)]);
        assert_eq!(pool.known(), 3);
        assert_eq!(pool.next_due(), Some(now + BANNED_WAIT));
        assert_eq!(pool.dial(now + BANNED_WAIT, 9, |_| false), [address(9)]);
    }

    #[test]
    fn two_links_to_one_address_are_one_too_many() {
        let now = Instant::now();
        let mut pool = pool(1, now);
        assert_eq!(pool.connected(now, address(0), PeerSource::Incoming, LinkId(1)), Ok(PeerSource::Tracker));
        assert_eq!(pool.connected(now, address(0), PeerSource::Incoming, LinkId(2)), Err(LinkId(1)));
        pool.ended(now, address(0), Outcome::Useless);
        assert_eq!(
            pool.dial(now + FIRST_WAIT, 1, |_| false).len(),
            0,
            "seeds do not call each other again soon"
        );
        assert_eq!(pool.busy(), 0);
    }

    #[test]
    fn when_more_is_wanted_the_useless_are_called_again_and_the_unreachable_are_not() {
        let now = Instant::now();
        let mut pool = pool(2, now);
        assert_eq!(pool.dial(now, 2, |_| false).len(), 2);
        pool.ended(now, address(0), Outcome::Unreachable);
        pool.ended(now, address(1), Outcome::Unreachable);
        let later = now + FIRST_WAIT;
        assert_eq!(pool.dial(later, 2, |_| false).len(), 2);
        assert_eq!(
            pool.connected(later, address(0), PeerSource::Tracker, LinkId(1)),
            Ok(PeerSource::Tracker)
        );
        pool.ended(later, address(0), Outcome::Useless);
        pool.ended(later, address(1), Outcome::Unreachable);
        assert_eq!(pool.dial(later, 2, |_| false).len(), 0);
        pool.call_again(later);
        assert_eq!(pool.dial(later, 2, |_| false), [address(0)]);
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
