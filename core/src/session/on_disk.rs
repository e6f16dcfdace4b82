//! What happens when the disk has done something: pieces become ours, or turn out to be lies.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Trouble;
use super::actor::{Actor, Phase, TICK};
use super::links::{LinkEntry, Whereabouts};
use crate::bitfield::Bitfield;
use crate::download::Claim;
use crate::event::{Event, Kind};
use crate::peer::pool::Outcome;
use crate::storage::{DiskDone, DiskError, Op};
use crate::types::{BanReason, LinkId, PieceIndex, UnixTime};
use crate::untrusted::Untrusted;

/// A full disk is looked at again this often.
const RETRY_FULL: Duration = Duration::from_secs(30);

impl Actor {
    /// Takes one result.
    pub(super) fn on_disk(&mut self, now: Instant, done: DiskDone) {
        match done {
            DiskDone::Verified { piece } => self.on_verified(now, piece),
            DiskDone::Failed { piece, senders } => self.on_failed(now, piece, &senders),
            DiskDone::Duplicate { block, .. } => {
                self.totals.wasted += u64::from(self.torrent.metainfo().geometry.block_size(block));
            }
            DiskDone::Lies { piece, lies } => {
                for Claim { block, from, .. } in lies {
                    self.ban(now, from, BanReason::BadBlock { piece, block });
                }
            }
            DiskDone::Disowned { blocks } => {
                blocks.into_iter().for_each(|block| self.download.disowned(block));
                self.feed = true;
            }
            DiskDone::Refuted { piece } => self.on_refuted(now, piece),
            DiskDone::Restarted { piece } => {
                self.download.restarted(piece);
                self.feed = true;
            }
            DiskDone::CheckProgress { checked, .. } => {
                self.pieces_checked = self.pieces_known + checked;
                // Progress brings the tick, so that checks that wait for their turn cost nothing.
                self.tick.get_or_insert(now + TICK);
            }
            DiskDone::Checked { bytes_hashed } => self.on_checked(now, bytes_hashed),
            DiskDone::CheckStopped { left, bytes_hashed, begun } => {
                self.on_check_stopped(now, &left, bytes_hashed, begun);
            }
            DiskDone::Synced { .. } => self.on_synced(now),
            DiskDone::Unverified { pieces } => {
                self.saving.doubt(&pieces);
                self.lost(pieces.iter());
            }
            DiskDone::Error { op, path, piece, error } => self.on_disk_error(now, op, &path, piece, &error),
            DiskDone::Named => self.complete_if_all_there(now),
            DiskDone::Closed => self.on_closed(now),
            DiskDone::MoveProgress { done, total } => self.on_move_progress(now, done, total),
            DiskDone::MoveReady => self.on_move_ready(now),
            DiskDone::MoveNoted => self.on_move_noted(now),
            DiskDone::Moved => self.on_files_moved(now),
            DiskDone::MoveFailed { path, error } => self.on_move_failed(now, &path, &error),
        }
    }

    fn on_verified(&mut self, now: Instant, piece: PieceIndex) {
        // Known already where a look at what the disk vouches for came first: it counts all the same.
        self.download.verified(piece);
        self.full_told = false;
        self.fetched_last = true;
        let geometry = self.torrent.metainfo().geometry;
        let size = geometry.piece_size(piece);
        self.saving.dirty(now, u64::from(size));
        self.torrent.bus.publish(Kind::PieceCompleted, || Event::PieceCompleted {
            index: piece,
            size,
            complete: self.download.have().ones(),
            total: geometry.pieces(),
        });
        let (complete, files) = (self.files.verified(piece), self.torrent.files());
        for file in complete {
            let file = &files[file];
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
        self.show_upload_only();
        self.complete_if_all_there(now);
    }

    /// Tells all links when we begin or cease to want anything (BEP 21).
    pub(super) fn show_upload_only(&mut self) {
        self.pool.set_seeding(self.is_finished());
        let upload_only = self.is_finished();
        if std::mem::replace(&mut self.upload_only, upload_only) != upload_only {
            for entry in self.links.values() {
                entry.mailbox.post(|mail| mail.upload_only = Some(upload_only));
            }
        }
    }

    /// Publishes that all that is wanted is there: once per run, and again when more was wanted since.
    pub(super) fn complete_if_all_there(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Queued | Phase::Running) {
            return;
        }
        let fetched = self.saving.fetched_in_run();
        let runs = self.phase == Phase::Running;
        // To a tracker a torrent is complete when all of it is there, wanted or not, and it hears of that
        // only where the last piece was fetched: not after a look at what is on disk.
        if runs && self.is_complete() && !std::mem::replace(&mut self.whole, true) && self.fetched_last {
            self.trackers.completed(now);
            self.announce(now);
        }
        // Who hears that it is complete finds its files under their names.
        if !self.is_finished() || self.land(now) || self.completed || self.storage.is_naming() {
            return;
        }
        self.completed = true;
        if fetched > 0 {
            self.totals.completed = Some(UnixTime::now());
        } else {
            self.totals.completed.get_or_insert(UnixTime::now());
        }
        let (state, size) = (self.state(), self.download.wanted_bytes());
        self.torrent.bus.publish(Kind::SessionCompleted, || Event::SessionCompleted {
            state,
            size,
            downloaded: fetched,
        });
        self.keep_seed_limits(now);
        self.sync_and_save(now);
        self.pin(now);
    }

