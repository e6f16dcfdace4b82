//! Who runs, by the rules and by a model, under a clock of the test's own.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

fn torrent(n: u16) -> InfoHash {
    let mut hash = [0; 20];
    hash[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash::new(hash)
}

fn number(torrent: &InfoHash) -> u16 {
    u16::from_be_bytes([torrent.as_bytes()[0], torrent.as_bytes()[1]])
}

const REST: Report = Report { stage: Stage::Rest, complete: false, forced: false, rate: 0, limit: None };
const BUSY: Report = Report { stage: Stage::Busy, ..REST };
const READY: Report = Report { stage: Stage::Ready, ..REST };
const QUICK: Report = Report { rate: 100_000, ..READY };
const SEED: Report = Report { complete: true, ..READY };

/// A queue and its clock.
struct Bench {
    now: Instant,
    queue: Queue,
    started: Vec<u16>,
    stopped: Vec<u16>,
}

impl Bench {
    /// So many downloads and seeds may run, and this many torrents are there.
    fn new(downloads: MaxActive, seeds: MaxActive, torrents: u16, report: Report) -> Self {
        let queue = Queue::new(ActiveLimits { downloads, seeds }, SpeedLimits::default(), PATIENCE);
        let mut bench = Self { now: Instant::now(), queue, started: Vec::new(), stopped: Vec::new() };
        (0..torrents).for_each(|n| bench.queue.insert(bench.now, torrent(n), None, report));
        bench
    }

    fn downloads(max: u32, torrents: u16) -> Self {
        let mut bench = Self::new(MaxActive::At(max), MaxActive::Unlimited, torrents, READY);
        bench.pass(SECOND);
        bench
    }

    fn report(&mut self, n: u16, report: Report) -> Turn {
        self.queue.report(self.now, &torrent(n), report)
    }

    /// Lets time pass, and decides when that is due.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.queue.next_due().filter(|due| *due <= until) {
            assert!(self.queue.decided.is_none_or(|decided| due >= decided + APART), "too soon");
            self.now = self.now.max(due);
            self.decide();
        }
        self.now = until;
    }

    fn decide(&mut self) {
        for (torrent, turn) in self.queue.decide(self.now) {
            match turn {
                Turn::Runs => self.started.push(number(&torrent)),
                Turn::Waits => self.stopped.push(number(&torrent)),
                Turn::Open => panic!("decided, and open"),
            }
        }
        self.check();
        assert_eq!(self.queue.decide(self.now), [], "nothing has changed since");
    }

    /// What holds after each decision.
    fn check(&self) {
        for (kind, max) in
            [(Kind::Download, self.queue.limits.downloads), (Kind::Seed, self.queue.limits.seeds)]
        {
            let kin: Vec<&Entry> = self.queue.order().map(|torrent| &self.queue.torrents[torrent]).collect();
            let kin: Vec<&Entry> = kin.into_iter().filter(|entry| entry.report.kind() == kind).collect();
            let counts =
                |entry: &&&Entry| entry.turn == Turn::Runs && !entry.report.forced && !entry.pace.slow;
            let waits = |entry: &&Entry| entry.turn == Turn::Waits;
            let counted = kin.iter().filter(counts).count() as u32;
            let first_waits = kin.iter().position(waits).unwrap_or(kin.len());
            let last_counts = kin.iter().rposition(|entry| counts(&entry)).map_or(0, |at| at + 1);
            if let Some(max) = max.get() {
                assert!(counted <= max, "{counted} of {max} run");
                assert!(last_counts <= first_waits, "one that waits is passed over");
                let kept = kin.iter().filter(|entry| {
                    entry.report.stage == Stage::Busy && self.now < entry.since + SOON && !entry.report.forced
                });
                let free = max.saturating_sub(counted + kept.count() as u32);
                assert!(first_waits == kin.len() || free == 0, "{free} turns are wasted");
            } else {
                assert!(!kin.iter().any(waits), "nobody need wait");
            }
            for (at, entry) in kin.iter().enumerate() {
                assert_eq!(entry.place as usize, at + 1, "places are dense");
                assert_eq!(entry.turn != Turn::Open, entry.report.stage == Stage::Ready);
            }
        }
    }

    fn running(&self) -> Vec<u16> {
        let runs = |torrent: &&InfoHash| self.queue.turn(torrent) == Turn::Runs;
        self.queue.order().filter(runs).map(number).collect()
    }

    fn order(&self) -> Vec<u16> {
        self.queue.order().map(number).collect()
    }
}

