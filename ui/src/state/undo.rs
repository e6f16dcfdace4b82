//! What can be taken back: removals wait here until their time is over; what was done since is done the other
//! way round.

use std::time::{Duration, Instant};

use tc_core::settings::Priority;
use tc_core::types::InfoHash;

/// How long something can be taken back.
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

/// Something that was done at once, and how it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Files of a torrent, by their places in torrent order, are wanted more or less.
    Priorities {
        /// Which torrent.
        torrent: InfoHash,
        /// How much they were wanted.
        before: Vec<(Priority, Vec<u32>)>,
    },
    /// These were paused.
    Paused(Vec<InfoHash>),
    /// These were moved from their folders.
    Moved(Vec<(String, Vec<InfoHash>)>),
}

/// What can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// Removals, oldest first.
    pub removals: Vec<Removal>,
    /// What "pause all" paused, to resume just those.
    pub paused: Vec<InfoHash>,
    /// What was done last, and until when it can be taken back.
    pub last: Option<(Step, Instant)>,
}

impl Undo {
    /// Something was done that can be taken back.
    pub fn did(&mut self, step: Step, now: Instant) {
        self.last = Some((step, now + WINDOW));
    }

    /// What was done last, if it can be taken back and no removal came after it.
    pub fn take_last(&mut self, now: Instant) -> Option<Step> {
        let removed = self.removals.last().map(|removal| removal.until);
        let (step, until) = self.last.take_if(|(_, until)| removed.is_none_or(|removed| *until > removed))?;
        (until > now).then_some(step)
    }

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
