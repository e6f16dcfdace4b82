//! When which torrent is searched for and announced (BEP 5): an even trickle, however many there are.
//!
//! Each has its turn once in each family every 15 to 25 minutes. Those that need peers go first, others in
//! the order in which they are due, so that ten thousand at once take a while and harm nobody. One that needs
//! peers and found none looks again soon, a few times: whoever else has it may have come a moment later.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use super::id::Family;
use crate::types::InfoHash;

/// Seconds from one turn to the next: others forget after 30 minutes and later.
const AGAIN: std::ops::Range<u64> = 15 * 60..25 * 60;

/// After a turn in which nobody answered.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// After a turn that found no peers for a torrent that needs them; twice as long after each further one. Whoever
/// begins at the same time as we do has told the others by then.
const AFTER_NO_PEERS: Duration = Duration::from_secs(30);

/// Turns in a row that found no peers, after which the torrent waits like any other: the last pause of those before
/// is eight minutes.
const MAX_LONELY: u8 = 5;

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No node answered.
    NoAnswer,
    /// Nobody knew a peer other than us.
    NoPeers,
    /// Somebody knew one.
    Peers,
}

/// What a torrent wants of the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// It lacks peers: it goes before those that only want to be found.
    pub urgent: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    wish: Wish,
    /// By family; `None` while its turn is under way.
    due: [Option<Instant>; 2],
    /// By family: turns in a row that found no peers.
    lonely: [u8; 2],
}

/// Later than due, turns are taken in the same order.
type Queue = BTreeSet<(Instant, InfoHash)>;

/// The turns of all torrents.
#[derive(Debug, Default)]
pub struct Schedule {
    torrents: FxHashMap<InfoHash, Entry>,
    /// By family: those that are urgent, and the others.
    queues: [[Queue; 2]; 2],
}

impl Schedule {
    /// A torrent wants its turns, the first one now; or it wants other ones.
    pub fn add(&mut self, now: Instant, info_hash: InfoHash, wish: Wish) {
        let (due, lonely) = match self.torrents.get(&info_hash) {
            // Who begins to need peers does not wait for the next turn.
            Some(entry) if wish.urgent && !entry.wish.urgent => {
                (entry.due.map(|due| due.map(|_| now)), [0; 2])
            }
            Some(entry) => (entry.due, entry.lonely),
            None => ([Some(now); 2], [0; 2]),
        };
        self.remove(&info_hash);
        let entry = Entry { wish, due: [None; 2], lonely };
        self.torrents.insert(info_hash, entry);
        for (due, family) in due.into_iter().zip(Family::ALL) {
            self.put(info_hash, family, due);
        }
    }

    /// It wants none any more.
    pub fn remove(&mut self, info_hash: &InfoHash) {
        Family::ALL.into_iter().for_each(|family| self.put(*info_hash, family, None));
        self.torrents.remove(info_hash);
    }

    /// Whose turn it is; one that is taken is to be [`over`](Self::over) some time.
    pub fn take(&mut self, now: Instant, family: Family) -> Option<InfoHash> {
        let queues = &self.queues[family as usize];
        let first = queues.iter().find_map(|queue| queue.first().filter(|(due, _)| *due <= now));
        let info_hash = first?.1;
        self.put(info_hash, family, None);
        Some(info_hash)
    }

    /// A turn is over that began at that time.
    pub fn over(
        &mut self,
        now: Instant,
        began: Instant,
        (info_hash, family): (InfoHash, Family),
        outcome: Outcome,
        random: &mut StdRng,
    ) {
        let is_late = self.is_late(now, family);
        let Some(entry) = self.torrents.get_mut(&info_hash) else { return };
        let lonely = &mut entry.lonely[family as usize];
        let pause = match outcome {
            Outcome::NoAnswer => AFTER_FAILURE,
            // Where others wait for their turn it would be at their cost.
            Outcome::NoPeers if entry.wish.urgent && !is_late && *lonely < MAX_LONELY => {
                *lonely += 1;
                AFTER_NO_PEERS * (1 << (*lonely - 1))
            }
            Outcome::NoPeers | Outcome::Peers => Duration::from_secs(random.random_range(AGAIN)),
        };
        if outcome == Outcome::Peers {
            *lonely = 0;
        }
        if entry.due[family as usize].is_none() {
            self.put(info_hash, family, Some(began + pause));
        }
    }

    /// Somebody waits for a turn for longer than those who had none before would have to.
    fn is_late(&self, now: Instant, family: Family) -> bool {
        let late = |queue: &Queue| queue.first().is_some_and(|(due, _)| *due + AFTER_NO_PEERS <= now);
        self.queues[family as usize].iter().any(late)
    }

    /// Everybody has a turn as soon as may be: we are somebody else in this family.
    pub fn renew(&mut self, now: Instant, family: Family) {
        let hashes: Vec<_> = self.torrents.keys().copied().collect();
        for hash in hashes {
            if self.torrents.get(&hash).is_some_and(|entry| entry.due[family as usize].is_some()) {
                self.put(hash, family, Some(now));
            }
        }
    }

    /// Torrents.
    pub fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// Turns that are due in a family and have not come.
    pub fn waiting(&self, now: Instant, family: Family) -> usize {
        let due = |queue: &Queue| queue.iter().take_while(|(due, _)| *due <= now).count();
        self.queues[family as usize].iter().map(due).sum()
    }

