//! Sequence numbers and timestamps that wrap (BEP 29).

use std::time::Instant;

/// The number of a packet. Numbers wrap, so which of two is later is a question of the shorter way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u16);

impl Seq {
    /// The number so many packets later.
    #[must_use]
    pub const fn plus(self, packets: u16) -> Self {
        Self(self.0.wrapping_add(packets))
    }

    /// The number of the packet before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// How many packets later than `other` this is; negative: earlier.
    pub const fn after(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed() as i32
    }
}

/// Microseconds of somebody's clock, modulo 2^32: they wrap every 71 minutes, and only differences mean
/// anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Micros(pub u32);

impl Micros {
    /// From `earlier` to this, as far as that can be told.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this is less than `other`, the shorter way round.
    pub const fn is_below(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() < 0
    }
}

/// Our clock as the other side sees it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    /// What it showed then. Not zero: nobody needs to know how long we have been running.
    offset: u32,
}

impl Clock {
    /// A clock that shows `offset` at `now`.
    pub const fn new(now: Instant, offset: u32) -> Self {
        Self { began: now, offset }
    }

    /// What it shows at `now`.
    pub fn at(&self, now: Instant) -> Micros {
        // Cut to 32 bits: that is how it wraps.
        let since = now.saturating_duration_since(self.began).as_micros() as u32;
        Micros(since.wrapping_add(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_wrap() {
        assert_eq!(Seq(0).after(Seq(u16::MAX)), 1);
        assert_eq!(Seq(u16::MAX).after(Seq(0)), -1);
        assert_eq!(Seq(u16::MAX).plus(3), Seq(2));
        assert_eq!(Seq(0).before(), Seq(u16::MAX));
        assert!(Micros(u32::MAX).is_below(Micros(5)) && !Micros(5).is_below(Micros(u32::MAX)));
        assert_eq!(Micros(5).since(Micros(u32::MAX)), 6);
    }

    #[test]
    fn the_clock_wraps() {
        let now = Instant::now();
        let clock = Clock::new(now, u32::MAX - 9);
        assert_eq!(clock.at(now + Duration::from_micros(30)), Micros(20));
        let day = Duration::from_secs(86_400);
        let step = clock.at(now + day + Duration::from_millis(3)).since(clock.at(now + day));
        assert_eq!(step, 3_000);
    }
}
