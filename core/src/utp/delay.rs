//! How long our packets queue on their way: the one-way delay above its minimum (BEP 29; RFC 6817,
//! "base delay").
//!
//! The two clocks have nothing to do with each other, so a delay by itself means nothing; above the least
//! one of the last minutes it is the time spent in queues.

use std::time::{Duration, Instant};

use super::seq::Micros;

/// For how long a minimum counts, in steps of [`STEP`]. A route that became longer is understood after that;
/// a queue that somebody else keeps full is seen through for as long.
const HISTORY: usize = 10;
const STEP: Duration = Duration::from_secs(60);

/// The least of so many samples is the delay of the moment: single late ones are noise of schedulers. RFC 6817
/// has four at least.
const RECENT: usize = 4;

/// A clock that runs at another speed moves the base by less than this between two looks. More is no drift.
const MAX_DRIFT: u32 = 10_000;

/// The minima of one direction.
#[derive(Clone, Debug, Default)]
pub struct BaseDelay {
    /// The least of each step, the newest first.
    minima: [Micros; HISTORY],
    used: usize,
    began: Option<Instant>,
}

impl BaseDelay {
    /// Takes one sample in; returns by how much the minimum fell, 0: it did not.
    fn sample(&mut self, now: Instant, sample: Micros) -> u32 {
        let before = self.get();
        match self.began {
            Some(began) if now.saturating_duration_since(began) < STEP => {
                if sample.is_below(self.minima[0]) {
                    self.minima[0] = sample;
                }
            }
            _ => {
                self.minima.rotate_right(1);
                self.minima[0] = sample;
                self.used = (self.used + 1).min(HISTORY);
                self.began = Some(now);
            }
        }
        match (before, self.get()) {
            (Some(before), Some(base)) if base.is_below(before) => before.since(base),
            _ => 0,
        }
    }

    fn get(&self) -> Option<Micros> {
        let minima = self.minima[..self.used].iter().copied();
        minima.reduce(|least, other| if other.is_below(least) { other } else { least })
    }

    fn shift(&mut self, by: u32) {
        for minimum in &mut self.minima[..self.used] {
            minimum.0 = minimum.0.wrapping_add(by);
        }
    }
}

/// Delays in both directions of one connection.
#[derive(Clone, Debug, Default)]
pub struct Delay {
    /// Of our packets, as the other side measures.
    ours: BaseDelay,
    /// Of theirs, as we measure.
    theirs: BaseDelay,
    recent: [u32; RECENT],
    samples: usize,
    /// The least of this round trip, and of the one before.
    least: [Option<u32>; 2],
    /// When this one began.
    round: Option<Instant>,
}

impl Delay {
    /// A packet of theirs was under way for `sample`, by two clocks. Where their base falls, their clock
    /// gains on ours, and our base rises as much without any queue.
    pub fn theirs(&mut self, now: Instant, sample: Micros) {
        let fell = self.theirs.sample(now, sample);
        if fell <= MAX_DRIFT {
            self.ours.shift(fell);
        }
    }

    /// A packet of ours was under way for `sample`, by two clocks.
    pub fn ours(&mut self, now: Instant, sample: Micros) {
        self.ours.sample(now, sample);
        let base = self.ours.get().unwrap_or(sample);
        let delay = sample.since(base);
        self.recent[self.samples % RECENT] = delay;
        self.samples += 1;
        self.least[0] = Some(self.least[0].map_or(delay, |least| least.min(delay)));
    }