    fn on_failed(&mut self, now: Instant, piece: PieceIndex, senders: &[LinkId]) {
        let geometry = self.torrent.metainfo().geometry;
        self.totals.wasted += u64::from(geometry.piece_size(piece));
        self.totals.run_corrupt += u64::from(geometry.piece_size(piece));
        let blame = self.download.failed(piece);
        let from: Vec<_> = blame.suspects.iter().filter_map(|link| self.whereabouts(*link)).collect();
        self.torrent.bus.publish(Kind::PieceHashFailed, || Event::PieceHashFailed {
            index: piece,
            size: geometry.piece_size(piece),
            from: from.iter().map(|from| from.address).collect(),
        });
        self.feed = true;
        // A link that was let go may have written blocks that we never heard of: the disk knows.
        if let Some(liar) = blame.sole.filter(|sole| senders == [*sole]) {
            self.ban(now, liar, BanReason::BadPiece(piece));
        }
        self.show_interest_to_all();
    }

    /// A piece that a person said is there was read for the first time, and is not what it should be.
    fn on_refuted(&mut self, now: Instant, piece: PieceIndex) {
        let size = self.torrent.metainfo().geometry.piece_size(piece);
        self.torrent.bus.publish(Kind::PieceHashFailed, || Event::PieceHashFailed {
            index: piece,
            size,
            from: Vec::new(),
        });
        self.lost(std::iter::once(piece));
        // The record soon says so too.
        self.saving.dirty(now, 0);
        self.pin(now);
    }

    /// This link lied, and perhaps is gone. What else it sent is not waited for to fail.
    pub(super) fn ban(&mut self, now: Instant, link: LinkId, reason: BanReason) {
        let Some(Whereabouts { address, listens, incoming }) = self.whereabouts(link) else { return };
        if let Some(entry) = self.links.get_mut(&link).or_else(|| self.parting.get_mut(&link)) {
            entry.close("it lied");
        }
        // Two are one where a ban is by address.
        let fresh = self.shared.ban_for(address, reason) | self.shared.ban_for(listens, reason);
        if incoming {
            self.shared.distrust_callers(address, reason);
        }
        if fresh {
            let why = reason.to_string().into();
            self.torrent.bus.publish(Kind::PeerBanned, || Event::PeerBanned { address, why });
        }
        self.shared.disk().disown(&self.storage, link);
        self.let_go(now, link, "banned", Outcome::Fault);
    }

    /// Where a peer is that sent something.
    fn whereabouts(&self, link: LinkId) -> Option<Whereabouts> {
        let entry = self.links.get(&link).or_else(|| self.parting.get(&link));
        entry.map(LinkEntry::whereabouts).or_else(|| self.gone.find(link))
    }

    fn on_checked(&mut self, now: Instant, bytes_hashed: u64) {
        self.check_posted = false;
        if self.use_folder_for_incomplete(now) {
            return;
        }
        self.checked = true;
        self.shared.disk().name_files(&self.storage);
        self.saving.moved_files_seen();
        self.look_again();
        // Another check was asked for when this one could not be cancelled any more.
        if self.phase == Phase::Checking && self.saving.is_in_doubt() && self.post_check() {
            self.bytes_hashed += bytes_hashed;
            return;
        }
        let bytes_hashed = bytes_hashed + std::mem::take(&mut self.bytes_hashed);
        let (pieces_have, pieces) = (self.download.have().ones(), self.download.have().len());
        self.saving.checked(now, bytes_hashed);
        self.torrent.bus.publish(Kind::SessionChecked, || Event::SessionChecked {
            bytes_hashed,
            pieces_have,
            pieces,
        });
        // A pause may have come too late to stop it.
        if self.phase == Phase::Checking {
            self.leave_checking(now);
        }
        self.pin(now);
    }

