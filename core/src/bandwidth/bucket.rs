//! A token bucket whose rate may change at any time: how many bytes may pass now.
//!
//! What has passed without asking, such as the messages around the blocks, is charged: the level goes
//! below zero, and what asks waits longer.
//!
//! Exact: what has come in is counted in billionths of a byte, so no rate drifts, however often it
//! is asked.

use std::time::{Duration, Instant};

/// The least that may pass in one go, whatever the rate: a request message or the header of a block,
/// three times over.
const LEAST_BURST: u64 = 64;

const NANOS: i128 = 1_000_000_000;

/// What is made up for after a wait that lasted too long, because the machine was busy: over any ten
/// seconds that is four of the five percent that a limit may be off by.
pub const LATE: Duration = Duration::from_millis(400);

/// Bytes that may pass, at most a quarter of a second's worth saved up. Starts empty, so a new limit
/// holds from its first second on. Unlimited, it does no arithmetic.
#[derive(Clone, Debug, Default)]
pub struct TokenBucket {
    limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    /// Bytes per second.
    rate: u64,
    /// What may pass, in billionths of a byte; at most `burst`. Less than zero while what was charged
    /// is not made up for.
    level: i128,
    /// When `level` was true.
    at: Instant,
}

impl TokenBucket {
    /// Sets the bytes per second; `None`: no limit; 0: nothing passes. What is saved up stays, as far
    /// as the new rate may save.
    pub fn set_rate(&mut self, now: Instant, rate: Option<u64>) {
        self.refill(now);
        let saved = self.limit.map_or(0, |limit| limit.level);
        self.limit =
            rate.map(|rate| Limit { rate, level: saved.clamp(-deepest(rate), burst(rate)), at: now });
    }

    /// Bytes per second; `None`: no limit.
    pub fn rate(&self) -> Option<u64> {
        self.limit.map(|limit| limit.rate)
    }

    /// Takes what may pass now, at most `want` bytes.
    pub fn take(&mut self, now: Instant, want: u32) -> u32 {
        self.refill(now);
        let Some(limit) = &mut self.limit else { return want };
        let granted = want.min(u32::try_from(limit.level.max(0) / NANOS).unwrap_or(u32::MAX));
        limit.level -= i128::from(granted) * NANOS;
        granted
    }

    /// These bytes have passed already: what asks makes up for them, for a second at most.
    pub fn charge(&mut self, now: Instant, bytes: u64) {
        self.refill(now);
        if let Some(limit) = &mut self.limit {
            limit.level = (limit.level - i128::from(bytes) * NANOS).max(-deepest(limit.rate));
        }
    }

    /// How long until `want` bytes may pass, or a whole burst when that is less; zero when they may
    /// now. `None`: never at this rate.
    pub fn until(&self, now: Instant, want: u32) -> Option<Duration> {
        let Some(limit) = self.limit else { return Some(Duration::ZERO) };
        if limit.rate == 0 {
            // Nothing is saved up either.
            return (want == 0).then_some(Duration::ZERO);
        }
        let want = (i128::from(want) * NANOS).min(burst(limit.rate));
        let missing = (want - limit.level_at(now)).max(0) as u128;
        let nanos = missing.div_ceil(u128::from(limit.rate));
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Somebody was ready to take all that came in since the last call, and was woken late or waited
    /// elsewhere: up to [`LATE`] of it is not lost, or `least` bytes where that is more.
    pub fn waited(&mut self, now: Instant, least: u32) {
        if let Some(limit) = &mut self.limit {
            let late = i128::from(limit.rate) * LATE.as_nanos() as i128;
            let most = late.max(i128::from(least) * NANOS).max(burst(limit.rate));
            limit.level = limit.level_uncapped(now).min(most);
            limit.at = limit.at.max(now);
        }
    }

    fn refill(&mut self, now: Instant) {
        if let Some(limit) = &mut self.limit {
            limit.level = limit.level_at(now);
            limit.at = limit.at.max(now);
        }
    }
}

impl Limit {
    fn level_at(&self, now: Instant) -> i128 {
        // What was saved up in waiting elsewhere is spent, not cut.
        self.level_uncapped(now).min(burst(self.rate).max(self.level))
    }

    fn level_uncapped(&self, now: Instant) -> i128 {
        let passed = i128::try_from(now.saturating_duration_since(self.at).as_nanos()).unwrap_or(i128::MAX);
        self.level.saturating_add(passed.saturating_mul(self.rate.into()))
    }
}

/// A quarter of a second's worth, in billionths of a byte.
fn burst(rate: u64) -> i128 {
    i128::from((rate / 4).max(LEAST_BURST.min(rate))) * NANOS
}

/// A second's worth: messages that alone are more than the limit do not lock it for ever.
fn deepest(rate: u64) -> i128 {
    i128::from(rate) * NANOS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(now: Instant, rate: u64) -> TokenBucket {
        let mut bucket = TokenBucket::default();
        bucket.set_rate(now, Some(rate));
        bucket
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let now = Instant::now();
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(now, u32::MAX), u32::MAX);
        assert_eq!(bucket.until(now, u32::MAX), Some(Duration::ZERO));
    }

