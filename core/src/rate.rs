//! Payload rates over the last few seconds.

use std::time::{Duration, Instant};

/// Parts that the window is cut in. What is older than the window leaves in steps of one twentieth.
const SLOTS: usize = 20;

/// The shortest time that a rate is taken over: the first block of a link, a millisecond after the
/// request, is no rate of 16 MB/s.
const SHORTEST: Duration = Duration::from_secs(1);

/// Bytes per second over a sliding window. A few hundred bytes, and cheap enough to call per block.
///
/// In its first window after a silence it divides by the time since the first sample, so that it
/// does not crawl up from zero.
#[derive(Clone, Debug)]
pub struct RateMeter {
    slot: Duration,
    /// Time of the first sample after a silence, where slot 0 begins.
    origin: Option<Instant>,
    /// Number of the newest slot, counted from `origin`; it lies at this number modulo `SLOTS`.
    newest: u64,
    bytes: [u64; SLOTS],
}

impl RateMeter {
    /// What a person is shown, and what the pipeline follows.
    pub const SHOWN: Duration = Duration::from_secs(5);

    /// What the choker ranks by: two of its rounds (BEP 3 asks for a 20 second average).
    pub const CHOKER: Duration = Duration::from_secs(20);

    /// A meter with this window, at least 20 ns.
    pub fn new(window: Duration) -> Self {
        let slot = (window / SLOTS as u32).max(Duration::from_nanos(1));
        Self { slot, origin: None, newest: 0, bytes: [0; SLOTS] }
    }

    /// Counts bytes that were transferred now. A time before the latest sample counts as that one.
    pub fn add(&mut self, now: Instant, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let origin = match self.origin {
            Some(origin) if self.slot_at(origin, now) < self.newest + SLOTS as u64 => origin,
            _ => {
                self.bytes = [0; SLOTS];
                self.newest = 0;
                *self.origin.insert(now)
            }
        };
        let slot = self.slot_at(origin, now);
        for passed in self.newest + 1..=slot {
            self.bytes[place(passed)] = 0;
        }
        self.newest = slot.max(self.newest);
        let here = &mut self.bytes[place(self.newest)];
        *here = here.saturating_add(bytes);
    }

    /// Bytes per second; 0 once a whole window has passed without a sample.
    pub fn rate(&self, now: Instant) -> u64 {
        let Some(origin) = self.origin else { return 0 };
        let slot = self.slot_at(origin, now).max(self.newest);
        // Slots of the window that the ring still holds: those after `slot - SLOTS`.
        let oldest = (slot + 1).saturating_sub(SLOTS as u64);
        let sum: u64 = (oldest..=self.newest).map(|slot| self.bytes[place(slot)]).sum();
        if sum == 0 {
            return 0;
        }
        let since = now.saturating_duration_since(origin);
        let cut = self.slot.as_nanos() * u128::from(oldest);
        let covered = since.as_nanos().saturating_sub(cut).max(SHORTEST.as_nanos());
        u64::try_from(u128::from(sum) * 1_000_000_000 / covered).unwrap_or(u64::MAX)
    }

    fn slot_at(&self, origin: Instant, now: Instant) -> u64 {
        let slots = now.saturating_duration_since(origin).as_nanos() / self.slot.as_nanos();
        u64::try_from(slots).unwrap_or(u64::MAX / 2)
    }
}

impl Default for RateMeter {
    fn default() -> Self {
        Self::new(Self::SHOWN)
    }
}

const fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `bytes` every `every` ms from 0 to `until` ms, and looks at `at` ms.
    fn check(
        window: Duration,
        every: u64,
        bytes: u64,
        until: u64,
        at: u64,
        want: std::ops::RangeInclusive<u64>,
    ) {
        let start = Instant::now();
        let mut meter = RateMeter::new(window);
        for ms in (0..=until).step_by(every as usize) {
            meter.add(start + Duration::from_millis(ms), bytes);
        }
        let rate = meter.rate(start + Duration::from_millis(at));
        assert!(want.contains(&rate), "{rate} is not in {want:?}");
    }

    #[test]
    fn a_steady_stream_reads_as_its_rate() {
        check(RateMeter::SHOWN, 10, 10_000, 60_000, 60_000, 980_000..=1_020_000);
        check(RateMeter::CHOKER, 10, 10_000, 60_000, 60_000, 980_000..=1_020_000);
        check(RateMeter::SHOWN, 1_000, 16_384, 60_000, 60_500, 14_000..=19_000);
    }

    #[test]
    fn the_start_is_not_underrated_nor_one_block_overrated() {
        check(RateMeter::SHOWN, 10, 10_000, 1_500, 1_500, 980_000..=1_020_000);
        check(RateMeter::SHOWN, 10, 16_384, 0, 1, 16_384..=16_384);
    }

    #[test]
    fn silence_is_exactly_zero_and_falls_within_the_window() {
        check(RateMeter::SHOWN, 10, 10_000, 20_000, 22_500, 450_000..=560_000);
        check(RateMeter::SHOWN, 10, 10_000, 20_000, 25_251, 0..=0);
        check(RateMeter::CHOKER, 10, 10_000, 20_000, 41_001, 0..=0);
    }

    #[test]
    fn after_a_silence_it_starts_anew() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut meter = RateMeter::default();
        meter.add(at(0), 1 << 40);
        meter.add(at(100_000), 3_000);
        assert_eq!(meter.rate(at(100_000)), 3_000);
        assert_eq!(meter.rate(at(102_000)), 1_500);
    }

    #[test]
    fn nothing_at_all_is_zero() {
        assert_eq!(RateMeter::default().rate(Instant::now()), 0);
    }

    proptest! {
        #[test]
        fn no_sequence_panics_or_invents_bytes(
            steps in proptest::collection::vec((0_u64..4_000, 0_u64..1 << 30), 1..50),
            back in 0_u64..10_000,
        ) {
            let start = Instant::now() + Duration::from_secs(1_000);
            let (mut now, mut meter, mut total) = (start, RateMeter::default(), 0);
            for (ms, bytes) in steps {
                now += Duration::from_millis(ms);
                meter.add(now, bytes);
                total += bytes;
                prop_assert!(meter.rate(now) <= total);
            }
            meter.add(now - Duration::from_millis(back), 1);
            prop_assert!(meter.rate(now - Duration::from_millis(back)) <= total + 1);
            prop_assert_eq!(meter.rate(now + Duration::from_secs(6)), 0);
        }
    }
}
