//! What happens to a torrent whose files have a folder of their own until it is complete.
//!
//! Of a torrent that is added nothing is known. If the first look at its save path finds something of it,
//! it stays there: what is added complete never makes the detour. Else its files get the other folder, and
//! go to the save path by a move like any other as soon as all that is wanted is there.

use std::time::Instant;

use super::actor::{Actor, Phase};
use crate::resume::Incomplete;

impl Actor {
    /// The save path was looked at for the first time: decides where the files will be. `true`: in the other
    /// folder, which is looked at next.
    pub(super) fn use_folder_for_incomplete(&mut self, now: Instant) -> bool {
        let Incomplete::Perhaps(folder) = &self.incomplete else { return false };
        // What could not be looked at is not known to be empty, and who is moved goes elsewhere.
        if !matches!(self.phase, Phase::Checking | Phase::Paused | Phase::Idle) {
            return false;
        }
        if self.storage.expects_files() || self.storage.verified_count() > 0 {
            self.incomplete = Incomplete::No;
            self.show_folders();
            return false;
        }
        let folder = folder.clone();
        self.incomplete = Incomplete::Until(self.torrent.save_path());
        self.set_save_path(&folder);
        self.shared.disk().close(&self.storage);
        self.storage = super::open::storage(&self.torrent, &self.shared, &self.settings);
        self.storage_seen.send_replace(self.storage.clone());
        self.checked = false;
        self.save(now);
        if self.phase == Phase::Checking {
            self.post_check();
        }
        self.pin(now);
        true
    }

    /// All that is wanted is there: its files go where they belong. `false`: they are there, or did not come
    /// through when they were sent the last time.
    pub(super) fn land(&mut self, now: Instant) -> bool {
        let Incomplete::Until(folder) = &self.incomplete else { return false };
        if self.notice.is_some() || !matches!(self.phase, Phase::Queued | Phase::Running) {
            return false;
        }
        self.relocate(now, folder.clone(), None);
        self.phase == Phase::Moving
    }
}
