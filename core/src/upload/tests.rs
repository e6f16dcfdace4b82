//! The choker under a clock of its own.

use std::time::{Duration, Instant};

use super::*;

const MIB: u64 = 1 << 20;

/// A swarm of links 0, 1, ... that carries out what the choker says, and watches its promises.
struct Swarm {
    choker: Choker,
    slots: usize,
    start: Instant,
    now: Instant,
    seeding: bool,
    peers: Vec<Candidate>,
    /// What each link was told, and when, in seconds.
    told: Vec<(u64, u64, bool)>,
    /// Seconds unchoked, by link.
    served: Vec<u64>,
}

impl Swarm {
    fn new(slots: usize, peers: usize, seed: u64) -> Self {
        let start = Instant::now() + Duration::from_secs(1_000);
        let mut swarm = Self {
            choker: Choker::new(slots, seed),
            slots,
            start,
            now: start,
            seeding: false,
            peers: Vec::new(),
            told: Vec::new(),
            served: Vec::new(),
        };
        for _ in 0..peers {
            // Old hands, so that nobody counts as new.
            swarm.join(start - Duration::from_secs(900));
        }
        swarm
    }

    fn join(&mut self, connected_at: Instant) -> usize {
        let link = LinkId(self.served.len() as u64);
        self.peers.push(Candidate {
            link,
            interested: true,
            rate_down: 0,
            rate_up: 0,
            uploaded_since_unchoke: 0,
            snubbed: false,
            unchoked: false,
            changed_at: None,
            upload_only: false,
            connected_at,
        });
        self.served.push(0);
        link.0 as usize
    }

    fn peer(&mut self, n: usize) -> &mut Candidate {
        self.peers.iter_mut().find(|peer| peer.link.0 == n as u64).unwrap()
    }

    fn carry_out(&mut self, changes: Vec<Change>) {
        let (now, second) = (self.now, (self.now - self.start).as_secs());
        let none = self.slots == 0;
        for change in changes {
            let peer = self.peer(change.link.0 as usize);
            assert_ne!(peer.unchoked, change.unchoke, "only differences");
            if let Some(at) = peer.changed_at {
                assert!(none || now - at >= ROUND, "{:?} flutters", change.link);
            }
            (peer.unchoked, peer.changed_at, peer.uploaded_since_unchoke) = (change.unchoke, Some(now), 0);
            self.told.push((second, change.link.0, change.unchoke));
        }
        let unchoked = self.unchoked();
        assert!(unchoked.len() <= if self.slots == 0 { 0 } else { self.slots + 1 }, "{unchoked:?}");
    }

    fn round(&mut self) {
        let changes = self.choker.round(self.now, self.seeding, &self.peers);
        self.carry_out(changes);
    }

    fn interested(&mut self, n: usize) {
        self.peer(n).interested = true;
        let peer = *self.peer(n);
        let changes = self.choker.interested(self.now, &peer);
        self.carry_out(changes);
    }

    fn uninterested(&mut self, n: usize) {
        self.peer(n).interested = false;
        self.choker.uninterested(self.now, LinkId(n as u64));
    }

    fn gone(&mut self, n: usize) {
        self.peers.retain(|peer| peer.link.0 != n as u64);
        self.choker.gone(self.now, LinkId(n as u64));
    }

    /// Lets the clock run, with the rounds that are due.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if self.choker.next_round().is_none_or(|due| due <= self.now) {
                self.round();
            }
            for peer in self.peers.iter_mut().filter(|peer| peer.unchoked) {
                self.served[peer.link.0 as usize] += 1;
                peer.uploaded_since_unchoke += peer.rate_up;
            }
            self.now += Duration::from_secs(1);
        }
    }

    fn unchoked(&self) -> Vec<u64> {
        self.peers.iter().filter(|peer| peer.unchoked).map(|peer| peer.link.0).collect()
    }

    fn optimistic(&self) -> Option<u64> {
        self.choker.optimistic().map(|link| link.0)
    }
}

#[test]
fn tit_for_tat() {
    let mut swarm = Swarm::new(3, 8, 1);
    for n in 0..8 {
        swarm.peer(n).rate_down = 1_000 * n as u64;
    }
    for _ in 0..30 {
        swarm.run(10);
        let unchoked = swarm.unchoked();
        assert!([5, 6, 7].iter().all(|best| unchoked.contains(best)), "{unchoked:?}");
        assert_eq!(unchoked.len(), 4);
        assert!(unchoked.contains(&swarm.optimistic().unwrap()));
    }
    // One that is better than the best takes a slot.
    swarm.peer(0).rate_down = 9_000;
    swarm.run(11);
    let unchoked = swarm.unchoked();
    assert!([0, 6, 7].iter().all(|best| unchoked.contains(best)), "{unchoked:?}");
}

