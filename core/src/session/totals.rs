//! What was moved for a torrent, in this run and over all runs.

use std::time::{Duration, Instant};

use super::links::LinkEntry;
use crate::peer::LinkGauge;
use crate::types::UnixTime;

/// Sums of payload and time.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Payload received over all runs.
    pub downloaded: u64,
    /// Payload sent over all runs.
    pub uploaded: u64,
    /// Payload received that was of no use.
    pub wasted: u64,
    /// Payload received since it began to run, for the trackers.
    pub run_downloaded: u64,
    /// Payload sent since it began to run, for the trackers.
    pub run_uploaded: u64,
    /// Payload received in this run that turned out wrong.
    pub run_corrupt: u64,
    /// The most that trackers were told of what was received: it never shrinks.
    told: u64,
    /// Seconds with peers in earlier runs and stretches.
    active: Duration,
    /// Since when it is active now.
    active_since: Option<Instant>,
    /// When the torrent was added.
    pub added: UnixTime,
    /// When all that is wanted was there.
    pub completed: Option<UnixTime>,
}

impl Totals {
    /// Goes on from what was kept.
    pub fn resume(downloaded: u64, uploaded: u64, wasted: u64, active_seconds: u64) -> Self {
        Self {
            downloaded,
            uploaded,
            wasted,
            run_downloaded: 0,
            run_uploaded: 0,
            run_corrupt: 0,
            told: 0,
            active: Duration::from_secs(active_seconds),
            active_since: None,
            added: UnixTime::now(),
            completed: None,
        }
    }

    /// Adds what a link has moved since it was last asked; says how much that was, both ways.
    pub fn count(&mut self, link: &mut LinkEntry) -> u64 {
        let down = LinkGauge::get(&link.gauge.downloaded);
        let up = LinkGauge::get(&link.gauge.uploaded);
        let (more_down, more_up) = (down - link.counted_down, up - link.counted_up);
        link.counted_down = down;
        link.counted_up = up;
        self.downloaded += more_down;
        self.run_downloaded += more_down;
        self.uploaded += more_up;
        self.run_uploaded += more_up;
        more_down + more_up
    }

    /// To a tracker a torrent that starts is a new one: what it is told counts from here (BEP 3).
    pub const fn begin_run(&mut self) {
        self.run_downloaded = 0;
        self.run_uploaded = 0;
        self.run_corrupt = 0;
        self.told = 0;
    }

    /// Payload received in this run without what turned out wrong; never less than the last time, though
    /// it may turn out so afterwards.
    pub fn good_in_run(&mut self) -> u64 {
        self.told = self.told.max(self.run_downloaded.saturating_sub(self.run_corrupt));
        self.told
    }

    /// Payload of this run, both ways.
    pub const fn moved_in_run(&self) -> u64 {
        self.run_downloaded + self.run_uploaded
    }

    /// The torrent runs, or rests.
    pub fn set_active(&mut self, now: Instant, active: bool) {
        self.active = self.active(now);
        self.active_since = active.then_some(now);
    }

    /// Seconds it was active before the present stretch.
    pub const fn kept_seconds(&self) -> u64 {
        self.active.as_secs()
    }

    /// Since when it is active, if it is.
    pub const fn active_since(&self) -> Option<Instant> {
        self.active_since
    }

    /// Time with peers, over all runs.
    pub fn active(&self, now: Instant) -> Duration {
        self.active + self.active_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