#[test]
fn the_first_ones_run_and_the_next_ones_follow() {
    let mut bench = Bench::downloads(2, 5);
    assert_eq!((bench.running(), &bench.stopped), (vec![0, 1], &vec![2, 3, 4]));
    bench.report(0, Report { complete: true, ..QUICK });
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 1, 2], "it seeds, and its place goes to the next");
    bench.report(1, REST);
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 2, 3]);
    // Who comes back has its old place, and who came last gives way.
    bench.report(1, READY);
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 1, 2]);
    bench.queue.remove(bench.now, &torrent(1));
    bench.queue.insert(bench.now, torrent(1), None, READY);
    bench.pass(2 * SECOND);
    assert_eq!((bench.running(), bench.order()), (vec![0, 2, 3], vec![0, 2, 3, 4, 1]), "a new one goes last");
}

#[test]
fn what_happens_together_is_decided_together() {
    let mut bench = Bench::new(MaxActive::At(2), MaxActive::Unlimited, 6, REST);
    bench.pass(2 * SECOND);
    for n in (0..6).rev() {
        bench.report(n, READY);
    }
    bench.pass(2 * SECOND);
    assert_eq!((bench.started, bench.stopped), (vec![0, 1], vec![2, 3, 4, 5]), "nobody was started in vain");
}

#[test]
fn a_forced_one_runs_at_once_and_takes_nobodys_place() {
    let mut bench = Bench::downloads(2, 5);
    assert_eq!(bench.report(4, Report { forced: true, ..READY }), Turn::Runs);
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 1, 4]);
    bench.report(4, READY);
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 1]);
    let mut none = Bench::downloads(0, 2);
    none.report(1, Report { forced: true, ..READY });
    none.pass(2 * SECOND);
    assert_eq!(none.running(), [1]);
}

#[test]
fn seeds_are_counted_apart() {
    let mut bench = Bench::new(MaxActive::At(1), MaxActive::At(2), 6, READY);
    (0..4).for_each(|n| _ = bench.report(n, SEED));
    bench.pass(SECOND);
    assert_eq!(bench.running(), [0, 1, 4]);
    bench.queue.set_limits(bench.now, ActiveLimits::default(), SpeedLimits::default());
    assert_eq!(bench.report(2, Report { rate: 1, ..SEED }), Turn::Runs, "without a limit at once");
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_stalled_one_blocks_nobody() {
    let mut bench = Bench::downloads(2, 4);
    bench.report(0, QUICK);
    bench.pass(PATIENCE - 2 * SECOND);
    assert_eq!(bench.running(), [0, 1]);
    bench.pass(4 * SECOND);
    assert_eq!(bench.running(), [0, 1, 2], "1 brings nothing, and runs on beside the others");
    // It comes to life, and counts again once that lasts.
    bench.report(2, QUICK);
    bench.report(1, QUICK);
    bench.pass(PATIENCE - SECOND);
    assert_eq!(bench.running(), [0, 1, 2]);
    bench.pass(3 * SECOND);
    assert_eq!(bench.running(), [0, 1]);
    assert_eq!(bench.stopped, [2, 3, 2]);
}

#[test]
fn a_rate_that_jumps_about_starts_and_stops_nobody() {
    let mut bench = Bench::downloads(1, 3);
    for n in 0..600_u64 {
        let rate = if n % 50 == 0 { 3 * SLOW } else { n % 7 * SLOW / 8 };
        bench.report(0, Report { rate, ..READY });
        bench.pass(SECOND);
    }
    assert_eq!((bench.running(), bench.started), (vec![0], vec![0]), "it was never slow for a minute");
    // Slow by now, and it does not count for every breath.
    let mut bench = Bench::downloads(1, 3);
    bench.pass(PATIENCE + SECOND);
    bench.report(1, QUICK);
    for n in 0..600_u64 {
        bench.report(0, Report { rate: if n % 55 == 54 { 0 } else { 3 * SLOW }, ..READY });
        bench.pass(SECOND);
    }
    assert_eq!((bench.running(), bench.stopped.len()), (vec![0, 1], 2));
}

#[test]
fn who_is_held_back_by_a_limit_is_not_slow() {
    let mut bench = Bench::downloads(2, 4);
    let speed = SpeedLimits { down: Some(1_000), up: None };
    bench.queue.set_limits(bench.now, bench.queue.limits, speed);
    bench.report(0, Report { rate: 400, ..READY });
    bench.report(1, Report { rate: 90, limit: Some(100), ..READY });
    bench.pass(3 * PATIENCE);
    assert_eq!(bench.running(), [0, 1]);
    bench.report(0, Report { rate: 200, ..READY });
    bench.pass(2 * PATIENCE);
    assert_eq!(bench.running(), [0, 1, 2, 3], "less than half of what it could have");
}

#[test]
fn a_check_that_has_begun_keeps_the_place_and_a_long_one_does_not() {
    let mut bench = Bench::new(MaxActive::At(2), MaxActive::Unlimited, 4, BUSY);
    bench.report(3, READY);
    bench.report(2, READY);
    bench.pass(SOON / 2);
    assert_eq!(bench.running(), [0_u16; 0], "those before them will want to run");
    bench.report(0, READY);
    bench.pass(SOON / 4);
    assert_eq!(bench.running(), [0]);
    bench.pass(SOON / 2);
    assert_eq!(bench.running(), [0, 2], "the check of 1 takes long");
    bench.report(1, READY);
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [0, 1]);
}

