//! How fast it went: a sample each five seconds, for the graphs. Torrents that are silent for the
//! whole window have no samples and cost nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tc_core::types::InfoHash;

use super::table::Row;

/// Time between two samples. A graph that moves once in five seconds costs about 100 B/s.
const STEP: Duration = Duration::from_secs(5);

/// Samples kept: five minutes.
pub const SAMPLES: usize = 60;

/// Samples of one rate, oldest first, in bytes per second.
pub type Samples = VecDeque<u64>;

/// The samples of all torrents together, and of each that moves data.
#[derive(Clone, Debug, Default)]
pub struct History {
    all: Samples,
    torrents: FxHashMap<InfoHash, Samples>,
    next: Option<Instant>,
}

impl History {
    /// Takes a sample when it is time; says whether it took one.
    pub fn tick<'a>(&mut self, now: Instant, all: u64, rows: impl Iterator<Item = &'a Row>) -> bool {
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = Some(now + STEP);
        push(&mut self.all, all);
        for row in rows {
            let rate = row.stats.rate_down.max(row.stats.rate_up);
            if rate > 0 || self.torrents.contains_key(&row.stats.info_hash) {
                push(self.torrents.entry(row.stats.info_hash).or_default(), shown_rate(row));
            }
        }
        self.torrents.retain(|_, samples| samples.iter().any(|rate| *rate > 0));
        true
    }

    /// All torrents together.
    pub const fn all(&self) -> &Samples {
        &self.all
    }

    /// One torrent, if it moved data lately.
    pub fn of(&self, info_hash: &InfoHash) -> Option<&Samples> {
        self.torrents.get(info_hash)
    }
}

/// The rate of the direction that matters: up for those that are complete.
pub fn shown_rate(row: &Row) -> u64 {
    if row.stats.is_complete() { row.stats.rate_up } else { row.stats.rate_down }
}

fn push(samples: &mut Samples, rate: u64) {
    if samples.len() == SAMPLES {
        samples.pop_front();
    }
    samples.push_back(if crate::format::is_rate(rate) { rate } else { 0 });
}
