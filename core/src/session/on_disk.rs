//! What happens when the disk has done something: pieces become ours, or turn out to be lies.

use std::time::{Duration, Instant};

use super::Trouble;
use super::actor::{Actor, Phase};
use crate::disk::{DiskDone, DiskError};
use crate::event::{Event, Kind};
use crate::peer::pool::Outcome;
use crate::types::{LinkId, PieceIndex, UnixTime};

/// A full disk is looked at again this often (faults.md K1).
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
            DiskDone::Synced { have } => self.on_synced(now, have),
            DiskDone::Error { piece, error, .. } => self.on_disk_error(now, piece, &error),
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
        if self.completed || !self.download.is_complete() || self.phase != Phase::Running {
            return;
        }
        self.completed = true;
        let fetched = self.saving.fetched_in_run();
        if fetched > 0 {
            self.totals.completed = Some(UnixTime::now());
            self.trackers.completed(now);
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
        let have = self.storage.verified();
        self.checked = true;
        self.files = super::files::FileProgress::new(
            self.torrent.metainfo.geometry,
            &self.torrent.metainfo.files,
            &have,
        );
        let (pieces_have, pieces) = (have.ones(), have.len());
        self.download.reset_have(have);
        self.saving.checked(now, bytes_hashed);
        self.torrent.bus.publish(Kind::SessionChecked, || Event::SessionChecked {
            bytes_hashed,
            pieces_have,
            pieces,
        });
        self.enter_running(now);
        self.pin(now);
    }

    fn on_disk_error(&mut self, now: Instant, piece: Option<PieceIndex>, error: &DiskError) {
        if let Some(piece) = piece {
            self.download.lost(piece);
            self.files = super::files::FileProgress::new(
                self.torrent.metainfo.geometry,
                &self.torrent.metainfo.files,
                self.download.have(),
            );
        }
        let (message, code) = (error.to_string(), error.code());
        let full = matches!(error, DiskError::Full { .. });
        let kind = if full { Kind::StorageFull } else { Kind::StorageError };
        self.torrent.bus.publish(kind, || {
            let (message, code) = (message.as_str().into(), code.into());
            match kind {
                Kind::StorageFull => Event::StorageFull { message, code },
                _ => Event::StorageError { message, code },
            }
        });
        // What failed leaves pieces in an unknown state: they are looked at again before going on.
        self.checked = false;
        self.completed = false;
        self.fail(now, Trouble::Storage { message, code }, full.then_some(now + RETRY_FULL));
        self.shared.disk().close(&self.storage);
    }
}