    fn put(&mut self, info_hash: InfoHash, family: Family, due: Option<Instant>) {
        let Some(entry) = self.torrents.get_mut(&info_hash) else { return };
        let queue = &mut self.queues[family as usize][usize::from(!entry.wish.urgent)];
        if let Some(before) = std::mem::replace(&mut entry.due[family as usize], due) {
            queue.remove(&(before, info_hash));
        }
        if let Some(due) = due {
            queue.insert((due, info_hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const SEED: Wish = Wish { urgent: false };
    const LEECH: Wish = Wish { urgent: true };

    fn hash(n: u8) -> InfoHash {
        InfoHash::new([n; 20])
    }

    #[test]
    fn who_needs_peers_goes_first_and_families_are_apart() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut schedule = Schedule::default();
        schedule.add(now, hash(1), SEED);
        schedule.add(now + Duration::from_secs(1), hash(2), LEECH);
        let now = now + Duration::from_secs(2);
        assert_eq!(schedule.waiting(now, Family::V4), 2);
        assert_eq!(schedule.take(now, Family::V4), Some(hash(2)));
        assert_eq!(schedule.take(now, Family::V4), Some(hash(1)));
        assert_eq!(schedule.take(now, Family::V4), None);
        assert_eq!(schedule.take(now, Family::V6), Some(hash(2)));
        schedule.over(now, now, (hash(1), Family::V4), Outcome::Peers, &mut random);
        assert_eq!(schedule.take(now + Duration::from_secs(15 * 60 - 1), Family::V4), None);
        // It begins to need peers: at once.
        schedule.add(now, hash(1), LEECH);
        assert_eq!(schedule.take(now, Family::V4), Some(hash(1)));
        schedule.over(now, now, (hash(1), Family::V4), Outcome::NoAnswer, &mut random);
        assert_eq!(schedule.take(now + AFTER_FAILURE, Family::V4), Some(hash(1)));
        schedule.remove(&hash(1));
        schedule.over(now, now, (hash(1), Family::V4), Outcome::Peers, &mut random);
        assert_eq!((schedule.torrents(), schedule.queues[0].iter().map(BTreeSet::len).sum()), (1, 0_usize));
    }

    #[test]
    fn turns_come_again_within_15_to_25_minutes_and_spread_out() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut schedule = Schedule::default();
        for n in 0..=255 {
            schedule.add(now, hash(n), SEED);
            assert!(schedule.take(now, Family::V4).is_some());
            schedule.over(now, now, (hash(n), Family::V4), Outcome::NoPeers, &mut random);
        }
        let by = |minutes: u64| schedule.waiting(now + Duration::from_secs(minutes * 60), Family::V4);
        assert_eq!((by(14), by(25)), (0, 256));
        assert!((90..170).contains(&by(20)), "{}", by(20));
        schedule.renew(now, Family::V4);
        assert_eq!(schedule.waiting(now, Family::V4), 256);
    }

    /// The pauses after turns that find nobody, in seconds, up to the first that is like any other.
    fn pauses(schedule: &mut Schedule, start: Instant, random: &mut StdRng) -> Vec<u64> {
        let mut pauses = Vec::new();
        let mut now = start;
        while pauses.last().is_none_or(|&pause| pause < AGAIN.start) {
            let Some(hash) = schedule.take(now, Family::V4) else { panic!("nobody's turn") };
            schedule.over(now, now, (hash, Family::V4), Outcome::NoPeers, random);
            let due = schedule.torrents[&hash].due[0].expect("it has a turn again");
            pauses.push((due - now).as_secs());
            now = due;
        }
        pauses
    }

    #[test]
    fn who_needs_peers_and_finds_none_looks_again_soon_and_then_ever_later() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut schedule = Schedule::default();
        schedule.add(now, hash(1), LEECH);
        let soon = pauses(&mut schedule, now, &mut random);
        assert_eq!(soon[..5], [30, 60, 120, 240, 480]);
        assert_eq!(soon.len(), 6);
        // Found some, and lost them: from the beginning.
        let later = now + Duration::from_secs(3 * 3600);
        assert_eq!(schedule.take(later, Family::V4), Some(hash(1)));
        schedule.over(later, later, (hash(1), Family::V4), Outcome::Peers, &mut random);
        let later = later + Duration::from_secs(3600);
        assert_eq!(pauses(&mut schedule, later, &mut random).len(), 6);
        // One that only wants to be found waits like any other.
        let mut schedule = Schedule::default();
        schedule.add(now, hash(1), SEED);
        assert_eq!(pauses(&mut schedule, now, &mut random).len(), 1);
    }

    #[test]
    fn nobody_looks_again_soon_while_others_wait_for_their_first_turn() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut schedule = Schedule::default();
        schedule.add(now, hash(1), LEECH);
        schedule.add(now, hash(2), SEED);
        let began = now + Duration::from_secs(60);
        assert_eq!(schedule.take(began, Family::V4), Some(hash(1)));
        schedule.over(began, began, (hash(1), Family::V4), Outcome::NoPeers, &mut random);
        assert_eq!(schedule.take(began, Family::V4), Some(hash(2)));
        assert_eq!(schedule.take(began + Duration::from_secs(15 * 60 - 1), Family::V4), None);
    }
}
