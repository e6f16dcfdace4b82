//! The list of torrents: found by their names, and hybrid ones by either of their hashes (BEP 52).

use rustc_hash::FxHashMap;

use crate::claims::{ClaimId, Claims};
use crate::metainfo::Metainfo;
use crate::session::Session;
use crate::types::InfoHash;

/// A lock stands around it, held for a look-up or a change; within it only leaf locks are taken.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) sessions: FxHashMap<InfoHash, Entry>,
    /// The other hashes of torrents that have several, and the names of those torrents.
    names: FxHashMap<InfoHash, InfoHash>,
    pub(super) claims: Claims,
    pub(super) next_place: u32,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Session,
    /// Of the folder its files are in, and of one that they come from or go to.
    pub(super) claims: Vec<ClaimId>,
    pub(super) place: u32,
    /// A person had it moved, and that has not come to its end.
    pub(super) moving: bool,
    /// It is known what it is, and no other torrent on the list is the same.
    pub(super) admitted: bool,
}

impl List {
    /// The name of the torrent with this hash; the hash itself where there is none.
    pub(super) fn name_of(&self, hash: &InfoHash) -> InfoHash {
        if self.sessions.contains_key(hash) {
            return *hash;
        }
        self.names.get(hash).copied().unwrap_or(*hash)
    }

    /// The torrent with this hash.
    pub(super) fn get(&self, hash: &InfoHash) -> Option<&Entry> {
        self.sessions.get(&self.name_of(hash))
    }

    /// The torrent that this one is, by any of its hashes.
    pub(super) fn same(&self, metainfo: &Metainfo) -> Option<&Entry> {
        metainfo.hashes().find_map(|hash| self.get(&hash))
    }

    /// Others that are the torrent of this name too, as it has turned out.
    pub(super) fn twins(&self, name: InfoHash, metainfo: &Metainfo) -> Vec<&Entry> {
        let names = metainfo.hashes().flat_map(|hash| [Some(hash), self.names.get(&hash).copied()]);
        let mut names: Vec<_> = names.flatten().filter(|other| *other != name).collect();
        names.sort_unstable();
        names.dedup();
        names.iter().filter_map(|name| self.sessions.get(name)).collect()
    }

    /// From now on the torrent of this name is found by all its hashes.
    pub(super) fn know(&mut self, name: InfoHash, metainfo: &Metainfo) {
        for hash in metainfo.hashes().filter(|hash| *hash != name) {
            self.names.insert(hash, name);
        }
    }

    /// Takes one off.
    pub(super) fn remove(&mut self, name: &InfoHash) -> Option<Entry> {
        let entry = self.sessions.remove(name)?;
        for hash in entry.session.metainfo().hashes() {
            if self.names.get(&hash) == Some(name) {
                self.names.remove(&hash);
            }
        }
        Some(entry)
    }
}
