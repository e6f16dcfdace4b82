//! The congestion window: LEDBAT (BEP 29, "congestion control"; RFC 6817). It fills what others leave and
//! gives way by the delay that it causes, long before it costs them packets.

use std::time::{Duration, Instant};

use super::delay::Delay;
use super::seq::Micros;

/// The delay that we may cause (BEP 29).
pub const TARGET: Duration = Duration::from_millis(100);

/// Growth in one round trip while nothing queues, in bytes; libtorrent and libutp have the same.
const GAIN: f64 = 3000.0;

/// Or this part of the window where that is more: after a loss a long fat link is full again within seconds.
const GAIN_OF_WINDOW: f64 = 1.0 / 128.0;

/// Above the target, this part of the window goes in a round trip for each target of delay too much, ...
const DECREASE: f64 = 0.25;

/// ... and never more than this part.
const MAX_DECREASE: f64 = 0.5;

/// Slow start ends where this part of the target queues: it doubles, and feels its doing a round trip later.
const SLOW_START_END: f64 = 0.5;

/// Packets that may be under way at first (RFC 6928 has ten).
const INITIAL_PACKETS: f64 = 4.0;

/// Packets that may always be under way: one, and one that makes the other side acknowledge it at once.
const MIN_PACKETS: f64 = 2.0;

/// What is not more than this may queue for no reason but the clocks of schedulers; in slow start it is not
/// looked at.
const NOISE: Duration = Duration::from_millis(10);

/// The window of one connection.
#[derive(Clone, Debug)]
pub struct Ledbat {
    delay: Delay,
    /// Payload bytes of a packet.
    packet: f64,
    window: f64,
    /// Slow start ends here.
    threshold: f64,
    /// What it was before the last loss, in case that turns out to be none.
    before_loss: (f64, f64),
}

/// What an acknowledgement tells.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    /// Bytes that are there now.
    pub bytes: usize,
    /// Bytes that were under way before.
    pub in_flight: usize,
    /// The last round trip; zero: none was measured yet.
    pub rtt: Duration,
}

impl Ledbat {
    /// A window for packets of so many payload bytes.
    pub fn new(packet: usize) -> Self {
        let packet = packet as f64;
        let window = INITIAL_PACKETS * packet;
        let threshold = f64::INFINITY;
        Self { delay: Delay::default(), packet, window, threshold, before_loss: (window, threshold) }
    }

    /// Packets have another size from here on.
    pub fn set_packet(&mut self, packet: usize) {
        self.packet = packet as f64;
        self.window = self.window.max(MIN_PACKETS * self.packet);
    }

    /// Bytes that may be under way.
    pub const fn window(&self) -> usize {
        self.window as usize
    }

    /// Whether the window still doubles each round trip.
    pub fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// A packet of theirs took so long, by two clocks.
    pub fn their_delay(&mut self, now: Instant, sample: Micros) {
        self.delay.theirs(now, sample);
    }

    /// A packet of ours took so long, by two clocks.
    pub fn our_delay(&mut self, now: Instant, sample: Micros) {
        self.delay.ours(now, sample);
    }

    /// Something arrived.
    pub fn acked(&mut self, now: Instant, acked: Acked) {
        // Slow start would double once more before it knew what lasts.
        let queuing = match self.in_slow_start() {
            true => self.delay.queuing(acked.rtt),
            false => self.delay.lasting(now, acked.rtt),
        };
        let queuing = queuing.unwrap_or_default();
        let delay = queuing.as_secs_f64() / TARGET.as_secs_f64();
        let bytes = acked.bytes as f64;
        // The window grows only where it was what held us back; in slow start half of it tells that, because
        // acknowledgements come in lumps.
        let in_flight = acked.in_flight as f64;
        if self.in_slow_start() {
            if queuing > NOISE && delay > SLOW_START_END {
                self.threshold = self.window;
            } else if in_flight * 2.0 >= self.window {
                self.window = (self.window + bytes).min(self.threshold.max(self.window));
            }
            return;
        }
        // What part of a round trip this acknowledgement is.
        let part = (bytes / self.window).min(1.0);
        if delay <= 1.0 {
            if in_flight + MIN_PACKETS * self.packet >= self.window {
                self.window += part * GAIN.max(self.window * GAIN_OF_WINDOW) * (1.0 - delay);
            }
        } else {
            let decrease = (DECREASE * (delay - 1.0)).min(MAX_DECREASE);
            self.window = (self.window * (1.0 - part * decrease)).max(MIN_PACKETS * self.packet);
        }
    }