    #[test]
    fn it_starts_empty_and_saves_a_quarter_of_a_second() {
        let now = Instant::now();
        let mut bucket = bucket(now, 100_000);
        assert_eq!(bucket.take(now, 1), 0);
        assert_eq!(bucket.until(now, 1_000), Some(ms(10)));
        assert_eq!(bucket.take(now + ms(10), 5_000), 1_000);
        assert_eq!(bucket.take(now + ms(60_000), u32::MAX), 25_000);
        // More than can be saved up: as much as can.
        assert_eq!(bucket.until(now + ms(60_000), 1_000_000), Some(ms(250)));
    }

    #[test]
    fn a_small_rate_lets_a_header_pass_and_rate_zero_nothing() {
        let now = Instant::now();
        let mut small = bucket(now, 100);
        assert_eq!(small.take(now + ms(60_000), u32::MAX), 64);
        let mut tiny = bucket(now, 1);
        assert_eq!(tiny.take(now + ms(999), u32::MAX), 0);
        assert_eq!(tiny.take(now + ms(1_000), u32::MAX), 1);
        let mut none = bucket(now, 0);
        assert_eq!(none.take(now + ms(60_000), 1), 0);
        assert_eq!((none.until(now, 1), none.until(now, 0)), (None, Some(Duration::ZERO)));
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let now = Instant::now();
        let mut bucket = bucket(now, 1_000_000);
        bucket.set_rate(now + ms(50), Some(10_000));
        assert_eq!(bucket.take(now + ms(50), u32::MAX), 2_500);
        assert_eq!(bucket.take(now + ms(60), u32::MAX), 100);
        bucket.set_rate(now + ms(60), None);
        assert_eq!(bucket.take(now + ms(60), 7), 7);
        bucket.set_rate(now + ms(60), Some(10_000));
        assert_eq!(bucket.take(now + ms(60), 7), 0);
    }

    #[test]
    fn what_passed_without_asking_is_made_up_for() {
        let now = Instant::now();
        let mut bucket = bucket(now, 10_000);
        bucket.charge(now, 3_000);
        assert_eq!(bucket.until(now, 1_000), Some(ms(400)));
        assert_eq!(bucket.take(now + ms(300), u32::MAX), 0);
        assert_eq!(bucket.take(now + ms(350), u32::MAX), 500);
        // However much: a second later it goes on.
        bucket.charge(now + ms(350), u64::MAX);
        assert_eq!(bucket.take(now + ms(1_350), u32::MAX), 0);
        assert_eq!(bucket.take(now + ms(1_360), u32::MAX), 100);
        bucket.charge(now + ms(1_360), u64::MAX);
        bucket.set_rate(now + ms(1_360), Some(1_000));
        assert_eq!(bucket.until(now + ms(1_360), 100), Some(ms(1_100)));
    }

    #[test]
    fn who_waits_elsewhere_loses_nothing_of_400_ms() {
        let now = Instant::now();
        let mut bucket = bucket(now, 10_000);
        bucket.waited(now + ms(400), 0);
        assert_eq!(bucket.take(now + ms(400), 1_000), 1_000);
        // It is not saved up further without somebody who waits, nor cut.
        assert_eq!(bucket.take(now + ms(900), u32::MAX), 3_000);
        bucket.waited(now + ms(5_000), 4_001);
        assert_eq!(bucket.take(now + ms(5_000), u32::MAX), 4_001);
        bucket.waited(now + ms(9_000), 10);
        assert_eq!(bucket.take(now + ms(9_000), u32::MAX), 4_000);
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let start = Instant::now();
        let mut bucket = bucket(start, 1_000);
        assert_eq!(bucket.take(start + ms(100), 100), 100);
        assert_eq!(bucket.take(start, 100), 0);
        assert_eq!(bucket.take(start + ms(100), 100), 0);
    }

    proptest! {
        #[test]
        fn no_more_passes_than_time_and_one_burst_allow(
            rate in prop_oneof![1..200_u64, 1..u64::MAX],
            steps in proptest::collection::vec((0..300_000_000_u64, any::<u32>()), 1..60),
        ) {
            let start = Instant::now();
            let (mut now, mut bucket, mut passed) = (start, bucket(start, rate), 0_u128);
            for (nanos, want) in steps {
                now += Duration::from_nanos(nanos);
                let wait = bucket.until(now, want).unwrap();
                let granted = bucket.take(now, want);
                prop_assert!(granted <= want);
                prop_assert!(!wait.is_zero() || granted == want || i128::from(granted) == burst(rate) / NANOS);
                passed += u128::from(granted);
                let due = (now - start).as_nanos() * u128::from(rate) / NANOS as u128;
                prop_assert!(passed <= due, "{} of {}", passed, due);
            }
        }

        #[test]
        fn asking_often_loses_nothing(rate in 1..1_000_000_u64, step in 1..50_u64) {
            let start = Instant::now();
            let (mut bucket, mut passed) = (bucket(start, rate), 0);
            for at in (step..=10_000).step_by(step as usize) {
                passed += u64::from(bucket.take(start + ms(at), u32::MAX));
            }
            let due = rate * (10_000 / step * step) / 1_000;
            prop_assert!(passed <= due && passed + 1 >= due, "{} of {}", passed, due);
        }
    }
}
