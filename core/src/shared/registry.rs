//! Which sessions answer the door: incoming peers name a torrent, and this finds its session.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use crate::mse;
use crate::net::dial::{Greeted, Here};
use crate::types::{InfoHash, PeerId};
use crate::wire::handshake::{Handshake, Reserved};

/// What the listener must know of a session.
#[derive(Clone, Debug)]
pub struct Door {
    /// Our name in this torrent's swarm.
    pub peer_id: PeerId,
    /// What we offer there.
    pub reserved: Reserved,
    /// Where greeted peers go; full means that the session has enough to do.
    pub incoming: mpsc::Sender<Greeted>,
}

/// The doors that are open.
#[derive(Debug, Default)]
pub struct Registry {
    /// A leaf lock, held for a look-up or a change.
    doors: Mutex<Doors>,
}

#[derive(Debug, Default)]
struct Doors {
    /// The newest last, which is the one that counts: a torrent that was removed and added again may have two for a
    /// moment, and so have two links to one hybrid torrent until it is known that they are.
    open: FxHashMap<InfoHash, Vec<Door>>,
    /// Their torrents by what encrypted calls name them by.
    signs: FxHashMap<[u8; 20], InfoHash>,
}

/// An open door; dropping it closes it.
#[derive(Debug)]
pub struct Registration {
    registry: Arc<Registry>,
    info_hash: InfoHash,
    incoming: mpsc::Sender<Greeted>,
}

impl Registry {
    /// Opens a door for as long as the registration lives.
    pub fn open(self: &Arc<Self>, info_hash: InfoHash, door: Door) -> Registration {
        let incoming = door.incoming.clone();
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.open.entry(info_hash).or_default().push(door);
        doors.signs.insert(mse::call_sign(&info_hash), info_hash);
        drop(doors);
        Registration { registry: self.clone(), info_hash, incoming }
    }

    /// The door of this torrent.
    pub fn find(&self, info_hash: &InfoHash) -> Option<Door> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).open.get(info_hash)?.last().cloned()
    }
}

impl Here for Registry {
    fn ours(&self, info_hash: &InfoHash) -> Option<Handshake> {
        let Door { peer_id, reserved, .. } = self.find(info_hash)?;
        Some(Handshake { reserved, info_hash: *info_hash, peer_id })
    }

    fn by_sign(&self, sign: &[u8; 20]) -> Option<InfoHash> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).signs.get(sign).copied()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut doors = self.registry.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = doors.open.get_mut(&self.info_hash) else { return };
        open.retain(|door| !door.incoming.same_channel(&self.incoming));
        if open.is_empty() {
            doors.open.remove(&self.info_hash);
            doors.signs.remove(&mse::call_sign(&self.info_hash));
        }
    }
}
