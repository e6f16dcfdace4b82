//! One direction of a link, without clock or device: a queue that drops what it cannot hold, a rate, and what
//! happens on the way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How a direction of a link is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Bits per second, of Ethernet frames; 0: as fast as the machine.
    pub rate: u64,
    /// How long the last packet that is taken may wait before it is sent; what comes then is dropped. Means
    /// something with a rate only.
    pub queue: Duration,
    /// What each packet needs for the way.
    pub delay: Duration,
    /// Of 10,000 packets so many get lost on the way.
    pub lost: u32,
    /// Of 10,000 packets so many need [`detour`](Self::detour) longer, so that others overtake them.
    pub late: u32,
    /// How much longer.
    pub detour: Duration,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Packets that came.
    pub came: u64,
    /// Those that the queue had no room for.
    pub dropped: u64,
    /// Those that got lost on the way.
    pub lost: u64,
    /// Those that took the detour.
    pub late: u64,
    /// Packets that arrived.
    pub arrived: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The longest that a packet waited for the rate.
    pub longest_wait: Duration,
}

/// A direction of a link.
#[derive(Debug)]
pub struct Pipe {
    way: Way,
    random: u64,
    /// When the last packet that was taken has been sent.
    free_at: Option<Instant>,
    on_the_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    counts: Counts,
}

impl Pipe {
    /// The same seed has the same fates, in the order in which packets come.
    pub fn new(way: Way, seed: u64) -> Self {
        let (free_at, on_the_way, counts) = Default::default();
        Self { way, random: seed, free_at, on_the_way, counts }
    }

    /// A packet comes.
    pub fn enter(&mut self, now: Instant, packet: Vec<u8>) {
        self.counts.came += 1;
        let start = self.free_at.map_or(now, |at| at.max(now));
        let mut leaves = start;
        // Without a rate there is nothing to divide by, and nothing to wait for.
        if let Some(nanos) = (packet.len() as u64 * 8 * 1_000_000_000).checked_div(self.way.rate) {
            let wait = start.duration_since(now);
            if wait > self.way.queue {
                self.counts.dropped += 1;
                return;
            }
            self.counts.longest_wait = self.counts.longest_wait.max(wait);
            leaves += Duration::from_nanos(nanos);
            self.free_at = Some(leaves);
        }
        // Both are rolled for each, so that one setting does not change what the other does.
        let (is_lost, is_late) = (self.roll() < self.way.lost, self.roll() < self.way.late);
        // Who is asked for an address once a minute, and waits a second after a loss, measures that.
        let (is_lost, is_late) = if is_arp(&packet) { (false, false) } else { (is_lost, is_late) };
        if is_lost {
            self.counts.lost += 1;
            return;
        }
        let mut arrives = leaves + self.way.delay;
        if is_late {
            self.counts.late += 1;
            arrives += self.way.detour;
        }
        self.on_the_way.push(Reverse((arrives, self.counts.came, packet)));
    }

    /// When the next packet arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next packet that has arrived.
    pub fn leave(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.next_arrival().filter(|at| *at <= now)?;
        let Reverse((_, _, packet)) = self.on_the_way.pop()?;
        self.counts.arrived += 1;
        self.counts.bytes += packet.len() as u64;
        Some(packet)
    }

    /// What happened so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// A number below 10,000: splitmix64.
    const fn roll(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % 10_000) as u32
    }
}

/// Whether a frame asks for the hardware's address of an IPv4 address, or answers that.
fn is_arp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// All that arrives, with the time since the start.
    fn arrivals(pipe: &mut Pipe, start: Instant) -> Vec<(Duration, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(at) = pipe.next_arrival() {
            assert!(pipe.leave(at - Duration::from_nanos(1)).is_none());
            all.push((at - start, pipe.leave(at).unwrap()));
        }
        all
    }

    #[test]
    fn packets_leave_at_the_rate_and_the_queue_drops_the_rest() {
        let start = Instant::now();
        // A packet of 1,000 bytes each millisecond, and ten of them wait.
        let way = Way { rate: 8_000_000, queue: 10 * MS, delay: 50 * MS, ..Way::default() };
        let mut pipe = Pipe::new(way, 1);
        for number in 0..100_u8 {
            pipe.enter(start, vec![number; 1_000]);
        }
        let got = arrivals(&mut pipe, start);
        for (number, (at, packet)) in got.iter().enumerate() {
            assert_eq!((*at, packet[0]), ((51 + number as u32) * MS, number as u8));
        }
        let counts = pipe.counts();
        assert_eq!((got.len(), counts.came, counts.dropped, counts.arrived), (11, 100, 89, 11));
        assert_eq!((counts.bytes, counts.longest_wait), (11_000, 10 * MS));
        // After a pause the way is free again.
        pipe.enter(start + 1_000 * MS, vec![0; 1_000]);
        assert_eq!(arrivals(&mut pipe, start)[0].0, 1_051 * MS);
    }

    #[test]
    fn some_get_lost_and_some_are_overtaken_the_same_ones_for_the_same_seed() {
        let start = Instant::now();
        let way = Way { lost: 200, late: 100, delay: 50 * MS, detour: 10 * MS, ..Way::default() };
        let run = |seed| {
            let mut pipe = Pipe::new(way, seed);
            for number in 0..100_000_u32 {
                pipe.enter(start + number * MS, number.to_be_bytes().to_vec());
            }
            let order: Vec<u32> = arrivals(&mut pipe, start)
                .into_iter()
                .map(|(_, packet)| u32::from_be_bytes(packet.try_into().unwrap()))
                .collect();
            (order, pipe.counts())
        };
        let (order, counts) = run(7);
        assert!((1_800..2_200).contains(&counts.lost), "{counts:?}");
        assert!((850..1_150).contains(&counts.late), "{counts:?}");
        let overtaken = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((800..1_150).contains(&overtaken), "{overtaken}");
        assert_eq!(run(7).0, order);
        assert_ne!(run(8).0, order);
    }
}
