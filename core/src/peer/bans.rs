//! Who is not talked to, until when and why. Sees addresses, never sockets; time is an argument.
//!
//! Addresses change hands, so every ban ends by itself. One set for all torrents: who lies about one
//! lies about others.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::types::{BanReason, BanTarget};

/// How long a ban lasts.
pub const BAN: Duration = Duration::from_secs(24 * 60 * 60);

/// Bans at once: each costs its peer an address and us a piece, so that a swarm with more liars is not
/// worth having. About 400 KiB.
pub const MAX_BANS: usize = 4_096;

/// So many liars at one shared address are one that comes back, and nothing is fetched from its callers any
/// more: by then it has cost as many pieces.
const LIARS: usize = 3;

/// The bans of an engine.
#[derive(Debug, Default)]
pub struct Bans {
    by_target: FxHashMap<BanTarget, Ban>,
}

/// One ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whom it hits.
    pub target: BanTarget,
    /// Why.
    pub reason: BanReason,
    /// When it ends.
    pub until: Instant,
}

impl Bans {
    /// Bans a peer for [`BAN`]. Says whether it was not banned before; one that was stays so as it is.
    pub fn ban(&mut self, now: Instant, address: SocketAddr, reason: BanReason) -> bool {
        self.put(now, Ban { target: BanTarget::of(address), reason, until: now + BAN })
    }

    /// Takes over a ban, as of the last run. One that would last longer than [`BAN`] is cut: the clock
    /// was changed since. The one that ends first makes room, those by hand last of all.
    pub fn put(&mut self, now: Instant, ban: Ban) -> bool {
        self.by_target.retain(|_, ban| ban.until > now);
        let until = ban.until.min(now + BAN);
        if until <= now || self.by_target.contains_key(&ban.target) {
            return false;
        }
        if self.by_target.len() >= MAX_BANS {
            let rank = |ban: &&Ban| (ban.reason == BanReason::ByHand, ban.until);
            let first = self.by_target.values().min_by_key(rank).map(|ban| ban.target);
            first.map(|target| self.by_target.remove(&target));
        }
        self.by_target.insert(ban.target, Ban { until, ..ban });
        true
    }

    /// Whether the peer at this address is banned now.
    pub fn is_banned(&self, now: Instant, address: SocketAddr) -> bool {
        self.by_target.get(&BanTarget::of(address)).is_some_and(|ban| ban.until > now)
    }

    /// Distrusts whoever calls from this address on a loopback or private range for [`BAN`], if [`LIARS`] are
    /// banned there: one liar calls from another port each time. Without effect elsewhere. Says as
    /// [`ban`](Self::ban) does.
    pub fn distrust_callers(&mut self, now: Instant, address: SocketAddr, reason: BanReason) -> bool {
        let Some(target) = BanTarget::callers(address) else { return false };
        let there = |ban: &&Ban| ban.until > now && ban.reason != BanReason::ByHand;
        let liars = self.by_target.values().filter(there).filter(|ban| ban.target.shares_address(&target));
        liars.count() >= LIARS && self.put(now, Ban { target, reason, until: now + BAN })
    }

    /// Whether nothing is to be fetched from who calls from this address.
    pub fn distrusts_callers(&self, now: Instant, address: SocketAddr) -> bool {
        let ban = BanTarget::callers(address).and_then(|target| self.by_target.get(&target));
        ban.is_some_and(|ban| ban.until > now)
    }

    /// Ends a ban; says whether there was one.
    pub fn lift(&mut self, target: BanTarget) -> bool {
        self.by_target.remove(&target).is_some()
    }

    /// Bans that last, the newest first.
    pub fn list(&self, now: Instant) -> Vec<Ban> {
        let mut bans: Vec<Ban> = self.by_target.values().filter(|ban| ban.until > now).copied().collect();
        bans.sort_unstable_by_key(|ban| (std::cmp::Reverse(ban.until), ban.target));
        bans
    }