    /// The time that our packets spend in queues at the moment; `None`: not known. It cannot be longer than the
    /// round trip `rtt` in which it was measured: if it seems to be, a clock was set, and so is the base.
    pub fn queuing(&mut self, rtt: Duration) -> Option<Duration> {
        let recent = &mut self.recent[..self.samples.min(RECENT)];
        let delay = *recent.iter().min()?;
        let limit = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX);
        if limit > 0 && delay > limit {
            let by = delay - limit;
            let least = self.least.iter_mut().flatten();
            recent.iter_mut().chain(least).for_each(|delay| *delay = delay.saturating_sub(by));
            self.ours.shift(by);
            return Some(rtt);
        }
        Some(Duration::from_micros(delay.into()))
    }

    /// The time that they have spent there through a whole round trip (RFC 6817, 3.4.2: what filters the delay
    /// looks back no further than that). A receiver that does not run for a while makes all that comes then late,
    /// and is no queue.
    pub fn lasting(&mut self, now: Instant, rtt: Duration) -> Option<Duration> {
        let queuing = self.queuing(rtt)?;
        if self.round.is_none_or(|began| now.saturating_duration_since(began) >= rtt) {
            self.least = [None, self.least[0].or(self.least[1])];
            self.round = Some(now);
        }
        let least = self.least.into_iter().flatten().min()?;
        Some(queuing.min(Duration::from_micros(least.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_secs(1);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_delay_is_what_exceeds_the_least_across_the_wrap() {
        let (now, mut delay) = (Instant::now(), Delay::default());
        assert_eq!(delay.queuing(RTT), None);
        delay.ours(now, Micros(u32::MAX - 999));
        assert_eq!(delay.queuing(RTT), Some(ms(0)));
        for _ in 0..RECENT {
            delay.ours(now, Micros(49_000));
        }
        assert_eq!(delay.queuing(RTT), Some(ms(50)));
        delay.ours(now, Micros(9_000));
        assert_eq!(delay.queuing(RTT), Some(ms(10)), "the least of the last few");
    }

    #[test]
    fn a_base_is_forgotten_after_minutes() {
        let (start, mut delay) = (Instant::now(), Delay::default());
        delay.ours(start, Micros(0));
        let mut now = start;
        for minute in 0..HISTORY as u32 {
            now = start + STEP * minute;
            delay.ours(now, Micros(30_000));
            delay.ours(now, Micros(30_000));
        }
        assert_eq!(delay.queuing(RTT), Some(ms(30)));
        for _ in 0..RECENT {
            delay.ours(now + STEP, Micros(30_000));
        }
        assert_eq!(delay.queuing(RTT), Some(ms(0)), "a longer route by now");
    }

    #[test]
    fn a_clock_that_runs_faster_is_no_queue() {
        let (start, mut delay) = (Instant::now(), Delay::default());
        // 100 ppm for five minutes: 30 ms.
        for second in 0..300_u32 {
            let now = start + Duration::from_secs(second.into());
            let drift = second * 100;
            delay.theirs(now, Micros(1_000_000 - drift));
            delay.ours(now, Micros(drift));
        }
        assert!(delay.queuing(RTT).unwrap() < ms(1));
    }

    #[test]
    fn a_delay_beyond_the_round_trip_is_a_clock_that_was_set() {
        let (now, mut delay) = (Instant::now(), Delay::default());
        delay.ours(now, Micros(0));
        for _ in 0..RECENT {
            delay.ours(now, Micros(1_000_000_000));
        }
        assert_eq!(delay.queuing(ms(40)), Some(ms(40)));
        for _ in 0..RECENT {
            delay.ours(now, Micros(999_970_000));
        }
        assert_eq!(delay.queuing(ms(40)), Some(ms(10)));
    }

    #[test]
    fn what_lasts_is_the_least_of_a_round_trip() {
        let (start, mut delay) = (Instant::now(), Delay::default());
        delay.ours(start, Micros(0));
        assert_eq!(delay.lasting(start, RTT), Some(ms(0)));
        let late = |delay: &mut Delay, after| {
            (0..2 * RECENT).for_each(|_| delay.ours(start + ms(after), Micros(80_000)));
            delay.lasting(start + ms(after), RTT)
        };
        assert_eq!(late(&mut delay, 500), Some(ms(0)));
        assert_eq!(delay.queuing(RTT), Some(ms(80)));
        assert_eq!(late(&mut delay, 900), Some(ms(0)));
        assert_eq!(late(&mut delay, 1_000), Some(ms(80)), "a whole round trip: it is a queue");
        // A clock that was set moves this as well.
        (0..RECENT).for_each(|_| delay.ours(start + ms(1_100), Micros(900_080_000)));
        assert_eq!(delay.lasting(start + ms(1_100), ms(40)), Some(ms(40)));
    }
}