#[test]
fn the_optimistic_slot_moves_every_third_round() {
    let mut swarm = Swarm::new(1, 5, 1);
    swarm.peer(0).rate_down = 1_000;
    let lucky: Vec<u64> = (0..60)
        .map(|_| {
            swarm.run(10);
            swarm.optimistic().unwrap()
        })
        .collect();
    for turn in lucky.chunks(3) {
        assert!(turn.iter().all(|link| *link == turn[0]), "{lucky:?}");
    }
    assert!(lucky.chunks(3).zip(lucky.chunks(3).skip(1)).all(|(a, b)| a[0] != b[0]), "{lucky:?}");
    assert!((1..5).all(|link| lucky.contains(&link)), "{lucky:?}");
}

#[test]
fn anti_leech_who_gives_nothing_gets_the_optimistic_slot_in_turn_and_no_more() {
    // Four give, six only take. For an hour nobody who takes has a slot but the optimistic one, and what
    // they have of that is a sixth each.
    let mut swarm = Swarm::new(4, 10, 7);
    for n in 0..4 {
        swarm.peer(n).rate_down = 10_000;
    }
    let mut turns = [0_u32; 10];
    for _ in 0..360 {
        swarm.run(10);
        let unchoked = swarm.unchoked();
        let takers: Vec<_> = unchoked.iter().filter(|link| **link >= 4).collect();
        assert!(takers.len() <= 1, "{unchoked:?}");
        assert!((0..4).all(|giver| unchoked.contains(&giver)), "{unchoked:?}");
        takers.iter().for_each(|link| turns[**link as usize] += 1);
    }
    assert!(turns[4..].iter().all(|turns| (30..=90).contains(turns)), "{turns:?}");
}

#[test]
fn anti_leech_while_seeding_nobody_has_more_than_a_turn_whatever_its_rate() {
    // A fast peer that takes all it can, and nine slow ones: the slots go round.
    let mut swarm = Swarm::new(2, 10, 5);
    swarm.seeding = true;
    swarm.peer(0).rate_up = 50 * MIB;
    swarm.run(3_600);
    let mean = swarm.served.iter().sum::<u64>() / 10;
    assert!(swarm.served[0] <= mean, "{:?}", swarm.served);
    assert!(swarm.served[1..].iter().all(|served| served.abs_diff(mean) <= mean / 2), "{:?}", swarm.served);
}

#[test]
fn a_new_peer_is_three_times_as_likely_to_be_the_optimistic_one() {
    let mut wins = 0;
    for seed in 0..2_000 {
        let mut swarm = Swarm::new(1, 7, seed);
        swarm.peer(0).rate_down = 1_000;
        let new = swarm.join(swarm.now);
        swarm.round();
        wins += u32::from(swarm.optimistic() == Some(new as u64));
    }
    // Six old ones and a new one: three chances of nine.
    assert!((570..770).contains(&wins), "{wins} of 2000");
}

#[test]
fn who_snubs_us_gets_the_optimistic_slot_at_most() {
    let mut swarm = Swarm::new(4, 4, 1);
    for n in 0..4 {
        swarm.peer(n).rate_down = 1_000;
        swarm.peer(n).snubbed = n < 2;
    }
    for _ in 0..30 {
        swarm.run(10);
        let unchoked = swarm.unchoked();
        assert!(unchoked.contains(&2) && unchoked.contains(&3));
        assert_eq!(unchoked.len(), 3, "one leech at a time: {unchoked:?}");
    }
    swarm.interested(0);
    assert_eq!(swarm.unchoked().len(), 3);
    // A seed owes nobody and is owed nothing.
    swarm.seeding = true;
    swarm.run(30);
    assert_eq!(swarm.unchoked().len(), 4);
}

#[test]
fn seeding_is_fair_to_twenty_peers_with_four_slots() {
    let mut swarm = Swarm::new(4, 20, 3);
    swarm.seeding = true;
    for n in 0..20 {
        // From a modem to a fast line.
        swarm.peer(n).rate_up = 10_000 + n as u64 * MIB / 4;
    }
    swarm.run(3_600);
    let (least, most) = (swarm.served.iter().min().unwrap(), swarm.served.iter().max().unwrap());
    // The slow ones keep a slot for as long as a turn may last, the fast ones until they have had
    // their bytes; nobody waits for ever.
    assert!(*least >= 300 && *most <= 2_400, "{:?}", swarm.served);

    // Peers of one speed get the same.
    let mut swarm = Swarm::new(4, 20, 3);
    swarm.seeding = true;
    swarm.peers.iter_mut().for_each(|peer| peer.rate_up = MIB);
    swarm.run(3_600);
    let mean = swarm.served.iter().sum::<u64>() / 20;
    assert!(mean > 850 && swarm.served.iter().all(|s| s.abs_diff(mean) < mean / 3), "{:?}", swarm.served);
}

#[test]
fn a_seeding_slot_stays_when_nobody_waits() {
    let mut swarm = Swarm::new(4, 4, 3);
    swarm.seeding = true;
    swarm.peers.iter_mut().for_each(|peer| peer.rate_up = 10 * MIB);
    swarm.run(600);
    assert_eq!(swarm.told.len(), 4, "{:?}", swarm.told);
}

