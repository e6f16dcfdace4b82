//! What outlives the run: payload is synced first, then the record that claims it is written.

use std::time::{Duration, Instant};

use super::Torrent;
use super::actor::{Actor, Phase};
use super::on_move::Moving;
use crate::bitfield::Bitfield;
use crate::resume::{self, ResumeRecord};
use crate::storage::{CheckPlan, Storage};

/// Payload is synced as soon as this much of it is not, whatever the interval.
const SYNC_BYTES: u64 = 512 << 20;

/// Totals that changed without a new piece are saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// When to sync and save, and what the last record said.
#[derive(Debug)]
pub struct Saving {
    /// A person paused the torrent.
    pub paused: bool,
    /// A person wants it to run whatever stands before it in the queue.
    pub forced: bool,
    kept: Option<ResumeRecord>,
    /// Pieces that were good once and have to be hashed before they count again.
    doubted: Bitfield,
    /// Pieces that were good in files that have moved since: they are where they should be, if their
    /// files are.
    moved: Option<Moved>,
    dirty_bytes: u64,
    sync_interval: Duration,
    due: Option<Instant>,
    fetched: u64,
}

/// Pieces whose files are at another place now.
#[derive(Debug)]
struct Moved {
    /// Hashed.
    hashed: Bitfield,
    /// Never hashed.
    assumed: Bitfield,
}

impl Saving {
    /// Goes on from the record of the last run.
    pub fn new(kept: Option<ResumeRecord>, pieces: u32, paused: bool, sync_interval: Duration) -> Self {
        let doubted = Bitfield::new(pieces);
        let forced = kept.as_ref().is_some_and(|kept| kept.forced);
        Self {
            paused,
            forced,
            kept,
            doubted,
            moved: None,
            dirty_bytes: 0,
            sync_interval,
            due: None,
            fetched: 0,
        }
    }

    /// What has to be hashed before the torrent runs: everything that the last record does not vouch
    /// for, or in a later start of this run what is in doubt since. `None`: nothing.
    pub fn check_plan(&mut self, torrent: &Torrent, checked: bool) -> Option<CheckPlan> {
        let pieces = torrent.metainfo().geometry.pieces();
        let doubted = std::mem::replace(&mut self.doubted, Bitfield::new(pieces));
        if let Some(Moved { hashed, assumed }) = &self.moved {
            return Some(CheckPlan { assume: assumed.clone(), ..CheckPlan::new(hashed.clone(), doubted) });
        }
        match &self.kept {
            _ if checked && doubted.ones() == 0 => None,
            _ if checked => Some(CheckPlan::new(Bitfield::new(pieces), doubted)),
            Some(record) => Some(resume::trusted(record, &torrent.layout())),
            None => Some(CheckPlan::full(&torrent.metainfo().geometry)),
        }
    }

    /// The pieces of this storage have moved with their files.
    pub fn trust_moved(&mut self, storage: &Storage) {
        self.moved = Some(Moved { hashed: storage.hashed(), assumed: storage.assumed() });
    }

    /// A look at the files at their new place has begun.
    pub fn moved_files_seen(&mut self) {
        self.moved = None;
    }

    /// These have to be hashed before they count again.
    pub fn doubt(&mut self, pieces: &Bitfield) {
        for piece in pieces.iter() {
            self.doubted.set(piece);
        }
    }

    /// All that is not known to be good has to be hashed before it counts.
    pub fn doubt_all_but(&mut self, good: &Bitfield) {
        let all = Bitfield::full(good.len());
        all.without(good).for_each(|piece| {
            self.doubted.set(piece);
        });
    }

    /// Whether a piece has to be hashed before it counts.
    pub fn is_in_doubt(&self) -> bool {
        self.doubted.ones() > 0
    }

    /// The metadata of a magnet is there: the torrent has so many pieces, of which none is known to be good.
    pub fn become_torrent(&mut self, pieces: u32) {
        self.doubted = Bitfield::new(pieces);
        if let Some(kept) = &mut self.kept {
            kept.stop_at_metadata = false;
        }
    }

    /// What is on disk is known, and the record of the last run has had its day.
    pub fn adopt(&mut self) {
        self.kept = None;
    }

    /// A piece was written and hashed.
    pub fn dirty(&mut self, now: Instant, bytes: u64) {
        self.fetched += bytes;
        self.dirty_bytes += bytes;
        let due = if self.dirty_bytes >= SYNC_BYTES { now } else { now + self.sync_interval };
        self.due = Some(self.due.map_or(due, |at| at.min(due)));
    }

    /// Payload moved: totals have changed.
    pub fn moved(&mut self, now: Instant) {
        self.due.get_or_insert(now + SAVE_EVERY);
    }