    /// Number of bans that last.
    pub fn len(&self, now: Instant) -> usize {
        self.by_target.values().filter(|ban| ban.until > now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIE: BanReason = BanReason::BadPiece(crate::types::PieceIndex::new(3));

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_ban_is_by_address_in_public_and_by_port_on_shared_ranges_and_ends() {
        let now = Instant::now();
        let mut bans = Bans::default();
        for liar in ["11.1.1.1:1000", "127.0.0.1:1000", "[2a11:1::1]:7", "[fc00::1]:7"] {
            assert!(bans.ban(now, at(liar), LIE));
            assert!(!bans.ban(now, at(liar), LIE), "one ban for one liar");
        }
        for (text, banned) in [
            ("11.1.1.1:2000", true),
            ("11.1.1.2:1000", false),
            ("[::ffff:11.1.1.1]:5", true),
            ("127.0.0.1:1000", true),
            ("127.0.0.1:1001", false),
            ("[2a11:1::1]:8", true),
            ("[fc00::1]:7", true),
            ("[fc00::1]:8", false),
        ] {
            assert_eq!(bans.is_banned(now, at(text)), banned, "{text}");
            assert!(!bans.is_banned(now + BAN, at(text)), "{text} has served its time");
        }
        assert_eq!(bans.len(now), 4);
        assert_eq!(bans.len(now + BAN), 0);
        assert_eq!(bans.list(now + BAN), []);
    }

    #[test]
    fn who_called_from_a_shared_range_and_lied_makes_its_callers_distrusted_and_bans_nobody_else() {
        let now = Instant::now();
        let mut bans = Bans::default();
        let liar = at("192.168.1.1:40000");
        for port in [40_002, 40_003, 40_000] {
            assert!(!bans.distrust_callers(now, liar, LIE), "others there have done nothing");
            assert!(bans.ban(now, SocketAddr::new(liar.ip(), port), LIE));
        }
        assert!(bans.distrust_callers(now, liar, LIE));
        assert!(!bans.distrust_callers(now, at("11.1.1.1:1"), LIE), "there the whole address is banned");
        for (text, distrusted) in [
            ("192.168.1.1:40001", true),
            ("[::ffff:192.168.1.1]:1", true),
            ("192.168.1.2:40000", false),
            ("11.1.1.1:1", false),
        ] {
            assert_eq!(bans.distrusts_callers(now, at(text)), distrusted, "{text}");
            assert!(!bans.is_banned(now, at(text)), "{text} has not lied");
            assert!(!bans.distrusts_callers(now + BAN, at(text)));
        }
        let shown: Vec<_> = bans.list(now).iter().map(|ban| ban.target.to_string()).collect();
        assert!(shown.contains(&"callers from 192.168.1.1".to_owned()), "{shown:?}");
        assert!(bans.lift(BanTarget::callers(liar).unwrap()));
        assert!(!bans.distrusts_callers(now, liar) && bans.is_banned(now, liar));
    }

    #[test]
    fn a_ban_that_is_lifted_is_over() {
        let now = Instant::now();
        let mut bans = Bans::default();
        bans.ban(now, at("11.1.1.1:1"), BanReason::ByHand);
        let target = bans.list(now)[0].target;
        assert_eq!(target.to_string(), "11.1.1.1");
        assert!(bans.lift(target));
        assert!(!bans.lift(target));
        assert!(!bans.is_banned(now, at("11.1.1.1:1")));
    }

    #[test]
    fn bans_are_bounded_and_those_by_hand_stay() {
        let now = Instant::now();
        let mut bans = Bans::default();
        bans.ban(now, at("11.0.0.1:1"), BanReason::ByHand);
        for n in 0..10_000_u32 {
            let address = SocketAddr::from((std::net::Ipv4Addr::from(0x0c00_0000 + n), 1));
            bans.ban(now + Duration::from_millis(u64::from(n)), address, LIE);
        }
        assert_eq!(bans.len(now), MAX_BANS);
        assert!(bans.is_banned(now, at("11.0.0.1:1")));
        assert!(!bans.is_banned(now, at("12.0.0.0:1")), "the oldest made room");
    }

    #[test]
    fn a_clock_that_was_changed_makes_no_ban_longer() {
        let now = Instant::now();
        let mut bans = Bans::default();
        let target = BanTarget::of(at("11.0.0.1:1"));
        assert!(bans.put(now, Ban { target, reason: LIE, until: now + BAN * 300 }));
        assert!(!bans.is_banned(now + BAN, at("11.0.0.1:1")));
        assert!(!bans.put(now + BAN, Ban { target, reason: LIE, until: now }), "it is over");
    }
}
