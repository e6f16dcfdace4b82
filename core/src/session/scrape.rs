//! What happens when a tracker is to be asked for figures, and when it has told them (BEP 48).

use std::time::Instant;

use super::actor::{Actor, Discovery, Phase};
use crate::stats::DetailKind;
use crate::tracker::{AnnounceError, ScrapeCounts, TrackerId};

impl Actor {
    /// Asks the trackers whose figures are missing on the screen.
    pub(super) fn scrape(&mut self, now: Instant) {
        let at_rest = matches!(self.phase, Phase::Idle | Phase::Queued | Phase::Paused | Phase::Failed(..));
        let watched = at_rest && self.watches.iter().any(|(kind, _)| *kind == DetailKind::Trackers);
        for (tracker, url) in self.trackers.scrapes(now, watched) {
            let trackers = self.shared.trackers().clone();
            let mut stopping = self.shared.stopping();
            let found = self.to_discoveries.clone();
            let torrents = [self.torrent.swarm_hash()];
            self.shared.tasks().spawn(async move {
                let counts = tokio::select! {
                    // Nobody waits for figures at the exit.
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                    counts = trackers.scrape(&url, &torrents) => counts,
                };
                let result = counts.and_then(|counts| {
                    counts
                        .first()
                        .copied()
                        .ok_or(AnnounceError::Refused { reason: "unknown torrent".into(), retry: None })
                });
                // A session that has ended does not need to know.
                let _ = found.send(Discovery::Scraped { tracker, result }).await;
            });
        }
    }

    /// A tracker told its figures, or did not.
    pub(super) fn on_scraped(
        &mut self,
        now: Instant,
        tracker: TrackerId,
        result: &Result<ScrapeCounts, AnnounceError>,
    ) {
        self.trackers.scraped(tracker, result);
        if let Ok(ScrapeCounts { seeds: Some(seeds), leechers: Some(leechers), .. }) = result {
            self.swarm = Some((*seeds, *leechers));
        }
        self.tick.get_or_insert(now);
    }
}