    /// What is on disk was looked at: a record of it is worth having soon, and above all the first one,
    /// because without it the next start would look at everything.
    pub fn checked(&mut self, now: Instant, bytes_hashed: u64) {
        if bytes_hashed > 0 || self.kept.as_ref().is_none_or(|kept| kept.files.is_empty()) {
            self.due = Some(now);
        }
    }

    /// When to sync and save.
    pub const fn next_due(&self) -> Option<Instant> {
        self.due
    }

    /// Bytes of the pieces that were fetched in this run.
    pub const fn fetched_in_run(&self) -> u64 {
        self.fetched
    }
}

impl Actor {
    /// Asks the disk to sync; the record is written when it has ([`on_synced`](Self::on_synced)).
    pub(super) fn sync_and_save(&mut self, now: Instant) {
        self.saving.due = None;
        if self.shared.store().is_none() {
            return;
        }
        if self.checked {
            self.saving.dirty_bytes = 0;
            self.shared.disk().sync(&self.storage);
        } else {
            self.save(now);
        }
    }

    /// Payload up to here is on the disk for good: it may be claimed.
    pub(super) fn on_synced(&mut self, now: Instant) {
        match self.phase {
            // It was posted before the last pieces came.
            Phase::Stopping(_) if self.is_unsynced() => self.shared.disk().sync(&self.storage),
            Phase::Stopping(_) => self.end(now),
            _ => self.save(now),
        }
    }

    /// Whether there are pieces that a record could claim after a sync and cannot before.
    pub(super) fn is_unsynced(&self) -> bool {
        self.checked && self.storage.hashed().has_any_without(&self.storage.synced())
    }

    /// Posts a record to the store. It claims what is synced; what was hashed since, or is in doubt, goes
    /// into `maybe`.
    pub(super) fn save(&self, now: Instant) {
        self.save_as(now, &self.storage);
    }

    /// The same, as this storage has it: the present one may not have been looked at yet.
    pub(super) fn save_as(&self, now: Instant, storage: &Storage) {
        let Some(store) = self.shared.store().filter(|_| self.removed.is_none()) else { return };
        let (paused, forced) = (self.saving.paused, self.saving.forced);
        if let Some(record) = self.kept_record() {
            store.put(self.torrent.info_hash(), record);
            return;
        }
        if !self.checked {
            return;
        }
        let (have, synced) = (self.download.have(), storage.synced().clone());
        let mut assumed = storage.assumed();
        let mut maybe = Bitfield::new(have.len());
        for piece in have.without(&synced).filter(|piece| !assumed.get(*piece)) {
            maybe.set(piece);
        }
        for piece in self.saving.doubted.without(&synced) {
            assumed.clear(piece);
            maybe.set(piece);
        }
        let (names, other_names) = self.names();
        let record = ResumeRecord {
            have: synced.to_wire(),
            maybe: maybe.to_wire(),
            // As new as that or newer: a file that is complete by now does not change any more.
            files: storage.stamps(),
            save_path: self.torrent.save_path(),
            paused,
            downloaded: self.totals.downloaded,
            uploaded: self.totals.uploaded,
            wasted: self.totals.wasted,
            active_seconds: self.totals.active(now).as_secs(),
            added: self.totals.added,
            completed: self.totals.completed,
            tracker_key: self.torrent.key,
            queue_position: self.torrent.queue,
            settings: self.settings.clone(),
            seeding_seconds: self.totals.seeding(now).as_secs(),
            trackers: self.own_trackers.clone(),
            trust: self.trust.clone(),
            moving: self.moving.as_ref().map(Moving::note),
            incomplete: self.incomplete.clone(),
            mount: storage.mount(),
            names,
            other_names,
            assumed: if assumed.ones() > 0 { assumed.to_wire() } else { Vec::new() },
            forced,
            stop_at_metadata: false,
        };
        store.put(self.torrent.info_hash(), record);
    }

    /// Where not all was looked at the last record still holds, but for what a person asked for.
    fn kept_record(&self) -> Option<ResumeRecord> {
        let kept = self.saving.kept.clone()?;
        let (names, other_names) = self.names();
        Some(ResumeRecord {
            paused: self.saving.paused,
            forced: self.saving.forced,
            save_path: self.torrent.save_path(),
            moving: self.moving.as_ref().map(Moving::note),
            settings: self.settings.clone(),
            trackers: self.own_trackers.clone(),
            incomplete: self.incomplete.clone(),
            trust: self.trust.clone(),
            names,
            other_names,
            ..kept
        })
    }

    /// The magnet is a torrent from now on: the list has its torrent file in place of the link.
    pub(super) fn enlist(&self) {
        let store = self.shared.store().filter(|_| self.removed.is_none());
        if let (Some(store), Some(record)) = (store, self.kept_record()) {
            let torrent = self.torrent.metainfo().torrent_bytes().clone();
            store.add(self.torrent.info_hash(), torrent, record);
        }
    }
}
