//! What happens when a torrent's files go to another folder: it leaves the swarm, its files are closed,
//! copied where that needs it, noted, settled, and opened again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::actor::{Actor, Phase, TICK};
use super::{Folders, Trouble};
use crate::event::{Event, Kind};
use crate::resume::{Incomplete, MoveNote};
use crate::storage::{DiskDone, DiskError};
use crate::untrusted::Untrusted;

/// How long the end of a session waits for the mover to let the files go: a chunk, or some renames.
const LETTING_GO: Duration = Duration::from_secs(10);

/// A move that is under way.
#[derive(Debug)]
pub struct Moving {
    from: PathBuf,
    to: PathBuf,
    step: Step,
    closed: bool,
    /// Where it leads back to; `None`: it runs again.
    rest: Option<Phase>,
    /// Bytes copied, and to copy.
    pub progress: (u64, u64),
    /// Who hears how it ended: whether the files are in the new folder.
    tell: Option<oneshot::Sender<bool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Files are being closed.
    Closing,
    /// What lies on another device is copied; the old folder counts.
    Copying,
    /// The new folder counts, if not for good yet; nothing has gone from the old one.
    Noting,
    /// The new folder counts, and files go there.
    Settling,
    /// The same, and something is in the way.
    Stuck,
}

impl Moving {
    /// One that the last run did not bring to its end.
    pub fn noted(save_path: &Path, note: &MoveNote, paused: bool) -> Self {
        let (here, other) = (save_path.to_path_buf(), note.other.clone());
        let (from, to, step) =
            if note.committed { (other, here, Step::Stuck) } else { (here, other, Step::Closing) };
        let rest = Some(if paused { Phase::Paused } else { Phase::Idle });
        Self { from, to, step, closed: false, rest, progress: (0, 0), tell: None }
    }

    /// What a record has to say of it.
    pub fn note(&self) -> MoveNote {
        match self.step {
            Step::Closing | Step::Copying => MoveNote { other: self.to.clone(), committed: false },
            Step::Noting | Step::Settling | Step::Stuck => {
                MoveNote { other: self.from.clone(), committed: true }
            }
        }
    }

    /// It pauses, or runs again, when it has come to its end.
    pub fn set_rest(&mut self, rest: Option<Phase>) {
        self.rest = rest;
    }

    /// Whether the torrent runs afterwards.
    pub const fn will_run(&self) -> bool {
        self.rest.is_none()
    }

    /// Whether the mover has been asked for something and has not answered.
    const fn is_under_way(&self) -> bool {
        matches!(self.step, Step::Copying | Step::Settling)
    }
}

impl Actor {
    /// From now on the files are, or are to be, at this place.
    pub(super) fn set_save_path(&self, path: &Path) {
        self.torrent
            .folders
            .send_replace(Folders { save_path: path.to_path_buf(), other: self.other_folder() });
    }

    /// Tells where files may be besides.
    pub(super) fn show_folders(&self) {
        self.set_save_path(&self.torrent.save_path());
    }

    /// A person wants the files in another folder.
    pub(super) fn relocate(&mut self, now: Instant, to: PathBuf, tell: Option<oneshot::Sender<bool>>) {
        let rest = match &self.phase {
            // Who waits hears that it did not happen when `tell` is dropped.
            Phase::Stopping(_) | Phase::Stopped | Phase::Moving => return,
            phase @ (Phase::Idle | Phase::Paused) => Some(phase.clone()),
            Phase::Checking => self.rest_after_check.take(),
            // One that is stuck in a move has files at both places.
            Phase::Failed(..) if self.moving.is_some() => return,
            Phase::Queued | Phase::Running | Phase::Failed(..) => None,
        };
        let from = self.torrent.save_path();
        if from == to {
            return;
        }
        self.leave_swarm(now, "its files are moved");
        self.phase = Phase::Moving;
        self.notice = None;
        self.moving =
            Some(Moving { from, to, step: Step::Closing, closed: false, rest, progress: (0, 0), tell });
        self.show_folders();
        self.shared.disk().close(&self.storage);
        self.pin(now);
    }

    /// A move that the last run did not bring to its end goes on.
    pub(super) fn resume_move(&mut self, now: Instant) {
        let Some(moving) = &self.moving else { return };
        let stuck = moving.step == Step::Stuck;
        self.phase = Phase::Moving;
        // Before the mover can have come to its end: a torrent that was paused looks paused until then.
        self.pin(now);
        if stuck { self.settle(now) } else { self.copy(now) }
    }

    /// The files are closed.
    pub(super) fn on_closed(&mut self, now: Instant) {
        if let Some(moving) = &mut self.moving {
            moving.closed = true;
        }
        self.go_on_closing(now);
    }

    /// The files are closed, or a check that was cut short has said so: after both they can go.
    pub(super) fn go_on_closing(&mut self, now: Instant) {
        let is_closed = |moving: &Moving| moving.step == Step::Closing && moving.closed;
        if self.phase == Phase::Moving && self.moving.as_ref().is_some_and(is_closed) && !self.check_posted {
            self.copy(now);
        }
    }

    fn copy(&mut self, now: Instant) {
        let Some(moving) = &mut self.moving else { return };
        moving.step = Step::Copying;
        let (from, to) = (moving.from.clone(), moving.to.clone());
        self.save(now);
        self.shared.disk().copy_files(&self.storage, from, to);
        self.pin(now);
    }

