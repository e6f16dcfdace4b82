//! What can be taken back: removals wait here until their time is over.

use std::time::{Duration, Instant};

use tc_core::types::InfoHash;

/// How long a removal can be taken back.
pub const WINDOW: Duration = Duration::from_secs(15);

/// Torrents that are gone from the screen but not yet from the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Which.
    pub torrents: Vec<InfoHash>,
    /// Those that ran and go on when it is taken back.
    pub ran: Vec<InfoHash>,
    /// Their files go too.
    pub delete_data: bool,
    /// From then on it is too late.
    pub until: Instant,
    /// Whole seconds left, as shown.
    pub left: u64,
}

/// What can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// Removals, oldest first.
    pub removals: Vec<Removal>,
    /// What "pause all" paused, to resume just those.
    pub paused: Vec<InfoHash>,
}

impl Undo {
    /// Time goes on: the removals that are due, and whether a count that is shown changed.
    pub fn tick(&mut self, now: Instant) -> (Vec<Removal>, bool) {
        let (due, waiting): (Vec<_>, Vec<_>) =
            self.removals.drain(..).partition(|removal| removal.until <= now);
        self.removals = waiting;
        let mut changed = !due.is_empty();
        if let Some(last) = self.removals.last_mut() {
            let left = (last.until - now).as_secs_f64().ceil() as u64;
            changed |= left != last.left;
            last.left = left;
        }
        (due, changed)
    }
}
