//! The largest packet that the path takes, found by probes (BEP 29, "packet size"; RFC 8899).
//!
//! A probe is an ordinary packet that is filled up with an extension that says nothing. It may get lost without
//! its payload being too large to be sent again: that goes in a packet of the size that is known to pass.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The largest IP packet that is tried: what Ethernet takes.
const CEILING: usize = 1500;

/// What every path of IPv4 takes, by the rule that senders follow (RFC 791), and of IPv6 (RFC 8200).
const FLOOR_V4: usize = 576;
const FLOOR_V6: usize = 1280;

/// IP and UDP headers.
const AROUND_V4: usize = 20 + 8;
const AROUND_V6: usize = 40 + 8;

/// Where less than this could be won the search is over.
const PRECISION: usize = 16;

/// A size is too large when so many probes of it were lost: one may be lost for other reasons.
const TRIES: u32 = 3;

/// After a search that did not reach the ceiling; the path may be another by then (RFC 8899 has the same).
const AGAIN: Duration = Duration::from_secs(600);

/// The search of one connection. All sizes are bytes of UDP payload.
#[derive(Clone, Copy, Debug)]
pub struct Mtu {
    /// Passes.
    passes: usize,
    /// May pass.
    ceiling: usize,
    /// Is not looked beyond.
    limit: usize,
    /// Passes always.
    floor: usize,
    lost: u32,
    under_way: bool,
    again: Option<Instant>,
}

impl Mtu {
    /// A search on the path to this address.
    pub const fn new(to: &SocketAddr) -> Self {
        let (floor, limit) = match to {
            SocketAddr::V4(_) => (FLOOR_V4 - AROUND_V4, CEILING - AROUND_V4),
            SocketAddr::V6(_) => (FLOOR_V6 - AROUND_V6, CEILING - AROUND_V6),
        };
        Self { passes: floor, ceiling: limit, limit, floor, lost: 0, under_way: false, again: None }
    }

    /// The size of packets, headers of uTP included.
    pub const fn size(&self) -> usize {
        self.passes
    }

    /// The size of the next probe, if one is to be sent now. It begins at the top: most paths take that.
    pub fn probe(&mut self, now: Instant) -> Option<usize> {
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            self.ceiling = self.limit;
        }
        if self.under_way || self.ceiling.saturating_sub(self.passes) < PRECISION {
            return None;
        }
        let untouched = self.ceiling == self.limit;
        Some(if untouched { self.ceiling } else { usize::midpoint(self.passes, self.ceiling) })
    }

    /// A probe is on its way.
    pub const fn sent(&mut self) {
        self.under_way = true;
    }

    /// A probe of this size arrived.
    pub fn arrived(&mut self, now: Instant, size: usize) {
        self.under_way = false;
        self.lost = 0;
        self.passes = self.passes.max(size);
        self.look_for_end(now);
    }

    /// A probe of this size did not.
    pub fn lost(&mut self, now: Instant, size: usize) {
        self.under_way = false;
        self.lost += 1;
        if self.lost >= TRIES {
            self.too_large(now, size);
        }
    }

    /// The system says that it cannot send this size.
    pub fn too_large(&mut self, now: Instant, size: usize) {
        self.under_way = false;
        self.lost = 0;
        self.ceiling = self.ceiling.min(size.saturating_sub(1)).max(self.passes);
        self.look_for_end(now);
    }

    /// Nothing arrives any more, of packets of this size neither: the path may be another one, that takes less and
    /// does not say so (RFC 8899, 4.3). What every path takes is where the search begins again; false: it was no
    /// more than that.
    pub const fn black_hole(&mut self, size: usize) -> bool {
        let is_new = size > self.floor && self.passes > self.floor;
        if is_new {
            *self = Self {
                passes: self.floor,
                ceiling: self.limit,
                lost: 0,
                under_way: false,
                again: None,
                ..*self
            };
        }
        is_new
    }

    fn look_for_end(&mut self, now: Instant) {
        let is_over = self.ceiling.saturating_sub(self.passes) < PRECISION;
        if is_over && self.passes < self.limit {
            self.again = Some(now + AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "192.0.2.1:1";

    /// Searches over a path that takes so many bytes; returns what was found, and the number of probes.
    fn search(mtu: &mut Mtu, now: Instant, takes: usize) -> (usize, u32) {
        let mut probes = 0;
        while let Some(size) = mtu.probe(now) {
            probes += 1;
            mtu.sent();
            assert_eq!(mtu.probe(now), None, "one at a time");
            if size <= takes { mtu.arrived(now, size) } else { mtu.lost(now, size) }
        }
        (mtu.size(), probes)
    }

    #[test]
    fn an_ordinary_path_takes_one_probe() {
        let mut mtu = Mtu::new(&V4.parse().unwrap());
        assert_eq!(mtu.size(), 548);
        assert_eq!(search(&mut mtu, Instant::now(), 1472), (1472, 1));
        let mut mtu = Mtu::new(&"[2001:db8::1]:1".parse().unwrap());
        assert_eq!(mtu.size(), 1232);
        assert_eq!(search(&mut mtu, Instant::now(), 1452), (1452, 1));
    }

    #[test]
    fn others_are_found_to_sixteen_bytes() {
        for takes in [548, 549, 700, 1000, 1280, 1400, 1464, 1471] {
            let mut mtu = Mtu::new(&V4.parse().unwrap());
            let now = Instant::now();
            let (found, probes) = search(&mut mtu, now, takes);
            assert!(found <= takes && takes - found < PRECISION + 1, "{takes}: {found}");
            assert!(probes <= 3 * 8, "{probes}");
            // Later the path is a better one.
            assert_eq!(search(&mut mtu, now + AGAIN, 1472).0, 1472);
        }
    }
}