    pub(super) fn on_move_progress(&mut self, now: Instant, done: u64, total: u64) {
        if let Some(moving) = &mut self.moving {
            moving.progress = (done, total);
            self.tick.get_or_insert(now + TICK);
        }
    }

    /// The new folder counts from now on. Nothing goes from the old one before that is noted for good.
    pub(super) fn on_move_ready(&mut self, now: Instant) {
        let Some(moving) = &mut self.moving else { return };
        if self.phase != Phase::Moving {
            return;
        }
        moving.step = Step::Noting;
        let to = moving.to.clone();
        self.set_save_path(&to);
        self.save(now);
        let (shared, storage) = (self.shared.clone(), self.storage.clone());
        self.shared.tasks().spawn(async move {
            let noted = match shared.store() {
                Some(store) => store.flush().await,
                None => Ok(()),
            };
            storage.tell(match noted {
                Ok(()) => DiskDone::MoveNoted,
                Err(error) => {
                    let message = error.to_string();
                    let error = DiskError::Io { kind: std::io::ErrorKind::Other, message };
                    DiskDone::MoveFailed { path: to, error }
                }
            });
        });
    }

    pub(super) fn on_move_noted(&mut self, now: Instant) {
        if self.phase == Phase::Moving {
            self.settle(now);
        }
    }

    fn settle(&mut self, now: Instant) {
        let Some(moving) = &mut self.moving else { return };
        moving.step = Step::Settling;
        let (from, to) = (moving.from.clone(), moving.to.clone());
        self.shared.disk().settle_files(&self.storage, from, to);
        self.pin(now);
    }

    /// All files are in the new folder.
    pub(super) fn on_files_moved(&mut self, now: Instant) {
        let Some(moving) = self.moving.take() else { return };
        // Wherever it was to go when it is complete: it is there, or a person decided otherwise.
        self.incomplete = Incomplete::No;
        self.show_folders();
        if let Some(tell) = moving.tell {
            // Nobody need wait for it.
            let _ = tell.send(true);
        }
        self.torrent.bus.publish(Kind::SessionMoved, || Event::SessionMoved {
            from: Untrusted::new(moving.from.to_string_lossy()),
            to: Untrusted::new(moving.to.to_string_lossy()),
        });
        self.open_again(now, moving.rest);
    }

    /// Nothing was moved, or not all.
    pub(super) fn on_move_failed(&mut self, now: Instant, path: &Path, error: &DiskError) {
        let Some(moving) = &mut self.moving else { return };
        let message = format!("cannot move: {}: {error}", Untrusted::new(path.to_string_lossy()));
        let code = error.code();
        if moving.step == Step::Settling {
            moving.step = Step::Stuck;
            if self.phase == Phase::Moving {
                // Tried again when a person resumes it, and at the next start.
                self.fail(now, Trouble::Storage { message, code }, None);
            }
            return;
        }
        let noted = moving.step == Step::Noting;
        let (from, to, rest) = (moving.from.clone(), moving.to.clone(), moving.rest.take());
        // Who waits for it hears of it after the folders are right again.
        let tell = self.moving.take();
        self.set_save_path(&from);
        if noted {
            self.shared.disk().abandon_copies(&self.storage, to);
        }
        drop(tell);
        if self.phase != Phase::Moving {
            return;
        }
        self.notice = Some(message.as_str().into());
        self.torrent.bus.publish(Kind::StorageError, || Event::StorageError {
            message: message.into(),
            code: code.into(),
        });
        self.open_again(now, rest);
    }

    /// The files are where the torrent says: what was known of them still holds, and is looked at as after
    /// a restart.
    fn open_again(&mut self, now: Instant, rest: Option<Phase>) {
        let before = std::mem::replace(
            &mut self.storage,
            super::open::storage(&self.torrent, &self.shared, &self.settings),
        );
        self.storage_seen.send_replace(self.storage.clone());
        if self.checked {
            self.saving.trust_moved(&before);
        }
        self.phase = rest.clone().unwrap_or(Phase::Idle);
        if self.checked {
            self.save_as(now, &before);
            self.phase = Phase::Checking;
            self.rest_after_check = rest;
            if !self.post_check() {
                self.leave_checking(now);
            }
        } else {
            self.save(now);
            if rest.is_none() {
                self.start(now);
            }
        }
        self.pin(now);
    }

    /// Waits for the mover to let the files go, at the end of the session.
    pub(super) async fn end_move(&mut self) {
        let Some(moving) = self.moving.as_ref().filter(|moving| moving.is_under_way()) else { return };
        let settling = moving.step == Step::Settling;
        self.shared.disk().cancel_move(&self.storage);
        let over = async {
            while !matches!(
                self.storage.done().await,
                DiskDone::Moved | DiskDone::MoveReady | DiskDone::MoveFailed { .. }
            ) {}
        };
        if tokio::time::timeout(LETTING_GO, over).await.is_err() {
            tracing::warn!(folder = %self.storage.layout().root().display(), "files are slow to move");
        }
        if self.removed.is_some() && !settling {
            self.shared.disk().abandon_copies(&self.storage, moving.to.clone());
        }
    }

    /// The folder beside the present one in which files of it may lie, or will.
    pub(super) fn other_folder(&self) -> Option<PathBuf> {
        match (&self.moving, &self.incomplete) {
            (Some(moving), _) => Some(moving.note().other),
            (None, Incomplete::Perhaps(folder) | Incomplete::Until(folder)) => Some(folder.clone()),
            (None, Incomplete::No) => None,
        }
    }
}
