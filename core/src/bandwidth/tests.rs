//! Limiters under a paused clock: how much comes through, and to whom.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

/// A task that takes `want` bytes over and over and counts them.
fn taker(limiter: &Limiter, want: u32) -> Arc<AtomicU64> {
    let (limiter, taken) = (limiter.clone(), Arc::new(AtomicU64::new(0)));
    let count = taken.clone();
    tokio::spawn(async move {
        loop {
            limiter.take(want).await;
            count.fetch_add(want.into(), Ordering::Relaxed);
            // Unlimited it never waits, and the others want to run.
            tokio::task::yield_now().await;
        }
    });
    taken
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Reads the counters and sets them back.
fn read(takers: &[Arc<AtomicU64>]) -> Vec<u64> {
    takers.iter().map(|taken| taken.swap(0, Ordering::Relaxed)).collect()
}

fn assert_within(got: u64, want: u64, percent: u64, what: &str) {
    let off = got.abs_diff(want) * 100;
    assert!(off <= want * percent, "{what}: {got}, not {want} within {percent} %");
}

/// Over 10 s, `takers` together get `rate`, and each its part.
async fn check(rate: u64, takers: u64, want: u32) {
    let limiter = Limiter::new(Some(rate));
    let takers: Vec<_> = (0..takers).map(|_| taker(&limiter, want)).collect();
    seconds(10).await;
    let got = read(&takers);
    assert_within(got.iter().sum(), 10 * rate, 5, "sum");
    for each in &got {
        assert_within(*each, 10 * rate / takers.len() as u64, 5, "one of them");
    }
}

#[tokio::test(start_paused = true)]
async fn one_taker_gets_the_rate() {
    check(1_000_000, 1, BLOCK_SIZE).await;
    check(1_000_000, 1, 100_000).await;
    check(50_000, 1, 1_000).await;
    check(1_000, 1, 17).await;
    check(500_000_000, 1, BLOCK_SIZE).await;
}

#[tokio::test(start_paused = true)]
async fn twenty_takers_share_the_rate() {
    check(10_000_000, 20, BLOCK_SIZE).await;
    check(1_000_000, 20, 1_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_holds_while_they_wait() {
    let limiter = Limiter::new(Some(100_000));
    let takers: Vec<_> = (0..20).map(|_| taker(&limiter, 1_000)).collect();
    for rate in [2_000_000, 50_000, 400_000] {
        seconds(1).await;
        limiter.limit(Some(rate));
        read(&takers);
        seconds(10).await;
        assert_within(read(&takers).iter().sum(), 10 * rate, 5, "after a change");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_holds_until_it_is_lifted() {
    let limiter = Limiter::new(Some(0));
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.take(1 << 30).await }
    });
    seconds(3_600).await;
    assert!(!waiting.is_finished());
    limiter.limit(None);
    tokio::time::timeout(Duration::from_millis(1), waiting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nothing_waits() {
    let limiter = Limiter::default().child();
    let before = Instant::now();
    for _ in 0..1_000 {
        limiter.take(u32::MAX).await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert!(!limiter.is_limited());
}

#[test]
fn without_a_limit_no_lock_is_taken() {
    let torrent = Limiter::default().child();
    let _above = torrent.level.parent.as_ref().unwrap().bucket();
    let _own = torrent.bucket();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(torrent.take(u32::MAX)).poll(&mut context).is_ready());
    // Would wait for ever.
    torrent.charge(1);
}

/// What came through, and when.
#[derive(Clone, Default)]
struct Curve(Arc<Mutex<Vec<(Duration, u64)>>>);

impl Curve {
    /// Links of one torrent that take blocks over and over, one in two of them in many small parts.
    fn of(limiter: &Limiter, links: u32, start: Instant) -> Self {
        let curve = Self::default();
        for link in 0..links {
            let (limiter, curve) = (limiter.clone(), curve.clone());
            let want = if link.is_multiple_of(2) { BLOCK_SIZE } else { 2_048 };
            tokio::spawn(async move {
                loop {
                    limiter.take(want).await;
                    curve.0.lock().unwrap().push((start.elapsed(), want.into()));
                }
            });
        }
        curve
    }

    fn together(curves: &[Self]) -> Self {
        let mut all: Vec<_> = curves.iter().flat_map(|curve| curve.0.lock().unwrap().clone()).collect();
        all.sort();
        Self(Arc::new(Mutex::new(all)))
    }

    /// Between any two moments from `from` to `to` that are ten seconds apart five percent more or less
    /// than `rate` came through. Each window goes from one arrival to another, so that no part of a block
    /// is left over.
    fn check(&self, from: u64, to: u64, rate: u64, what: &str) {
        let curve = self.0.lock().unwrap();
        let seconds = Duration::from_secs(from)..=Duration::from_secs(to);
        let curve: Vec<_> = curve.iter().filter(|(at, _)| seconds.contains(at)).collect();
        let (mut windows, mut last, mut bytes) = (0, 0, 0);
        for first in 0..curve.len() {
            while last < curve.len() && (curve[last].0 - curve[first].0) < Duration::from_secs(10) {
                last += 1;
                bytes += curve.get(last).map_or(0, |(_, bytes)| *bytes);
            }
            if last == curve.len() {
                break;
            }
            let (span, from) = (curve[last].0 - curve[first].0, curve[first].0);
            let off = bytes as f64 / span.as_secs_f64() / rate as f64;
            assert!((0.95..=1.05).contains(&off), "{what}, {span:?} from {from:?}: {off:.3} of {rate}");
            windows += 1;
            bytes -= curve[first + 1].1;
        }
        assert!(windows > 10, "{what}: {windows} windows");
    }
}

/// One or twenty torrents on a machine that stands still for up to 300 ms again and again: each limit holds
/// over any ten seconds, and when it is changed, from then on.
async fn on_a_busy_machine(torrents: u64, links: u32) {
    let (start, mut random) = (Instant::now(), SmallRng::seed_from_u64(torrents));
    let global = Limiter::default();
    let limiters: Vec<_> = (0..torrents).map(|_| global.child()).collect();
    let own = 60_000;
    let change = |all: u64, own: u64| {
        global.limit(Some(all));
        // With one torrent the lower of both holds.
        limiters.iter().step_by(2).for_each(|limiter| limiter.limit(Some(own)));
    };
    change(4_000_000, own);
    let curves: Vec<_> = limiters.iter().map(|limiter| Curve::of(limiter, links, start)).collect();
    let busy = |until: u64, random: &mut SmallRng| {
        let stalls = std::iter::repeat_with(|| (random.random_range(1..1_500), random.random_range(1..300)));
        let stalls: Vec<_> = stalls.take(200).collect();
        async move {
            for (runs, stands) in stalls {
                if start.elapsed() >= Duration::from_secs(until) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(runs)).await;
                tokio::time::advance(Duration::from_millis(stands)).await;
            }
        }
    };
    busy(40, &mut random).await;
    change(1_000_000, 2 * own);
    busy(80, &mut random).await;
    for (from, all, own) in [(0, 4_000_000_u64, own), (42, 1_000_000, 2 * own)] {
        let to = from + 38;
        if torrents == 1 {
            curves[0].check(from + 1, to, all.min(own), "the only one");
            continue;
        }
        Curve::together(&curves).check(from + 1, to, all, "all");
        let equal = all / torrents;
        let rest = 2 * (all - torrents / 2 * own.min(equal)) / torrents;
        for (at, curve) in curves.iter().enumerate() {
            let share = if at % 2 == 0 { own.min(equal) } else { rest };
            curve.check(from + 1, to, share, &format!("torrent {at}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_busy_machine_one_torrent_keeps_to_its_limits() {
    on_a_busy_machine(1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn on_a_busy_machine_one_torrent_with_many_links_keeps_to_its_limits() {
    on_a_busy_machine(1, 9).await;
}

#[tokio::test(start_paused = true)]
async fn on_a_busy_machine_twenty_torrents_keep_to_their_limits_and_share_equally() {
    on_a_busy_machine(20, 1).await;
}

#[tokio::test(start_paused = true)]
async fn on_a_busy_machine_twenty_torrents_with_many_links_share_equally() {
    on_a_busy_machine(20, 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_share_depends_neither_on_links_nor_on_sizes() {
    let global = Limiter::new(Some(10_000_000));
    let torrents: Vec<Vec<_>> = (0..20)
        .map(|torrent: u32| {
            let session = global.child();
            (0..=torrent)
                .map(|_| taker(&session, if torrent.is_multiple_of(2) { BLOCK_SIZE } else { 500 }))
                .collect()
        })
        .collect();
    seconds(10).await;
    for links in &torrents {
        assert_within(read(links).iter().sum(), 5_000_000, 5, "one torrent");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_torrent_leaves_its_share_to_the_others() {
    let global = Limiter::new(Some(1_000_000));
    let (slow, fast) = (global.child(), global.child());
    slow.limit(Some(100_000));
    let takers = [taker(&slow, BLOCK_SIZE), taker(&fast, BLOCK_SIZE)];
    seconds(10).await;
    let got = read(&takers);
    assert_within(got[0], 1_000_000, 5, "slow");
    assert_within(got[1], 9_000_000, 5, "fast");
    global.limit(None);
    read(&takers[..1]);
    fast.limit(Some(300_000));
    seconds(1).await;
    read(&takers);
    seconds(10).await;
    let got = read(&takers);
    assert_within(got[0], 1_000_000, 5, "slow without a limit above");
    assert_within(got[1], 3_000_000, 5, "fast without a limit above");
}

/// Torrent 0 to 19, each below the engine's limit, those with an even number with one of their own.
#[tokio::test(start_paused = true)]
async fn twenty_torrents_keep_to_their_own_limits_and_share_what_is_left() {
    let global = Limiter::new(Some(10_000_000));
    let torrents: Vec<_> = (0..20).map(|_| global.child()).collect();
    torrents.iter().step_by(2).for_each(|torrent| torrent.limit(Some(100_000)));
    let takers: Vec<_> = torrents.iter().map(|torrent| taker(torrent, BLOCK_SIZE)).collect();
    for (rate, own) in
        [(10_000_000, 100_000), (4_000_000, 300_000), (20_000_000, 50_000), (1_000_000, 40_000)]
    {
        global.limit(Some(rate));
        torrents.iter().step_by(2).for_each(|torrent| torrent.limit(Some(own)));
        seconds(1).await;
        read(&takers);
        seconds(10).await;
        let got = read(&takers);
        assert_within(got.iter().sum(), 10 * rate, 5, "all");
        // Nobody gets more than an equal share while others want more.
        let own = own.min(rate / 20);
        for (at, got) in got.iter().enumerate() {
            let want = if at % 2 == 0 { own } else { (rate - 10 * own) / 10 };
            assert_within(*got, 10 * want, 5, &format!("torrent {at} at {rate}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_wait_counts_all_the_same() {
    let global = Limiter::new(Some(1_000_000));
    let torrent = global.child();
    torrent.limit(Some(500_000));
    let takers = [taker(&torrent, BLOCK_SIZE), taker(&global.child(), BLOCK_SIZE)];
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        torrent.charge(1_000);
    }
    let got = read(&takers);
    assert_within(got[0] + 1_000_000, 5_000_000, 5, "the torrent's own limit");
    assert_within(got[0] + got[1] + 1_000_000, 10_000_000, 5, "all");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_does_not_block_the_line() {
    let limiter = Limiter::new(Some(1_000));
    let first = tokio::time::timeout(Duration::from_millis(10), limiter.take(1 << 20)).await;
    assert!(first.is_err());
    let before = Instant::now();
    limiter.take(100).await;
    assert!(before.elapsed() <= Duration::from_millis(101));
}
