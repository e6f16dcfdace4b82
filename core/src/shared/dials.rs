//! Who may dial now: new connections over all torrents, so many a second, dealt out fairly. No BEP.
//!
//! Each torrent has a time before which it gets no ticket. A ticket moves it on by one torrent's share
//! of the rate among those that asked lately: alone it has all of it, among a thousand a thousandth, and
//! who was given most waits longest.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::types::InfoHash;

/// New connections a second over all torrents, as in libtorrent (`connection_speed`): what routers in
/// homes bear.
const PER_SECOND: u32 = 30;

/// What may be saved up: a second's worth, for a torrent that begins.
const SAVED: Duration = Duration::from_secs(1);

/// A torrent that has not asked for so long does not count: those that want to dial ask once a second.
const LATELY: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
struct Asker {
    asked: Instant,
    /// No ticket before then.
    next: Instant,
}

/// The dealer.
#[derive(Debug, Default)]
pub struct Dials {
    askers: FxHashMap<InfoHash, Asker>,
    /// The same for all together.
    next: Option<Instant>,
    swept: Option<Instant>,
}

impl Dials {
    /// Whether this torrent may make one new connection now.
    pub fn take(&mut self, now: Instant, torrent: InfoHash) -> bool {
        self.sweep(now);
        let each = Duration::from_secs(1) / PER_SECOND;
        let asker = self.askers.entry(torrent).or_insert(Asker { asked: now, next: saved(now) });
        asker.asked = now;
        let may = asker.next <= now && self.next.is_none_or(|next| next <= now);
        if may {
            self.next = Some(self.next.map_or(saved(now), |next| next.max(saved(now))) + each);
            let askers = u32::try_from(self.askers.len()).unwrap_or(u32::MAX);
            if let Some(asker) = self.askers.get_mut(&torrent) {
                asker.next = asker.next.max(saved(now)) + each * askers;
            }
        }
        may
    }

    /// A ticket was not used.
    pub fn put_back(&mut self, torrent: InfoHash) {
        let each = Duration::from_secs(1) / PER_SECOND;
        self.next = self.next.and_then(|next| next.checked_sub(each));
        let askers = u32::try_from(self.askers.len()).unwrap_or(u32::MAX);
        if let Some(asker) = self.askers.get_mut(&torrent) {
            asker.next = asker.next.checked_sub(each * askers).unwrap_or(asker.next);
        }
    }

    /// Forgets those that no longer ask, once a second.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < Duration::from_secs(1)) {
            return;
        }
        self.swept = Some(now);
        self.askers.retain(|_, asker| now.saturating_duration_since(asker.asked) < LATELY);
    }
}

/// The earliest that counts: what was not used before then is lost.
fn saved(now: Instant) -> Instant {
    now.checked_sub(SAVED).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torrent(n: u16) -> InfoHash {
        let mut hash = [0; 20];
        hash[..2].copy_from_slice(&n.to_be_bytes());
        InfoHash::new(hash)
    }

    /// Tickets of each torrent when all want ten each second, for so many seconds.
    fn deal(torrents: u16, seconds: u32) -> Vec<u32> {
        let start = Instant::now() + Duration::from_secs(10);
        let mut dials = Dials::default();
        let mut got = vec![0; usize::from(torrents)];
        for second in 0..seconds {
            for n in 0..torrents {
                // Each at its own time of the second.
                let at =
                    Duration::from_secs(u64::from(second)) + Duration::from_millis(u64::from(n) * 7 % 1_000);
                let now = start + at;
                got[usize::from(n)] += (0..10).take_while(|_| dials.take(now, torrent(n))).count() as u32;
            }
        }
        got
    }

    #[test]
    fn no_more_than_thirty_new_connections_a_second() {
        for torrents in [1, 5, 100, 2_000] {
            let sum: u32 = deal(torrents, 60).iter().sum();
            assert!(sum <= PER_SECOND * 61, "{sum} in a minute with {torrents}");
            let least = if torrents == 1 { 600 } else { PER_SECOND * 50 };
            assert!(sum >= least, "{sum} in a minute with {torrents}");
        }
    }

    #[test]
    fn dial_tickets_are_dealt_fairly() {
        for torrents in [7, 100, 600] {
            let seconds = 1_200;
            let got = deal(torrents, seconds);
            let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
            let share = PER_SECOND * seconds / u32::from(torrents);
            assert!(*least >= share / 2 && *most <= share * 3 / 2, "{least} to {most} of {share} each");
        }
    }

    #[test]
    fn who_comes_late_waits_for_nobody() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut dials = Dials::default();
        for tenth in 0..600 {
            while dials.take(start + Duration::from_millis(100 * tenth), torrent(1)) {}
        }
        let now = start + Duration::from_secs(60);
        assert!(dials.take(now, torrent(2)));
    }

    #[test]
    fn a_ticket_that_is_not_used_is_nobodys_loss() {
        let now = Instant::now() + Duration::from_secs(10);
        let mut dials = Dials::default();
        let mut taken = 0;
        while dials.take(now, torrent(1)) {
            taken += 1;
        }
        assert_eq!(taken, PER_SECOND + 1);
        for _ in 0..10 {
            dials.put_back(torrent(1));
        }
        let again = (0..100).filter(|_| dials.take(now, torrent(1))).count();
        assert_eq!(again, 10);
    }
}
