//! The figures that a session shows: the snapshot on the board, and `stats.update`.

use std::time::{Duration, Instant};

use super::actor::{Actor, Phase};
use super::on_metadata::Fetching;
use crate::event::{Event, Kind};
use crate::peer::LinkGauge;
use crate::resume::Incomplete;
use crate::stats::{SessionState, SessionStats};

/// A download that brought nothing for this long is stalled.
const STALLED: Duration = Duration::from_secs(60);

impl Actor {
    /// Puts the newest snapshot up, and tells those who listen if a figure has changed.
    pub(super) fn pin(&mut self, now: Instant) {
        let stats = self.snapshot(now);
        // Time alone is no news but once a minute: an idle torrent with a link stays quiet.
        let same_minute = stats.active_seconds / 60 == self.newest.active_seconds / 60;
        let timeless = SessionStats { active_seconds: self.newest.active_seconds, ..stats.clone() };
        if timeless == self.newest && same_minute {
            return;
        }
        let told = |stats: &SessionStats| {
            (
                stats.downloaded,
                stats.uploaded,
                stats.rate_down,
                stats.rate_up,
                stats.have,
                stats.seeds + stats.leechers,
            )
        };
        if told(&stats) != told(&self.newest) {
            self.torrent.bus.publish(Kind::StatsUpdate, || Event::StatsUpdate {
                downloaded: stats.downloaded,
                uploaded: stats.uploaded,
                rate_down: stats.rate_down,
                rate_up: stats.rate_up,
                peers: stats.seeds + stats.leechers,
                progress: stats.progress(),
            });
        }
        self.newest = stats.clone();
        self.place.pin(stats);
    }

    /// When a download that brings nothing will have been stalled for long enough to be shown so.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        if self.newest.stalled || self.state() != SessionState::Downloading {
            return None;
        }
        self.quiet_since().map(|since| since + STALLED)
    }

    /// The last payload, or the start where none has come since.
    fn quiet_since(&self) -> Option<Instant> {
        self.last_payload.max(self.totals.active_since())
    }

    pub(super) fn snapshot(&self, now: Instant) -> SessionStats {
        let rate = |pick: fn(&LinkGauge) -> u64| self.links.values().map(|entry| pick(&entry.gauge)).sum();
        let rate_down: u64 = rate(|gauge| LinkGauge::get(&gauge.rate_down));
        let rate_up: u64 = rate(|gauge| LinkGauge::get(&gauge.rate_up));
        let seeds = self.links.keys().filter(|link| self.download.is_seed(**link)).count() as u32;
        let wanted = self.download.wanted_bytes();
        let have = wanted - self.download.missing_bytes();
        let state = self.state();
        let downloading = state == SessionState::Downloading;
        let eta = (downloading && rate_down > 0).then(|| wanted.saturating_sub(have).div_ceil(rate_down));
        let silent = self.quiet_since().is_some_and(|at| now.saturating_duration_since(at) >= STALLED);
        let metainfo = self.torrent.metainfo();
        SessionStats {
            info_hash: self.torrent.info_hash(),
            name: metainfo.name.clone(),
            state,
            message: match (&self.phase, &self.full) {
                (Phase::Failed(trouble, _), _) | (Phase::Running, Some((trouble, _))) => {
                    Some(trouble.to_string().into())
                }
                (Phase::Paused, _) if self.awaits_choice => {
                    Some("its files are known: choose some, and resume it".into())
                }
                _ => None,
            },
            total_size: metainfo.total_size(),
            wanted,
            have,
            pieces: metainfo.geometry.pieces(),
            pieces_have: self.download.have().ones(),
            piece_length: metainfo.geometry.piece_length(),
            pieces_checked: self.pieces_checked,
            rate_down,
            rate_up,
            downloaded: self.totals.downloaded,
            uploaded: self.totals.uploaded,
            wasted: self.totals.wasted,
            seeds,
            leechers: self.links.len() as u32 - seeds,
            swarm: self.swarm,
            known_peers: self.pool.known() as u32,
            connecting_peers: self.pool.dialling() as u32,
            availability: self.download.availability(),
            eta,
            active_seconds: self.totals.active(now).as_secs(),
            added: self.totals.added,
            completed: self.totals.completed,
            save_path: self.torrent.save_path(),
            move_done: self.moving.as_ref().map_or(0, |moving| moving.progress.0),
            move_total: self.moving.as_ref().map_or(0, |moving| moving.progress.1),
            pieces_assumed: self.storage.assumed_count(),
            destination: match &self.incomplete {
                Incomplete::Until(folder) => Some(folder.clone()),
                Incomplete::No | Incomplete::Perhaps(_) => None,
            },
            notice: self.notice.clone(),
            tracker: self.tracker_host.clone(),
            unregistered: self.trackers.unregistered(),
            private: metainfo.private,
            stalled: downloading && silent,
            retries: matches!(
                (&self.phase, &self.full),
                (Phase::Failed(_, Some(_)), _) | (Phase::Running, Some(_))
            ),
            forced: self.saving.forced,
            metadata: self.magnet.as_ref().map(Fetching::stats),
        }
    }
}
