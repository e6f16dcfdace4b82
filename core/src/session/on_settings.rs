//! What happens when a person decides something for a torrent: what is wanted changes.

use std::time::Instant;

use super::Torrent;
use super::actor::Actor;
use crate::download;
use crate::settings::{Priority, TorrentSettings};
use crate::types::PieceIndex;

impl Actor {
    /// Takes over the choices, and keeps them.
    pub(super) fn on_settings(&mut self, now: Instant, settings: TorrentSettings) {
        let before = std::mem::replace(&mut self.settings, settings);
        if before.files != self.settings.files {
            self.want_files(now);
        }
        // What a person wants does not wait for the disk.
        self.save(now);
        self.pin(now);
        self.show_details(now);
    }

    /// The files that are wanted have changed.
    fn want_files(&mut self, now: Instant) {
        self.download.set_priorities(priorities(&self.torrent, &self.settings));
        self.shared.disk().set_unwanted(&self.storage, &unwanted(&self.torrent, &self.settings));
        self.feed = true;
        self.show_interest_to_all();
        self.show_upload_only();
        if self.download.is_finished() {
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
    (0..torrent.metainfo.files.len()).map(|file| !settings.file(file).is_wanted()).collect()
}

/// How much each piece is wanted.
pub fn priorities(
    torrent: &Torrent,
    settings: &TorrentSettings,
) -> impl Iterator<Item = (PieceIndex, Priority)> + use<> {
    let metainfo = &torrent.metainfo;
    let pieces = download::of_pieces(metainfo.geometry, &metainfo.files, |file| settings.file(file));
    metainfo.geometry.all_pieces().zip(pieces)
}
