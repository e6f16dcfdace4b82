//! How long until a tracker is asked again: intervals as stated but within reason, and the back-off of
//! one that fails.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;

use super::announce::Retry;

/// The shortest time between two regular announces, whatever a tracker says.
pub const SHORTEST: Duration = Duration::from_secs(60);

/// The longest: a tracker forgets a peer that it has not heard of for about an hour, so one that asks
/// for more than a day says nothing useful.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a tracker that names no `min interval` is left alone for when peers are wanted early:
/// libtorrent's `min_announce_interval`.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The first back-off, and the least time between two tries that a person can cause.
pub const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest back-off.
pub const LAST_RETRY: Duration = Duration::from_secs(60 * 60);

/// What is put on top of an interval at most.
pub const MOST_SPREAD: Duration = Duration::from_secs(5 * 60);

/// A stated interval, within reason.
pub fn clamp(interval: Duration) -> Duration {
    interval.clamp(SHORTEST, LONGEST)
}

/// A pause up to a tenth longer, and five minutes at most: the announces of ten thousand torrents that
/// were added at once drift apart, and no tracker takes one for gone.
pub fn spread(pause: Duration, random: &mut SmallRng) -> Duration {
    pause + (pause / 10).min(MOST_SPREAD).mul_f64(random.random_range(0.0..1.0))
}

/// The pause after this many failures in a row: 5 s, 20 s, 45 s, ... 1 h, each up to a quarter longer so
/// that ten thousand torrents do not come back in the same second. A tracker that says when (BEP 31) is
/// believed where it asks for more. `None`: never.
pub fn after_failure(failures: u32, retry: Option<Retry>, random: &mut SmallRng) -> Option<Duration> {
    let n = failures.clamp(1, 60);
    let pause = (FIRST_RETRY * n * n).min(LAST_RETRY);
    let pause = pause.mul_f64(random.random_range(1.0..1.25)).min(LAST_RETRY);
    match retry {
        Some(Retry::Never) => None,
        Some(Retry::After(wish)) => Some(pause.max(clamp(wish))),
        None => Some(pause),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pauses_grow_with_the_square() {
        let mut random = SmallRng::seed_from_u64(1);
        for (failures, least) in [(0, 5), (1, 5), (2, 20), (3, 45), (10, 500), (26, 3_380), (27, 3_600)] {
            let pause = after_failure(failures, None, &mut random).unwrap();
            let least = Duration::from_secs(least);
            assert!(pause >= least && pause <= least.mul_f64(1.25).min(LAST_RETRY), "{failures}: {pause:?}");
        }
        assert_eq!(after_failure(u32::MAX, None, &mut random), Some(LAST_RETRY));
    }

    #[test]
    fn announces_that_began_together_drift_apart_and_none_is_early() {
        let mut random = SmallRng::seed_from_u64(1);
        let interval = Duration::from_secs(1_800);
        let mut due = vec![Duration::ZERO; 10_000];
        for _ in 0..10 {
            for due in &mut due {
                let pause = spread(interval, &mut random);
                assert!(pause >= interval && pause <= interval.mul_f64(1.1));
                *due += pause;
            }
        }
        // After five hours, of the ten thousand in the fullest minute:
        let mut minutes = std::collections::HashMap::new();
        due.iter().for_each(|due| *minutes.entry(due.as_secs() / 60).or_insert(0) += 1);
        let most = minutes.values().max().copied().unwrap_or(0);
        assert!(most < 2_000, "{most} in one minute");
        assert!(spread(LONGEST, &mut random) <= LONGEST + MOST_SPREAD);
    }

    #[test]
    fn a_tracker_can_ask_for_more_time_and_not_for_less() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut pause = |secs| {
            after_failure(1, Some(Retry::After(Duration::from_secs(secs))), &mut random).unwrap().as_secs()
        };
        assert_eq!([pause(0), pause(600), pause(u64::MAX)], [60, 600, 86_400]);
        assert_eq!(after_failure(1, Some(Retry::Never), &mut random), None);
    }
}
