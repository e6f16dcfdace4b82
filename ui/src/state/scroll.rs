//! A cursor in a list and the first row that is seen.

use crate::message::Step;

/// Positions of a list of any length. Valid after [`settle`](Self::settle).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scroll {
    /// The row the cursor is on.
    pub cursor: usize,
    /// The first row that is seen.
    pub top: usize,
}

impl Scroll {
    /// Where a step leads from `cursor` in a list of `len` rows of which `height` are seen.
    pub fn target(cursor: usize, step: Step, len: usize, height: usize) -> usize {
        let page = height.max(1);
        let half = (height / 2).max(1);
        let last = len.saturating_sub(1);
        match step {
            Step::Down => cursor.saturating_add(1),
            Step::Up => cursor.saturating_sub(1),
            Step::Top => 0,
            Step::Bottom => last,
            Step::HalfDown => cursor.saturating_add(half),
            Step::HalfUp => cursor.saturating_sub(half),
            Step::PageDown => cursor.saturating_add(page),
            Step::PageUp => cursor.saturating_sub(page),
        }
        .min(last)
    }

    /// Moves the cursor.
    pub fn step(&mut self, step: Step, len: usize, height: usize) {
        self.cursor = Self::target(self.cursor, step, len, height);
        self.settle(len, height);
    }

    /// Brings both into the list, and the cursor into view.
    pub fn settle(&mut self, len: usize, height: usize) {
        let height = height.max(1);
        self.cursor = self.cursor.min(len.saturating_sub(1));
        let lowest = self.cursor.saturating_sub(height - 1);
        self.top = self.top.clamp(lowest, self.cursor).min(len.saturating_sub(height)).max(lowest);
    }
}
