//! What happens when a person decides something for a torrent: what is wanted changes.

use std::time::{Duration, Instant};

use super::Torrent;
use super::actor::{Actor, Phase};
use super::totals::Totals;
use crate::download;
use crate::event::{Event, Kind};
use crate::peer::pool::Outcome;
use crate::settings::{Encryption, Priority, TorrentSettings};
use crate::stats::LinkEncryption;
use crate::types::PieceIndex;

impl Actor {
    /// Takes over the choices, and keeps them.
    pub(super) fn on_settings(&mut self, now: Instant, settings: TorrentSettings) {
        let before = std::mem::replace(&mut self.settings, settings);
        self.download.set_sequential(self.settings.sequential);
        if before.files != self.settings.files || before.ends_first != self.settings.ends_first {
            self.want_files(now);
        }
        self.limit();
        if (before.seed_ratio, before.seed_time) != (self.settings.seed_ratio, self.settings.seed_time) {
            self.beyond = false;
        }
        self.keep_seed_limits(now);
        // What a person wants does not wait for the disk.
        self.save(now);
        self.pin(now);
        self.show_details(now);
    }

    /// The settings of all torrents have changed.
    pub(super) fn on_global_settings(&mut self, now: Instant) {
        if self.shared.settings().encryption == Encryption::Require {
            self.part_from_plain(now);
        }
        self.keep_seed_limits(now);
        self.show_details(now);
    }

    /// Links that are not encrypted throughout end; who can do better may be called again.
    fn part_from_plain(&mut self, now: Instant) {
        const WHY: &str = "encryption is required now";
        let plain = self.links.iter().filter(|(_, entry)| entry.encryption != LinkEncryption::All);
        for link in plain.map(|(link, _)| *link).collect::<Vec<_>>() {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.close(WHY);
            }
            self.let_go(now, link, WHY, Outcome::Ended);
        }
    }

    /// When the torrent will have seeded for long enough; `None`: it does not seed, or without an end.
    pub(super) fn seeds_until(&self, now: Instant) -> Option<Instant> {
        if !self.is_seeding() || self.beyond {
            return None;
        }
        let limit = Duration::from_secs(self.settings.seed_time.or(self.shared.settings().seed_time)?);
        now.checked_add(limit.saturating_sub(self.totals.seeding(now)))
    }

    fn is_seeding(&self) -> bool {
        self.phase == Phase::Running && self.is_finished()
    }

    /// Counts the time of seeding, and stops a torrent that has given enough.
    pub(super) fn keep_seed_limits(&mut self, now: Instant) {
        let seeding = self.is_seeding();
        self.totals.set_seeding(now, seeding);
        if !seeding || self.beyond {
            return;
        }
        let all = self.shared.settings();
        let ratio = self.settings.seed_ratio.or(all.seed_ratio).filter(|limit| self.ratio() >= *limit);
        let limit = match (ratio, self.seeds_until(now)) {
            (Some(_), _) => "ratio",
            (None, Some(until)) if until <= now => "time",
            _ => return,
        };
        self.limited = true;
        let message = if limit == "ratio" {
            format!("has given {}.{:02} times what it took", self.ratio() / 1_000, self.ratio() % 1_000 / 10)
        } else {
            format!("has seeded for {} s", self.totals.seeding(now).as_secs())
        };
        self.torrent.bus.publish(Kind::LimitReached, || Event::LimitReached {
            limit: limit.into(),
            message: message.into(),
        });
        self.pause(now);
    }

    /// Bytes sent for each byte received, in thousandths; as [`SessionStats::ratio`] has it.
    ///
    /// [`SessionStats::ratio`]: crate::stats::SessionStats::ratio
    fn ratio(&self) -> u64 {
        let Totals { downloaded, uploaded, .. } = self.totals;
        let base = if downloaded == 0 { self.torrent.metainfo().total_size() } else { downloaded };
        let ratio = u128::from(uploaded) * 1_000 / u128::from(base.max(1));
        u64::try_from(ratio).unwrap_or(u64::MAX)
    }

    /// Sets the limits of this torrent alone.
    pub(super) fn limit(&self) {
        let speed = self.settings.speed;
        for (limiter, rate) in [(&self.down, speed.down), (&self.up, speed.up)] {
            if limiter.rate() != rate {
                limiter.limit(rate);
            }
        }
    }

    /// The files that are wanted have changed.
    fn want_files(&mut self, now: Instant) {
        self.download.set_priorities(priorities(&self.torrent, &self.settings));
        self.shared.disk().set_unwanted(&self.storage, &unwanted(&self.torrent, &self.settings));
        self.feed = true;
        self.show_interest_to_all();
        self.show_upload_only();
        if self.is_finished() {
            self.complete_if_all_there(now);
        } else {
            // What is wanted beside it is news when it is there; and peers that had nothing for us then
            // may have it now.
            self.completed = false;
            self.pool.call_again(now);
        }
    }
}

/// Which files nobody wants, in torrent order.
pub fn unwanted(torrent: &Torrent, settings: &TorrentSettings) -> Vec<bool> {
    (0..torrent.metainfo().files.len()).map(|file| !settings.file(file).is_wanted()).collect()
}

/// How much each piece is wanted.
pub fn priorities(
    torrent: &Torrent,
    settings: &TorrentSettings,
) -> impl Iterator<Item = (PieceIndex, Priority)> + use<> {
    let metainfo = torrent.metainfo();
    let wanted = |file| settings.file(file);
    let pieces = download::of_pieces(metainfo.geometry, &metainfo.files, wanted, settings.ends_first);
    metainfo.geometry.all_pieces().zip(pieces)
}