    /// A packet was lost: once in a round trip, says the caller.
    pub fn lost(&mut self) {
        self.before_loss = (self.window, self.threshold);
        self.window = (self.window / 2.0).max(MIN_PACKETS * self.packet);
        self.threshold = self.window;
    }

    /// What was taken for lost arrived after all.
    pub fn not_lost(&mut self) {
        let (window, threshold) = self.before_loss;
        self.window = self.window.max(window);
        self.threshold = self.threshold.max(threshold);
    }

    /// Nothing was acknowledged for too long: begin anew, with half of what was under way as the aim.
    pub fn timed_out(&mut self, in_flight: usize) {
        let least = MIN_PACKETS * self.packet;
        self.threshold = (in_flight as f64 / 2.0).max(least * 2.0);
        self.window = least;
    }

    /// Nothing was sent for so long that what the window was says nothing about the path any more (RFC 2861).
    pub fn was_idle(&mut self) {
        let initial = INITIAL_PACKETS * self.packet;
        if self.window > initial {
            self.threshold = self.threshold.min(self.window * 0.75).max(initial);
            self.window = initial;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1_000;

    /// One round trip of a second in which the whole window is acknowledged while packets queue for `queue`
    /// milliseconds.
    fn round(ledbat: &mut Ledbat, now: &mut Instant, queue: u32, in_flight: Option<usize>) {
        *now += Duration::from_secs(1);
        let now = *now;
        for _ in 0..in_flight.unwrap_or(ledbat.window()) / PACKET {
            let in_flight = in_flight.unwrap_or(ledbat.window());
            ledbat.our_delay(now, Micros(queue * 1_000));
            let rtt = Duration::from_secs(1);
            ledbat.acked(now, Acked { bytes: PACKET, in_flight, rtt });
        }
    }

    fn settled() -> (Instant, Ledbat) {
        let (mut now, mut ledbat) = (Instant::now(), Ledbat::new(PACKET));
        ledbat.our_delay(now, Micros(0));
        for _ in 0..6 {
            round(&mut ledbat, &mut now, 0, None);
        }
        ledbat.lost();
        (now, ledbat)
    }

    #[test]
    fn doubles_until_half_the_target_queues() {
        let (mut now, mut ledbat) = (Instant::now(), Ledbat::new(PACKET));
        ledbat.our_delay(now, Micros(0));
        let first = ledbat.window();
        round(&mut ledbat, &mut now, 0, None);
        assert_eq!(ledbat.window(), first * 2);
        round(&mut ledbat, &mut now, 20, None);
        assert_eq!(ledbat.window(), first * 4);
        round(&mut ledbat, &mut now, 60, None);
        assert!(!ledbat.in_slow_start() && ledbat.window() < first * 6, "{}", ledbat.window());
    }

    #[test]
    fn grows_by_the_gain_below_the_target_and_shrinks_above_it() {
        let (mut now, mut ledbat) = settled();
        let before = ledbat.window();
        round(&mut ledbat, &mut now, 0, None);
        let grown = ledbat.window() - before;
        assert!((2_700..=3_000).contains(&grown), "{grown}");
        // It is seen for what it is when it has lasted for a round trip.
        round(&mut ledbat, &mut now, 100, None);
        let before = ledbat.window();
        round(&mut ledbat, &mut now, 100, None);
        assert_eq!(ledbat.window(), before, "at the target nothing changes");
        round(&mut ledbat, &mut now, 300, None);
        assert_eq!(ledbat.window(), before, "not yet");
        round(&mut ledbat, &mut now, 300, None);
        let part = ledbat.window() as f64 / before as f64;
        assert!((0.45..0.8).contains(&part), "{part}");
        for _ in 0..50 {
            round(&mut ledbat, &mut now, 300, None);
        }
        assert_eq!(ledbat.window(), 2 * PACKET);
    }

    #[test]
    fn does_not_grow_where_it_was_not_the_limit() {
        let (mut now, mut ledbat) = settled();
        let before = ledbat.window();
        for _ in 0..100 {
            round(&mut ledbat, &mut now, 0, Some(before / 2));
        }
        assert_eq!(ledbat.window(), before);
    }

    #[test]
    fn a_loss_halves_and_an_alarm_that_was_false_takes_it_back() {
        let (_, mut ledbat) = settled();
        let before = ledbat.window();
        ledbat.lost();
        assert_eq!(ledbat.window(), before / 2);
        ledbat.not_lost();
        assert_eq!(ledbat.window(), before);
        ledbat.timed_out(before);
        assert_eq!(ledbat.window(), 2 * PACKET);
        assert!(ledbat.in_slow_start());
    }
}