    /// A check was cut short: what it found stands, and the next start goes on with the rest. That start
    /// may have been ordered already.
    fn on_check_stopped(&mut self, now: Instant, left: &Bitfield, bytes_hashed: u64, begun: bool) {
        self.check_posted = false;
        self.saving.doubt(left);
        if begun {
            self.checked = true;
            self.saving.moved_files_seen();
            self.look_again();
        }
        if self.phase == Phase::Checking && !self.post_check() {
            self.on_checked(now, bytes_hashed);
        } else {
            self.bytes_hashed += bytes_hashed;
            self.pin(now);
        }
        // A move may have waited for this.
        self.go_on_closing(now);
    }

    /// These pieces are not there any more.
    pub(super) fn lost(&mut self, pieces: impl Iterator<Item = PieceIndex>) {
        for piece in pieces {
            let had = self.download.have().get(piece);
            self.download.lost(piece);
            if had {
                self.tell_lost(piece);
            }
        }
        self.recount_files();
        self.feed = true;
        self.show_interest_to_all();
        self.show_upload_only();
    }

    /// Tells those who were told of a piece that it is gone (BEP 54). Who does not take that is
    /// told by rejects (BEP 6); who knows neither would wait for it, and is let go to look anew.
    fn tell_lost(&mut self, piece: PieceIndex) {
        for (link, entry) in &mut self.links {
            if entry.takes_dont_have || entry.fast || self.download.link_holds(*link, piece) {
                entry.mailbox.post(|mail| mail.lose(piece));
            } else {
                entry.close("we have lost a piece that it was told of");
            }
        }
    }

    pub(super) fn show_interest_to_all(&mut self) {
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.show_interest(link));
    }

    fn recount_files(&mut self) {
        let metainfo = self.torrent.metainfo();
        self.files =
            super::files::FileProgress::new(metainfo.geometry, &metainfo.files, self.download.have());
    }

    /// There may be room on the disk again: what is wanted is fetched until it says otherwise.
    pub(super) fn fetch_again(&mut self, now: Instant) {
        self.full = None;
        self.feed = true;
        self.show_interest_to_all();
        self.pin(now);
    }

    /// Takes over what the disk vouches for; all that has begun is forgotten.
    pub(super) fn look_again(&mut self) {
        self.download.reset_have(self.storage.verified());
        self.fetched_last = false;
        self.recount_files();
        self.show_upload_only();
    }

    fn on_disk_error(
        &mut self,
        now: Instant,
        op: Op,
        path: &Path,
        piece: Option<PieceIndex>,
        error: &DiskError,
    ) {
        if let Some(piece) = piece {
            // One that could not be written was not there before, and there is nothing to look at.
            if op != Op::Write {
                let mut doubted = Bitfield::new(self.download.have().len());
                doubted.set(piece);
                self.saving.doubt(&doubted);
            }
            self.lost(std::iter::once(piece));
        }
        match op {
            // What could not be read is not known to be missing: the next start looks again. Where nothing was
            // looked at the last record still holds.
            Op::Check if *error != DiskError::OtherDevice => {
                self.saving.doubt_all_but(&self.storage.verified())
            }
            // What had begun is worth nothing. The workers forget it by themselves.
            Op::Sync => self.look_again(),
            _ => {}
        }
        match self.phase {
            Phase::Failed(..) | Phase::Stopped => return,
            // No `Synced` will come.
            Phase::Stopping(_) if op == Op::Sync => return self.end(now),
            Phase::Stopping(_) => return,
            // The writes that were on their way.
            Phase::Running if op == Op::Write && self.full.is_some() => return,
            Phase::Idle
            | Phase::Checking
            | Phase::Moving
            | Phase::Queued
            | Phase::Running
            | Phase::Paused => {}
        }
        let (message, code) = (format!("{}: {error}", Untrusted::new(path.to_string_lossy())), error.code());
        let full = matches!(error, DiskError::Full { .. });
        let kind = if full { Kind::StorageFull } else { Kind::StorageError };
        // Looking again every half minute is no news while it stays so.
        if !full || !std::mem::replace(&mut self.full_told, true) {
            self.torrent.bus.publish(kind, || {
                let (message, code) = (message.as_str().into(), code.into());
                match kind {
                    Kind::StorageFull => Event::StorageFull { message, code },
                    _ => Event::StorageError { message, code },
                }
            });
        }
        if self.phase == Phase::Running && full && op == Op::Write {
            // Links may still tell of blocks that were not written; what new ones tell is true.
            self.drop_peers(now, "the disk is full");
            self.full = Some((Trouble::Storage { message, code }, now + RETRY_FULL));
            return self.pin(now);
        }
        // One that rests goes on resting; what is in doubt is looked at when it is resumed.
        if matches!(self.phase, Phase::Checking | Phase::Running) {
            self.fail(now, Trouble::Storage { message, code }, full.then_some(now + RETRY_FULL));
        }
    }
}
