//! What happens when a torrent's files go to another folder: it leaves the swarm, its files are closed,
//! copied where that needs it, noted, settled, and opened again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::actor::{Actor, Phase, TICK};
use super::control::Tell;
use super::{Folders, Trouble};
use crate::event::{Event, Kind};
use crate::metainfo::{FileEntry, differing};
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
    /// What the files are called there and here; a rename where that differs, which stays in the folder.
    names: (Arc<[FileEntry]>, Arc<[FileEntry]>),
    step: Step,
    closed: bool,
    /// Where it leads back to; `None`: it runs again.
    rest: Option<Phase>,
    /// Bytes copied, and to copy.
    pub progress: (u64, u64),
    /// Who hears how it ended: whether the files are in the new folder.
    tell: Tell,
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
    pub fn noted(folders: &Folders, note: &MoveNote, paused: bool) -> Self {
        let (here, other) = (folders.save_path.clone(), note.other.clone());
        let called = folders.files.clone();
        let called_there = folders.other.as_ref().map_or_else(|| called.clone(), |(_, files)| files.clone());
        let (from, to, names, step) = if note.committed {
            (other, here, (called_there, called), Step::Stuck)
        } else {
            (here, other, (called, called_there), Step::Closing)
        };
        let rest = Some(if paused { Phase::Paused } else { Phase::Idle });
        Self { from, to, names, step, closed: false, rest, progress: (0, 0), tell: None }
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

    /// The place that does not count.
    pub fn other(&self) -> (PathBuf, Arc<[FileEntry]>) {
        let MoveNote { other, committed } = self.note();
        (other, if committed { self.names.0.clone() } else { self.names.1.clone() })
    }

    /// Whether files get other names in the same folder.
    pub fn is_rename(&self) -> bool {
        !Arc::ptr_eq(&self.names.0, &self.names.1)
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
        self.set_place(path, self.torrent.files());
    }

    fn set_place(&self, path: &Path, files: Arc<[FileEntry]>) {
        let other = match (&self.moving, &self.incomplete) {
            (Some(moving), _) => Some(moving.other()),
            (None, Incomplete::Perhaps(folder) | Incomplete::Until(folder)) => {
                Some((folder.clone(), files.clone()))
            }
            (None, Incomplete::No) => None,
        };
        self.torrent.folders.send_replace(Folders { save_path: path.to_path_buf(), files, other });
    }

    /// Tells where files may be besides.
    pub(super) fn show_folders(&self) {
        self.set_save_path(&self.torrent.save_path());
    }

    /// A person wants the files in another folder.
    pub(super) fn relocate(&mut self, now: Instant, to: PathBuf, tell: Tell) {
        if to != self.torrent.save_path() {
            let files = self.torrent.files();
            self.begin_move(now, to, files, tell);
        }
    }

    /// A person wants the files to have these names.
    pub(super) fn rename(&mut self, now: Instant, files: Arc<[FileEntry]>, tell: Tell) {
        if files != self.torrent.files() {
            self.begin_move(now, self.torrent.save_path(), files, tell);
        }
    }

    fn begin_move(&mut self, now: Instant, to: PathBuf, names: Arc<[FileEntry]>, tell: Tell) {
        let rest = match &self.phase {
            // Who waits hears that it did not happen when `tell` is dropped.
            Phase::Stopping(_) | Phase::Stopped | Phase::Moving => return,
            phase @ (Phase::Idle | Phase::Paused) => Some(phase.clone()),
            Phase::Checking => self.rest_after_check.take(),
            // One that is stuck in a move has files at both places.
            Phase::Failed(..) if self.moving.is_some() => return,
            Phase::Queued | Phase::Running | Phase::Failed(..) => None,
        };
        let (from, names) = (self.torrent.save_path(), (self.torrent.files(), names));
        self.leave_swarm(now, "its files are moved");
        self.phase = Phase::Moving;
        self.notice = None;
        self.moving = Some(Moving {
            from,
            to,
            names,
            step: Step::Closing,
            closed: false,
            rest,
            progress: (0, 0),
            tell,
        });
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
        let (from, to, names) = (moving.from.clone(), moving.to.clone(), moving.names.clone());
        let is_rename = moving.is_rename();
        self.save(now);
        if is_rename {
            self.shared.disk().look_for_rename(&self.storage, names.0, names.1);
        } else {
            self.shared.disk().copy_files(&self.storage, from, to);
        }
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
        let (to, files) = (moving.to.clone(), moving.names.1.clone());
        self.set_place(&to, files);
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
        if moving.is_rename() {
            let names = moving.names.clone();
            self.shared.disk().rename_files(&self.storage, names.0, names.1);
        } else {
            self.shared.disk().settle_files(&self.storage, from, to);
        }
        self.pin(now);
    }

    /// All files are in the new folder.
    pub(super) fn on_files_moved(&mut self, now: Instant) {
        let Some(moving) = self.moving.take() else { return };
        if !moving.is_rename() {
            // Wherever it was to go when it is complete: it is there, or a person decided otherwise.
            self.incomplete = Incomplete::No;
        }
        self.show_folders();
        if let Some(tell) = moving.tell {
            // Nobody need wait for it.
            let _ = tell.send(true);
        }
        let renamed = moving.names.0.iter().zip(&*moving.names.1).find(|(old, new)| old.path != new.path);
        match renamed {
            Some((old, new)) => self.torrent.bus.publish(Kind::SessionRenamed, || Event::SessionRenamed {
                from: old.path.clone(),
                to: new.path.clone(),
            }),
            None => self.torrent.bus.publish(Kind::SessionMoved, || Event::SessionMoved {
                from: Untrusted::new(moving.from.to_string_lossy()),
                to: Untrusted::new(moving.to.to_string_lossy()),
            }),
        }
        self.open_again(now, moving.rest);
    }

    /// Nothing was moved, or not all.
    pub(super) fn on_move_failed(&mut self, now: Instant, path: &Path, error: &DiskError) {
        let Some(moving) = &mut self.moving else { return };
        let what = if moving.is_rename() { "rename" } else { "move" };
        let message = format!("cannot {what}: {}: {error}", Untrusted::new(path.to_string_lossy()));
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
        let (files, is_rename) = (moving.names.0.clone(), moving.is_rename());
        // Who waits for it hears of it after the folders are right again.
        let tell = self.moving.take();
        self.set_place(&from, files);
        if noted && !is_rename {
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
        if self.removed.is_some() && !settling && !moving.is_rename() {
            self.shared.disk().abandon_copies(&self.storage, moving.to.clone());
        }
    }

    /// The names of its files where they are not the torrent's, and those of a rename that is under way.
    pub(super) fn names(&self) -> (Names, Option<Names>) {
        let of = |files: &[FileEntry]| differing(&self.torrent.metainfo().files, files);
        let renaming = self.moving.as_ref().filter(|moving| moving.is_rename());
        (of(&self.torrent.files()), renaming.map(|moving| of(&moving.other().1)))
    }
}

/// Files by their place in torrent order, and their paths.
type Names = Vec<(u32, String)>;
