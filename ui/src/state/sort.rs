//! The order of the torrent table: one key and its direction, names break ties.

use std::cmp::{Ordering, Reverse};

use tc_core::stats::SessionState;

use super::table::Row;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// By name, letters of both cases alike.
    Name,
    /// By bytes of all files.
    Size,
    /// By the part that is there.
    Progress,
    /// By payload coming in.
    Down,
    /// By payload going out.
    Up,
    /// By the time left.
    Eta,
    /// By bytes sent for each received.
    Ratio,
    /// By when it was added.
    Added,
    /// By the tracker's host.
    Tracker,
    /// By what it does.
    State,
    /// By whose turn it is: downloads in their order, then seeds in theirs.
    Queue,
}

impl SortKey {
    /// All keys, in the order of the menu.
    pub const ALL: [Self; 11] = [
        Self::Name,
        Self::Size,
        Self::Progress,
        Self::Down,
        Self::Up,
        Self::Eta,
        Self::Ratio,
        Self::Added,
        Self::Tracker,
        Self::State,
        Self::Queue,
    ];

    /// Whether the first press puts the largest on top: what people look for in rates and sizes.
    pub const fn starts_reversed(self) -> bool {
        !matches!(self, Self::Name | Self::Eta | Self::Tracker | Self::State | Self::Queue)
    }
}

/// A key and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// What is compared.
    pub key: SortKey,
    /// Largest first.
    pub reversed: bool,
}

impl Default for Sort {
    /// Newest first: what was added last is what a person looks for.
    fn default() -> Self {
        Self { key: SortKey::Added, reversed: true }
    }
}

impl Sort {
    /// Takes a key up; the one in use is turned round.
    pub fn press(&mut self, key: SortKey) {
        let reversed = if self.key == key { !self.reversed } else { key.starts_reversed() };
        *self = Self { key, reversed };
    }

    /// Which row comes first. Total: names, then hashes decide where the key does not.
    pub fn compare(self, a: &Row, b: &Row) -> Ordering {
        #[cfg(test)]
        crate::testing::worked(|work| work.compared += 1);
        let (x, y) = (&*a.stats, &*b.stats);
        let by_key = match self.key {
            SortKey::Name => a.folded.cmp(&b.folded),
            SortKey::Size => x.total_size.cmp(&y.total_size),
            SortKey::Progress => x.progress().total_cmp(&y.progress()),
            SortKey::Down => x.rate_down.cmp(&y.rate_down),
            SortKey::Up => x.rate_up.cmp(&y.rate_up),
            SortKey::Eta => x.eta.unwrap_or(u64::MAX).cmp(&y.eta.unwrap_or(u64::MAX)),
            SortKey::Ratio => x.ratio().total_cmp(&y.ratio()),
            SortKey::Added => x.added.cmp(&y.added),
            SortKey::Tracker => x.tracker.cmp(&y.tracker),
            SortKey::State => urgency(x.state).cmp(&urgency(y.state)),
            SortKey::Queue => turn(a).cmp(&turn(b)),
        };
        let by_key = if self.reversed { by_key.reverse() } else { by_key };
        by_key.then_with(|| a.folded.cmp(&b.folded)).then_with(|| x.info_hash.cmp(&y.info_hash))
    }
}

/// Place in the queue; what has none yet comes last.
fn turn(row: &Row) -> (bool, u32) {
    (row.stats.is_complete(), row.place.map_or(u32::MAX, |(place, _)| place))
}

/// What needs a person comes first.
fn urgency(state: SessionState) -> Reverse<u8> {
    Reverse(match state {
        SessionState::Error => 5,
        SessionState::Downloading | SessionState::Metadata => 4,
        SessionState::Checking | SessionState::Moving => 3,
        SessionState::Queued => 2,
        SessionState::Seeding => 1,
        SessionState::Paused => 0,
    })
}
