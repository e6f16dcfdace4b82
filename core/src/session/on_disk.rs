//! What happens when the disk has done something: pieces become ours, or turn out to be lies.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Trouble;
use super::actor::{Actor, Phase};
use crate::bitfield::Bitfield;
use crate::event::{Event, Kind};
use crate::peer::pool::Outcome;
use crate::storage::{DiskDone, DiskError};
use crate::types::{LinkId, PieceIndex, UnixTime};
use crate::untrusted::Untrusted;

/// A full disk is looked at again this often.
const RETRY_FULL: Duration = Duration::from_secs(30);

impl Actor {
    /// Takes one result.
    pub(super) fn on_disk(&mut self, now: Instant, done: DiskDone) {
        match done {
            DiskDone::Verified { piece } => self.on_verified(now, piece),
            DiskDone::Failed { piece } => self.on_failed(now, piece),
            DiskDone::Duplicate { block, .. } => {
                self.totals.wasted += u64::from(self.torrent.metainfo.geometry.block_size(block));
            }
            DiskDone::CheckProgress { checked, .. } => self.pieces_checked = checked,
            DiskDone::Checked { bytes_hashed } => self.on_checked(now, bytes_hashed),
            DiskDone::CheckStopped { left, .. } => self.on_check_stopped(&left),
            DiskDone::Synced { have, files } => self.on_synced(now, have, files),
            DiskDone::Unverified { pieces } => {
                self.saving.doubt(&pieces);
                self.look_again();
            }
            DiskDone::Error { path, piece, error, .. } => self.on_disk_error(now, &path, piece, &error),
            DiskDone::Closed => {}
        }
    }

    fn on_verified(&mut self, now: Instant, piece: PieceIndex) {
        if self.download.have().get(piece) {
            return;
        }
        self.download.verified(piece);
        let geometry = self.torrent.metainfo.geometry;
        let size = geometry.piece_size(piece);
        self.saving.dirty(now, u64::from(size));
        self.torrent.bus.publish(Kind::PieceCompleted, || Event::PieceCompleted {
            index: piece,
            size,
            complete: self.download.have().ones(),
            total: geometry.pieces(),
        });
        for file in self.files.verified(piece) {
            let file = &self.torrent.metainfo.files[file];
            if !file.pad {
                self.torrent.bus.publish(Kind::FileCompleted, || Event::FileCompleted {
                    path: file.path.clone(),
                    size: file.length,
                });
            }
        }
        for entry in self.links.values() {
            entry.mailbox.post(|mail| mail.have.push(piece));
        }
        self.complete_if_all_there(now);
    }

    /// Publishes that all that is wanted is there, once per run.
    pub(super) fn complete_if_all_there(&mut self, now: Instant) {
        if self.completed || !self.download.is_finished() || self.phase != Phase::Running {
            return;
        }
        self.completed = true;
        let fetched = self.saving.fetched_in_run();
        if fetched > 0 {
            self.totals.completed = Some(UnixTime::now());
            self.trackers.completed(now);
            self.announce(now);
        } else {
            self.totals.completed.get_or_insert(UnixTime::now());
        }
        let (state, size) = (self.state(), self.download.wanted_bytes());
        self.torrent.bus.publish(Kind::SessionCompleted, || Event::SessionCompleted {
            state,
            size,
            downloaded: fetched,
        });
        self.sync_and_save(now);
        self.pin(now);
    }

    fn on_failed(&mut self, now: Instant, piece: PieceIndex) {
        let geometry = self.torrent.metainfo.geometry;
        self.totals.wasted += u64::from(geometry.piece_size(piece));
        let blame = self.download.failed(piece);
        let address = |link: &LinkId| self.links.get(link).map(|entry| entry.address);
        let from: Vec<_> = blame.suspects.iter().filter_map(address).collect();
        self.torrent.bus.publish(Kind::PieceHashFailed, || Event::PieceHashFailed {
            index: piece,
            size: geometry.piece_size(piece),
            from,
        });
        self.feed = true;
        if let Some(liar) = blame.sole {
            self.ban(now, liar);
        }
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            self.show_interest(link);
        }
    }

    /// Every block of a bad piece came from this link: there is nobody else to blame.
    fn ban(&mut self, now: Instant, link: LinkId) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        let address = entry.address;
        entry.close("sent a bad piece");
        self.pool.ban(now, address);
        let why = "every block of a bad piece came from it";
        self.torrent.bus.publish(Kind::PeerBanned, || Event::PeerBanned { address, why: why.into() });
        self.let_go(now, link, "banned", Outcome::Fault);
    }

    fn on_checked(&mut self, now: Instant, bytes_hashed: u64) {
        if self.phase != Phase::Checking {
            return;
        }
        self.checked = true;
        self.look_again();
        let (pieces_have, pieces) = (self.download.have().ones(), self.download.have().len());
        self.saving.checked(now, bytes_hashed);
        self.torrent.bus.publish(Kind::SessionChecked, || Event::SessionChecked {
            bytes_hashed,
            pieces_have,
            pieces,
        });
        self.enter_running(now);
        self.pin(now);
    }

    /// A check was cut short: what it found stands, and the next start goes on with the rest.
    fn on_check_stopped(&mut self, left: &Bitfield) {
        if self.phase != Phase::Checking {
            self.checked = true;
            self.saving.doubt(left);
            self.look_again();
        }
    }

    /// Takes over what the disk vouches for; all that has begun is forgotten.
    pub(super) fn look_again(&mut self) {
        let have = self.storage.verified();
        let metainfo = &self.torrent.metainfo;
        self.files = super::files::FileProgress::new(metainfo.geometry, &metainfo.files, &have);
        self.download.reset_have(have);
    }

    fn on_disk_error(&mut self, now: Instant, path: &Path, piece: Option<PieceIndex>, error: &DiskError) {
        if let Some(piece) = piece {
            self.download.lost(piece);
            let mut doubted = Bitfield::new(self.download.have().len());
            doubted.set(piece);
            self.saving.doubt(&doubted);
        }
        if matches!(self.phase, Phase::Failed(..) | Phase::Stopping(_) | Phase::Stopped) {
            return;
        }
        let (message, code) = (format!("{}: {error}", Untrusted::new(path.to_string_lossy())), error.code());
        let full = matches!(error, DiskError::Full { .. });
        let kind = if full { Kind::StorageFull } else { Kind::StorageError };
        self.torrent.bus.publish(kind, || {
            let (message, code) = (message.as_str().into(), code.into());
            match kind {
                Kind::StorageFull => Event::StorageFull { message, code },
                _ => Event::StorageError { message, code },
            }
        });
        self.completed = false;
        self.fail(now, Trouble::Storage { message, code }, full.then_some(now + RETRY_FULL));
        self.shared.disk().close(&self.storage);
        self.look_again();
    }
}
