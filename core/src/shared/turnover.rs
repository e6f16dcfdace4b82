//! Which torrent gives a connection to another where all connections are taken. No BEP.
//!
//! Without this the torrents that came first keep what there is, and one that was added later never has a
//! link. The torrent that was refused with the fewest links is in need; each second one that has more than
//! twice as many, or more and one that moves nothing, lets a link go, until all have about as many.

use std::time::{Duration, Instant};

/// Links that are let go for others: one in this time, so that a swarm is not torn apart for one that cannot
/// use them.
const PACE: Duration = Duration::from_secs(1);

/// A torrent that was not refused for so long is in need no more: those that dial ask once a second.
const LATELY: Duration = Duration::from_secs(3);

/// The dealer.
#[derive(Debug, Default)]
pub struct Turnover {
    /// The fewest links of a torrent that was refused one, and when.
    need: Option<(usize, Instant)>,
    /// When one was let go last.
    last: Option<Instant>,
}

impl Turnover {
    /// A torrent with so many links was refused one more.
    pub fn refused(&mut self, now: Instant, links: usize) {
        if self.need(now).is_none_or(|need| links <= need) {
            self.need = Some((links, now));
        }
    }

    /// Whether a torrent with so many links is to leave what becomes free to one that is in need.
    pub fn waits(&self, now: Instant, links: usize) -> bool {
        self.need(now).is_some_and(|need| links > need)
    }

    /// Whether a torrent with so many links lets one go now. `idle`: there is one that moves nothing.
    pub fn yields(&mut self, now: Instant, links: usize, idle: bool) -> bool {
        let paced = self.last.is_none_or(|last| now.saturating_duration_since(last) >= PACE);
        let more = |need| if idle { links >= need + 2 } else { links >= 2 * need + 2 };
        let yields = paced && self.need(now).is_some_and(more);
        if yields {
            self.last = Some(now);
        }
        yields
    }

    fn need(&self, now: Instant) -> Option<usize> {
        self.need.filter(|(_, at)| now.saturating_duration_since(*at) < LATELY).map(|(links, _)| links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each second: who has fewer than it wants is refused or takes what is free, then one may be let go.
    fn run(links: &mut [usize], wanted: &[usize], total: usize, idle: bool, seconds: u64) {
        let start = Instant::now();
        let mut turnover = Turnover::default();
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            for (n, wanted) in wanted.iter().enumerate() {
                let full = links.iter().sum::<usize>() >= total;
                if links[n] < *wanted && full {
                    turnover.refused(now, links[n]);
                } else if links[n] < *wanted && !turnover.waits(now, links[n]) {
                    links[n] += 1;
                }
            }
            for links in links.iter_mut() {
                let before = *links;
                *links -= usize::from(turnover.yields(now, before, idle));
            }
        }
    }

    #[test]
    fn who_comes_last_gets_its_share_of_connections() {
        let mut links = [100, 0, 0];
        run(&mut links, &[200, 200, 2], 100, true, 200);
        assert!(links[2] == 2 && links[0].abs_diff(links[1]) <= 3, "{links:?}");
        // Links that carry something are given up down to a third of them.
        let mut links = [100, 0];
        run(&mut links, &[200, 200], 100, false, 200);
        assert!((25..=40).contains(&links[1]), "{links:?}");
    }

    #[test]
    fn nobody_gives_what_nobody_needs_and_the_last_link_stays() {
        let mut links = [100, 3];
        run(&mut links, &[200, 3], 103, true, 60);
        assert_eq!(links, [100, 3]);
        let mut links = [1, 1, 0];
        run(&mut links, &[9, 9, 9], 2, true, 60);
        assert_eq!(links, [1, 1, 0]);
    }

    #[test]
    fn one_link_a_second_at_most() {
        let now = Instant::now();
        let mut turnover = Turnover::default();
        turnover.refused(now, 0);
        assert!(!turnover.waits(now, 0) && turnover.waits(now, 1));
        assert_eq!((0..100).filter(|_| turnover.yields(now, 50, true)).count(), 1);
        assert!(turnover.yields(now + PACE, 50, true));
        assert!(!turnover.yields(now + LATELY, 50, true), "nobody asks any more");
    }
}