#[test]
fn the_order_is_a_persons_to_change() {
    let moved = |torrents: &[u16], shift| {
        let mut bench = Bench::new(MaxActive::Unlimited, MaxActive::Unlimited, 6, READY);
        bench.pass(SECOND);
        let torrents: Vec<_> = torrents.iter().map(|n| torrent(*n)).collect();
        let changed = bench.queue.shift(bench.now, &torrents, shift);
        assert_eq!(changed, bench.order() != [0, 1, 2, 3, 4, 5], "{shift:?}");
        bench.check();
        bench.order()
    };
    assert_eq!(moved(&[3], Shift::Up), [0, 1, 3, 2, 4, 5]);
    assert_eq!(moved(&[3], Shift::Down), [0, 1, 2, 4, 3, 5]);
    assert_eq!(moved(&[4, 1, 2], Shift::Up), [1, 2, 0, 4, 3, 5]);
    assert_eq!(moved(&[4, 5, 1], Shift::Down), [0, 2, 1, 3, 4, 5]);
    assert_eq!(moved(&[0, 1], Shift::Up), [0, 1, 2, 3, 4, 5]);
    assert_eq!(moved(&[5, 2], Shift::Top), [2, 5, 0, 1, 3, 4]);
    assert_eq!(moved(&[2, 0], Shift::Bottom), [1, 3, 4, 5, 0, 2]);
    assert_eq!(moved(&[5], Shift::To(2)), [0, 5, 1, 2, 3, 4]);
    assert_eq!(moved(&[0], Shift::To(2)), [1, 0, 2, 3, 4, 5]);
    assert_eq!(moved(&[0], Shift::To(99)), [1, 2, 3, 4, 5, 0]);
    assert_eq!(moved(&[1], Shift::To(0)), [1, 0, 2, 3, 4, 5]);
    assert_eq!(moved(&[99], Shift::Top), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn downloads_pass_downloads_and_seeds_pass_seeds() {
    let mut bench = Bench::downloads(1, 5);
    bench.report(1, SEED);
    bench.report(2, SEED);
    bench.pass(2 * SECOND);
    bench.queue.shift(bench.now, &[torrent(3)], Shift::Up);
    assert_eq!(bench.order(), [3, 1, 2, 0, 4]);
    assert_eq!(bench.queue.by_kind(), ([3, 0, 4].map(torrent).to_vec(), [1, 2].map(torrent).to_vec()));
    bench.pass(2 * SECOND);
    assert_eq!(bench.running(), [3, 1, 2]);
}

#[test]
fn who_was_there_before_keeps_its_rank() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.insert(now, torrent(7), None, READY);
    queue.insert(now, torrent(2), Some(-1), READY);
    queue.insert(now, torrent(1), Some(-2), READY);
    queue.insert(now, torrent(3), Some(-2), READY);
    assert_eq!(queue.order().map(number).collect::<Vec<_>>(), [1, 2, 7, 3]);
}

#[test]
fn a_flood_of_news_is_decided_once_a_second() {
    let mut bench = Bench::new(MaxActive::At(5), MaxActive::At(5), 200, READY);
    let mut decisions = 0;
    for n in 0..60_000_u64 {
        let at = (n % 200) as u16;
        bench.report(at, if n.is_multiple_of(3) { REST } else { Report { rate: n, ..SEED } });
        bench.now += Duration::from_millis(1);
        if bench.queue.next_due().is_some_and(|due| due <= bench.now) {
            bench.decide();
            decisions += 1;
        }
    }
    assert!((55..=61).contains(&decisions), "{decisions} in a minute");
    // All are slow, one after the other, and then there is nothing left to look at.
    bench.pass(60 * PATIENCE);
    assert_eq!(bench.queue.next_due(), None);
}

/// Some are dead, some come and go; each that lives takes 100 s of its turn.
#[test]
fn all_that_can_complete_does_and_starts_once() {
    let mut bench = Bench::downloads(3, 40);
    let dead = |n: u16| n.is_multiple_of(4);
    let mut done = [0_u32; 40];
    for _ in 0..4_000 {
        for n in bench.running() {
            let complete = done[usize::from(n)] >= 100;
            if !dead(n) && !complete {
                done[usize::from(n)] += 1;
                bench.report(n, Report { complete: done[usize::from(n)] >= 100, ..QUICK });
            }
        }
        bench.pass(SECOND);
    }
    for n in 0..40 {
        assert!(dead(n) || done[usize::from(n)] == 100, "{n} is not complete");
        let starts = bench.started.iter().filter(|started| **started == n).count();
        assert_eq!(starts, 1, "{n}");
    }
    assert_eq!(bench.stopped.len(), 37, "each waited once at most");
}

/// Whatever happens, the rules of [`Bench::check`] hold after each decision.
#[test]
fn a_model_of_everything_at_once() {
    use rand::{RngExt as _, SeedableRng as _};
    for seed in 0..30 {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut bench = Bench::new(MaxActive::At(3), MaxActive::At(2), 12, READY);
        let mut next = 12;
        for _ in 0..400 {
            let there: Vec<u16> = bench.order();
            let one = there.get(random.random_range(0..there.len().max(1))).copied().unwrap_or(0);
            match random.random_range(0..10) {
                0 => {
                    next += 1;
                    bench.queue.insert(bench.now, torrent(next), None, BUSY);
                }
                1 if there.len() > 4 => bench.queue.remove(bench.now, &torrent(one)),
                2 => {
                    let shifts = [Shift::Up, Shift::Down, Shift::Top, Shift::Bottom, Shift::To(3)];
                    let two = [torrent(one), torrent(there[0])];
                    bench.queue.shift(bench.now, &two, shifts[random.random_range(0..5)]);
                }
                3 => {
                    let max = [MaxActive::Unlimited, MaxActive::At(0), MaxActive::At(2), MaxActive::At(4)];
                    let limits = ActiveLimits {
                        downloads: max[random.random_range(0..4)],
                        seeds: max[random.random_range(0..4)],
                    };
                    bench.queue.set_limits(bench.now, limits, SpeedLimits::default());
                }
                _ => {
                    let stages = [Stage::Rest, Stage::Busy, Stage::Ready, Stage::Ready, Stage::Ready];
                    let report = Report {
                        stage: stages[random.random_range(0..5)],
                        complete: random.random_bool(0.3),
                        forced: random.random_bool(0.1),
                        rate: [0, SLOW + 1, 100_000][random.random_range(0..3)],
                        limit: None,
                    };
                    let turn = bench.report(one, report);
                    assert!(turn == Turn::Open || report.stage == Stage::Ready);
                }
            }
            bench.pass(Duration::from_millis([0, 50, 700, 5_000, 65_000][random.random_range(0..5)]));
        }
    }
}
