//! How many upload slots each torrent has, out of what all share (BEP 3 chokes within one torrent and
//! says nothing of many). Sessions rank their peers; this deals.
//!
//! Each torrent that has peers waiting gets one slot, then each that could use more one more, and so on
//! until there are none left. Where there are fewer slots than torrents, turns are taken.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::types::InfoHash;

/// How long a deal stands: what a torrent asks for may change a hundred times a second with a hundred
/// torrents, and a slot should not.
const STANDS: Duration = Duration::from_secs(1);

/// Where slots are short, others get them after this: two turns of the optimistic peer.
const TURN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    wanted: usize,
    dealt: usize,
    /// More than that it never has; `None`: as all.
    most: Option<usize>,
}

/// The dealer of slots.
#[derive(Debug)]
pub struct Slots {
    total: usize,
    each: usize,
    shares: BTreeMap<InfoHash, Share>,
    dealt_at: Option<Instant>,
    /// The torrent that is dealt to first, and since when.
    first: Option<(InfoHash, Instant)>,
    changes: u64,
}

impl Slots {
    /// `total` over all torrents, `each` for one at most.
    pub const fn new(total: usize, each: usize) -> Self {
        Self { total, each, shares: BTreeMap::new(), dealt_at: None, first: None, changes: 0 }
    }

    /// The torrent could use this many slots, and may have `most`, where it is not as all; says how many it
    /// has. One that is new to it, or the only one, need not wait for the next deal.
    pub fn share(&mut self, now: Instant, torrent: InfoHash, wanted: usize, most: Option<usize>) -> usize {
        let may = most.unwrap_or(self.each);
        if wanted == 0 {
            self.leave(&torrent);
            // Nobody waits: the next peer is served at once.
            return if self.is_short() { 0 } else { may };
        }
        let wanted = wanted.min(may);
        let before = self.shares.insert(torrent, Share { wanted, most, ..self.get(&torrent) });
        let stale = self.dealt_at.is_none_or(|at| now.saturating_duration_since(at) >= STANDS);
        // A choice of a person holds at once.
        if stale || before.is_none_or(|before| before.most != most) {
            self.deal(now);
        }
        self.get(&torrent).dealt
    }

    /// The torrent has left.
    pub fn leave(&mut self, torrent: &InfoHash) {
        self.shares.remove(torrent);
    }

    /// Changes what there is; the shares follow with the next deal.
    pub const fn set(&mut self, total: usize) {
        self.changes += 1;
        self.total = total;
        self.dealt_at = None;
    }

    /// How often [`set`](Self::set) was called.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    fn get(&self, torrent: &InfoHash) -> Share {
        self.shares.get(torrent).copied().unwrap_or_default()
    }

    fn is_short(&self) -> bool {
        self.shares.len() >= self.total
    }

    fn deal(&mut self, now: Instant) {
        self.dealt_at = Some(now);
        for share in self.shares.values_mut() {
            share.dealt = 0;
        }
        self.take_turns(now);
        let first = self.first.map(|(first, _)| first);
        let order: Vec<InfoHash> = match first {
            Some(first) => {
                self.shares.range(first..).chain(self.shares.range(..first)).map(|(at, _)| *at).collect()
            }
            None => self.shares.keys().copied().collect(),
        };
        let mut left = self.total;
        let mut unmet = order;
        while left > 0 && !unmet.is_empty() {
            unmet.retain(|torrent| {
                let Some(share) = self.shares.get_mut(torrent) else { return false };
                if left > 0 && share.dealt < share.wanted {
                    share.dealt += 1;
                    left -= 1;
                }
                share.dealt < share.wanted
            });
        }
    }

    /// With fewer slots than torrents the next ones are first, after a turn.
    fn take_turns(&mut self, now: Instant) {
        let due = self.first.is_none_or(|(_, since)| now.saturating_duration_since(since) >= TURN);
        if !due {
            return;
        }
        let all = self.shares.len().max(1);
        let next = match self.first {
            Some((first, _)) if self.is_short() => {
                let after = self.shares.range(first..).chain(self.shares.range(..first));
                after.map(|(torrent, _)| *torrent).nth(self.total % all)
            }
            _ => None,
        };
        self.first = next.or_else(|| self.shares.keys().next().copied()).map(|first| (first, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torrent(n: u16) -> InfoHash {
        let mut hash = [0; 20];
        hash[..2].copy_from_slice(&n.to_be_bytes());
        InfoHash::new(hash)
    }

    /// Asks for all, twice, so that the last deal has seen everybody.
    fn shares(slots: &mut Slots, now: Instant, wanted: &[usize]) -> Vec<usize> {
        for (n, wanted) in wanted.iter().enumerate() {
            slots.share(now, torrent(n as u16), *wanted, None);
        }
        let all = wanted.iter().enumerate();
        all.map(|(n, wanted)| slots.share(now + STANDS, torrent(n as u16), *wanted, None)).collect()
    }

    #[test]
    fn upload_slots_are_dealt_across_sessions() {
        let now = Instant::now();
        let check = |total, each, wanted: &[usize], want: &[usize]| {
            assert_eq!(shares(&mut Slots::new(total, each), now, wanted), want, "{total} {each} {wanted:?}");
        };
        check(20, 8, &[50], &[8]);
        check(20, 8, &[50, 50], &[8, 8]);
        check(10, 8, &[50, 50], &[5, 5]);
        check(10, 8, &[50, 1, 3], &[6, 1, 3]);
        check(2, 8, &[50, 50, 50], &[1, 1, 0]);
        check(0, 8, &[5], &[0]);
        check(5, 0, &[5], &[0]);
        // Who wants none is not in the way of the next peer.
        check(10, 8, &[0, 50], &[8, 8]);
    }

    #[test]
    fn where_slots_are_short_turns_are_taken() {
        let mut now = Instant::now();
        let mut slots = Slots::new(3, 8);
        let mut had = [0; 10];
        for _ in 0..100 {
            let got = shares(&mut slots, now, &[1; 10]);
            assert_eq!(got.iter().sum::<usize>(), 3);
            (0..10).for_each(|n| had[n] += got[n]);
            now += TURN;
        }
        assert!(had.iter().all(|had| (20..=40).contains(had)), "{had:?}");
    }

    #[test]
    fn who_leaves_makes_room() {
        let now = Instant::now();
        let mut slots = Slots::new(4, 8);
        assert_eq!(shares(&mut slots, now, &[9, 9]), [2, 2]);
        slots.leave(&torrent(0));
        let later = now + 3 * STANDS;
        assert_eq!(slots.share(later, torrent(1), 9, None), 4);
        slots.set(6);
        assert_eq!(slots.share(later, torrent(1), 9, None), 6);
    }

    #[test]
    fn a_torrent_may_have_fewer_or_more_than_all() {
        let now = Instant::now();
        let mut slots = Slots::new(20, 8);
        let mut share = |n, wanted, most| slots.share(now, torrent(n), wanted, most);
        assert_eq!(share(0, 50, Some(2)), 2);
        assert_eq!(share(1, 50, Some(15)), 15);
        assert_eq!(share(0, 50, Some(4)), 4, "at once");
        assert_eq!(share(0, 50, Some(0)), 0);
        assert_eq!(share(0, 50, None), 8);
        assert_eq!(share(1, 50, Some(15)), 12, "what the first one left");
        assert_eq!(share(2, 0, Some(3)), 3);
    }
}
