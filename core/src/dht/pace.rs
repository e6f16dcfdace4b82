//! How fast we send: our own searches within a budget of bytes, and never more than a few packets a second
//! to one host. libtorrent ignores whoever sends it 50 packets in 10 s.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::id::Host;

/// Packets to one host within [`SPAN`].
pub const PER_HOST: usize = 4;

/// See [`PER_HOST`].
const SPAN: Duration = Duration::from_secs(1);

/// Bytes that may pass, a burst of them at once.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes per second.
    rate: u64,
    burst: u64,
    level: u64,
    at: Instant,
}

impl Budget {
    /// Full at first.
    pub const fn new(now: Instant, rate: u64, burst: u64) -> Self {
        Self { rate, burst, level: burst, at: now }
    }

    /// Whether that much may pass.
    pub fn allows(&mut self, now: Instant, bytes: usize) -> bool {
        // Exact, however often it is asked: the part of a byte that has come is not lost.
        let come = now.saturating_duration_since(self.at).as_micros() as u64 * self.rate / 1_000_000;
        if come > 0 {
            self.level = (self.level + come).min(self.burst);
            self.at += Duration::from_micros(come * 1_000_000 / self.rate);
        }
        self.level >= bytes as u64
    }

    /// Takes what passes; whether it may.
    pub fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let allowed = self.allows(now, bytes);
        if allowed {
            self.level -= bytes as u64;
        }
        allowed
    }
}

/// Who was sent something within the last second.
#[derive(Debug, Default)]
pub struct Hosts {
    recent: FxHashMap<Host, u8>,
    /// What is counted there, the oldest first.
    sent: VecDeque<(Instant, Host)>,
}

impl Hosts {
    /// Whether this one may be sent something.
    pub fn allow(&mut self, now: Instant, to: &SocketAddr) -> bool {
        while let Some((at, host)) = self.sent.front()
            && now.saturating_duration_since(*at) >= SPAN
        {
            if let Some(count) = self.recent.get_mut(host) {
                *count -= 1;
                if *count == 0 {
                    self.recent.remove(host);
                }
            }
            self.sent.pop_front();
        }
        self.recent.get(&Host::of(to)).is_none_or(|&count| usize::from(count) < PER_HOST)
    }

    /// This one is sent something. Those that are counted are bounded by the budgets of all that is sent.
    pub fn sent(&mut self, now: Instant, to: &SocketAddr) {
        let host = Host::of(to);
        let count = self.recent.entry(host).or_default();
        if let Some(more) = count.checked_add(1) {
            *count = more;
            self.sent.push_back((now, host));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_packets_within_any_second() {
        let (start, to) = (Instant::now(), "11.1.0.1:1".parse().unwrap());
        let mut hosts = Hosts::default();
        let mut sent = Vec::new();
        for n in 0..10_000 {
            let now = start + Duration::from_millis(n);
            if hosts.allow(now, &to) {
                hosts.sent(now, &to);
                sent.push(now);
            }
        }
        assert!(sent.windows(PER_HOST + 1).all(|window| window[PER_HOST] - window[0] >= SPAN));
        assert_eq!(sent.len(), 40);
        assert!(hosts.allow(start + Duration::from_secs(20), &to) && hosts.recent.is_empty());
    }

    #[test]
    fn a_budget_is_kept_whatever_is_asked_how_often() {
        let start = Instant::now();
        let mut budget = Budget::new(start, 1_000, 500);
        let passed: usize =
            (0..100_000_u64).filter(|n| budget.take(start + Duration::from_micros(n * 100), 7)).count();
        assert!((10_400..=10_500).contains(&(passed * 7)), "{passed}");
    }
}
