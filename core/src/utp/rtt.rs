//! The round trip, and how long an acknowledgement is waited for (BEP 29, "timeouts"; RFC 6298).

use std::time::Duration;

/// Never shorter: whoever delays acknowledgements is not lost.
pub const MIN_RTO: Duration = Duration::from_millis(500);

/// Before anything was measured.
const INITIAL_RTO: Duration = Duration::from_secs(1);

/// However often it was doubled.
const MAX_RTO: Duration = Duration::from_secs(30);

/// What is known of the round trip of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtt {
    smoothed: Option<Duration>,
    variance: Duration,
    min: Duration,
    latest: Duration,
    /// How often the time ran out since something was acknowledged.
    backoffs: u32,
}

impl Rtt {
    /// A packet that was sent once was acknowledged after `sample`.
    pub fn sample(&mut self, sample: Duration) {
        self.latest = sample;
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variance = sample / 2;
                self.min = sample;
            }
            Some(smoothed) => {
                self.variance = (self.variance * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
                self.min = self.min.min(sample);
            }
        }
    }

    /// Something new was acknowledged.
    pub const fn progress(&mut self) {
        self.backoffs = 0;
    }

    /// The time ran out: the next wait is twice as long.
    pub const fn expired(&mut self) {
        self.backoffs += 1;
    }

    /// How often the time ran out in a row.
    pub const fn backoffs(&self) -> u32 {
        self.backoffs
    }

    /// How long to wait for an acknowledgement.
    pub fn rto(&self) -> Duration {
        let rto = self.smoothed.map_or(INITIAL_RTO, |rtt| (rtt + self.variance * 4).max(MIN_RTO));
        (rto * (1 << self.backoffs.min(8))).min(MAX_RTO)
    }

    /// The usual round trip; before anything was measured: the wait.
    pub fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL_RTO)
    }

    /// The shortest round trip; zero before anything was measured.
    pub const fn min(&self) -> Duration {
        self.min
    }

    /// The last round trip.
    pub const fn latest(&self) -> Duration {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_half_a_second_at_least_and_twice_as_long_each_time() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.rto(), Duration::from_secs(1));
        for _ in 0..20 {
            rtt.sample(Duration::from_millis(10));
        }
        assert_eq!(rtt.rto(), MIN_RTO);
        rtt.expired();
        rtt.expired();
        assert_eq!(rtt.rto(), MIN_RTO * 4);
        rtt.progress();
        assert_eq!(rtt.rto(), MIN_RTO);
        for _ in 0..100 {
            rtt.expired();
        }
        assert_eq!(rtt.rto(), MAX_RTO);
    }

    #[test]
    fn long_ways_have_long_waits() {
        let mut rtt = Rtt::default();
        rtt.sample(Duration::from_millis(800));
        assert_eq!(rtt.rto(), Duration::from_millis(800 + 4 * 400));
        assert_eq!((rtt.min(), rtt.latest()), (Duration::from_millis(800), Duration::from_millis(800)));
    }
}