#[test]
fn a_free_slot_is_given_at_once() {
    for seeding in [false, true] {
        let mut swarm = Swarm::new(2, 0, 1);
        swarm.seeding = seeding;
        swarm.run(15);
        let first = swarm.join(swarm.now);
        swarm.interested(first);
        assert_eq!(swarm.unchoked(), [0]);
        swarm.run(2);
        for _ in 0..3 {
            let next = swarm.join(swarm.now);
            swarm.interested(next);
        }
        // Two regular ones, an optimistic one, and one that waits.
        assert_eq!(swarm.unchoked(), [0, 1, 2]);
        swarm.gone(1);
        assert!(swarm.choker.next_round().unwrap() <= swarm.now + Duration::from_secs(1));
        swarm.run(2);
        assert_eq!(swarm.unchoked(), [0, 2, 3]);
    }
}

#[test]
fn an_idle_peer_keeps_its_place_until_it_is_wanted() {
    let mut swarm = Swarm::new(1, 2, 1);
    swarm.run(11);
    assert_eq!(swarm.unchoked(), [0, 1]);
    swarm.uninterested(0);
    swarm.run(30);
    assert_eq!(swarm.told.len(), 2, "no choke for its own sake: {:?}", swarm.told);
    // It wants something again: no message is needed.
    swarm.interested(0);
    assert_eq!(swarm.told.len(), 2);
    swarm.uninterested(0);
    let next = swarm.join(swarm.now);
    swarm.interested(next);
    assert_eq!(swarm.unchoked(), [1, 2], "its place is passed on at once");
}

#[test]
fn no_slots_no_upload() {
    let mut swarm = Swarm::new(3, 6, 1);
    swarm.run(30);
    assert_eq!(swarm.unchoked().len(), 4);
    swarm.slots = 0;
    swarm.choker.set_slots(swarm.now, 0);
    swarm.run(2);
    assert!(swarm.unchoked().is_empty(), "at once, also who was unchoked a moment ago");
    swarm.interested(0);
    swarm.run(60);
    assert!(swarm.unchoked().is_empty());
}

#[test]
fn seeds_get_no_slot() {
    let mut swarm = Swarm::new(3, 3, 1);
    swarm.peer(1).upload_only = true;
    swarm.run(30);
    assert_eq!(swarm.unchoked(), [0, 2]);
}

#[test]
fn nothing_is_due_while_nobody_wants_anything() {
    let mut swarm = Swarm::new(3, 2, 1);
    swarm.peers.iter_mut().for_each(|peer| peer.interested = false);
    swarm.round();
    assert_eq!(swarm.choker.next_round(), None);
    swarm.interested(0);
    assert_eq!(swarm.choker.next_round(), Some(swarm.now + ROUND));
}

/// Anything may happen at any second; [`Swarm::carry_out`] watches for flutter and for slots.
#[test]
fn no_flutter() {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut swarm = Swarm::new(rng.random_range(1..5), 8, seed);
        for _ in 0..400 {
            let links: Vec<usize> = swarm.peers.iter().map(|peer| peer.link.0 as usize).collect();
            let n = links[rng.random_range(0..links.len())];
            match rng.random_range(0..9) {
                0 | 1 => swarm.interested(n),
                2 => swarm.uninterested(n),
                3 => swarm.peer(n).rate_down = rng.random_range(0..100_000),
                4 => swarm.peer(n).rate_up = rng.random_range(0..MIB),
                5 => swarm.peer(n).snubbed ^= true,
                6 if links.len() > 4 => swarm.gone(n),
                7 if links.len() < 12 => {
                    let new = swarm.join(swarm.now);
                    swarm.interested(new);
                }
                _ => swarm.seeding = rng.random_bool(0.5),
            }
            swarm.run(rng.random_range(0..4));
        }
        // The slots are in use whenever somebody is there to use them.
        swarm.peers.iter_mut().for_each(|peer| peer.snubbed = false);
        swarm.run(25);
        let wanting = swarm.peers.iter().filter(|peer| peer.interested).count();
        let served = swarm.peers.iter().filter(|peer| peer.interested && peer.unchoked).count();
        assert!(served >= wanting.min(swarm.slots), "{served} of {wanting} with {} slots", swarm.slots);
        assert!(!swarm.told.is_empty());
    }
}

#[test]
fn the_manager_counts_the_demand() {
    let mut swarm = Swarm::new(2, 5, 1);
    swarm.peer(0).interested = false;
    swarm.peer(1).upload_only = true;
    let mut upload = UploadManager::new(2, 1);
    assert_eq!(upload.round(swarm.now, false, &swarm.peers).len(), 3);
    assert_eq!(upload.demand(), 3);
    upload.set_slots(swarm.now, 1);
    assert_eq!(upload.next_round(), Some(swarm.now + Duration::from_secs(1)));
}
